/* log.h: what happens, one line per event, event key=value ..., handed to whoever wants it: a
 * broker writes nothing itself. */
#ifndef LOG_H
#define LOG_H

#include "base/compiler.h"
#include "settings.h"

/* Where a broker's lines go. */
struct log {
    enum log_level level;                                           /* and what is worse than it */
    void (*write)(void *context, uint32_t level, const char *line); /* NULL: nobody wants it */
    void *context;
};

/* fields: "key=value key=value", without what an untrusted peer wrote unless it went through
 * log_quote. Any thread. */
void log_event(const struct log *log, enum log_level level, const char *event, const char *fields,
               ...) PPI_PRINTF(4, 5);

/* text in quotes, with everything escaped that could break a line or is no UTF-8, cut at a sensible
 * length, between characters. Into out, which is returned. */
enum { LOG_QUOTED_MAX = 320 };
const char *log_quote(char out[LOG_QUOTED_MAX], const char *text, size_t length);

#endif
