/* told.h: what is told of a connection's life, to the log and as events. */
#ifndef TOLD_H
#define TOLD_H

#include "worker.h"

/* In the write section: it is there; it is gone, and its queue forgotten, so that what it lost is
 * known. why: a status. */
void told_connected(const struct peer *peer);
void told_closed(const struct peer *peer, int why);

/* For the log, which is to say so when all that comes of its end has been sent. */
void told_gone(const struct peer *peer, int why);

/* It gave its name. In a view. */
void told_hello(const struct peer *peer);

/* Somebody is not let in: "E_NAME text\n". In a view. */
void told_denied(struct worker *worker, const pp_peer *who, const char *why);

/* The same of somebody who is connected: the first message has told who it is. */
void told_refused(struct peer *peer, const char *why);

#endif
