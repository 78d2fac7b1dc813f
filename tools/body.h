/* body.h: what is sent, from what the user gave; and what has come, for the user to read.
 *
 * --in says what the given bytes are:
 *   raw      they become one text if they are UTF-8, else one binary (the default)
 *   json     the params, an array; another value becomes an array of one
 *   hex      as raw, in hexadecimal
 *   msgpack  the params as they are */
#ifndef BODY_H
#define BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

enum body_form { BODY_RAW, BODY_JSON, BODY_HEX, BODY_MSGPACK };
extern const char *const body_forms[];

enum { BODY_MAX = 16 * 1024 * 1024, BODY_PROBLEM_MAX = 240 };

/* Takes an operand: text, @FILE, or with may_read "-" for all of standard input. GO_ON, or the
 * exit code. */
int body_given(const char *operand, bool may_read, struct bytes *given);

/* Says that there are more than BODY_MAX bytes; the exit code. */
int body_too_large(void);

/* Adds given bytes to out: as the params of a message; as one value, the result of a call.
 * false: problem says what is wrong with them. */
bool body_params(enum body_form form, const char *data, size_t size, struct bytes *out,
                 char problem[BODY_PROBLEM_MAX]);
bool body_value(enum body_form form, const char *data, size_t size, struct bytes *out,
                char problem[BODY_PROBLEM_MAX]);

/* Adds params, or a value, as the user reads them: the bytes of the only text or binary; anything
 * else as JSON on one line. Without the end of the line. */
void body_show_params(const void *params, size_t size, struct bytes *out);
void body_show_value(const void *value, size_t size, struct bytes *out);

#endif
