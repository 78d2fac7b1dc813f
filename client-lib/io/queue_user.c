/* queue_user.c: the completion queue in user space.
 *
 * Packets wait in one first-in first-out list. Workers are in one of three places:
 *   active   between two takes: they handle packets;
 *   polling  inside the port driver, where the kernel wakes them when something happens;
 *   parked   on a stack of ours, each on a condition of its own.
 *
 * There are `concurrency` tokens. An active or a polling worker has one:
 *     active + polling <= concurrency
 * except after pp_blocking_end, which takes a token without asking; the excess goes when the next
 * worker comes back. A worker without a token parks. Whoever gives a token up, or brings a packet,
 * calls redistribute, which keeps these promises:
 *   - while packets wait and a token is free, the worker that parked last gets both at once (it is
 *     handed the packet: it need not race for it);
 *   - while a token is free and nobody polls, the worker that parked last is sent to poll. Without
 *     this rule the last poller could block in its handler and no event would ever be seen again;
 *   - packets wait, a token is free, nobody is parked, somebody polls: one poller is woken. It
 *     wakes the next when it leaves packets behind, so that no wake-up is lost and none is for
 *     nothing.
 * Among the pollers the kernel wakes the one that began to wait last (Linux: epoll adds exclusive
 * waiters at the head of its queue), so the newest-first rule holds there too.
 *
 * A worker that comes back finds the next packet without a switch of threads: it gives its token
 * up and takes one again under the same lock. Events are looked for without waiting once in
 * POLL_EVERY takes, so that a stream that is always ready cannot hide the others.
 *
 * A lent descriptor is the driver's own: events make it readable by themselves, and so does a wake,
 * until somebody polls. So a foreign loop needs a wake for packets that lie here: one when they
 * come, are left behind or find a token free, and none was sent since the last poll. Its visits,
 * takes that do not wait, poll without a token, too: otherwise events would keep the descriptor
 * readable, for nothing, as long as the workers have all tokens; and a visit that finds none needs
 * no wake now, since one comes with the token. */
#include "io/queue_user.h"

#include "base/status.h"
#include "io/port.h"

enum { POLL_EVERY = 16 };

/* A worker waiting on the stack. Belongs to its thread; the links are under the queue's lock. */
struct waiter {
    struct waiter *older;
    struct ppi_cond cond;
    pp_op *op;     /* handed over, with a token */
    bool poll;     /* was given a token to poll with */
    bool released; /* taken off the stack */
};

/* A thread's relation to the port from which it took last. Holds a reference on the port. */
static _Thread_local struct {
    pp_port *port; /* NULL: not active. In a forked child it may be its parent's still */
    unsigned blocking;
    bool polling; /* is inside poll_events: will look at the packets by itself */
    bool hooked;
    pp_port *consumes; /* a port of which this thread is the single consumer; referenced */
} seat;

/* --- tokens, with the lock held -------------------------------------------------------------- */

static bool token_free(const pp_port *port)
{
    return port->queue->active + port->queue->polling < port->concurrency;
}

static struct waiter *unpark(struct ppi_queue *queue)
{
    struct waiter *waiter = queue->parked;

    queue->parked = waiter->older;
    queue->parked_count--;
    queue->wakeups++;
    waiter->released = true;
    ppi_cond_signal(&waiter->cond);
    return waiter;
}

static void wake_for_packets(pp_port *port)
{
    struct ppi_queue *queue = port->queue;

    if (queue->packets.head == NULL || queue->wake_sent || seat.polling)
        return;
    queue->wake_sent = true;
    port->driver->wake(port);
}

static void redistribute(pp_port *port)
{
    struct ppi_queue *queue = port->queue;

    while (queue->parked != NULL && token_free(port)) {
        if (queue->packets.head != NULL) {
            unpark(queue)->op = ppi_queue_first(queue);
            queue->active++;
        } else if (queue->polling == 0) {
            unpark(queue)->poll = true;
            queue->polling++;
        } else {
            break;
        }
    }
    if (queue->polling > 0)
        wake_for_packets(port);
}

/* After packets came, were left behind, or a token: what nobody in here takes is for the loop that
 * has the descriptor. */
static void offer(pp_port *port)
{
    redistribute(port);
    if (port->queue->lent)
        wake_for_packets(port);
}

/* --- workers --------------------------------------------------------------------------------- */

/* The port for which the calling thread is active; NULL: none. A child that a worker forks is not
 * one: its parent's port, whose locks somebody may have had just then, is left alone. */
static pp_port *seat_port(void)
{
    if (seat.port != NULL && ppi_port_check_process(seat.port) != PP_OK) {
        seat.port = NULL;
        seat.blocking = 0;
    }
    return seat.port;
}

/* Gives the calling thread's token and reference up. */
static void leave_seat(void)
{
    pp_port *port = seat_port();

    if (port == NULL)
        return;
    ppi_mutex_lock(&port->queue->lock);
    if (seat.blocking == 0) {
        port->queue->active--;
        offer(port);
    }
    ppi_mutex_unlock(&port->queue->lock);
    seat.port = NULL;
    seat.blocking = 0;
    ppi_port_unref(port);
}

/* The calling thread is no port's single consumer any more. */
static void resign(void)
{
    pp_port *port = seat.consumes;

    if (port == NULL)
        return;
    seat.consumes = NULL;
    if (port->driver->leave != NULL && ppi_port_check_process(port) == PP_OK)
        port->driver->leave(port);
    atomic_store(&port->queue->consumer, NULL);
    ppi_port_unref(port);
}

static void leave_for_good(void)
{
    leave_seat();
    resign();
}

static void hook_exit(void)
{
    if (seat.hooked)
        return;
    seat.hooked = true;
    ppi_at_thread_exit(leave_for_good);
}

/* Of a port with a single consumer, the calling thread is it; false: another one is. */
static bool may_consume(pp_port *port)
{
    void *nobody = NULL;

    if (!port->queue->single || seat.consumes == port)
        return true;
    if (!atomic_compare_exchange_strong(&port->queue->consumer, &nobody, &seat))
        return false;
    ppi_port_ref(port);
    seat.consumes = port;
    hook_exit();
    return true;
}

/* Ends the worker's previous packet, with the lock held; from now on the caller holds the
 * reference that the seat held, or a new one. */
static void come_back(pp_port *port)
{
    if (seat.port == port) {
        if (seat.blocking == 0)
            port->queue->active--;
        seat.port = NULL;
        seat.blocking = 0;
    } else {
        ppi_port_ref(port);
    }
}

static void sit_down(pp_port *port)
{
    seat.port = port; /* with the caller's reference */
    hook_exit();
}

/* Waits on the stack until it is given something to do; false: the deadline is over. */
static bool park(struct ppi_queue *queue, struct waiter *waiter, uint64_t deadline_ns)
{
    bool in_time = true;

    ppi_cond_init(&waiter->cond);
    waiter->older = queue->parked;
    queue->parked = waiter;
    queue->parked_count++;
    while (!waiter->released && in_time)
        in_time = ppi_cond_wait_until(&waiter->cond, &queue->lock, deadline_ns);
    if (!waiter->released) {
        struct waiter **at = &queue->parked;

        while (*at != waiter)
            at = &(*at)->older;
        *at = waiter->older;
        queue->parked_count--;
    }
    ppi_cond_deinit(&waiter->cond);
    return waiter->released;
}

/* Looks for events with a token, waiting until deadline_ns. Lock held before and after. */
static void poll_events(pp_port *port, uint64_t deadline_ns)
{
    struct ppi_queue *queue = port->queue;

    queue->takes = 0;
    ppi_mutex_unlock(&queue->lock);
    seat.polling = true;
    port->driver->poll(port, deadline_ns);
    seat.polling = false;
    ppi_mutex_lock(&queue->lock);
    queue->polling--;
    queue->wake_sent = false;
    if (deadline_ns != 0)
        queue->wakeups++;
    ppi_timers_run(port);
}

/* As many packets as one worker may carry away while others wait and could help. */
static int share(const pp_port *port, int count)
{
    const struct ppi_queue *queue = port->queue;
    uint32_t slots =
        port->concurrency > queue->active + 1 ? port->concurrency - queue->active - 1 : 0;
    uint32_t waiting = queue->parked_count + queue->polling;
    uint64_t fair = queue->packet_count / ((waiting < slots ? waiting : slots) + 1u);

    if (fair < 1)
        fair = 1;
    return fair < (uint64_t)count ? (int)fair : count;
}

/* Takes packets with a free token. */
static int take_share(pp_port *port, pp_packet *packets, int count)
{
    struct ppi_queue *queue = port->queue;
    int taken = 0;

    for (count = share(port, count); taken < count; taken++)
        packets[taken].op = ppi_queue_first(queue);
    queue->active++;
    queue->takes++;
    offer(port);
    return taken;
}

/* One round of looking for work: how many were taken, PP_ECLOSED, or 0. *over: the deadline. */
static int look(pp_port *port, pp_packet *packets, int count, uint64_t deadline_ns, bool *over)
{
    struct ppi_queue *queue = port->queue;

    if (queue->ended)
        return PP_ECLOSED;
    bool free = token_free(port), visit = queue->lent && deadline_ns == 0;
    if (!free && !visit) {
        struct waiter waiter = { 0 };

        if (deadline_ns == 0 || !park(queue, &waiter, deadline_ns)) {
            *over = true;
            return 0;
        }
        if (waiter.op != NULL) {
            packets[0].op = waiter.op;
            return 1;
        }
        if (waiter.poll)
            poll_events(port, deadline_ns);
        return 0;
    }
    if (free && queue->packets.head != NULL && queue->takes < POLL_EVERY)
        return take_share(port, packets, count);

    bool wait = queue->packets.head == NULL && !*over;
    queue->polling++;
    poll_events(port, wait ? deadline_ns : 0);
    if (queue->ended) /* the poll may have had the wake that tells so: it goes on to the next */
        return PP_ECLOSED;
    if (queue->packets.head != NULL && token_free(port))
        return take_share(port, packets, count);
    *over = deadline_ns == 0 || (deadline_ns != PPI_FOREVER && ppi_now_ns() >= deadline_ns);
    return 0;
}

static void wake_at_end(pp_port *port)
{
    if (port->queue->polling > 0 || port->queue->lent)
        port->driver->wake(port);
}

int ppi_queue_take(pp_port *port, pp_packet *packets, int count, uint64_t deadline_ns)
{
    struct ppi_queue *queue = port->queue;
    bool over = false;
    int taken = 0;

    if (seat.port != NULL && seat.port != port)
        leave_seat();
    if (seat.consumes != NULL && seat.consumes != port)
        resign();
    if (!may_consume(port))
        return ppi_fail(PP_ESTATE, "another thread is the port's single consumer");
    ppi_mutex_lock(&queue->lock);
    come_back(port);
    while (taken == 0 && !over)
        taken = look(port, packets, count, deadline_ns, &over);
    if (taken <= 0)
        redistribute(port);
    if (taken == PP_ECLOSED)
        wake_at_end(port); /* the next poller leaves too */
    ppi_mutex_unlock(&queue->lock);
    if (taken == PP_ECLOSED)
        resign();
    if (taken > 0)
        sit_down(port);
    else
        ppi_port_unref(port);
    return taken;
}

void ppi_queue_push(pp_port *port, pp_op *op)
{
    struct ppi_queue *queue = port->queue;

    ppi_mutex_lock(&queue->lock);
    ppi_ops_append(&queue->packets, op);
    queue->packet_count++;
    offer(port);
    bool ended = queue->ended;
    ppi_mutex_unlock(&queue->lock);
    if (ended) { /* whoever shuts the port down takes it */
        ppi_mutex_lock(&port->lock);
        ppi_cond_broadcast(&port->idle);
        ppi_mutex_unlock(&port->lock);
    }
}

void ppi_queue_end(pp_port *port)
{
    struct ppi_queue *queue = port->queue;

    ppi_mutex_lock(&queue->lock);
    queue->ended = true;
    while (queue->parked != NULL)
        unpark(queue);
    wake_at_end(port);
    ppi_mutex_unlock(&queue->lock);
}

int ppi_queue_lend(pp_port *port, int *descriptor)
{
    struct ppi_queue *queue = port->queue;

    if (queue->single)
        return ppi_fail(PP_ESTATE, "the port's single consumer waits in pp_port_get");
    if (port->driver->descriptor == NULL)
        return ppi_fail(PP_ENOTSUP, "the driver %s has no descriptor to lend", port->driver->name);
    ppi_mutex_lock(&queue->lock);
    queue->lent = true;
    wake_for_packets(port);
    if (queue->ended)
        wake_at_end(port);
    ppi_mutex_unlock(&queue->lock);
    *descriptor = port->driver->descriptor(port);
    return PP_OK;
}

void ppi_queue_detach(pp_port *port)
{
    if (port == NULL || seat.port == port)
        leave_seat();
    if (port == NULL || seat.consumes == port)
        resign();
}

/* --- brackets --------------------------------------------------------------------------------- */

void pp_blocking_begin(void)
{
    pp_port *port = seat_port();

    if (port == NULL || seat.blocking++ > 0)
        return;
    ppi_mutex_lock(&port->queue->lock);
    port->queue->active--;
    offer(port);
    ppi_mutex_unlock(&port->queue->lock);
}

void pp_blocking_end(void)
{
    pp_port *port = seat_port();

    if (port == NULL || seat.blocking == 0 || --seat.blocking > 0)
        return;
    ppi_mutex_lock(&port->queue->lock);
    port->queue->active++;
    ppi_mutex_unlock(&port->queue->lock);
}
