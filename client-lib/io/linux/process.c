/* process.c: other processes, and what this one may use. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <panpipe/pipe.h>

#include "base/status.h"
#include "io/sys.h"

extern char **environ;

static int redirect(posix_spawn_file_actions_t *actions, const struct ppi_stdio *stdio)
{
    const int create = O_WRONLY | O_CREAT | O_TRUNC;
    int error = 0;

    if (stdio->input != NULL)
        error |= posix_spawn_file_actions_addopen(actions, STDIN_FILENO, stdio->input, O_RDONLY, 0);
    if (stdio->output != NULL)
        error |=
            posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, stdio->output, create, 0600);
    if (stdio->errors != NULL)
        error |=
            posix_spawn_file_actions_addopen(actions, STDERR_FILENO, stdio->errors, create, 0600);
    return error;
}

int ppi_process_start(struct ppi_process *process, const char *const *arguments,
                      const struct ppi_stdio *stdio)
{
    posix_spawn_file_actions_t actions;
    char **list = (char **)(uintptr_t)arguments;
    pid_t pid = 0;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return ppi_fail_plain(PP_ENOMEM);
    int error = stdio != NULL ? redirect(&actions, stdio) : 0;
    if (error == 0)
        error = posix_spawn(&pid, arguments[0], &actions, NULL, list, environ);
    posix_spawn_file_actions_destroy(&actions);
    process->pid = (int)pid;
    return error == 0 ? PP_OK
                      : ppi_fail(error == ENOENT ? PP_ENOTFOUND : PP_EIO, "%s: %s", arguments[0],
                                 strerror(error));
}

int ppi_process_signal(struct ppi_process *process, enum ppi_signal number)
{
    static const int numbers[] = {
        [PPI_INTERRUPT] = SIGINT, [PPI_TERMINATE] = SIGTERM, [PPI_KILL] = SIGKILL
    };

    return kill(process->pid, numbers[number]) == 0 ? PP_OK : ppi_fail_plain(PP_ENOTFOUND);
}

int ppi_process_wait(struct ppi_process *process, int timeout_ms, int *code)
{
    struct pollfd ended = { pidfd_open(process->pid, 0), POLLIN, 0 };
    int status = 0;

    if (ended.fd >= 0) {
        int n = poll(&ended, 1, timeout_ms);

        close(ended.fd);
        if (n == 0)
            return 0;
    }
    if (waitpid(process->pid, &status, 0) != process->pid)
        return 0;
    *code = WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
    return 1;
}

const char *ppi_program_path(void)
{
    static char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    path[length > 0 ? length : 0] = '\0';
    return path;
}

void ppi_temporary_folder(char *path, size_t size)
{
    const char *given = ppi_environment("TMPDIR");

    snprintf(path, size, "%s", given != NULL && given[0] == '/' ? given : "/tmp");
}

void ppi_raise_handle_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

bool ppi_user_is_own(const struct pp_peer *who)
{
    return (who->flags & PP_PEER_UID) != 0 && (who->uid == geteuid() || who->uid == 0);
}

static struct {
    void (*wish)(void *context, unsigned count);
    void *context;
    sigset_t signals;
    struct ppi_thread thread;
} watch;

/* Takes the signals that every thread has blocked; ends with the process. */
static void watch_signals(void *argument)
{
    unsigned count = 0;
    int number;

    (void)argument;
    while (sigwait(&watch.signals, &number) == 0)
        watch.wish(watch.context, ++count);
}

int ppi_watch_for_end(void (*wish)(void *context, unsigned count), void *context)
{
    watch.wish = wish;
    watch.context = context;
    sigemptyset(&watch.signals);
    sigaddset(&watch.signals, SIGINT);
    sigaddset(&watch.signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &watch.signals, NULL);
    signal(SIGPIPE, SIG_IGN); /* a log that nobody reads must not end us */
    int error = ppi_thread_start(&watch.thread, watch_signals, NULL);
    if (error == PP_OK)
        pthread_detach(watch.thread.thread);
    return error;
}
