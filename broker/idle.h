/* idle.h: a broker that nobody needs leaves: setting idle_exit_ms.
 *
 * A client that comes just then must not be cut. So the lock on starting is taken, which holds up
 * whoever would start another broker; then the listener lets nobody in any more, and those who had
 * come already are accepted. Only if there were none the broker leaves; else it listens again. */
#ifndef IDLE_H
#define IDLE_H

#include "state.h"

/* From now on; after listener_open. PP_OK, PP_ENOMEM. */
int idle_open(struct broker *broker);

/* The last client has gone. In the write section. */
void idle_watch(struct broker *broker);

/* It is asked to end: nothing of this is out any more. Any worker. */
void idle_stop(struct broker *broker);

void idle_free(struct broker *broker);

#endif
