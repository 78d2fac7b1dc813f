/* broker.h: a broker as a whole. Its packets are handled by whoever takes packets from its port:
 * it needs workers, and makes none.
 *
 * It ends while its port lives on. Everything of it that will come back as a packet holds it: an
 * accept or its pause, the tick's timer, a wish, a connection, a refusal. When the last one has
 * come home the broker is over: it says so, from that packet's handler; it is freed then, or when
 * it is closed, whichever is later. */
#ifndef BROKER_H
#define BROKER_H

#include "settings.h"

struct broker; /* for other programs a pp_broker (embed.c) */

/* What a broker tells. Each may be NULL. */
struct broker_events {
    void *context;
    void (*log)(void *context, uint32_t level, const char *line); /* see log.h */
    /* It is over. The last event, exactly one, on whoever took the last packet. */
    void (*stopped)(void *context, pp_broker *broker);
};

/* Opens a broker on port and takes its name. PP_OK; PP_ENOMEM; or as pp_listen. */
int broker_open(struct broker **out, const struct settings *settings, pp_port *port,
                const struct broker_events *events);

/* Where it listens; as pp_pipe_path. */
int broker_path(const struct broker *broker, char *path, size_t size);

/* Asks it to end, see stop.h. Any thread. */
void broker_stop(struct broker *broker);
/* The same, unless it was asked already, which then goes on as it is. */
void broker_end(struct broker *broker);

/* The caller needs it no more: it ends at once, if it has not, and goes when it is over. Any
 * thread; does not wait. NULL is ignored. */
void broker_close(struct broker *broker);

/* For its parts: something of it goes out, and has come home. The broker may be gone after
 * broker_release. Who holds it may hold it once more; others must try, which fails if it is over.
 */
void broker_hold(struct broker *broker);
bool broker_try_hold(struct broker *broker);
void broker_release(struct broker *broker);

#endif
