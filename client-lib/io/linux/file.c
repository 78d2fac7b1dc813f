/* file.c: files on Linux, and folders.
 *
 * The system has no readiness for files: a read waits for the disk, whatever was set on the
 * descriptor. But it can be asked to read only what it has in memory (RWF_NOWAIT), which is tried
 * first, in the thread that starts the read; the rest, and every write, is done by a helper. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/status.h"
#include "io/file.h"

enum { AT_ONCE_MAX = 256 * 1024 }; /* larger reads are copied by a helper, not by who starts them */

/* The status behind an errno of a file's or a folder's. */
static int file_status(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR: return PP_ENOTFOUND;
    case EEXIST: return PP_EINUSE;
    case EISDIR:
    case ENXIO:
    case ENODEV: return PP_ENOTSUP;
    case ENOSPC:
    case EDQUOT: return PP_EFULL;
    case ETXTBSY: return PP_EBUSY;
    case EACCES:
    case EPERM:
    case EROFS: return PP_EACCESS;
    case ENOMEM: return PP_ENOMEM;
    case EFBIG:
    case EMFILE:
    case ENFILE: return PP_ELIMIT;
    case ENAMETOOLONG: return PP_EINVAL;
    default: return PP_EIO;
    }
}

static int fail_with(int number, const char *path)
{
    return ppi_fail(file_status(number), "%s: %s", path, strerror(number));
}

/* --- operations ------------------------------------------------------------------------------ */

static char *rest_of(const pp_op *op, size_t *length, off_t *offset)
{
    *length = op->priv_.length - op->priv_.done;
    *offset = (off_t)(op->bytes + op->priv_.done);
    return (char *)(uintptr_t)op->priv_.data + op->priv_.done;
}

/* Reads what is in memory. true: that was all there is to read. */
static bool read_at_once(pp_handle *file, pp_op *op)
{
    ssize_t n;

    if (op->priv_.length > AT_ONCE_MAX)
        return false;
    do {
        struct iovec rest;
        off_t offset;

        rest.iov_base = rest_of(op, &rest.iov_len, &offset);
        n = preadv2(file->os.fd, &rest, 1, offset, RWF_NOWAIT);
        if (n > 0)
            op->priv_.done += (size_t)n;
    } while (n > 0 && op->priv_.done < op->priv_.length);
    return n >= 0;
}

static ssize_t call(const pp_handle *file, const pp_op *op)
{
    size_t length;
    off_t offset;

    if (op->priv_.kind == PPI_FILE_SYNC)
        return fsync(file->os.fd);
    char *data = rest_of(op, &length, &offset);
    return op->priv_.kind == PPI_FILE_READ ? pread(file->os.fd, data, length, offset)
                                           : pwrite(file->os.fd, data, length, offset);
}

/* Makes calls until op is done, or the file ends. 0 or the number of the error. */
static int call_to_the_end(const pp_handle *file, pp_op *op)
{
    ssize_t n;

    do {
        n = call(file, op);
        if (n > 0)
            op->priv_.done += (size_t)n;
    } while (n > 0 ? op->priv_.done < op->priv_.length : n < 0 && errno == EINTR);
    return n < 0 ? errno : 0;
}

static void set_result(pp_op *op, int number)
{
    size_t done = op->priv_.done;

    if (number == 0 && done == 0 && op->priv_.kind == PPI_FILE_READ)
        ppi_op_result(op, PP_EOF, 0, 0);
    else
        ppi_op_result(op, number == 0 ? PP_OK : file_status(number), number, done);
}

void ppi_file_help(pp_op *op)
{
    pp_handle *file = ppi_handle_ref(op->priv_.handle);
    int number = call_to_the_end(file, op);

    ppi_mutex_lock(&file->lock);
    set_result(op, number);
    ppi_helpers_done(op);
    ppi_handle_finish_one(file, op, false);
    ppi_mutex_unlock(&file->lock);
    ppi_handle_unref(file);
}

/* --- the driver ------------------------------------------------------------------------------ */

static int file_attach(pp_handle *file)
{
    (void)file;
    return PP_OK;
}

static bool file_begin(pp_handle *file, pp_op *op)
{
    if (op->priv_.kind == PPI_FILE_READ && read_at_once(file, op)) {
        set_result(op, 0);
        return true;
    }
    if (ppi_helpers_add(op))
        return false;
    ppi_op_result(op, PP_ELIMIT, EAGAIN, op->priv_.done);
    return true;
}

static void file_release(pp_handle *file)
{
    close(file->os.fd);
    ppi_helpers_leave();
}

static const struct ppi_pipe_driver file_driver = {
    .name = "file",
    .attach = file_attach,
    .begin = file_begin,
    .stop = ppi_file_stop_waiting,
    .release = file_release,
};

static int mode_of(uint32_t flags)
{
    int mode = O_CLOEXEC | O_NOCTTY | O_NONBLOCK; /* a pipe must not keep open() waiting */

    if ((flags & PP_FILE_WRITE) == 0)
        mode |= O_RDONLY;
    else
        mode |= (flags & PP_FILE_READ) != 0 ? O_RDWR : O_WRONLY;
    if ((flags & (PP_FILE_CREATE | PP_FILE_NEW)) != 0)
        mode |= O_CREAT;
    if ((flags & PP_FILE_NEW) != 0)
        mode |= O_EXCL;
    if ((flags & PP_FILE_EMPTY) != 0)
        mode |= O_TRUNC;
    return mode;
}

int ppi_file_make_handle(pp_handle **out, const char *path, uint32_t flags)
{
    struct stat status;
    int fd = open(path, mode_of(flags), 0666);

    if (fd < 0)
        return fail_with(errno, path);
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        return ppi_fail(PP_ENOTSUP, "%s: not a regular file", path);
    }
    pp_handle *file = ppi_handle_new(PPI_FILE, &file_driver);
    if (file == NULL) {
        close(fd);
        return ppi_fail_plain(PP_ENOMEM);
    }
    file->os.fd = fd;
    *out = file;
    return PP_OK;
}

int ppi_file_size(pp_handle *file, uint64_t *size)
{
    struct stat status;

    if (fstat(file->os.fd, &status) != 0)
        return fail_with(errno, "its size");
    *size = (uint64_t)status.st_size;
    return PP_OK;
}

/* --- helpers --------------------------------------------------------------------------------- */

static void *helper_main(void *argument)
{
    ppi_helper_main(argument);
    return NULL;
}

bool ppi_helper_start(void *argument)
{
    pthread_t thread;
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, NULL, helper_main, argument) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        pthread_detach(thread);
    return started;
}

/* --- folders --------------------------------------------------------------------------------- */

static int entry_of(int folder, const struct dirent *entry)
{
    struct stat status;

    switch (entry->d_type) {
    case DT_REG: return PP_ENTRY_FILE;
    case DT_DIR: return PP_ENTRY_FOLDER;
    case DT_UNKNOWN: break;
    default: return PP_ENTRY_OTHER;
    }
    if (fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return PP_ENTRY_OTHER;
    return S_ISREG(status.st_mode)   ? PP_ENTRY_FILE
           : S_ISDIR(status.st_mode) ? PP_ENTRY_FOLDER
                                     : PP_ENTRY_OTHER;
}

int pp_folder_each(const char *path, int (*each)(void *context, const char *name, int entry),
                   void *context)
{
    struct dirent *entry;
    int result = 0;

    if (path == NULL || each == NULL)
        return ppi_fail(PP_EINVAL, "path and each must be set");
    DIR *folder = opendir(path);
    if (folder == NULL)
        return errno == ENOTDIR ? ppi_fail(PP_ENOTSUP, "%s: not a folder", path)
                                : fail_with(errno, path);
    while (result == 0 && (errno = 0, entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = each(context, entry->d_name, entry_of(dirfd(folder), entry));
    if (result == 0 && errno != 0)
        result = fail_with(errno, path);
    closedir(folder);
    return result;
}

int pp_folder_make(const char *path)
{
    if (path == NULL)
        return ppi_fail(PP_EINVAL, "path must be set");
    return mkdir(path, 0777) == 0 ? PP_OK : fail_with(errno, path);
}

int pp_is_terminal(int stream)
{
    return stream >= STDIN_FILENO && stream <= STDERR_FILENO && isatty(stream);
}
