#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "io/sys.h"

static atomic_int wanted = LOG_INFO;

void log_set_level(enum log_level level)
{
    wanted = (int)level;
}

bool log_wants(enum log_level level)
{
    return (int)level <= wanted;
}

void log_event(enum log_level level, const char *event, const char *fields, ...)
{
    char line[1024];
    char now[PPI_TIME_TEXT];
    va_list arguments;

    if (!log_wants(level))
        return;
    ppi_time_text(now, ppi_wall_ms());
    size_t length = (size_t)snprintf(line, sizeof line, "%s %s %s%s", now, log_level_name(level),
                                     event, fields[0] != '\0' ? " " : "");
    va_start(arguments, fields);
    vsnprintf(line + length, sizeof line - length - 1, fields, arguments);
    va_end(arguments);
    strcat(line, "\n");
    fputs(line, stderr); /* one write, also where the C library buffers it */
    fflush(stderr);
}

const char *log_quote(char out[LOG_QUOTED_MAX], const char *text, size_t length)
{
    size_t at = 0;

    out[at++] = '"';
    for (size_t i = 0; i < length && at < LOG_QUOTED_MAX - 8; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '"' || c == '\\')
            at += (size_t)snprintf(out + at, 3, "\\%c", c);
        else if (c < 0x20 || c == 0x7F)
            at += (size_t)snprintf(out + at, 5, "\\x%02X", c);
        else
            out[at++] = (char)c;
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}
