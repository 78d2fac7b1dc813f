/* ask.h: questions to the broker. */
#ifndef ASK_H
#define ASK_H

#include <jansson.h>

#include "bytes.h"
#include "cli.h"
#include "session.h"

/* New params: an operand as it is: if it is no UTF-8 the broker refuses it. NULL: none. */
json_t *ask_with(const char *operand);

/* Connects, asks with a control method, has the answer printed, and leaves. params: an array, which
 * is taken; NULL: none. The exit code. */
int ask(const struct cli *cli, const char *method, json_t *params,
        void (*print)(const struct cli *cli, const json_t *answer));

/* The same on an open session. A new answer; NULL: *code is the exit code, it was said why. */
json_t *ask_here(struct session *session, const char *method, json_t *params, int *code);

/* The same without saying why: a status, as session_call. */
int ask_quietly(struct session *session, const char *method, json_t *params, json_t **answer);

/* The same with params that are a value already. */
int ask_packed(struct session *session, const char *method, const struct bytes *params,
               json_t **answer);

#endif
