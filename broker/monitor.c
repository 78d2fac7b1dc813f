#include "monitor.h"

#include "subs.h"

void monitor_miss(struct worker *worker, struct sub *sub, uint64_t count)
{
    if (count == 0)
        return;
    worker->counts.missed += count;
    atomic_fetch_add_explicit(&sub->accepted, count, memory_order_relaxed);
    ppi_mutex_lock(&sub->peer->link.lock);
    sub->lost += count;
    ppi_mutex_unlock(&sub->peer->link.lock);
}

bool monitor_reserve(struct worker *worker, struct sub *sub, size_t bytes, uint32_t count)
{
    struct ppi_link *link = &sub->peer->link;

    if (atomic_load(&link->load) + bytes > MONITOR_QUEUE_BYTES || !ppi_link_reserve(link, bytes)) {
        monitor_miss(worker, sub, count);
        return false;
    }
    atomic_fetch_add_explicit(&sub->accepted, count, memory_order_relaxed);
    return true;
}

/* What was missed does not count. */
uint64_t monitor_left(struct sub *sub)
{
    if (sub->max == 0)
        return UINT64_MAX;
    ppi_mutex_lock(&sub->peer->link.lock);
    uint64_t had = atomic_load(&sub->accepted) - sub->lost;
    ppi_mutex_unlock(&sub->peer->link.lock);
    return had < sub->max ? sub->max - had : 0;
}

void monitor_list_if_over(struct worker *worker, struct sub *sub)
{
    if (monitor_left(sub) == 0)
        sub_list_over(worker, sub);
}

size_t monitor_tail(const struct sub *sub, uint8_t tail[META_MAX])
{
    return sub->meta ? meta_write_own(tail) : 0;
}
