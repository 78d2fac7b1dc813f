/* streams.c: panpipe/sys.h where it is Linux's own: standard streams and the shell. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <panpipe/sys.h>

#include "base/buf.h"
#include "base/status.h"
#include "io/sys.h"

extern char **environ;

char **pp_program_begin(int *argc, char **argv)
{
    int fd;

    (void)argc;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
    return argv;
}

FILE *ppi_file_open(const char *path, const char *mode)
{
    return fopen(path, mode);
}

int64_t pp_stdin_read(void *buffer, size_t size)
{
    ssize_t n;

    do
        n = read(STDIN_FILENO, buffer, size);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : ppi_fail(PP_EIO, "standard input: %s", strerror(errno));
}

int pp_stdout_write(const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(STDOUT_FILENO, (const char *)data + done, size - done);

        if (n >= 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            poll(&(struct pollfd){ STDOUT_FILENO, POLLOUT, 0 }, 1, -1);
        else if (errno != EINTR)
            return ppi_fail(errno == EPIPE ? PP_EPEERCLOSED : PP_EIO, "standard output: %s",
                            strerror(errno));
    }
    return PP_OK;
}

/* Starts the shell with its input from in[0] and its output to out[1]. */
static int start_shell(const char *command, const int in[2], const int out[2], pid_t *pid)
{
    char *const arguments[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                                (char *)(uintptr_t)command, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;

    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none); /* ours are blocked, see pp_watch_for_end */
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(pid, "/bin/sh", &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error == 0 ? PP_OK : ppi_fail(PP_EIO, "/bin/sh: %s", strerror(error));
}

/* Gives it the input and takes its output, both as it likes. Closes what it is given. */
static int converse(int to, int from, const char *input, size_t input_size, size_t limit,
                    struct ppi_buf *output)
{
    size_t written = 0;
    int status = PP_OK;

    while (from >= 0 && status == PP_OK) {
        struct pollfd both[] = { { from, POLLIN, 0 }, { to, POLLOUT, 0 } };

        if (to >= 0 && written == input_size) {
            close(to);
            to = both[1].fd = -1;
        }
        poll(both, 2, -1);
        if (both[1].revents != 0) {
            ssize_t n = write(to, input + written, input_size - written);

            written = n >= 0 ? written + (size_t)n : errno == EAGAIN ? written : input_size;
        }
        if (both[0].revents == 0)
            continue;
        uint8_t *room = ppi_buf_room(output, 65536);
        ssize_t n = room != NULL ? read(from, room, 65536) : -1;
        if (n > 0)
            ppi_buf_added(output, (size_t)n);
        if (room == NULL)
            status = ppi_fail_plain(PP_ENOMEM);
        else if (ppi_buf_size(output) > limit)
            status = ppi_fail(PP_ELIMIT, "the command wrote more than %zu bytes", limit);
        else if (n == 0)
            break;
    }
    if (to >= 0)
        close(to);
    close(from);
    return status;
}

int pp_run(const char *command, const void *input, size_t input_size, size_t limit, void **output,
           size_t *output_size, int *code)
{
    struct ppi_buf buf = { 0 };
    int in[2], out[2], ended = 0;
    sigset_t pipe_only, before;
    pid_t pid;

    if (pipe2(in, O_CLOEXEC) != 0)
        return ppi_fail(PP_ELIMIT, "pipe: %s", strerror(errno));
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return ppi_fail(PP_ELIMIT, "pipe: %s", strerror(errno));
    }
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    int status = start_shell(command, in, out, &pid);
    close(in[0]);
    close(out[1]);
    if (status != PP_OK) {
        close(in[1]);
        close(out[0]);
        return status;
    }
    sigemptyset(&pipe_only); /* a command that does not read its input is no reason to die */
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    status = converse(in[1], out[0], input, input_size, limit, &buf);
    sigtimedwait(&pipe_only, NULL, &(struct timespec){ 0, 0 });
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    while (waitpid(pid, &ended, 0) < 0 && errno == EINTR)
        ;
    *code = WIFSIGNALED(ended) ? 256 + WTERMSIG(ended) : WEXITSTATUS(ended);
    if (status != PP_OK) {
        ppi_buf_deinit(&buf);
        return status;
    }
    *output_size = ppi_buf_size(&buf);
    *output = buf.memory; /* nothing was consumed: it begins there */
    return PP_OK;
}
