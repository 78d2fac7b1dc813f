/* error.h: what went wrong, in one line, and the exit code that goes with it.
 *
 *     panpipe: WHAT: why; what to change
 *
 * With --json it is {"error":{"code":"E_NORESP","text":"why","hint":"what to change"}}. Both go to
 * standard error. */
#ifndef ERROR_H
#define ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include "macros.h"

/* The same for every command. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* anything else */
    EXIT_WRONG_USE = 2,
    EXIT_NO_BROKER = 3,
    EXIT_DENIED = 4,
    EXIT_NOBODY = 5, /* no service, no receiver */
    EXIT_TIMED_OUT = 6,
    EXIT_REMOTE = 7, /* the other side answered with an error */
    EXIT_LIMIT = 8,
    EXIT_PROTOCOL = 9,
    EXIT_NOT_FOUND = 11,
    EXIT_INTERRUPTED = 130
};

/* what: the command. */
void error_begin(const char *what, bool json);

/* Has ready called in front of whatever is said next: the terminal may have to be readied. */
void error_before(void (*ready)(void));

/* Each says it and returns the exit code.
 * error_status: status is a panpipe one; words, if they are not "", say more than it does, and may
 * begin with the protocol's name of the error: "E_NORESP nobody serves a.b". */
int error_say(int code, const char *name, const char *why, const char *hint);
int error_use(const char *format, ...) PRINTF_LIKE(1, 2);
int error_status(int status, const char *words);
int error_note(const char *words); /* these have to begin with the name */

/* From now on errors are not said: the words of the first are kept in why, at most size bytes.
 * NULL: they are said again. */
void error_keep(char *why, size_t size);

/* The errors that the broker and the library have, those of one name together; NULL: no more. */
struct error_kind {
    int status; /* the library's */
    int code;   /* the exit code */
    const char *name;
    const char *why, *hint; /* unless the broker or the library has better words */
};
const struct error_kind *error_kind_at(size_t i);

/* What another program, or a broker, wrote: safe to show on one line of a terminal. Bytes of no
 * letter, or of one that was cut, become "?". */
void error_clean(char *text);

#endif
