/* clients.h: the broker's clients, in the answer of $sys.clients: which is meant, how it is. */
#ifndef CLIENTS_H
#define CLIENTS_H

#include <jansson.h>

#include "bytes.h"

/* Those that a word means: a number, a name, or pid:N. A new array. */
json_t *clients_meant(const json_t *clients, const char *word);

/* The one that it means, which remains theirs. NULL: nobody, or several; *code is the exit code,
 * it was said. */
const json_t *clients_the(const json_t *clients, const char *word, int *code);

/* Each says it and returns the exit code. */
int clients_nobody(const char *word);
int clients_several(const char *word, const json_t *meant);

/* Sets cell to a client's state in words: ok, SLOW, BLOCKED by NAME, leaving. */
void clients_state(struct bytes *cell, const json_t *client, const json_t *clients);

#endif
