/* stop.h: how the broker ends.
 *
 * First wish: no new connections, clients are told, open calls are answered. Each connection is
 * closed when nothing comes from it any more and all of its queue is out; at the latest after
 * drain_ms. A second wish waits for nothing. */
#ifndef STOP_H
#define STOP_H

#include "worker.h"

/* Prepares the packet that a wish is. PP_OK, PP_ENOMEM. */
int stop_open(struct broker *broker);
void stop_free(struct broker *broker);

/* One or more wishes, or 0: one unless there was one already. Any thread, any number of times. */
void stop_begin(struct broker *broker, unsigned wishes);

/* One wish, with another drain_ms than the setting. */
enum { STOP_DRAIN_MS_MAX = 60 * 60 * 1000 };
void stop_begin_within(struct broker *broker, uint32_t drain_ms);

/* While stopping, by the ticker: closes what is through. true: not all yet. */
bool stop_watch(struct worker *worker, uint64_t now_ns);

#endif
