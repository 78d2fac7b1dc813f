/* place.c: where the sockets lie, and how a server takes its place.
 *
 * A server holds a lock on a file beside its socket for as long as it lives; the kernel drops the
 * lock when the process ends, however it ends. The lock file is never removed: a second server
 * could hold the old one while a third makes a new one; so it is made only beside a place that can
 * be ours, and what is in a file of somebody else's stays. Under the lock, a socket that refuses a
 * connection was left by a process that was killed, and is replaced; one that takes it belongs to
 * a living server without our lock, and is not touched.
 *
 * A socket that systemd has made and passes is used as it is, under the lock; it is systemd's, and
 * stays when we go. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "io/handle.h"
#include "io/linux/linux.h"
#include "io/name.h"

enum { BACKLOG = 1024 };

int ppi_place_address(const char *path, struct sockaddr_un *address)
{
    size_t length = strlen(path);

    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (length >= sizeof address->sun_path)
        return ppi_fail(PP_EINVAL,
                        "the path is %zu bytes long, a socket's path has at most %zu: %s", length,
                        sizeof address->sun_path - 1, path);
    memcpy(address->sun_path, path, length);
    return PP_OK;
}

int pp_pipe_path(const char *name, uint32_t scope, char *path, size_t size)
{
    struct sockaddr_un address;
    const char *runtime = ppi_environment("XDG_RUNTIME_DIR");
    char full[PP_PATH_MAX * 2];

    if (name == NULL || path == NULL || scope > PP_SCOPE_SYSTEM)
        return ppi_fail(PP_EINVAL, "name, path or scope is wrong");
    if (strchr(name, '/') != NULL)
        snprintf(full, sizeof full, "%s", name);
    else if (!ppi_name_valid(name))
        return PP_EINVAL;
    else if (scope == PP_SCOPE_SYSTEM)
        snprintf(full, sizeof full, "/run/panpipe/%s.sock", name);
    else if (runtime != NULL && runtime[0] == '/')
        snprintf(full, sizeof full, "%.500s/panpipe/%s.sock", runtime, name);
    else
        snprintf(full, sizeof full, "/tmp/panpipe-%u/%s.sock", (unsigned)geteuid(), name);

    int error = ppi_place_address(full, &address);
    if (error != PP_OK)
        return error;
    if (snprintf(path, size, "%s", full) >= (int)size)
        return ppi_fail(PP_EINVAL, "there is no room for the path");
    return PP_OK;
}

/* Where a listener is to be. */
struct place {
    char folder[PP_PATH_MAX];
    const char *file; /* in the folder */
    bool private;     /* ours to make and to guard: the name was a logical one */
    bool passed;      /* the socket is there already: whoever passed it may have made the folder */
    mode_t folder_mode, socket_mode;
};

static int locate(struct place *place, char *path, const char *name, uint32_t scope,
                  const struct ppi_access *access)
{
    int error = pp_pipe_path(name, scope, path, PP_PATH_MAX);

    if (error != PP_OK)
        return error;
    char *slash = strrchr(path, '/');
    place->file = slash + 1;
    if (*place->file == '\0')
        return ppi_fail(PP_EINVAL, "the path names a folder: %s", path);
    snprintf(place->folder, sizeof place->folder, "%.*s", (int)(slash - path), path);
    if (place->folder[0] == '\0')
        strcpy(place->folder, "/");
    place->private = strchr(name, '/') == NULL;
    place->folder_mode = ppi_access_is_private(access) ? 0700 : 0755;
    place->socket_mode = ppi_access_is_private(access) ? 0600 : 0666;
    return PP_OK;
}

/* Opens the folder; a private one is made if need be and must be the user's own; where a socket was
 * passed it may be root's. */
static int open_folder(const struct place *place, int *fd)
{
    struct stat info;
    int number = ENOENT; /* why there is none, if so */

    if (place->private && !place->passed && mkdir(place->folder, place->folder_mode) != 0)
        number = errno;
    *fd =
        open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (place->private ? O_NOFOLLOW : 0));
    if (*fd < 0 && errno == ENOENT)
        errno = number;
    if (*fd < 0 && errno == ENOENT)
        return ppi_fail(PP_ENOTFOUND, "there is no folder %s: make it first", place->folder);
    if (*fd < 0)
        return ppi_fail(errno == ELOOP || errno == ENOTDIR ? PP_EUNTRUSTED
                                                           : ppi_errno_status(errno),
                        "folder %s: %s", place->folder, strerror(errno));
    if (!place->private)
        return PP_OK;
    if (fstat(*fd, &info) != 0)
        return ppi_fail(PP_EIO, "folder %s: %s", place->folder, strerror(errno));
    bool ours = info.st_uid == geteuid() || (place->passed && info.st_uid == 0);
    if (!ours || (info.st_mode & 022) != 0)
        return ppi_fail(PP_EUNTRUSTED,
                        "folder %s belongs to uid %u with mode %03o; it must be yours and writable "
                        "by nobody else: remove it or correct it",
                        place->folder, (unsigned)info.st_uid, (unsigned)info.st_mode & 0777);
    return PP_OK;
}

int ppi_place_folder(const char *name, char *path, const char **file, int *fd)
{
    const pp_listen_config config = PP_LISTEN_CONFIG_INIT;
    struct place place = { .file = "" };
    struct ppi_access access;
    int error = ppi_access_open(&access, &config);

    if (error == PP_OK)
        error = locate(&place, path, name, PP_SCOPE_USER, &access);
    if (error == PP_OK)
        error = open_folder(&place, fd);
    *file = place.file;
    return error;
}

/* What lies there already may only be a socket. */
static int look_at_target(const struct place *place, int folder_fd)
{
    struct stat info;

    if (fstatat(folder_fd, place->file, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? PP_OK
                               : ppi_fail(ppi_errno_status(errno), "%s/%s: %s", place->folder,
                                          place->file, strerror(errno));
    if (!S_ISSOCK(info.st_mode))
        return ppi_fail(PP_EINUSE, "%s/%s exists and is not a socket: remove it", place->folder,
                        place->file);
    return PP_OK;
}

/* Is the text what a server leaves in its lock file: nothing yet, or a number and a newline? */
static bool is_owner(const char *text, size_t length)
{
    size_t digits = strspn(text, "0123456789");

    return length == 0 || (digits > 0 && digits + 1 == length && text[digits] == '\n');
}

/* A lock that others could hold, or whose other name is a file of ours, is none. */
static int check_lock(const struct place *place, const char *file, int fd)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return ppi_fail(PP_EIO, "lock file %s/%s: %s", place->folder, file, strerror(errno));
    if (S_ISREG(info.st_mode) && info.st_nlink == 1 && info.st_uid == geteuid() &&
        (info.st_mode & 022) == 0)
        return PP_OK;
    return ppi_fail(PP_EUNTRUSTED,
                    "lock file %s/%s belongs to uid %u with mode %03o and %u names; it must be a "
                    "file of yours, writable by nobody else: remove it",
                    place->folder, file, (unsigned)info.st_uid, (unsigned)info.st_mode & 0777,
                    (unsigned)info.st_nlink);
}

/* Takes the lock beside the socket, and leaves the process id in it for people. */
static int take_lock(const struct place *place, int folder_fd, int *fd)
{
    char file[PP_PATH_MAX + 8], owner[32] = "";

    snprintf(file, sizeof file, "%s.lock", place->file);
    *fd = openat(folder_fd, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (*fd < 0)
        return ppi_fail(errno == ELOOP ? PP_EUNTRUSTED : ppi_errno_status(errno),
                        "lock file %s/%s: %s", place->folder, file, strerror(errno));
    int error = check_lock(place, file, *fd);
    if (error != PP_OK)
        return error;
    bool locked = flock(*fd, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno != EWOULDBLOCK)
        return ppi_fail(ppi_errno_status(errno), "lock file %s/%s: %s", place->folder, file,
                        strerror(errno));
    ssize_t length = read(*fd, owner, sizeof owner - 1);
    if (!locked) {
        owner[strcspn(owner, "\n")] = '\0';
        return ppi_fail(PP_EINUSE, "%s/%s is served by process %s", place->folder, place->file,
                        owner[0] != '\0' ? owner : "of another user");
    }
    if (length < 0 || !is_owner(owner, (size_t)length))
        return ppi_fail(PP_EINUSE, "%s/%s exists and is not the lock of a server: remove it",
                        place->folder, file);
    int digits = snprintf(owner, sizeof owner, "%u\n", (unsigned)getpid());
    (void)!ftruncate(*fd, 0);
    (void)!pwrite(*fd, owner, (size_t)digits, 0);
    return PP_OK;
}

void ppi_place_short(int folder, const char *path, struct sockaddr_un *address)
{
    const char *slash = strrchr(path, '/');
    char near[PP_PATH_MAX + 32];

    snprintf(near, sizeof near, "/proc/self/fd/%d/%s", folder, slash != NULL ? slash + 1 : path);
    if (access("/proc/self/fd", F_OK) != 0 || ppi_place_address(near, address) != PP_OK)
        ppi_place_address(path, address);
}

/* Removes a socket that nobody listens on any more. PP_OK: the way is free. */
static int remove_stale(const struct place *place, int folder_fd, const struct sockaddr_un *address)
{
    struct stat info;

    if (fstatat(folder_fd, place->file, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? PP_OK : ppi_fail(PP_EIO, "%s: %s", place->file, strerror(errno));
    if (!S_ISSOCK(info.st_mode)) /* since we looked */
        return ppi_fail(PP_EINUSE, "%s/%s is not a socket any more", place->folder, place->file);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ppi_fail(ppi_errno_status(errno), "socket: %s", strerror(errno));
    bool stale = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                 errno == ECONNREFUSED;
    close(fd);
    if (!stale)
        return ppi_fail(PP_EINUSE, "%s/%s is served by a program that is not ours", place->folder,
                        place->file);
    if (unlinkat(folder_fd, place->file, 0) != 0)
        return ppi_fail(ppi_errno_status(errno), "%s: %s", place->file, strerror(errno));
    return PP_OK;
}

static int bind_socket(const struct place *place, const char *path, int folder_fd, uint32_t backlog,
                       int *fd)
{
    struct sockaddr_un address;

    ppi_place_short(folder_fd, path, &address);
    int error = remove_stale(place, folder_fd, &address);
    if (error != PP_OK)
        return error;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* the mode is set before the name exists: there is no moment with a wrong one */
    if (*fd < 0 || fchmod(*fd, place->socket_mode) != 0 ||
        bind(*fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        (place->socket_mode == 0666 && fchmodat(folder_fd, place->file, 0666, 0) != 0) ||
        listen(*fd, backlog != 0 ? (int)backlog : BACKLOG) != 0)
        return ppi_fail(ppi_errno_status(errno), "%s/%s: %s", place->folder, place->file,
                        strerror(errno));
    ppi_refuse_descriptors(*fd);
    return PP_OK;
}

int ppi_place_listen(pp_handle **out, const char *name, const pp_listen_config *config)
{
    char path[PP_PATH_MAX];
    struct place place = { .file = "" };
    struct ppi_os_handle os = { .fd = -1, .lock_fd = -1, .folder_fd = -1 };
    struct stat info;
    pp_handle *handle = NULL;

    int error = ppi_access_open(&os.access, config);
    if (error == PP_OK)
        error = locate(&place, path, name, config->scope, &os.access);
    if (error == PP_OK)
        error = ppi_service_socket(path, &os.fd);
    os.passed = place.passed = os.fd >= 0;
    if (error == PP_OK)
        error = open_folder(&place, &os.folder_fd);
    if (error == PP_OK)
        error = look_at_target(&place, os.folder_fd);
    if (error == PP_OK)
        error = take_lock(&place, os.folder_fd, &os.lock_fd);
    if (error == PP_OK && !os.passed)
        error = bind_socket(&place, path, os.folder_fd, config->backlog, &os.fd);
    if (error == PP_OK && !os.passed &&
        fstatat(os.folder_fd, place.file, &info, AT_SYMLINK_NOFOLLOW) == 0)
        os.inode = info.st_ino;
    os.maker = ppi_process_generation();
    if (error == PP_OK && ((os.file = strdup(place.file)) == NULL ||
                           (handle = ppi_handle_new(PPI_LISTENER, &ppi_socket_driver)) == NULL))
        error = ppi_fail_plain(PP_ENOMEM);
    if (error == PP_OK) {
        handle->os = os;
        *out = handle;
        return PP_OK;
    }
    free(os.file);
    if (os.fd >= 0)
        close(os.fd);
    if (os.lock_fd >= 0)
        close(os.lock_fd);
    if (os.folder_fd >= 0)
        close(os.folder_fd);
    return error;
}

void ppi_place_leave(pp_handle *listener)
{
    struct ppi_os_handle *os = &listener->os;
    struct stat info;

    if (os->maker == ppi_process_generation() && /* not a forked child */
        fstatat(os->folder_fd, os->file, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        info.st_ino == os->inode)
        unlinkat(os->folder_fd, os->file, 0);
    close(os->lock_fd);
    close(os->folder_fd);
    free(os->file);
    os->file = NULL;
}
