/* log.h: one line per event on standard error: time, level, event, key=value ... */
#ifndef LOG_H
#define LOG_H

#include "base/compiler.h"
#include "settings.h"

/* What is logged from now on. */
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);

/* fields: "key=value key=value", without what an untrusted peer wrote unless it went through
 * log_quote. Any thread; a line is written as a whole. */
void log_event(enum log_level level, const char *event, const char *fields, ...) PPI_PRINTF(3, 4);

/* text in quotes, with everything that could break a line escaped, cut at a sensible length.
 * Into out, which is returned. */
enum { LOG_QUOTED_MAX = 160 };
const char *log_quote(char out[LOG_QUOTED_MAX], const char *text, size_t length);

#endif
