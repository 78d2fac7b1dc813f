/* sys.c: the parts of sys.h that are the same everywhere. */
#include "io/sys.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/sys.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/compiler.h"
#include "base/status.h"

uint64_t ppi_deadline_ns(int timeout_ms)
{
    return timeout_ms < 0 ? PPI_FOREVER : ppi_now_ns() + (uint64_t)timeout_ms * PPI_NS_PER_MS;
}

int ppi_until_ms(uint64_t deadline_ns)
{
    if (deadline_ns == PPI_FOREVER)
        return -1;

    uint64_t now = ppi_now_ns();
    if (now >= deadline_ns)
        return 0;
    uint64_t left = (deadline_ns - now + PPI_NS_PER_MS - 1) / PPI_NS_PER_MS;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* The calendar by whole days: years begin in March, so that the leap day is the last; eras of 400
 * years repeat. (The C library's gmtime is not for several threads.) */
void ppi_time_text(char out[PPI_TIME_TEXT], uint64_t wall_ms)
{
    uint64_t seconds = wall_ms / 1000, days = seconds / 86400 + 719468;
    unsigned era = (unsigned)(days / 146097), day = (unsigned)(days % 146097);
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    unsigned day_of_year = day - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * day_of_year + 2) / 153;

    snprintf(out, PPI_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (era * 400 + year + (month >= 10)) % 10000, (month < 10 ? month + 3 : month - 9) % 13,
             (day_of_year - (153 * month + 2) / 5 + 1) % 32, (unsigned)(seconds / 3600 % 24),
             (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60), (unsigned)(wall_ms % 1000));
}

/* --- panpipe/sys.h, where it is the same everywhere ------------------------------------------ */

uint64_t pp_now_ns(void)
{
    return ppi_now_ns();
}

uint64_t pp_cpu_ns(void)
{
    return ppi_process_cpu_ns();
}

void pp_time_text(uint64_t wall_ms, char text[PP_TIME_TEXT])
{
    _Static_assert((int)PP_TIME_TEXT >= (int)PPI_TIME_TEXT, "there is room");
    ppi_time_text(text, wall_ms);
}

void pp_sleep_ms(unsigned milliseconds)
{
    ppi_sleep_ms(milliseconds);
}

struct pp_thread {
    struct ppi_thread thread;
};

int pp_thread_start(pp_thread **out, void (*run)(void *argument), void *argument)
{
    pp_thread *thread = malloc(sizeof *thread);

    if (thread == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    int status = ppi_thread_start(&thread->thread, run, argument);
    if (status != PP_OK) {
        free(thread);
        return ppi_fail_plain(status);
    }
    *out = thread;
    return PP_OK;
}

void pp_thread_join(pp_thread *thread)
{
    if (thread == NULL)
        return;
    ppi_thread_join(&thread->thread);
    free(thread);
}

int pp_watch_for_end(void (*wish)(void *context, unsigned count), void *context)
{
    return ppi_watch_for_end(wish, context);
}

/* What is left of an open file, at most limit bytes, appended to buf. */
static int read_on(FILE *file, size_t limit, struct ppi_buf *buf)
{
    enum { STEP = 64 * 1024 };
    size_t count = STEP;

    while (count == STEP && ppi_buf_size(buf) <= limit) {
        uint8_t *room = ppi_buf_room(buf, STEP);

        if (room == NULL)
            return ppi_fail_plain(PP_ENOMEM);
        count = fread(room, 1, STEP, file);
        ppi_buf_added(buf, count);
    }
    if (ferror(file))
        return ppi_fail(PP_EIO, "%s", strerror(errno));
    if (ppi_buf_size(buf) > limit)
        return ppi_fail(PP_ELIMIT, "the file has more than %llu bytes", (unsigned long long)limit);
    return ppi_buf_append(buf, "", 1) == PP_OK ? PP_OK : ppi_fail_plain(PP_ENOMEM);
}

int pp_file_read(const char *path, size_t limit, void **data, size_t *size)
{
    FILE *file = ppi_file_open(path, "rb");
    struct ppi_buf buf = { 0 };

    if (file == NULL)
        return ppi_fail(PP_EIO, "%s", strerror(errno));
    int status = read_on(file, limit, &buf);
    fclose(file);
    if (status != PP_OK) {
        ppi_buf_deinit(&buf);
        return status;
    }
    *data = buf.memory; /* nothing was consumed: it begins there */
    *size = ppi_buf_size(&buf) - 1;
    return PP_OK;
}

int pp_file_make(const char *path)
{
    FILE *file = ppi_file_open(path, "wb");

    return file != NULL && fclose(file) == 0 ? PP_OK : ppi_fail(PP_EIO, "%s", strerror(errno));
}

void pp_free(void *memory)
{
    free(memory);
}

/* --- the ends of threads ---------------------------------------------------------------------- */

static void (*_Atomic exit_hooks[2])(void); /* the queue's, and the broker's */

void ppi_exit_hooks_add(void (*hook)(void))
{
    for (size_t i = 0; i < PPI_COUNT(exit_hooks); i++) {
        void (*there)(void) = NULL;

        if (atomic_compare_exchange_strong(&exit_hooks[i], &there, hook) || there == hook)
            return;
    }
    ppi_check(false);
}

void ppi_exit_hooks_run(void)
{
    for (size_t i = 0; i < PPI_COUNT(exit_hooks); i++) {
        void (*hook)(void) = exit_hooks[i];

        if (hook != NULL)
            hook();
    }
}

/* --- other programs --------------------------------------------------------------------------- */

struct pp_process {
    struct ppi_process process;
};

const char *pp_program_path(void)
{
    return ppi_program_path();
}

int pp_process_start(pp_process **out, const char *const *arguments)
{
    pp_process *process;

    if (out == NULL || arguments == NULL || arguments[0] == NULL)
        return ppi_fail(PP_EINVAL, "out and arguments must be set");
    process = calloc(1, sizeof *process);
    if (process == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    int status = ppi_process_start(&process->process, arguments, NULL);
    if (status == PP_OK)
        *out = process;
    else
        free(process);
    return status;
}

int pp_process_wait(pp_process *process, int timeout_ms, int *code)
{
    if (process == NULL || code == NULL)
        return ppi_fail_plain(PP_EINVAL);
    int ended = ppi_process_wait(&process->process, timeout_ms, code);
    if (ended == 1)
        free(process);
    return ended;
}
