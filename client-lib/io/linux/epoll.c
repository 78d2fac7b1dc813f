/* epoll.c: epoll as the source of a port's completions.
 *
 * Sockets are watched edge-triggered from attach to release, for input only: one epoll_ctl in
 * their life. Output is watched from the first write that does not fit until the socket reports
 * room and nobody wants it: a reader that takes its bytes would otherwise wake us each time.
 *
 * An event carries the number of a slot and the slot's generation, never a pointer: an event that
 * another worker fetched just before a handle was released finds the slot used again, or empty.
 *
 * wake is an eventfd, edge-triggered too: a write lets one poller return, and nobody reads it.
 * The alarm of the port's timers is a timerfd in the same set.
 *
 * PANPIPE_DRIVER=io_uring: streams are a ring's instead (uring.c), which pushes packets by itself.
 * The set is still what workers wait for, with its wakes, alarms and listeners; or it is watched by
 * the ring, in which a single consumer waits. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/status.h"
#include "io/handle.h"
#include "io/linux/linux.h"
#include "io/linux/uring.h"
#include "io/port.h"
#include "io/queue_user.h"

enum { EVENTS_MAX = 16, SLOTS_MIN = 16 };
#define NOT_A_SLOT UINT32_MAX
static const uint32_t watch_in = EPOLLIN | EPOLLRDHUP | EPOLLET;

struct slot {
    pp_handle *handle; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct epoll_port {
    int epoll_fd, wake_fd, timer_fd;
    struct ppi_mutex lock; /* the slots; innermost of all locks */
    struct slot *slots;
    uint32_t slot_count, first_free;
    struct ppi_uring *uring; /* has the streams; NULL: they are in the set, as listeners always */
};

static uint64_t name_of_slot(const struct epoll_port *ep, uint32_t index)
{
    return (uint64_t)ep->slots[index].generation << 32 | index;
}

/* --- the port -------------------------------------------------------------------------------- */

static void epoll_close(pp_port *port)
{
    struct epoll_port *ep = port->driver_data;

    if (ep == NULL)
        return;
    if (ep->uring != NULL)
        ppi_uring_close(ep->uring);
    if (ep->epoll_fd >= 0)
        close(ep->epoll_fd);
    if (ep->wake_fd >= 0)
        close(ep->wake_fd);
    if (ep->timer_fd >= 0)
        close(ep->timer_fd);
    ppi_mutex_deinit(&ep->lock);
    free(ep->slots);
    free(ep);
    port->driver_data = NULL;
}

static int watch_own(struct epoll_port *ep, int fd)
{
    struct epoll_event event = { EPOLLIN | EPOLLET, { .u64 = NOT_A_SLOT } };

    return fd < 0 ? -1 : epoll_ctl(ep->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int epoll_open(pp_port *port)
{
    const char *wanted = ppi_environment("PANPIPE_DRIVER");
    bool ring = wanted != NULL && strcmp(wanted, "io_uring") == 0;

    if (!ring && wanted != NULL && wanted[0] != '\0' && strcmp(wanted, "epoll") != 0)
        return ppi_fail(PP_EINVAL, "PANPIPE_DRIVER=%s is not known here; use epoll or io_uring",
                        wanted);

    struct epoll_port *ep = calloc(1, sizeof *ep);
    if (ep == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    ppi_mutex_init(&ep->lock);
    ep->first_free = NOT_A_SLOT;
    ep->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    ep->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ep->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    port->driver_data = ep;
    if (ep->epoll_fd < 0 || watch_own(ep, ep->wake_fd) != 0 || watch_own(ep, ep->timer_fd) != 0) {
        int number = errno;

        epoll_close(port);
        return ppi_fail(ppi_errno_status(number), "epoll: %s", strerror(number));
    }
    if (ring)
        ep->uring = ppi_uring_open(port, port->queue->single ? ep->epoll_fd : -1);
    if (ep->uring != NULL)
        port->driver_name = "io_uring";
    return PP_OK;
}

/* Is its single consumer to wait in the ring, which knows when there is something in the set? */
static bool polls_ring(const pp_port *port)
{
    const struct epoll_port *ep = port->driver_data;

    return ep->uring != NULL && port->queue->single;
}

static void epoll_wake(pp_port *port)
{
    struct epoll_port *ep = port->driver_data;

    if (polls_ring(port))
        ppi_uring_wake(ep->uring);
    else
        (void)!eventfd_write(ep->wake_fd, 1);
}

static void epoll_alarm(pp_port *port, uint64_t deadline_ns)
{
    struct epoll_port *ep = port->driver_data;
    struct itimerspec at = { 0 }; /* zero: off */

    if (deadline_ns != PPI_FOREVER) {
        at.it_value.tv_sec = (time_t)(deadline_ns / 1000000000u);
        at.it_value.tv_nsec = (long)(deadline_ns % 1000000000u) + (deadline_ns == 0);
    }
    timerfd_settime(ep->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* The handle an event is for, referenced; NULL: it is none, or no more. */
static pp_handle *handle_of(struct epoll_port *ep, uint64_t name)
{
    uint32_t index = (uint32_t)name;
    pp_handle *handle = NULL;

    if (index == NOT_A_SLOT)
        return NULL;
    ppi_mutex_lock(&ep->lock);
    if (name_of_slot(ep, index) == name && ep->slots[index].handle != NULL)
        handle = ppi_handle_ref(ep->slots[index].handle);
    ppi_mutex_unlock(&ep->lock);
    return handle;
}

/* Also reports when the socket can be written to, or no more. */
static void want_out(struct epoll_port *ep, pp_handle *handle, bool want)
{
    if (!handle->os.watched || handle->os.wants_out == want)
        return;

    struct epoll_event event = { .events = want ? watch_in | EPOLLOUT : watch_in };
    ppi_mutex_lock(&ep->lock);
    event.data.u64 = name_of_slot(ep, handle->os.slot);
    ppi_mutex_unlock(&ep->lock);
    ppi_check(epoll_ctl(ep->epoll_fd, EPOLL_CTL_MOD, handle->os.fd, &event) == 0);
    handle->os.wants_out = want;
}

static void on_event(struct epoll_port *ep, pp_handle *handle, uint32_t events)
{
    bool over = (events & (EPOLLHUP | EPOLLERR)) != 0;
    struct ppi_lane *in = &handle->lanes[PPI_IN], *out = &handle->lanes[PPI_OUT];

    ppi_mutex_lock(&handle->lock);
    if (over || (events & EPOLLRDHUP) != 0)
        in->hung_up = true;
    if (over || (events & (EPOLLIN | EPOLLRDHUP)) != 0) {
        in->ready = true;
        ppi_handle_retry(handle, PPI_IN);
    }
    if (over || (events & EPOLLOUT) != 0) {
        out->ready = true;
        if (out->current != NULL)
            ppi_handle_retry(handle, PPI_OUT);
        else
            want_out(ep, handle, false);
    }
    ppi_handle_unlock(handle);
}

/* How many events there were. */
static int look(struct epoll_port *ep, uint64_t deadline_ns)
{
    struct epoll_event events[EVENTS_MAX];
    int timeout_ms = deadline_ns == 0 ? 0 : ppi_until_ms(deadline_ns);
    int count = epoll_wait(ep->epoll_fd, events, EVENTS_MAX, timeout_ms);

    for (int i = 0; i < count; i++) {
        pp_handle *handle = handle_of(ep, events[i].data.u64);

        if (handle == NULL)
            continue;
        on_event(ep, handle, events[i].events);
        ppi_handle_unref(handle);
    }
    return count;
}

static void epoll_poll(pp_port *port, uint64_t deadline_ns)
{
    struct epoll_port *ep = port->driver_data;

    if (!polls_ring(port))
        look(ep, deadline_ns);
    else if (ppi_uring_poll(ep->uring, deadline_ns))
        while (look(ep, 0) == EVENTS_MAX)
            ;
}

static void epoll_leave(pp_port *port)
{
    struct epoll_port *ep = port->driver_data;

    if (polls_ring(port))
        ppi_uring_leave(ep->uring);
}

/* The set itself: an event of an edge-triggered member keeps it readable until it is fetched. */
static int epoll_descriptor(pp_port *port)
{
    return ((struct epoll_port *)port->driver_data)->epoll_fd;
}

const struct ppi_port_driver ppi_epoll_driver = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .poll = epoll_poll,
    .wake = epoll_wake,
    .leave = epoll_leave,
    .alarm = epoll_alarm,
    .descriptor = epoll_descriptor,
    .now_ns = ppi_now_ns,
};

/* --- its handles ----------------------------------------------------------------------------- */

/* With the lock held. */
static int add_slots(struct epoll_port *ep)
{
    uint32_t count = ep->slot_count == 0 ? SLOTS_MIN : ep->slot_count * 2;
    struct slot *slots = realloc(ep->slots, count * sizeof *slots);

    if (slots == NULL)
        return PP_ENOMEM;
    for (uint32_t i = ep->slot_count; i < count; i++)
        slots[i] = (struct slot){ .next_free = i + 1 < count ? i + 1 : NOT_A_SLOT };
    ep->first_free = ep->slot_count;
    ep->slots = slots;
    ep->slot_count = count;
    return PP_OK;
}

static void free_slot(struct epoll_port *ep, uint32_t index)
{
    ppi_mutex_lock(&ep->lock);
    ep->slots[index].handle = NULL;
    ep->slots[index].generation++;
    ep->slots[index].next_free = ep->first_free;
    ep->first_free = index;
    ppi_mutex_unlock(&ep->lock);
}

static int epoll_add(struct epoll_port *ep, pp_handle *handle)
{
    struct epoll_event event = { .events = watch_in };

    ppi_mutex_lock(&ep->lock);
    if (ep->first_free == NOT_A_SLOT && add_slots(ep) != PP_OK) {
        ppi_mutex_unlock(&ep->lock);
        return ppi_fail_plain(PP_ENOMEM);
    }
    uint32_t index = ep->first_free;
    ep->first_free = ep->slots[index].next_free;
    ep->slots[index].handle = handle;
    event.data.u64 = name_of_slot(ep, index);
    ppi_mutex_unlock(&ep->lock);

    if (epoll_ctl(ep->epoll_fd, EPOLL_CTL_ADD, handle->os.fd, &event) != 0) {
        int number = errno;

        free_slot(ep, index);
        if (number == ENOSPC)
            return ppi_fail(PP_ELIMIT, "epoll_ctl: see fs.epoll.max_user_watches");
        return ppi_fail(ppi_errno_status(number), "epoll_ctl: %s", strerror(number));
    }
    handle->os.slot = index;
    handle->os.watched = true;
    return PP_OK;
}

static void epoll_remove(struct epoll_port *ep, pp_handle *handle)
{
    struct epoll_event ignored;

    if (!handle->os.watched)
        return;
    epoll_ctl(ep->epoll_fd, EPOLL_CTL_DEL, handle->os.fd, &ignored);
    free_slot(ep, handle->os.slot);
    handle->os.watched = false;
}

/* The ring that the handle is for; NULL: it is in the set. */
static struct ppi_uring *ring_of(const pp_handle *handle)
{
    const struct epoll_port *ep = handle->port->driver_data;

    return handle->kind == PPI_STREAM ? ep->uring : NULL;
}

int ppi_watch_begin(pp_handle *handle)
{
    struct ppi_uring *uring = ring_of(handle);

    return uring != NULL ? ppi_uring_add(uring, handle)
                         : epoll_add(handle->port->driver_data, handle);
}

void ppi_watch_end(pp_handle *handle)
{
    struct ppi_uring *uring = ring_of(handle);

    if (uring != NULL)
        ppi_uring_remove(uring, handle);
    else
        epoll_remove(handle->port->driver_data, handle);
}

void ppi_watch_await(pp_handle *handle, const pp_op *op)
{
    struct ppi_uring *uring = ring_of(handle);

    if (uring != NULL)
        ppi_uring_await(uring, handle, op);
    else if (op->priv_.lane == PPI_OUT)
        want_out(handle->port->driver_data, handle, true);
}

bool ppi_watch_cancel(pp_handle *handle, const pp_op *op)
{
    struct ppi_uring *uring = ring_of(handle);

    return uring == NULL || ppi_uring_cancel(uring, handle, op);
}
