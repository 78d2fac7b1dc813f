/* doctor_talk.h: a few questions to whoever listens, broker or not, without a client: nothing is
 * taken for granted, nothing waits for ever, and what comes back is judged, not believed. */
#ifndef DOCTOR_TALK_H
#define DOCTOR_TALK_H

#include <stdbool.h>

#include <jansson.h>
#include <panpipe/pipe.h>

#include "bytes.h"

enum { TALK_WORDS_MAX = 300 };

/* Zeroed, there is none. */
struct talk {
    pp_handle *stream;
    struct bytes in; /* not judged yet */
    unsigned asked;
    int patience_ms;            /* for each step */
    char words[TALK_WORDS_MAX]; /* about the last failure */
};

/* Connects as a client would; any: to anybody's server. PP_OK, or why not. */
int talk_open(struct talk *talk, const char *name, uint32_t scope, bool any, int patience_ms);
void talk_close(struct talk *talk);

enum talk_end {
    TALK_ANSWER,  /* a new *result is the caller's */
    TALK_ERROR,   /* an error of the protocol, in words */
    TALK_REFUSED, /* a line for who is not let in, in words */
    TALK_STRANGE, /* what came is not the protocol */
    TALK_SILENT,  /* nothing came in time */
    TALK_ENDED    /* the connection, without a word */
};
/* params: MessagePack. */
enum talk_end talk_ask(struct talk *talk, const char *method, const char *params, size_t size,
                       json_t **result);

#endif
