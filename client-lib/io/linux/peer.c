/* peer.c: who is at the other end of a socket; and, for a client, whether the server there can be
 * trusted.
 *
 * The kernel keeps the pid, the user and the groups that the other process had when it connected,
 * or began to listen. The number of a process is used again after its end; its pidfd, which newer
 * kernels give, is of that one process only: what /proc says about the number is about it as long
 * as the pidfd says that it lives. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "io/dial.h"
#include "io/handle.h"
#include "io/linux/linux.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

int ppi_socket_peer(pp_handle *handle, pp_peer *peer)
{
    struct ucred other;
    socklen_t size = sizeof other, gids_size = sizeof peer->gids;

    if (getsockopt(handle->os.fd, SOL_SOCKET, SO_PEERCRED, &other, &size) != 0)
        return ppi_errno_status(errno);
    peer->flags = PP_PEER_PID;
    peer->pid = (uint64_t)other.pid;
    peer->uid = other.uid;
    peer->gid = other.gid;
    if (!ppi_uid_is_nobodys(other.uid))
        peer->flags |= PP_PEER_UID;
    if (getsockopt(handle->os.fd, SOL_SOCKET, SO_PEERGROUPS, peer->gids, &gids_size) == 0) {
        peer->flags |= PP_PEER_GIDS;
        peer->gid_count = (uint32_t)(gids_size / sizeof peer->gids[0]);
    } else if (errno == ERANGE) {
        peer->flags |= PP_PEER_MORE_GIDS;
    }
    return PP_OK;
}

/* Without a pidfd: is the process with that number at least one of the same user? */
static bool is_of_user(const char *folder, uint32_t uid)
{
    struct stat info;

    return stat(folder, &info) == 0 && info.st_uid == uid;
}

int ppi_socket_exe(pp_handle *handle, char *path, size_t size)
{
    struct ucred other;
    struct pollfd ended = { .fd = -1, .events = POLLIN };
    socklen_t length = sizeof other, fd_length = sizeof ended.fd;
    char folder[40], link[48];

    if (getsockopt(handle->os.fd, SOL_SOCKET, SO_PEERCRED, &other, &length) != 0)
        return ppi_errno_status(errno);
    if (other.pid <= 0)
        return PP_ENOTFOUND; /* it is outside of this process's own world */
    bool exact = getsockopt(handle->os.fd, SOL_SOCKET, SO_PEERPIDFD, &ended.fd, &fd_length) == 0;
    snprintf(folder, sizeof folder, "/proc/%d", (int)other.pid);
    snprintf(link, sizeof link, "%s/exe", folder);
    ssize_t n = readlink(link, path, size - 1);
    int status = n >= 0 ? PP_OK : errno == ENOENT ? PP_ENOTFOUND : ppi_errno_status(errno);
    if (status == PP_OK && (size_t)n == size - 1)
        status = PP_ELIMIT; /* there may be more of it */
    if (status == PP_OK && (exact ? poll(&ended, 1, 0) != 0 : !is_of_user(folder, other.uid)))
        status = PP_ENOTFOUND; /* it has ended, and the number may be another's */
    if (exact)
        close(ended.fd);
    path[status == PP_OK ? n : 0] = '\0';
    return status;
}

/* --- the server's trust ------------------------------------------------------------------------
 */

static bool expects(const struct ppi_dial *dial, uint32_t uid)
{
    uint32_t expected;

    if (ppi_uid_is_nobodys(uid))
        return false;
    if (dial->server[0] != '\0')
        return ppi_id_parse(dial->server, &expected) && uid == expected;
    return uid == geteuid() || uid == 0;
}

/* A folder may be root's, too, whoever is to run the server. */
static bool may_own(const struct ppi_dial *dial, uint32_t uid)
{
    return expects(dial, uid) || uid == geteuid() || uid == 0;
}

/* In a folder where everybody can make files, the file must be one of theirs who are expected. */
static int check_file(const struct ppi_dial *dial, int folder, const char *file)
{
    struct stat info;

    if (fstatat(folder, file, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? PP_ENOSERVER : ppi_errno_status(errno);
    if (S_ISSOCK(info.st_mode) && may_own(dial, info.st_uid))
        return PP_OK;
    return ppi_fail(PP_EUNTRUSTED, "%s belongs to uid %u%s", dial->path, (unsigned)info.st_uid,
                    S_ISSOCK(info.st_mode) ? "" : ", and is no socket");
}

static int check_folder(const struct ppi_dial *dial, int folder, const char *file)
{
    struct stat info;

    if (fstat(folder, &info) != 0)
        return ppi_errno_status(errno);
    mode_t open_to = info.st_mode & 022;
    bool guarded = open_to == 0 && may_own(dial, info.st_uid);
    if (dial->logical ? !guarded : (open_to & 02) != 0 && (info.st_mode & S_ISVTX) == 0)
        return ppi_fail(PP_EUNTRUSTED,
                        "the folder of %s belongs to uid %u with mode %03o: others could put a "
                        "server there",
                        dial->path, (unsigned)info.st_uid, (unsigned)info.st_mode & 07777);
    return (open_to & 02) != 0 ? check_file(dial, folder, file) : PP_OK;
}

int ppi_server_place(const struct ppi_dial *dial, int *folder, int *os_error)
{
    char path[PP_PATH_MAX];
    const char *slash = strrchr(dial->path, '/');
    uint32_t expected;

    *folder = -1;
    if ((dial->flags & PP_DIAL_ANY_SERVER) != 0)
        return PP_OK;
    if (dial->server[0] != '\0' && !ppi_id_parse(dial->server, &expected))
        return ppi_fail(PP_EINVAL, "config.server is a uid, not %.80s", dial->server);
    int length = slash != NULL ? (int)(slash - dial->path) : 0;
    snprintf(path, sizeof path, "%.*s", length, dial->path);
    *folder = open(length > 0      ? path
                   : slash != NULL ? "/"
                                   : ".",
                   O_PATH | O_DIRECTORY | O_CLOEXEC | (dial->logical ? O_NOFOLLOW : 0));
    if (*folder < 0 && (errno == ELOOP || errno == ENOTDIR) && dial->logical)
        return ppi_fail(PP_EUNTRUSTED, "the folder of %s is none", dial->path);
    if (*folder < 0) {
        *os_error = errno;
        return ppi_errno_status(errno);
    }
    int status = check_folder(dial, *folder, slash != NULL ? slash + 1 : dial->path);
    if (status != PP_OK) {
        close(*folder);
        *folder = -1;
    }
    return status;
}

int ppi_server_check(const struct ppi_dial *dial, int fd)
{
    struct ucred server;
    socklen_t size = sizeof server;

    if ((dial->flags & PP_DIAL_ANY_SERVER) != 0)
        return PP_OK;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &server, &size) != 0)
        return ppi_errno_status(errno);
    if (expects(dial, server.uid))
        return PP_OK;
    return ppi_fail(PP_EUNTRUSTED, "the server at %s runs as uid %u", dial->path,
                    (unsigned)server.uid);
}
