/* guardian.c: a process that is killed cannot give the terminal back; a child of it can.
 *
 * The child waits for the end of a pipe whose other end only this process has. It is a session of
 * its own, so that no terminal sends it signals and no kill of a job means it, blocks them all
 * besides, and has the terminal and the pipe and no other descriptor. It ends with the pipe. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "screen.h"

enum { HAS_SCREEN = 's', HAS_NONE = 'n', PIPE_FD = STDERR_FILENO, DESCRIPTORS_MAX = 65536 };

static struct {
    int pipe; /* the end to write to; -1: there is no guardian */
    pid_t pid;
} guardian = { -1, 0 };

/* The pipe takes the place of standard error. */
static void keep_three(int pipe)
{
    dup2(pipe, PIPE_FD);
    if (close_range(PIPE_FD + 1, ~0U, 0) != 0)
        for (int fd = PIPE_FD + 1; fd < DESCRIPTORS_MAX; fd++)
            close(fd);
}

static _Noreturn void guard(int pipe, const struct ppi_terminal_modes *modes)
{
    char what, last = HAS_NONE;
    ssize_t n;

    setsid();
    keep_three(pipe);
    if (chdir("/") != 0)
        _exit(1);
    while ((n = read(PIPE_FD, &what, 1)) != 0)
        if (n == 1)
            last = what;
        else if (errno != EINTR)
            break;
    if (last == HAS_SCREEN)
        ppi_terminal_restore(modes);
    _exit(0);
}

void ppi_guardian_start(const struct ppi_terminal_modes *modes)
{
    sigset_t all, before;
    int both[2];

    if (pipe2(both, O_CLOEXEC) != 0)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    guardian.pid = fork();
    if (guardian.pid == 0)
        guard(both[0], modes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(both[0]);
    if (guardian.pid > 0)
        guardian.pipe = both[1];
    else
        close(both[1]);
}

void ppi_guardian_tell(bool screen)
{
    const char what = screen ? HAS_SCREEN : HAS_NONE;

    while (guardian.pipe >= 0 && write(guardian.pipe, &what, 1) < 0 && errno == EINTR)
        ;
}

void ppi_guardian_stop(void)
{
    if (guardian.pipe < 0)
        return;
    close(guardian.pipe);
    guardian.pipe = -1;
    while (waitpid(guardian.pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
