/* broker.h: a broker as a whole. Its packets are handled by whoever takes packets from its port:
 * it needs workers, and makes none. */
#ifndef BROKER_H
#define BROKER_H

#include "settings.h"

struct broker;

/* Opens a broker on port and takes its name. on_stopped is called once, on a worker, when a wished
 * end is complete and no connection is left. PP_OK, or as pp_listen. */
int broker_open(struct broker **out, const struct settings *settings, pp_port *port,
                void (*on_stopped)(void *context), void *context);

/* Asks it to end, see stop.h. Any thread. */
void broker_stop(struct broker *broker);

/* After the port's shutdown, when no worker is left. */
void broker_free(struct broker *broker);

#endif
