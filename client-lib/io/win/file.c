/* file.c: files on Windows, overlapped, and folders.
 *
 * A call that ends at once makes no packet (ppi_iocp_bind sees to that). The system does some calls
 * while their caller waits, whatever was asked for: writes that make a file larger, say. Operations
 * that are waited for, and the sync, which cannot be overlapped, are done by a helper. */
#include <string.h>
#include <wchar.h>

#include "base/compiler.h"
#include "base/status.h"
#include "io/file.h"
#include "io/win/win.h"

enum {
    AT_ONCE_MAX = 1 << 30, /* bytes in one call */
    PATH_UNITS = 1024,
    NAME_BYTES = 4 * MAX_PATH
};

/* The status behind an error of a file's or a folder's. */
static int file_status(DWORD error)
{
    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND: return PP_ENOTFOUND;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS: return PP_EINUSE;
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION: return PP_EBUSY;
    case ERROR_DIRECTORY: return PP_ENOTSUP;
    case ERROR_HANDLE_EOF: return PP_EOF;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL: return PP_EFULL;
    case ERROR_FILE_TOO_LARGE: return PP_ELIMIT;
    case ERROR_WRITE_PROTECT: return PP_EACCESS;
    default: return ppi_win_status(error);
    }
}

static int fail_with(DWORD error, const char *path)
{
    return ppi_fail(file_status(error), "%s: Windows error %lu", path, error);
}

/* --- operations ------------------------------------------------------------------------------ */

/* One call for what is left of op: ERROR_SUCCESS, ERROR_IO_PENDING, or why not. */
static DWORD call(const pp_handle *file, pp_op *op, HANDLE event)
{
    OVERLAPPED *overlapped = ppi_overlapped(op);
    char *data = (char *)(uintptr_t)op->priv_.data + op->priv_.done;
    size_t left = op->priv_.length - op->priv_.done;
    uint64_t offset = op->bytes + op->priv_.done;
    DWORD size = left < AT_ONCE_MAX ? (DWORD)left : AT_ONCE_MAX;

    memset(overlapped, 0, sizeof *overlapped);
    overlapped->Offset = (DWORD)offset;
    overlapped->OffsetHigh = (DWORD)(offset >> 32);
    if (event != NULL)
        overlapped->hEvent = (HANDLE)((uintptr_t)event | 1); /* no packet */
    BOOL done = op->priv_.kind == PPI_FILE_READ
                    ? ReadFile(file->os.pipe, data, size, NULL, overlapped)
                    : WriteFile(file->os.pipe, data, size, NULL, overlapped);
    return done ? ERROR_SUCCESS : GetLastError();
}

/* A call of op has ended. true: so has op, and has its result; false: another call must follow. */
static bool settle(pp_op *op, DWORD error)
{
    size_t bytes = error == ERROR_SUCCESS ? ppi_overlapped(op)->InternalHigh : 0;

    op->priv_.done += bytes;
    if (bytes > 0 && op->priv_.done < op->priv_.length)
        return false;
    if (bytes == 0 && error == ERROR_SUCCESS && op->priv_.kind == PPI_FILE_READ)
        error = ERROR_HANDLE_EOF;
    if (error == ERROR_HANDLE_EOF && op->priv_.done > 0)
        error = ERROR_SUCCESS; /* the next read is the one that hears of it */
    ppi_op_result(op, error == ERROR_SUCCESS ? PP_OK : file_status(error), (int32_t)error,
                  op->priv_.done);
    return true;
}

/* Makes calls until op has ended (true) or one is pending. */
static bool drive(const pp_handle *file, pp_op *op)
{
    DWORD error;

    do {
        error = call(file, op, NULL);
        if (error == ERROR_IO_PENDING)
            return false;
    } while (!settle(op, error));
    return true;
}

/* The same, waiting for each. */
static void drive_to_the_end(const pp_handle *file, pp_op *op)
{
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
    DWORD error;

    do {
        error = event != NULL ? call(file, op, event) : ERROR_NO_SYSTEM_RESOURCES;
        if (error == ERROR_IO_PENDING) {
            WaitForSingleObject(event, INFINITE);
            error = ppi_win_outcome(ppi_overlapped(op));
        }
    } while (!settle(op, error));
    if (event != NULL)
        CloseHandle(event);
}

static void sync_now(const pp_handle *file, pp_op *op)
{
    DWORD error = FlushFileBuffers(file->os.pipe) ? ERROR_SUCCESS : GetLastError();

    ppi_op_result(op, error == ERROR_SUCCESS ? PP_OK : file_status(error), (int32_t)error, 0);
}

void ppi_file_help(pp_op *op)
{
    pp_handle *file = ppi_handle_ref(op->priv_.handle);

    if (op->priv_.kind == PPI_FILE_SYNC)
        sync_now(file, op);
    else
        drive_to_the_end(file, op);
    ppi_mutex_lock(&file->lock);
    ppi_helpers_done(op);
    ppi_handle_finish_one(file, op, false);
    ppi_mutex_unlock(&file->lock);
    ppi_handle_unref(file);
}

/* --- the driver ------------------------------------------------------------------------------ */

static int file_attach(pp_handle *file)
{
    return ppi_iocp_bind(file, file->port);
}

static bool file_begin(pp_handle *file, pp_op *op)
{
    if (op->priv_.kind != PPI_FILE_SYNC && !ppi_op_waited(op))
        return drive(file, op);
    if (ppi_helpers_add(op))
        return false;
    ppi_op_result(op, PP_ELIMIT, 0, 0);
    return true;
}

static bool file_completed(pp_op *op)
{
    pp_handle *file = ppi_handle_ref(op->priv_.handle);

    ppi_mutex_lock(&file->lock);
    bool over = settle(op, ppi_win_outcome(ppi_overlapped(op))) || drive(file, op);
    if (over)
        ppi_handle_finish_one(file, op, true);
    ppi_mutex_unlock(&file->lock);
    ppi_handle_unref(file);
    return over;
}

static bool file_stop(pp_handle *file, pp_op *op)
{
    bool any = ppi_file_stop_waiting(file, op);

    return CancelIoEx(file->os.pipe, op != NULL ? ppi_overlapped(op) : NULL) || any;
}

static void file_release(pp_handle *file)
{
    CloseHandle(file->os.pipe);
    ppi_iocp_unbind(file);
    ppi_helpers_leave();
}

static const struct ppi_pipe_driver file_driver = {
    .name = "file",
    .attach = file_attach,
    .begin = file_begin,
    .stop = file_stop,
    .completed = file_completed,
    .release = file_release,
};

static DWORD access_of(uint32_t flags)
{
    return ((flags & PP_FILE_READ) != 0 ? GENERIC_READ : 0) |
           ((flags & PP_FILE_WRITE) != 0 ? GENERIC_WRITE : 0);
}

static DWORD disposition_of(uint32_t flags)
{
    if ((flags & PP_FILE_NEW) != 0)
        return CREATE_NEW;
    if ((flags & PP_FILE_CREATE) != 0)
        return (flags & PP_FILE_EMPTY) != 0 ? CREATE_ALWAYS : OPEN_ALWAYS;
    return (flags & PP_FILE_EMPTY) != 0 ? TRUNCATE_EXISTING : OPEN_EXISTING;
}

/* The system says "access denied" of a folder, too. */
static int why_not_open(DWORD error, const wchar_t *wide, const char *path)
{
    DWORD attributes = GetFileAttributesW(wide);

    if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0 &&
        error == ERROR_ACCESS_DENIED)
        return ppi_fail(PP_ENOTSUP, "%s: not a regular file", path);
    return fail_with(error, path);
}

int ppi_file_make_handle(pp_handle **out, const char *path, uint32_t flags)
{
    const DWORD shared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    wchar_t wide[PATH_UNITS];

    if (!ppi_wide(path, wide, PPI_COUNT(wide)))
        return ppi_fail(PP_EINVAL, "the path is too long, or no UTF-8: %s", path);
    HANDLE system = CreateFileW(wide, access_of(flags), shared, NULL, disposition_of(flags),
                                FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OVERLAPPED, NULL);
    if (system == INVALID_HANDLE_VALUE)
        return why_not_open(GetLastError(), wide, path);
    if (GetFileType(system) != FILE_TYPE_DISK) {
        CloseHandle(system);
        return ppi_fail(PP_ENOTSUP, "%s: not a regular file", path);
    }
    pp_handle *file = ppi_handle_new(PPI_FILE, &file_driver);
    if (file == NULL) {
        CloseHandle(system);
        return ppi_fail_plain(PP_ENOMEM);
    }
    file->os.pipe = system;
    *out = file;
    return PP_OK;
}

int ppi_file_size(pp_handle *file, uint64_t *size)
{
    LARGE_INTEGER large;

    if (!GetFileSizeEx(file->os.pipe, &large))
        return fail_with(GetLastError(), "its size");
    *size = (uint64_t)large.QuadPart;
    return PP_OK;
}

bool ppi_helper_start(void *argument)
{
    struct ppi_thread thread;

    if (ppi_thread_start(&thread, ppi_helper_main, argument) != PP_OK)
        return false;
    CloseHandle(thread.handle);
    return true;
}

/* --- folders --------------------------------------------------------------------------------- */

static int entry_of(DWORD attributes)
{
    if ((attributes & (FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_DEVICE)) != 0)
        return PP_ENTRY_OTHER;
    return (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0 ? PP_ENTRY_FOLDER : PP_ENTRY_FILE;
}

static int each_of(HANDLE search, WIN32_FIND_DATAW *found, const char *path,
                   int (*each)(void *context, const char *name, int entry), void *context)
{
    char name[NAME_BYTES];
    int result = 0;

    do {
        if (wcscmp(found->cFileName, L".") == 0 || wcscmp(found->cFileName, L"..") == 0)
            continue;
        if (!ppi_narrow(found->cFileName, name, sizeof name))
            return ppi_fail(PP_EINVAL, "%s: a name in it is no Unicode", path);
        result = each(context, name, entry_of(found->dwFileAttributes));
    } while (result == 0 && FindNextFileW(search, found));
    if (result == 0 && GetLastError() != ERROR_NO_MORE_FILES)
        return fail_with(GetLastError(), path);
    return result;
}

int pp_folder_each(const char *path, int (*each)(void *context, const char *name, int entry),
                   void *context)
{
    wchar_t wide[PATH_UNITS];
    WIN32_FIND_DATAW found;

    if (path == NULL || each == NULL)
        return ppi_fail(PP_EINVAL, "path and each must be set");
    if (!ppi_wide(path, wide, PATH_UNITS - 2))
        return ppi_fail(PP_EINVAL, "the path is too long, or no UTF-8: %s", path);
    DWORD attributes = GetFileAttributesW(wide);
    if (attributes == INVALID_FILE_ATTRIBUTES)
        return fail_with(GetLastError(), path);
    if ((attributes & FILE_ATTRIBUTE_DIRECTORY) == 0)
        return ppi_fail(PP_ENOTSUP, "%s: not a folder", path);
    wcscat(wide, L"\\*");
    HANDLE search = FindFirstFileW(wide, &found);
    if (search == INVALID_HANDLE_VALUE)
        return fail_with(GetLastError(), path);
    int result = each_of(search, &found, path, each, context);
    FindClose(search);
    return result;
}

int pp_folder_make(const char *path)
{
    wchar_t wide[PATH_UNITS];

    if (path == NULL || !ppi_wide(path, wide, PPI_COUNT(wide)))
        return ppi_fail(PP_EINVAL, "path is missing, too long or no UTF-8");
    return CreateDirectoryW(wide, NULL) ? PP_OK : fail_with(GetLastError(), path);
}

int pp_is_terminal(int stream)
{
    static const DWORD numbers[] = { STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE };
    DWORD mode;

    return stream >= 0 && stream < (int)PPI_COUNT(numbers) &&
           GetConsoleMode(GetStdHandle(numbers[stream]), &mode);
}
