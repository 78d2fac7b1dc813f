/* unsent.h: calls that a server's connection ended before it was sent them: they go to another. */
#ifndef UNSENT_H
#define UNSENT_H

#include "state.h"

/* A request as it stood in the frame of its call: from the header of the subject on. */
struct unsent {
    struct ppi_list in_peer;
    uint32_t server_id, subject_length;
    size_t subject, size;
    uint8_t rest[];
};

/* The peer's connection is over, and it was not sent a byte of this frame of a service's: keeps it
 * for calls_peer_gone. Without memory it does not. */
void unsent_keep(struct peer *peer, const struct sub *serve, const uint8_t *frame, size_t size);

#endif
