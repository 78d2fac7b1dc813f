/* sys.c: sys.h on Linux. */
#define _GNU_SOURCE
#include "io/sys.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <panpipe/port.h>

#include "base/check.h"

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t ppi_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t ppi_wall_ms(void)
{
    return clock_ns(CLOCK_REALTIME) / PPI_NS_PER_MS;
}

uint64_t ppi_random(void)
{
    uint64_t value = 0;

    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != (ssize_t)sizeof value)
        value = ppi_now_ns() * 0x9E3779B97F4A7C15u;
    return value;
}

void ppi_mutex_init(struct ppi_mutex *mutex)
{
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&mutex->mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

void ppi_mutex_deinit(struct ppi_mutex *mutex)
{
    pthread_mutex_destroy(&mutex->mutex);
}

void ppi_cond_init(struct ppi_cond *cond)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&cond->cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

void ppi_cond_deinit(struct ppi_cond *cond)
{
    pthread_cond_destroy(&cond->cond);
}

bool ppi_cond_wait_until(struct ppi_cond *cond, struct ppi_mutex *mutex, uint64_t deadline_ns)
{
    if (deadline_ns == PPI_FOREVER) {
        ppi_cond_wait(cond, mutex);
        return true;
    }
    struct timespec deadline = { (time_t)(deadline_ns / 1000000000u),
                                 (long)(deadline_ns % 1000000000u) };
    return pthread_cond_timedwait(&cond->cond, &mutex->mutex, &deadline) != ETIMEDOUT;
}

struct start {
    void (*run)(void *argument);
    void *argument;
};

static void *thread_main(void *argument)
{
    struct start start = *(struct start *)argument;

    free(argument);
    start.run(start.argument);
    return NULL;
}

int ppi_thread_start(struct ppi_thread *thread, void (*run)(void *argument), void *argument)
{
    struct start *start = malloc(sizeof *start);

    if (start == NULL)
        return PP_ENOMEM;
    *start = (struct start){ run, argument };
    if (pthread_create(&thread->thread, NULL, thread_main, start) != 0) {
        free(start);
        return PP_ELIMIT;
    }
    return PP_OK;
}

void ppi_thread_join(struct ppi_thread *thread)
{
    pthread_join(thread->thread, NULL);
}

static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;

static void run_exit_hooks(void *marker)
{
    (void)marker;
    ppi_exit_hooks_run();
}

static void make_exit_key(void)
{
    ppi_check(pthread_key_create(&exit_key, run_exit_hooks) == 0);
}

void ppi_at_thread_exit(void (*hook)(void))
{
    ppi_exit_hooks_add(hook);
    pthread_once(&exit_once, make_exit_key);
    pthread_setspecific(exit_key, &exit_key);
}

/* The processor quota of the control group this process is in, rounded up; 0: none known. */
static uint32_t group_quota(void)
{
    char path[PATH_MAX + 64] = "/sys/fs/cgroup", line[PATH_MAX] = "";
    long long quota = 0, period = 0;
    FILE *file = fopen("/proc/self/cgroup", "re");

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "0::", 3) == 0) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(path, sizeof path, "/sys/fs/cgroup%s", line + 3);
        }
    if (file != NULL)
        fclose(file);
    strncat(path, "/cpu.max", sizeof path - strlen(path) - 1);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    int fields = fscanf(file, "%lld %lld", &quota, &period);
    fclose(file);
    return fields == 2 && quota > 0 && period > 0 ? (uint32_t)((quota + period - 1) / period) : 0;
}

uint32_t ppi_processors(void)
{
    cpu_set_t set;
    uint32_t count = 1, quota = group_quota();

    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        count = (uint32_t)CPU_COUNT(&set);
    return quota > 0 && quota < count ? quota : count;
}

uint64_t ppi_process_id(void)
{
    return (uint64_t)getpid();
}

static _Atomic uint32_t generation;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
    generation++;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

uint32_t ppi_process_generation(void)
{
    pthread_once(&fork_once, watch_forks);
    return generation;
}

uint64_t ppi_process_handles(void)
{
    DIR *folder = opendir("/proc/self/fd");
    uint64_t count = 0;

    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        closedir(folder);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
}

uint64_t ppi_process_handles_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return 0;
    return limit.rlim_cur;
}

uint64_t ppi_process_memory(void)
{
    unsigned long long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &all, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t ppi_process_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t ppi_thread_waits(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_THREAD, &usage) == 0 ? (uint64_t)usage.ru_nvcsw : 0;
}

void ppi_yield(void)
{
    sched_yield();
}

void ppi_sleep_ms(unsigned milliseconds)
{
    struct timespec time = { milliseconds / 1000, (long)(milliseconds % 1000) * PPI_NS_PER_MS };

    nanosleep(&time, NULL);
}

bool ppi_errors_write(const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(STDERR_FILENO, (const char *)data + done, size - done);

        if (n < 0 && errno != EINTR)
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

bool ppi_on_wine(void)
{
    return false;
}

bool ppi_on_linux(void)
{
    return true;
}

const char *ppi_environment(const char *name)
{
    return secure_getenv(name);
}
