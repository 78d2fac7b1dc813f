/* log_writer.h: the program's log: its brokers' lines on standard error, with time and level.
 *
 * Whoever reads standard error may be slow, or stop: that must stop nobody who logs. So a thread of
 * its own writes; what it cannot write in time is lost, and counted in the next line that goes out.
 * If standard error is the log of whoever keeps this process (io/service.h), a priority stands for
 * the time, which he notes. */
#ifndef LOG_WRITER_H
#define LOG_WRITER_H

#include "log.h"

/* Starts and ends the thread; without it, lines are written by who logs. log_close waits for a
 * moment for what is still to be written. PP_OK, PP_ENOMEM, PP_ELIMIT. */
int log_open(void);
void log_close(void);

/* Standard error, which is where lines go, is that file from now on, appended to. At 1 MiB it is
 * renamed to path.1, and begun anew. Before log_open. PP_OK, or as ppi_errors_to_file. */
int log_to_file(const char *path);

/* For struct log: takes a line over, which is written as a whole. Any thread. */
void log_write(void *context, uint32_t level, const char *text);

#endif
