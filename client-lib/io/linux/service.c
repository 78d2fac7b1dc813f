/* service.c: service.h with systemd, and a log in a file.
 *
 * Both protocols are small and promised to be stable: sockets are descriptors from 3 on that the
 * environment counts (sd_listen_fds), a notification is a datagram of NAME=VALUE lines to a socket
 * that the environment names (sd_notify). So they are spoken here, and libsystemd, which is large
 * and not everywhere, is not needed. */
#define _GNU_SOURCE
#include "io/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/status.h"
#include "io/linux/linux.h"
#include "io/sys.h"

enum { PASSED_AT = 3, PASSED_MAX = 16 };

static struct {
    int passed;                /* descriptors, from PASSED_AT on */
    struct sockaddr_un notify; /* family 0: nobody wants to know */
    socklen_t notify_size;
    uint32_t alive_ms;
    bool journal;
} manager;

/* --- what is passed -------------------------------------------------------------------------- */

/* A decimal number; 0: there is none. */
static unsigned long long number_of(const char *name)
{
    const char *text = getenv(name);
    char *end;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return 0;
    unsigned long long value = strtoull(text, &end, 10);
    return *end == '\0' ? value : 0;
}

/* Is it a listening stream socket with a path? address is its own. */
static bool listens(int fd, struct sockaddr_un *address)
{
    int type = 0, listening = 0;
    socklen_t type_size = sizeof type, listening_size = sizeof listening, size = sizeof *address;

    memset(address, 0, sizeof *address);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &listening_size) == 0 &&
           listening != 0 && getsockname(fd, (struct sockaddr *)address, &size) == 0 &&
           address->sun_family == AF_UNIX && address->sun_path[0] == '/';
}

static int take_sockets(void)
{
    unsigned long long count = number_of("LISTEN_FDS");
    struct sockaddr_un address;

    if (number_of("LISTEN_PID") != (unsigned long long)getpid() || count == 0)
        return PP_OK; /* meant for another process */
    if (count > PASSED_MAX)
        return ppi_fail(PP_EINVAL, "LISTEN_FDS is %llu; at most %d sockets can be passed", count,
                        PASSED_MAX);
    for (int fd = PASSED_AT; fd < PASSED_AT + (int)count; fd++) {
        if (!listens(fd, &address))
            return ppi_fail(PP_EINVAL,
                            "descriptor %d, which systemd passes, is not a listening Unix stream "
                            "socket with a path: see ListenStream= of the socket unit",
                            fd);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    manager.passed = (int)count;
    return PP_OK;
}

static bool same_file(const char *one, const char *other)
{
    struct stat a, b;

    return strcmp(one, other) == 0 || (stat(one, &a) == 0 && stat(other, &b) == 0 &&
                                       a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

int ppi_service_socket(const char *path, int *fd)
{
    struct sockaddr_un address = { .sun_path = "" };

    *fd = -1;
    if (manager.passed == 0)
        return PP_OK;
    for (int at = PASSED_AT; at < PASSED_AT + manager.passed; at++) {
        if (!listens(at, &address) || !same_file(address.sun_path, path))
            continue;
        *fd = fcntl(at, F_DUPFD_CLOEXEC, 0);
        return *fd >= 0 ? PP_OK : ppi_fail(ppi_errno_status(errno), "dup: %s", strerror(errno));
    }
    return ppi_fail(PP_EINVAL,
                    "ListenStream= and panpiped's name must agree: systemd passes %.107s, the "
                    "broker's is %.107s",
                    address.sun_path, path);
}

/* --- what it is told ------------------------------------------------------------------------- */

static void find_notify_socket(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path != NULL ? strlen(path) : 0;

    if (length < 2 || (path[0] != '/' && path[0] != '@') ||
        length >= sizeof manager.notify.sun_path)
        return;
    manager.notify.sun_family = AF_UNIX;
    memcpy(manager.notify.sun_path, path, length);
    if (path[0] == '@')
        manager.notify.sun_path[0] = '\0'; /* the abstract namespace */
    manager.notify_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static void notify(const char *text)
{
    if (manager.notify.sun_family != AF_UNIX)
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&manager.notify,
           manager.notify_size);
    close(fd);
}

void ppi_service_ready(const char *words)
{
    char text[512];

    snprintf(text, sizeof text, "READY=1\nSTATUS=%.400s\n", words);
    notify(text);
}

/* How long it may take is the unit's TimeoutStopSec=. */
void ppi_service_stopping(uint32_t within_ms)
{
    (void)within_ms;
    notify("STOPPING=1\nSTATUS=sends what is queued\n");
}

void ppi_service_alive(void)
{
    notify("WATCHDOG=1\n");
}

uint32_t ppi_service_alive_ms(void)
{
    return manager.alive_ms;
}

/* --- the log --------------------------------------------------------------------------------- */

static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat info;

    return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &info) == 0 && info.st_dev == device && info.st_ino == inode;
}

bool ppi_service_logs(void)
{
    return manager.journal;
}

int ppi_errors_to_file(const char *path, bool anew, uint64_t *size)
{
    char before[PP_PATH_MAX + 8];
    struct stat info;

    snprintf(before, sizeof before, "%s.1", path);
    if (anew)
        (void)!rename(path, before);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0)
        return ppi_fail(errno == ELOOP ? PP_EUNTRUSTED : ppi_errno_status(errno), "%s: %s", path,
                        strerror(errno));
    *size = fstat(fd, &info) == 0 ? (uint64_t)info.st_size : 0;
    dup2(fd, STDERR_FILENO);
    if (fd != STDERR_FILENO)
        close(fd);
    return PP_OK;
}

int ppi_service_begin(void)
{
    static const char *const theirs[] = { "LISTEN_PID",     "LISTEN_FDS",    "LISTEN_FDNAMES",
                                          "LISTEN_PIDFDID", "NOTIFY_SOCKET", "WATCHDOG_USEC",
                                          "WATCHDOG_PID" };
    unsigned long long watcher = number_of("WATCHDOG_PID");
    unsigned long long alive_us = number_of("WATCHDOG_USEC");

    manager.journal = is_journal();
    find_notify_socket();
    /* twice in the time allowed, as sd_watchdog_enabled advises */
    if ((watcher == 0 || watcher == (unsigned long long)getpid()) && alive_us <= 86400000000u)
        manager.alive_ms = (uint32_t)(alive_us / 2000);
    int status = take_sockets();
    for (size_t i = 0; i < PPI_COUNT(theirs); i++)
        unsetenv(theirs[i]);
    return status;
}

/* --- not here -------------------------------------------------------------------------------- */

int ppi_service_run(const char *name, int (*run)(void *context), void *context, int *code)
{
    (void)name;
    (void)run;
    (void)context;
    (void)code;
    return ppi_fail_plain(PP_ENOTSUP);
}

int ppi_service_control(enum ppi_service_verb verb, const char *name, const char *const *arguments)
{
    (void)verb;
    (void)name;
    (void)arguments;
    return ppi_fail(PP_ENOTSUP,
                    "services are systemd's here: systemctl --user enable --now panpiped.socket, "
                    "or for all users, as root, systemctl enable --now panpiped-system.socket");
}
