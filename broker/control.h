/* control.h: methods whose name begins with '$': talk with the broker itself. */
#ifndef CONTROL_H
#define CONTROL_H

#include "worker.h"

/* Handles a control request or notification. PPI_HOLD as router_publish and calls_request. The
 * worker may leave and enter its view on the way. */
enum ppi_verdict control(struct worker *worker, struct peer *peer, const struct ppi_frame *frame);

/* While frames of the peer are held: is this one that cannot wait ($cancel, $ping, $unsub)?
 * Then it was handled. */
bool control_urgent(struct worker *worker, struct peer *peer, const struct ppi_frame *frame);

/* A peer that said $bye, and of which nothing is held: says goodbye to it. */
void control_goodbye(struct worker *worker, struct peer *peer);

#endif
