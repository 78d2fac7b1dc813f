/* raw.h: clients of bare bytes: what a server can do when no library brakes it.
 *
 * They write in batches of 64 KiB and read up to 256 KiB at once. A wire says what a protocol's
 * messages look like; everything else is the same for all of them. */
#ifndef PEERS_RAW_H
#define PEERS_RAW_H

#include <stddef.h>

#include "variant.h"

enum { HEAD_MAX = 128 };
enum role { SUBSCRIBER, PUBLISHER, RESPONDER, REQUESTER, IDLER };

/* One message as it lies in a buffer. */
struct found {
    size_t size; /* of all of it */
    const char *payload;
    size_t payload_size;
};

struct wire {
    /* Connects, and says what a client of that role says first. */
    int (*open)(const struct variant *variant, enum role role, int channel);
    /* Writes what stands in front of a payload, at most HEAD_MAX bytes; how many. A responder is
     * given the request. number: of the request. */
    size_t (*head)(char *out, enum role role, int channel, size_t payload_size, const char *request,
                   unsigned number);
    /* The first message of bytes; false: it is not whole yet. */
    bool (*find)(const char *bytes, size_t size, struct found *found);
};

void raw_subscribe(const struct variant *variant, int channel, int connections);
void raw_publish(const struct variant *variant, int channel);
void raw_respond(const struct variant *variant);
void raw_request(const struct variant *variant, unsigned outstanding);
void raw_idle(const struct variant *variant, int connections);

/* --- for wires -------------------------------------------------------------------------------- */

/* Connected, or dies. */
int connect_to(const char *path);

void write_all(int fd, const void *data, size_t size);
/* At least one byte, or dies. */
size_t read_some(int fd, void *buffer, size_t size);

/* The subject of a channel for a role: "s0" for messages, "q0" for requests, "r0" for replies. */
const char *subject_to_write(enum role role, int channel);
const char *subject_to_read(enum role role, int channel);

#endif
