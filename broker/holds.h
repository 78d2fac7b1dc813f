/* holds.h: who is held up by whom, and for how long: what it sent waits for room at another. */
#ifndef HOLDS_H
#define HOLDS_H

#include "state.h"

/* As ppi_link_wait_for_room, and noted. With from's turn. */
bool hold_for(struct peer *full, struct peer *from);

/* Nothing of what the peer sent is held any more. With its turn. */
void hold_end(struct peer *peer);

/* Does it read too slowly: is it full, or does somebody wait for its room? With the link's lock. */
bool hold_is_slow(const struct peer *peer, uint64_t queued_bytes);

/* How long it was held up in all. */
uint64_t hold_ns(const struct peer *peer, uint64_t now_ns);

#endif
