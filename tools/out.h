/* out.h: standard output, gathered into blocks. Binary-safe: stdio's own is not used. */
#ifndef OUT_H
#define OUT_H

#include <stdbool.h>
#include <stddef.h>

#include "macros.h"

/* quiet: what is printed is dropped. */
void out_begin(bool quiet);

void out_bytes(const void *data, size_t size);
void out_text(const char *text);
void out_format(const char *format, ...) PRINTF_LIKE(1, 2);

/* How many columns the terminal has that standard output is; 0: it is none. */
int out_width(void);

/* How much waits to be written. */
size_t out_size(void);

/* Writes what was gathered. GO_ON; or the exit code, which is EXIT_DONE if nobody reads any more:
 * `panpipe sub ... | head` is no failure. */
int out_flush(void);

/* At the end of a command: writes the rest, and gives the memory back. Returns code, or the exit
 * code of a failed write. */
int out_end(int code);

#endif
