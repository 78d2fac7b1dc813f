#define _GNU_SOURCE
#include "processes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "raw.h"

enum { CLIENTS_MAX = 16, PATIENCE_MS = 5000, PROBE_MS = 5 };

static pid_t clients[CLIENTS_MAX];
static int client_count;
static pid_t harness;

void die(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "peers[%d]: ", (int)getpid());
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    if (getpid() == harness) {
        end_clients();
        run_folder_remove();
    }
    _exit(3);
}

/* --- places ----------------------------------------------------------------------------------- */

char run_folder[RUN_PATH_MAX - 32];

void run_folder_make(void)
{
    const char *where = getenv("TMPDIR");

    harness = getpid();
    if (where == NULL || strlen(where) > sizeof run_folder - 16)
        where = "/tmp";
    snprintf(run_folder, sizeof run_folder, "%s/peers.XXXXXX", where);
    must(mkdtemp(run_folder) != NULL);
}

void run_folder_remove(void)
{
    pid_t process = fork();

    if (process == 0) {
        execlp("rm", "rm", "-rf", "--", run_folder, (char *)NULL);
        _exit(127);
    }
    waitpid(process, NULL, 0);
}

const char *run_path(const struct variant *variant, const char *name)
{
    static char paths[4][RUN_PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, RUN_PATH_MAX, "%s/%s.%s", run_folder, variant->name, name);
    return path;
}

/* A server of our own lies relative to this program; another is looked for where the shell does. */
static bool server_path(const char *server, char *out, size_t size)
{
    const char *folders = getenv("PATH");

    if (strchr(server, '/') != NULL) {
        char self[PATH_MAX / 2];
        ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

        must(length > 0);
        self[length] = '\0';
        *strrchr(self, '/') = '\0';
        snprintf(out, size, "%s/%s", self, server);
        return access(out, X_OK) == 0;
    }
    for (const char *at = folders; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ":");

        snprintf(out, size, "%.*s/%s", (int)length, at, server);
        if (access(out, X_OK) == 0)
            return true;
        at += length + (at[length] == ':');
    }
    snprintf(out, size, "/usr/sbin/%s", server);
    return access(out, X_OK) == 0;
}

bool server_exists(const char *server)
{
    char path[PATH_MAX];

    return server_path(server, path, sizeof path);
}

/* --- starting and ending ---------------------------------------------------------------------- */

/* In a child: it ends when the harness does. */
static void follow_harness(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != harness)
        _exit(3);
}

pid_t start_server(const struct variant *variant, const char *const *arguments)
{
    char path[PATH_MAX];

    must(server_path(variant->server, path, sizeof path));
    pid_t process = fork();
    must(process >= 0);
    if (process > 0)
        return process;
    follow_harness();
    int log = open(run_path(variant, "log"), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    dup2(log, 1);
    dup2(log, 2);
    const char *list[32] = { path };
    for (int i = 1; arguments[i] != NULL; i++)
        list[i] = arguments[i];
    execv(path, (char *const *)(uintptr_t)list);
    die("%s: %s", path, strerror(errno));
}

void end_server(pid_t process)
{
    if (process <= 0)
        return;
    kill(process, SIGKILL);
    waitpid(process, NULL, 0);
}

static bool listens(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;

    if (fd >= 0)
        close(fd);
    return yes;
}

void wait_for_server(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    must(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    for (int ms = 0; ms < PATIENCE_MS; ms += PROBE_MS) {
        if (listens(&address))
            return;
        sleep_ms(PROBE_MS);
    }
    die("nobody listens on %s", path);
}

pid_t fork_client(void)
{
    must(client_count < CLIENTS_MAX);
    pid_t process = fork();
    must(process >= 0);
    if (process == 0)
        follow_harness();
    else
        clients[client_count++] = process;
    return process;
}

void end_clients(void)
{
    for (int i = 0; i < client_count; i++) {
        kill(clients[i], SIGKILL);
        waitpid(clients[i], NULL, 0);
    }
    client_count = 0;
}

bool client_died(void)
{
    siginfo_t info = { 0 };

    for (int i = 0; i < client_count; i++)
        if (waitid(P_PID, (id_t)clients[i], &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid != 0)
            return true;
    return false;
}

/* --- what they cost --------------------------------------------------------------------------- */

double process_cpu(pid_t process)
{
    clockid_t clock;
    struct timespec time;

    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &time) != 0)
        return 0;
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

double clients_cpu(int first, int last)
{
    double sum = 0;

    for (int i = first; i <= last && i < client_count; i++)
        sum += process_cpu(clients[i]);
    return sum;
}

double process_memory(pid_t process)
{
    char path[64], line[256];
    long kib = 0;

    snprintf(path, sizeof path, "/proc/%d/status", (int)process);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return (double)kib;
}

double calibrate(void)
{
    enum { TRIES = 3, STEPS = 400000, COPIES = 8, COPY_BYTES = 1 << 20, CALLS = 1500 };
    static char from[COPY_BYTES], to[COPY_BYTES];
    double best = 1e9;

    for (int try = 0; try < TRIES; try++) {
        uint64_t begin = now_ns(), x = 1;

        for (int i = 0; i < STEPS; i++)
            x = x * 6364136223846793005u + 1442695040888963407u;
        for (int i = 0; i < COPIES; i++) {
            memcpy(to, from, sizeof to);
            from[i] = (char)x;
        }
        for (int i = 0; i < CALLS; i++)
            x += (uint64_t)syscall(SYS_getppid);
        from[COPIES] = (char)(x + (uint64_t)to[0]); /* so that nothing of it can be left out */
        double us = (double)(now_ns() - begin) / 1e3;
        best = us < best ? us : best;
    }
    return best;
}

struct machine_time machine_time(void)
{
    enum { USER, NICE, SYSTEM, IDLE, IO_WAIT, IRQ, SOFT_IRQ, STEAL, FIELDS };
    unsigned long ticks[FIELDS] = { 0 };
    double unit = 1.0 / (double)sysconf(_SC_CLK_TCK);
    FILE *file = fopen("/proc/stat", "re");

    if (file == NULL || fscanf(file, "cpu") != 0)
        return (struct machine_time){ 0 };
    for (int i = 0; i < FIELDS; i++)
        if (fscanf(file, "%lu", &ticks[i]) != 1)
            break;
    fclose(file);
    return (struct machine_time){
        (double)(ticks[USER] + ticks[NICE] + ticks[SYSTEM] + ticks[IRQ] + ticks[SOFT_IRQ]) * unit,
        (double)ticks[STEAL] * unit
    };
}
