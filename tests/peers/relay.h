/* relay.h: what clients say to relay.c. */
#ifndef PEERS_RELAY_H
#define PEERS_RELAY_H

#include <stdint.h>

enum { RELAY_MAGIC = 0x4C494D31, RELAY_NOWHERE = -1, RELAY_CHANNELS = 64 };

/* The first bytes of a connection: the channel it sends to, and the one it receives from. */
struct relay_hello {
    int32_t magic, to, from;
};

/* In front of each payload. */
struct relay_frame {
    uint32_t size, channel;
};

#endif
