/* start.c: start.h on Windows.
 *
 * The lock is an event that exists: who makes it has it, as with the lock on a name (place.c). The
 * broker inherits it. The note and the log are files in the user's own folder for such things. */
#include "io/win/win.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/status.h"
#include "io/start.h"
#include "io/sys.h"

/* The user's folder for our files, made if need be. */
static int make_folder(char folder[PP_PATH_MAX])
{
    wchar_t wide[PP_PATH_MAX];
    DWORD length = GetEnvironmentVariableW(L"LOCALAPPDATA", wide, PPI_COUNT(wide));

    if (length == 0 || length >= PPI_COUNT(wide) - 10)
        length = GetTempPathW(PPI_COUNT(wide) - 10, wide);
    if (length == 0 || length >= PPI_COUNT(wide) - 10)
        return ppi_win_fail(GetLastError(), "the folder for the broker's log");
    while (length > 0 && wide[length - 1] == L'\\')
        length--;
    wcscpy(wide + length, L"\\panpipe");
    if (!CreateDirectoryW(wide, NULL) && GetLastError() != ERROR_ALREADY_EXISTS)
        return ppi_win_fail(GetLastError(), "the folder for the broker's log");
    return ppi_narrow(wide, folder, PP_PATH_MAX)
               ? PP_OK
               : ppi_fail(PP_EIO, "the folder's name is too long");
}

static int file_of(const char *name, const char *kind, char *path, size_t size)
{
    char folder[PP_PATH_MAX];
    int status = make_folder(folder);

    if (status == PP_OK && snprintf(path, size, "%s\\%s.%s", folder, name, kind) >= (int)size)
        status = ppi_fail(PP_EINVAL, "the path is too long: %.150s", folder);
    return status;
}

int ppi_start_log(const char *name, char *path, size_t size)
{
    return file_of(name, "log", path, size);
}

/* --- the lock and the note ------------------------------------------------------------------- */

int ppi_start_take(struct ppi_start *start, const char *name)
{
    char path[PP_PATH_MAX];
    wchar_t wide[PP_PATH_MAX + 8];
    HANDLE lock = NULL;
    int status = pp_pipe_path(name, PP_SCOPE_USER, path, sizeof path);

    if (status == PP_OK)
        status = file_of(name, "start", start->note, sizeof start->note);
    if (status == PP_OK && !ppi_wide(path, wide, PP_PATH_MAX))
        status = ppi_fail(PP_EINVAL, "the path is no UTF-8: %s", path);
    if (status != PP_OK)
        return status;
    wcscat(wide, L"|start"); /* no pipe is called so */
    status = ppi_place_lock(wide, &lock);
    start->lock = (intptr_t)lock;
    return status == PP_EINUSE ? PP_EBUSY : status;
}

int ppi_start_adopt(struct ppi_start *start, const char *name, const char *handle)
{
    char *end;
    HANDLE lock = (HANDLE)(uintptr_t)strtoull(handle, &end, 10);
    DWORD flags;

    if (*end != '\0' || end == handle || !GetHandleInformation(lock, &flags))
        return ppi_fail(PP_EINVAL, "%s is no handle", handle);
    SetHandleInformation(lock, HANDLE_FLAG_INHERIT, 0);
    start->lock = (intptr_t)lock;
    return file_of(name, "start", start->note, sizeof start->note);
}

void ppi_start_drop(struct ppi_start *start)
{
    CloseHandle((HANDLE)start->lock);
    start->lock = 0;
}

void ppi_start_read(const struct ppi_start *start, char *text, size_t size)
{
    FILE *file = ppi_file_open(start->note, "rb");
    size_t length = file != NULL ? fread(text, 1, size - 1, file) : 0;

    text[length] = '\0';
    if (file != NULL)
        fclose(file);
}

void ppi_start_write(const struct ppi_start *start, const char *text)
{
    FILE *file = ppi_file_open(start->note, "wb");

    if (file == NULL)
        return;
    fputs(text, file);
    fclose(file);
}

/* --- the program ----------------------------------------------------------------------------- */

static bool is_program(const wchar_t *path)
{
    DWORD attributes = GetFileAttributesW(path);

    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

int ppi_start_find(char program[PPI_PROGRAM_MAX])
{
    static const wchar_t file[] = L"panpiped.exe";
    wchar_t path[PPI_PROGRAM_MAX], *folders = NULL;
    DWORD length = GetEnvironmentVariableW(L"PANPIPED", path, PPI_COUNT(path));

    if (length > 0 && length < PPI_COUNT(path)) {
        if (is_program(path) && ppi_narrow(path, program, PPI_PROGRAM_MAX))
            return PP_OK;
        return ppi_fail(PP_ENOTFOUND, "PANPIPED in the environment is no program");
    }
    length = GetModuleFileNameW(NULL, path, PPI_COUNT(path) - PPI_COUNT(file));
    while (length > 0 && path[length - 1] != L'\\')
        length--;
    wcscpy(path + length, file);
    bool found = length > 0 && is_program(path);
    length = found ? 0 : GetEnvironmentVariableW(L"PATH", NULL, 0);
    if (length > 0 && (folders = malloc(length * sizeof *folders)) != NULL &&
        GetEnvironmentVariableW(L"PATH", folders, length) != 0) {
        DWORD size = SearchPathW(folders, file, NULL, PPI_COUNT(path), path, NULL);

        found = size > 0 && size < PPI_COUNT(path);
    }
    free(folders);
    if (found && ppi_narrow(path, program, PPI_PROGRAM_MAX))
        return PP_OK;
    return ppi_fail(PP_ENOTFOUND,
                    "panpiped.exe is neither beside the program nor in PATH; PANPIPED in the "
                    "environment can say where it is");
}

/* --- starting -------------------------------------------------------------------------------- */

static DWORD create(wchar_t *line, LPPROC_THREAD_ATTRIBUTE_LIST attributes)
{
    const DWORD flags = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP | EXTENDED_STARTUPINFO_PRESENT;
    STARTUPINFOEXW startup = { .StartupInfo = { .cb = sizeof startup },
                               .lpAttributeList = attributes };
    PROCESS_INFORMATION info;
    wchar_t folder[MAX_PATH + 1];

    if (GetSystemDirectoryW(folder, MAX_PATH) == 0) /* as it must not keep anybody's folder */
        return GetLastError();
    /* a job may forbid to leave it: then the broker ends with it */
    if (!CreateProcessW(NULL, line, NULL, NULL, TRUE, flags | CREATE_BREAKAWAY_FROM_JOB, NULL,
                        folder, &startup.StartupInfo, &info) &&
        !CreateProcessW(NULL, line, NULL, NULL, TRUE, flags, NULL, folder, &startup.StartupInfo,
                        &info))
        return GetLastError();
    CloseHandle(info.hThread);
    CloseHandle(info.hProcess);
    return ERROR_SUCCESS;
}

/* With the lock as the only handle that is inherited. */
static DWORD create_with(wchar_t *line, HANDLE lock)
{
    SIZE_T size = 0;

    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    LPPROC_THREAD_ATTRIBUTE_LIST attributes = malloc(size);
    if (attributes == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    DWORD error = ERROR_SUCCESS;
    if (!InitializeProcThreadAttributeList(attributes, 1, 0, &size)) {
        error = GetLastError();
        free(attributes);
        return error;
    }
    if (!UpdateProcThreadAttribute(attributes, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &lock,
                                   sizeof lock, NULL, NULL) ||
        !SetHandleInformation(lock, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT))
        error = GetLastError();
    else
        error = create(line, attributes);
    SetHandleInformation(lock, HANDLE_FLAG_INHERIT, 0);
    DeleteProcThreadAttributeList(attributes);
    free(attributes);
    return error;
}

int ppi_start_run(const struct ppi_start *start, const char *program, const char *name)
{
    char number[32];
    const char *arguments[] = { program, "--on-demand", number, "-b", name, NULL };
    int status;

    snprintf(number, sizeof number, "%llu", (unsigned long long)(uintptr_t)start->lock);
    wchar_t *line = ppi_command_line(arguments, &status);
    if (line == NULL)
        return status;
    DWORD error = create_with(line, (HANDLE)start->lock);
    free(line);
    return error == ERROR_SUCCESS ? PP_OK
                                  : ppi_fail(PP_EIO, "%s: Windows error %lu", program, error);
}
