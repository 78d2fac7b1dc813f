/* start.c: start.h on Linux.
 *
 * The lock is an flock on NAME.sock.start, and the note is in that file. An flock belongs to the
 * open file, not to the process: the broker inherits it with the descriptor, and it is gone when
 * the broker gives it up, or with the last of both copies.
 *
 * The broker must not be the host's child: nobody would wait for it. So the host makes a child that
 * makes the broker and ends at once, and waits for that. _Fork runs none of the functions that the
 * host's libraries have registered for forks, and in both children everything until the broker is
 * executed is a plain system call, so it does not matter what the host's other threads are doing.
 * (Children that share the host's memory, as with vfork, are cheaper in a host with gigabytes of
 * it, but sanitizers do not understand one inside the other, and this happens once.) */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/status.h"
#include "io/linux/linux.h"
#include "io/start.h"
#include "io/sys.h"

enum { LOCK_AT = 3, LOCK_FROM = 10 }; /* its number in the broker; in the host it is above */

extern char **environ;

/* --- the lock and the note ------------------------------------------------------------------- */

int ppi_start_take(struct ppi_start *start, const char *name)
{
    char path[PP_PATH_MAX], file[PP_PATH_MAX + 8];
    const char *socket;
    int folder = -1, error = ppi_place_folder(name, path, &socket, &folder);

    if (error != PP_OK) {
        if (folder >= 0)
            close(folder);
        return error;
    }
    snprintf(file, sizeof file, "%s.start", socket);
    int fd = openat(folder, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    int number = errno;
    close(folder);
    if (fd < 0)
        return ppi_fail(number == ELOOP ? PP_EUNTRUSTED : ppi_errno_status(number), "%s.start: %s",
                        path, strerror(number));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        number = errno;
        close(fd);
        return ppi_fail(number == EWOULDBLOCK ? PP_EBUSY : ppi_errno_status(number), "%s.start: %s",
                        path, strerror(number));
    }
    start->lock = fd;
    return PP_OK;
}

int ppi_start_adopt(struct ppi_start *start, const char *name, const char *handle)
{
    char path[PP_PATH_MAX], file[PP_PATH_MAX + 8], *end;
    struct stat inherited, expected;
    long fd = strtol(handle, &end, 10);

    if (*end != '\0' || end == handle || fd < 0 || fd > INT_MAX)
        return ppi_fail(PP_EINVAL, "%s is no descriptor", handle);
    int error = pp_pipe_path(name, PP_SCOPE_USER, path, sizeof path);
    if (error != PP_OK)
        return error;
    snprintf(file, sizeof file, "%s.start", path);
    if (fstat((int)fd, &inherited) != 0 || lstat(file, &expected) != 0 ||
        inherited.st_dev != expected.st_dev || inherited.st_ino != expected.st_ino)
        return ppi_fail(PP_EINVAL, "descriptor %ld is not %s", fd, file);
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    start->lock = fd;
    return PP_OK;
}

/* A child that the host has forked meanwhile has the descriptor too, for as long as it lives: so
 * the lock is given up for all who have it, by the last of those who know of it. */
void ppi_start_drop(struct ppi_start *start)
{
    if (!start->passed)
        flock((int)start->lock, LOCK_UN);
    close((int)start->lock);
    start->lock = -1;
}

void ppi_start_read(const struct ppi_start *start, char *text, size_t size)
{
    ssize_t length = pread((int)start->lock, text, size - 1, 0);

    text[length > 0 ? length : 0] = '\0';
}

void ppi_start_write(const struct ppi_start *start, const char *text)
{
    (void)!ftruncate((int)start->lock, 0);
    (void)!pwrite((int)start->lock, text, strlen(text), 0);
}

int ppi_start_log(const char *name, char *path, size_t size)
{
    int error = pp_pipe_path(name, PP_SCOPE_USER, path, size);

    if (error == PP_OK)
        strcpy(strrchr(path, '.'), ".log"); /* was .sock */
    return error;
}

/* --- the program ----------------------------------------------------------------------------- */

static bool is_program(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

/* In one of the folders of a list as PATH has it. */
static bool find_in(const char *folders, char program[PPI_PROGRAM_MAX])
{
    while (folders != NULL && *folders != '\0') {
        int length = (int)strcspn(folders, ":");
        int size = snprintf(program, PPI_PROGRAM_MAX, "%.*s/panpiped", length, folders);

        if (folders[0] == '/' && size < PPI_PROGRAM_MAX && is_program(program))
            return true;
        folders += length + (folders[length] == ':');
    }
    return false;
}

int ppi_start_find(char program[PPI_PROGRAM_MAX])
{
    const char *given = secure_getenv("PANPIPED"); /* not for programs with others' rights */
    char own[PATH_MAX], *slash;

    if (given != NULL && given[0] != '\0') {
        char *whole = realpath(given, NULL); /* it is started in another folder */
        bool found = whole != NULL && strlen(whole) < PPI_PROGRAM_MAX && is_program(whole);

        if (found)
            strcpy(program, whole);
        free(whole);
        return found ? PP_OK
                     : ppi_fail(PP_ENOTFOUND, "PANPIPED in the environment is no program: %.150s",
                                given);
    }
    snprintf(own, sizeof own, "%s", ppi_program_path());
    if ((slash = strrchr(own, '/')) != NULL)
        *slash = '\0';
    if (find_in(own, program) || find_in(PANPIPE_BINDIR, program) ||
        find_in(secure_getenv("PATH"), program))
        return PP_OK;
    return ppi_fail(PP_ENOTFOUND,
                    "panpiped is neither beside the program nor in PATH; PANPIPED in the "
                    "environment can say where it is");
}

/* --- starting -------------------------------------------------------------------------------- */

struct spawn {
    const char *program;
    char **arguments;
    int lock; /* at least LOCK_FROM */
    sigset_t none;
    struct sigaction usual;
    char note[64]; /* the beginning of what is left if the program cannot be executed */
};

/* Becomes the broker. */
static _Noreturn void become(const struct spawn *spawn)
{
    struct iovec words[4] = { { (void *)(uintptr_t)spawn->note, strlen(spawn->note) },
                              { (void *)(uintptr_t)spawn->program, strlen(spawn->program) },
                              { (void *)(uintptr_t) ": ", 2 } };

    for (int number = 1; number < NSIG; number++)
        sigaction(number, &spawn->usual, NULL);
    setsid();
    umask(077);
    (void)!chdir("/");
    int null = open("/dev/null", O_RDWR);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        dup2(null, fd);
    dup2(spawn->lock, LOCK_AT);
    close_range(LOCK_AT + 1, ~0u, 0);
    sigprocmask(SIG_SETMASK, &spawn->none, NULL);
    execve(spawn->program, spawn->arguments, environ);
    const char *why = strerrordesc_np(errno);
    words[3] = (struct iovec){ (void *)(uintptr_t)why, why != NULL ? strlen(why) : 0 };
    (void)!ftruncate(LOCK_AT, 0);
    (void)!pwritev(LOCK_AT, words, 4, 0);
    _exit(127);
}

/* The child that the host waits for. */
static _Noreturn void make_broker(const struct spawn *spawn)
{
    pid_t pid = _Fork();

    if (pid == 0)
        become(spawn);
    _exit(pid < 0);
}

/* With all signals blocked: a handler of the host's must not run in the child. */
static int make_child(const struct spawn *spawn)
{
    sigset_t all, before;
    int status = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pid_t pid = _Fork();
    if (pid == 0)
        make_broker(spawn);
    int number = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0)
        return ppi_fail(ppi_errno_status(number), "fork: %s", strerror(number));
    pid_t ended;
    do
        ended = waitpid(pid, &status, 0);
    while (ended < 0 && errno == EINTR);
    /* a host that ignores SIGCHLD, or waits for all children, leaves nothing to us */
    if (ended == pid && status != 0)
        return ppi_fail(PP_ELIMIT, "%s: no process can be made", spawn->program);
    return PP_OK;
}

int ppi_start_run(const struct ppi_start *start, const char *program, const char *name)
{
    char *arguments[] = { (char *)(uintptr_t)program, (char *)(uintptr_t) "--on-demand",
                          (char *)(uintptr_t) "3",    (char *)(uintptr_t) "-b",
                          (char *)(uintptr_t)name,    NULL };
    struct spawn spawn = { .program = program, .arguments = arguments };

    sigemptyset(&spawn.none);
    spawn.usual.sa_handler = SIG_DFL;
    snprintf(spawn.note, sizeof spawn.note, "%llu failed ", (unsigned long long)ppi_wall_ms());
    spawn.lock = fcntl((int)start->lock, F_DUPFD_CLOEXEC, LOCK_FROM);
    if (spawn.lock < 0)
        return ppi_fail(ppi_errno_status(errno), "the lock: %s", strerror(errno));
    int status = make_child(&spawn);
    close(spawn.lock);
    return status;
}
