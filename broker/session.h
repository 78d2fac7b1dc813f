/* session.h: one connection's life: it is admitted, its frames are handed to who handles them, it
 * ends. */
#ifndef SESSION_H
#define SESSION_H

#include "worker.h"

/* Admits a connection, or says why not and closes it. */
void session_open(struct worker *worker, pp_handle *connection);

/* Ends a connection: tells the client, lets its queue go out, logs why. In a view. */
void session_end(struct worker *worker, struct peer *peer, int why, const char *name,
                 const char *text);

#endif
