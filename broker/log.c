#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/op.h"

enum { LINE_BYTES = 960 };

void log_event(const struct log *log, enum log_level level, const char *event, const char *fields,
               ...)
{
    char line[LINE_BYTES];
    va_list arguments;

    if (log->write == NULL || level > log->level)
        return;
    size_t length = (size_t)snprintf(line, sizeof line, "%s ", event);
    va_start(arguments, fields);
    vsnprintf(line + length, sizeof line - length, fields, arguments);
    va_end(arguments);
    length = strlen(line);
    if (line[length - 1] == ' ')
        line[length - 1] = '\0';
    bool before = ppi_enter_callback(); /* where waiting is refused */
    log->write(log->context, (uint32_t)level, line);
    ppi_leave_callback(before);
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
