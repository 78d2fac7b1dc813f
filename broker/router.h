/* router.h: from a subject to its receivers.
 *
 * Consecutive publishes of one connection on one route (route.h) are a run: they are
 * reserved, counted and collected together, so that what a message costs here is finding its end
 * and comparing its subject. */
#ifndef ROUTER_H
#define ROUTER_H

#include "route.h"

/* One message to publish: rest begins at the header of the subject. */
struct publication {
    struct peer *from;
    const char *subject;
    size_t subject_length;
    const uint8_t *rest;
    size_t rest_size;
};

/* May a message with such params be routed? They must fit into every receiver's form. */
bool router_takes(const struct broker *broker, unsigned depth, size_t size);

/* What became of a confirmed publish: matched = queued + refused. */
struct receipt {
    uint32_t matched, queued, refused;
};

/* Takes a plain publish frame, in order; it may be routed with the next ones, at the latest by
 * router_flush. ROUTED_LATER: neither this frame nor the run before it was routed; the run is
 * back in the peer's reader. */
enum routed router_publish_frame(struct worker *worker, struct peer *from,
                                 const struct ppi_frame *frame);

/* Routes what was taken. false: as ROUTED_LATER. */
bool router_flush(struct worker *worker);

/* Routes one message at once. The run before it must have been flushed. */
enum routed router_publish(struct worker *worker, const struct publication *message,
                           struct receipt *receipt);

/* Those who serve a subject, as a list that is good until the view is left; how many. -1: not a
 * subject that can be called. -2: no memory. */
int router_servers(struct worker *worker, const char *subject, size_t length, struct sub ***servers,
                   unsigned **turn);

/* How many subscriptions get what the peer publishes to a subject. -1, -2: as above. */
int64_t router_subscribers(struct worker *worker, const char *subject, size_t length,
                           const struct peer *publisher);

#endif
