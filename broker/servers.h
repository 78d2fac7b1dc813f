/* servers.h: which of those who serve a subject gets a call. */
#ifndef SERVERS_H
#define SERVERS_H

#include "worker.h"

enum found {
    FOUND,
    FOUND_NONE,     /* nobody serves it */
    FOUND_BUSY,     /* all who do have all the calls they take */
    FOUND_FULL,     /* the one whose turn it is has no room */
    FOUND_BAD,      /* not a subject that can be called; why: pp_detail */
    FOUND_NO_MEMORY /* of the broker's */
};

/* The server with the fewest calls in flight that takes one more, with room for bytes reserved;
 * FOUND_FULL: the one without room. */
enum found servers_find(struct worker *worker, const char *subject, size_t length, size_t bytes,
                        struct sub **server);

/* What a caller is told, "E_NAME text", in at most SERVERS_WORDS_MAX bytes. */
enum { SERVERS_WORDS_MAX = 400 };
const char *servers_words(enum found found, const char *subject, size_t length,
                          char words[SERVERS_WORDS_MAX]);

#endif
