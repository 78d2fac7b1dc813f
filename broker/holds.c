#include "holds.h"

#include "io/timer.h"

bool hold_for(struct peer *full, struct peer *from)
{
    if (!ppi_link_wait_for_room(&full->link, &from->link))
        return false;
    if (from->held_since_ns != 0 && from->held_by == full->id)
        return true; /* it has looked again, too early */
    if (from->held_since_ns == 0)
        from->held_since_ns = ppi_timer_now_ns(from->broker->port);
    from->held_by = full->id;
    atomic_fetch_add_explicit(&full->holds, 1, memory_order_relaxed);
    return true;
}

void hold_end(struct peer *peer)
{
    peer->held_ns += ppi_timer_now_ns(peer->broker->port) - peer->held_since_ns;
    peer->held_since_ns = 0;
}

bool hold_is_slow(const struct peer *peer, uint64_t queued_bytes)
{
    return queued_bytes > peer->broker->limits.queue_high || !ppi_list_empty(&peer->link.waiters);
}

uint64_t hold_ns(const struct peer *peer, uint64_t now_ns)
{
    return peer->held_ns + (peer->held_since_ns != 0 ? now_ns - peer->held_since_ns : 0);
}
