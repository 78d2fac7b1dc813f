/* log.h: one line per event on standard error: time, level, event, key=value ... If that is the log
 * of whoever keeps this process (io/service.h), a priority stands for the time, which he notes.
 *
 * Whoever reads standard error may be slow, or stop: that must stop nobody who logs. So a thread of
 * its own writes; what it cannot write in time is lost, and counted in the next line that goes out.
 */
#ifndef LOG_H
#define LOG_H

#include "base/compiler.h"
#include "settings.h"

/* What is logged from now on. */
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);

/* Starts and ends the thread; without it, lines are written by who logs. log_close waits for a
 * moment for what is still to be written. PP_OK, PP_ENOMEM, PP_ELIMIT. */
int log_open(void);
void log_close(void);

/* Standard error, which is where lines go, is that file from now on, appended to. At 1 MiB it is
 * renamed to path.1, and begun anew. Before log_open. PP_OK, or as ppi_errors_to_file. */
int log_to_file(const char *path);

/* fields: "key=value key=value", without what an untrusted peer wrote unless it went through
 * log_quote. Any thread; a line is written as a whole. */
void log_event(enum log_level level, const char *event, const char *fields, ...) PPI_PRINTF(3, 4);

/* text in quotes, with everything that could break a line escaped, cut at a sensible length.
 * Into out, which is returned. */
enum { LOG_QUOTED_MAX = 160 };
const char *log_quote(char out[LOG_QUOTED_MAX], const char *text, size_t length);

#endif
