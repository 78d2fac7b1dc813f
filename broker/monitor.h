/* monitor.h: subscriptions of $sys, by which an operator watches: the lowest class. What the broker
 * says there waits for no room and nobody waits for it: without room it is missed, and counted. */
#ifndef MONITOR_H
#define MONITOR_H

#include "worker.h"

/* Bytes that wait for one connection at most before its monitors miss what comes; queue_high is for
 * messages. */
enum { MONITOR_QUEUE_BYTES = 256 * 1024 };

/* Is there room for so many bytes? Then they are reserved and count messages accepted; else these
 * are missed. In a view; one thread at a time for one subscription. */
bool monitor_reserve(struct worker *worker, struct sub *sub, size_t bytes, uint32_t count);

/* So many were missed: accepted and lost. */
void monitor_miss(struct worker *worker, struct sub *sub, uint64_t count);

/* How many messages it still gets; UINT64_MAX: there is no end. */
uint64_t monitor_left(struct sub *sub);

/* Has it end with the packet if it gets no more. */
void monitor_list_if_over(struct worker *worker, struct sub *sub);

/* The tail of a message for who asks who sent it: the broker did. How many bytes; 0: nobody asked.
 */
size_t monitor_tail(const struct sub *sub, uint8_t tail[META_MAX]);

#endif
