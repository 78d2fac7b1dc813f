/* room.c: a link's flow control: who may send, and who waits for room. See link.h. */
#include "link/link.h"

bool ppi_link_reserve(struct ppi_link *link, size_t bytes)
{
    const struct ppi_link_limits *limits = link->limits;
    size_t before = atomic_load_explicit(&link->load, memory_order_relaxed);

    /* never added and taken back: what cannot be refused (charge) would be refused meanwhile */
    do
        if (before > limits->queue_high ||
            (before > limits->queue_low && before + bytes > limits->queue_hard))
            return false;
    while (!atomic_compare_exchange_weak_explicit(&link->load, &before, before + bytes,
                                                  memory_order_acq_rel, memory_order_relaxed));
    return true;
}

bool ppi_link_charge(struct ppi_link *link, size_t bytes)
{
    size_t before = atomic_fetch_add_explicit(&link->load, bytes, memory_order_acq_rel);

    return before <= link->limits->queue_low || before + bytes <= link->limits->queue_hard;
}

void ppi_link_wake_waiters(struct ppi_link *link)
{
    for (;;) {
        ppi_mutex_lock(&link->lock);
        struct ppi_list *first = ppi_list_take(&link->waiters);
        ppi_mutex_unlock(&link->lock);
        if (first == NULL)
            return;
        ppi_link_resume(PP_CONTAINER(first, struct ppi_link, waiting));
    }
}

void ppi_link_unreserve(struct ppi_link *link, size_t bytes)
{
    size_t left = atomic_fetch_sub_explicit(&link->load, bytes, memory_order_acq_rel) - bytes;

    if (left <= link->limits->queue_high)
        atomic_store_explicit(&link->dipped, true, memory_order_relaxed);
    if (left > link->limits->queue_low || left + bytes <= link->limits->queue_low)
        return;
    ppi_link_wake_waiters(link);
    if (link->events->room != NULL)
        link->events->room(link);
}

bool ppi_link_wait_for_room(struct ppi_link *full, struct ppi_link *waiter)
{
    ppi_mutex_lock(&full->lock);
    bool wait = full->state == PPI_LINK_OPEN && !full->mute;
    if (wait && ppi_list_empty(&waiter->waiting))
        ppi_list_append(&full->waiters, &waiter->waiting);
    ppi_mutex_unlock(&full->lock);
    /* room may have come before the waiter was in the list */
    if (wait && atomic_load(&full->load) <= full->limits->queue_low)
        ppi_link_wake_waiters(full);
    return wait;
}
