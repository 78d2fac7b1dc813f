/* kick.h: an operator cuts a connection, and keeps its process away for a while. */
#ifndef KICK_H
#define KICK_H

#include "worker.h"

enum {
    KICK_MS_MAX = 24 * 60 * 60 * 1000,
    KICK_TEXT_MAX = 200,
    KICKS_KEPT = 64, /* processes kept away; the oldest may come again first */
    KICK_WORDS_MAX = KICK_TEXT_MAX + 64
};

/* PP_OK, PP_ENOMEM. */
int kicks_open(struct broker *broker);
void kicks_free(struct broker *broker);

/* Tells the peer and ends its connection; for for_ms its process is refused. text: "" or why. */
void kick(struct worker *worker, struct peer *peer, const struct peer *by, const char *text,
          uint64_t for_ms);

/* Is that process kept away? Then words are a line that says so. */
bool kick_keeps_away(struct broker *broker, const pp_peer *who, char words[KICK_WORDS_MAX]);

#endif
