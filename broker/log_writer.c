#include "log_writer.h"

#include <stdio.h>
#include <string.h>

#include "io/service.h"
#include "io/sys.h"

enum { LINE_BYTES = 1024, PAGE_BYTES = 64 * 1024, CLOSE_MS = 500, FILE_BYTES = 1024 * 1024 };

/* Where standard error goes, if we are to look after it. By whoever writes. */
static struct {
    char path[PP_PATH_MAX];
    uint64_t size;
} file;

/* Lines that wait for the thread. It writes one page while the other is filled. */
static struct {
    struct ppi_mutex lock;
    struct ppi_cond changed;
    struct ppi_thread thread;
    bool open, closing, over;
    unsigned page;
    size_t used;
    uint64_t lost; /* lines, since the last that was written */
    char pages[2][PAGE_BYTES];
} writer = { .lock = PPI_MUTEX_INIT };

int log_to_file(const char *path)
{
    snprintf(file.path, sizeof file.path, "%s", path);
    return ppi_errors_to_file(path, false, &file.size);
}

/* Whole lines. The file has an end: what was in it when it is full is kept until it is full again.
 */
static void put(const char *lines, size_t size)
{
    if (file.path[0] != '\0' && file.size + size > FILE_BYTES)
        ppi_errors_to_file(file.path, true, &file.size);
    file.size += size;
    ppi_errors_write(lines, size);
}

/* A line: its length. */
static size_t begin_line(char *line, size_t size, enum log_level level, const char *text)
{
    static const int priorities[] = {
        [LOG_ERROR] = 3, [LOG_WARN] = 4, [LOG_INFO] = 6, [LOG_DEBUG] = 7
    };
    char now[PPI_TIME_TEXT];

    if (ppi_service_logs())
        return (size_t)snprintf(line, size, "<%d>%s %s", priorities[level], log_level_name(level),
                                text);
    ppi_time_text(now, ppi_wall_ms());
    return (size_t)snprintf(line, size, "%s %s %s", now, log_level_name(level), text);
}

/* --- the thread ------------------------------------------------------------------------------- */

/* With the lock: the page that was filled, with a word about what did not fit. */
static char *turn_page(size_t *size)
{
    char *page = writer.pages[writer.page];

    if (writer.lost > 0) {
        writer.used += begin_line(page + writer.used, LINE_BYTES, LOG_WARN, "log");
        writer.used += (size_t)snprintf(page + writer.used, 40, " lost=%llu\n",
                                        (unsigned long long)writer.lost);
        writer.lost = 0;
    }
    *size = writer.used;
    writer.used = 0;
    writer.page = 1 - writer.page;
    return page;
}

static void write_lines(void *argument)
{
    (void)argument;
    ppi_mutex_lock(&writer.lock);
    for (;;) {
        while (writer.used == 0 && !writer.closing)
            ppi_cond_wait(&writer.changed, &writer.lock);
        if (writer.used == 0)
            break;
        size_t size;
        char *page = turn_page(&size);
        ppi_mutex_unlock(&writer.lock);
        put(page, size);
        ppi_mutex_lock(&writer.lock);
    }
    writer.over = true;
    ppi_cond_broadcast(&writer.changed);
    ppi_mutex_unlock(&writer.lock);
}

int log_open(void)
{
    ppi_cond_init(&writer.changed);
    int status = ppi_thread_start(&writer.thread, write_lines, NULL);
    ppi_mutex_lock(&writer.lock);
    writer.open = status == PP_OK;
    ppi_mutex_unlock(&writer.lock);
    return status;
}

void log_close(void)
{
    uint64_t deadline_ns = ppi_deadline_ns(CLOSE_MS);
    bool in_time = true;

    ppi_mutex_lock(&writer.lock);
    bool open = writer.open;
    writer.open = false;
    writer.closing = true;
    if (open)
        ppi_cond_broadcast(&writer.changed);
    while (open && !writer.over && in_time)
        in_time = ppi_cond_wait_until(&writer.changed, &writer.lock, deadline_ns);
    ppi_mutex_unlock(&writer.lock);
    if (open && in_time)
        ppi_thread_join(&writer.thread); /* else nobody reads; it ends with the process */
}

/* Hands a line over, or writes it. */
static void write_line(const char *line, size_t length)
{
    ppi_mutex_lock(&writer.lock);
    bool open = writer.open;
    if (open &&
        length + LINE_BYTES <= PAGE_BYTES - writer.used) { /* room for the word about losses */
        memcpy(writer.pages[writer.page] + writer.used, line, length);
        if (writer.used == 0)
            ppi_cond_signal(&writer.changed);
        writer.used += length;
    } else if (open) {
        writer.lost++;
    }
    ppi_mutex_unlock(&writer.lock);
    if (!open)
        put(line, length);
}

void log_write(void *context, uint32_t level, const char *text)
{
    char line[LINE_BYTES];

    (void)context;
    size_t length = begin_line(line, sizeof line, (enum log_level)level, text);
    if (length > sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    write_line(line, length);
}
