/* ticker.h: the broker's watch over time: deadlines of calls, half frames, slow readers, ends that
 * take too long. It looks ten times a second while there is something to watch, and sleeps when
 * there is not: an idle broker does nothing at all. */
#ifndef TICKER_H
#define TICKER_H

#include "state.h"

enum { TICK_MS = 100, LINGER_MS = 2000 };

/* PP_OK, PP_ENOMEM. */
int ticker_open(struct broker *broker);

/* There is something to watch. Cheap; any worker. */
void ticker_wake(struct broker *broker);

/* The same, if that link is above queue_high. */
void ticker_watch(struct broker *broker, const struct ppi_link *link);

/* There is nothing to watch any more, as far as the caller knows. */
void ticker_stop(struct broker *broker);

/* When its timer has come home. */
void ticker_free(struct broker *broker);

#endif
