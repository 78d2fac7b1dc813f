#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/op.h"
#include "wire/subject.h"

enum { LINE_BYTES = 960, CHARACTER_BYTES = 4 };

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

/* The bytes of the character at text; 0: it is none of UTF-8. */
static size_t character_size(const char *text, size_t left)
{
    for (size_t size = 1; size <= CHARACTER_BYTES && size <= left; size++)
        if (ppi_utf8(text, size))
            return size;
    return 0;
}

const char *log_quote(char out[LOG_QUOTED_MAX], const char *text, size_t length)
{
    size_t at = 0;

    out[at++] = '"';
    for (size_t i = 0, size; i < length && at < LOG_QUOTED_MAX - 8; i += size) {
        unsigned char c = (unsigned char)text[i];

        size = character_size(text + i, length - i);
        if (c == '"' || c == '\\') {
            at += (size_t)snprintf(out + at, 3, "\\%c", c);
        } else if (c < 0x20 || c == 0x7F || size == 0) {
            at += (size_t)snprintf(out + at, 5, "\\x%02X", c);
            size = 1;
        } else {
            memcpy(out + at, text + i, size);
            at += size;
        }
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}
