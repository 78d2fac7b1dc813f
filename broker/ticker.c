#include "ticker.h"

#include <stdlib.h>

#include "broker.h"
#include "calls.h"
#include "events.h"
#include "holds.h"
#include "io/timer.h"
#include "session.h"
#include "stop.h"
#include "worker.h"

enum { UNKNOWN_MS = 5000 }; /* nobody is unknown for longer */

struct ticker {
    struct ppi_timer timer;
    struct broker *broker;
    uint64_t due_ns; /* of the timer; set by who arms it */
    atomic_bool armed;
    atomic_bool looking; /* somebody does; what a tick notes, below and of a peer, has no lock */
    uint64_t judged_ns;  /* the time that the last tick judged by */
    uint64_t late_ns;    /* the time now, at a tick that is late; else 0 */
};

void ticker_wake(struct broker *broker)
{
    struct ticker *ticker = broker->ticker;

    if (atomic_load(&ticker->armed) || /* in order with what the caller changed before */
        atomic_exchange(&ticker->armed, true))
        return;
    broker_hold(broker);
    ticker->due_ns = ppi_timer_now_ns(broker->port) + (uint64_t)TICK_MS * PPI_NS_PER_MS;
    if (ppi_timer_start(&ticker->timer, broker->port, ticker->due_ns) == PP_OK)
        return;
    atomic_store(&ticker->armed, false);
    broker_release(broker);
}

void ticker_stop(struct broker *broker)
{
    if (!ppi_timer_stop(&broker->ticker->timer, broker->port))
        return;
    atomic_store(&broker->ticker->armed, false);
    broker_release(broker);
}

void ticker_watch(struct broker *broker, const struct ppi_link *link)
{
    if (atomic_load_explicit(&link->load, memory_order_relaxed) > broker->limits.queue_high)
        ticker_wake(broker);
}

static uint64_t ms(uint64_t milliseconds)
{
    return milliseconds * PPI_NS_PER_MS;
}

/* A frame that does not get on, or gets on too slowly. true: there is one to watch. */
static bool watch_half(struct worker *worker, struct peer *peer, uint64_t now_ns)
{
    const struct settings *settings = &worker->broker->settings;
    uint64_t began_ns = atomic_load(&peer->link.half_began_ns);
    uint64_t grew_ns = atomic_load(&peer->link.half_grew_ns);
    uint64_t bytes = atomic_load(&peer->link.half_bytes);

    if (bytes == 0 || began_ns == 0)
        return false;
    if (atomic_load(&peer->link.holding)) /* it is we who do not read on */
        return true;
    if (now_ns > grew_ns + ms(settings->half_frame_ms))
        session_end(worker, peer, PP_EPROTO, "E_PROTO", "a message was begun and not continued");
    else if (now_ns >
             began_ns + ms(settings->half_frame_ms) + ms(bytes * 1000 / settings->half_frame_rate))
        session_end(worker, peer, PP_EPROTO, "E_PROTO", "a message comes too slowly");
    return true;
}

/* Somebody who connected and says nothing; where that is how the system tells who it is, sooner.
 * true: it has not spoken yet. */
static bool watch_silent(struct worker *worker, struct peer *peer, uint64_t now_ns)
{
    uint32_t silent_ms = worker->broker->settings.silent_ms;

    if (silent_ms == 0 || atomic_load(&peer->link.read_bytes) > 0)
        return false;
    if (!peer->known && silent_ms > UNKNOWN_MS)
        silent_ms = UNKNOWN_MS;
    if (now_ns > peer->opened_ns + ms(silent_ms))
        session_end(worker, peer, PP_ETIMEDOUT, "E_TIMEOUT", "silent_ms: it said nothing");
    return true;
}

static bool is_slow(struct peer *peer, size_t load)
{
    ppi_mutex_lock(&peer->link.lock);
    bool slow = hold_is_slow(peer, load);
    ppi_mutex_unlock(&peer->link.lock);
    return slow;
}

static void tell_slow(struct peer *peer, size_t load, uint64_t now_ns)
{
    const uint64_t low = peer->broker->limits.queue_low, since_ns = peer->slow_told_ns;

    if (since_ns == 0 && load > low && is_slow(peer, load)) {
        peer->slow_told_ns = now_ns;
        events_tell(peer->broker,
                    &(const struct event){
                        .kind = "slow", .peer = peer, .more = { { "queued_bytes", load, NULL } } });
    } else if (since_ns != 0 && load <= low) {
        const uint64_t slow_ms = (now_ns - since_ns) / PPI_NS_PER_MS;

        peer->slow_told_ns = 0;
        events_tell(peer->broker,
                    &(const struct event){
                        .kind = "easy", .peer = peer, .more = { { "slow_ms", slow_ms, NULL } } });
    }
}

/* A reader that has been above queue_high for too long, or drains too slowly on the way down.
 * true: there is something to watch. */
static bool watch_slow(struct worker *worker, struct peer *peer, uint64_t now_ns)
{
    const struct settings *settings = &worker->broker->settings;
    const struct ppi_link_limits *limits = &worker->broker->limits;
    size_t load = atomic_load(&peer->link.load);
    uint64_t taken = atomic_load(&peer->link.taken_bytes);
    bool dipped = atomic_exchange(&peer->link.dipped, false);

    if (worker->broker->ticker->late_ns != 0) { /* it is not slow for what we did not send */
        now_ns = worker->broker->ticker->late_ns;
        peer->slow_since_ns = peer->window_began_ns = 0;
    }
    tell_slow(peer, load, now_ns);
    if (load <= limits->queue_low) {
        peer->slow_since_ns = peer->window_began_ns = 0;
        return false;
    }
    if (peer->window_began_ns == 0) {
        peer->window_began_ns = now_ns;
        peer->window_taken = taken;
    }
    if (load <= limits->queue_high || dipped || peer->slow_since_ns == 0)
        peer->slow_since_ns = now_ns;
    if (now_ns - peer->slow_since_ns >= ms(settings->stall_ms)) {
        session_end(worker, peer, PP_ESLOW, "E_SLOW", "stall: it does not read");
    } else if (now_ns - peer->window_began_ns >= ms(settings->stall_ms)) {
        uint64_t elapsed_ms = (now_ns - peer->window_began_ns) / PPI_NS_PER_MS;

        if ((taken - peer->window_taken) * 1000 / elapsed_ms < settings->stall_rate)
            session_end(worker, peer, PP_ESLOW, "E_SLOW", "stall_rate: it reads too slowly");
        peer->window_began_ns = now_ns;
        peer->window_taken = taken;
    }
    return true;
}

/* A client that said goodbye, or was told it, gets its queue, and then two seconds to close; also
 * one that does not read has an end. */
static bool watch_end(struct worker *worker, struct peer *peer, uint64_t now_ns)
{
    uint64_t closes_ns = atomic_load(&peer->closes_ns);

    if (closes_ns == 0) {
        if (!ppi_link_is_closing(&peer->link))
            return false;
        atomic_store(&peer->closes_ns, now_ns + ms(LINGER_MS));
        return true;
    }
    if (now_ns >= closes_ns && (atomic_load(&peer->link.load) == 0 ||
                                now_ns >= closes_ns + ms(worker->broker->settings.stall_ms)))
        ppi_link_close(&peer->link, PP_EPEERCLOSED);
    return true;
}

static bool watch(struct worker *worker, struct peer *peer, uint64_t now_ns)
{
    bool more = watch_half(worker, peer, now_ns);

    more = watch_silent(worker, peer, now_ns) || more;
    more = watch_slow(worker, peer, now_ns) || more;
    more = watch_end(worker, peer, now_ns) || more;
    calls_expire(worker, peer, now_ns);
    return atomic_load(&peer->next_deadline_ns) != PPI_FOREVER || more;
}

/* The time that a tick judges by. One that is late by more than a tick finds a broker that has
 * stood still: it judges by when it was due, and what clients did meanwhile is looked at before the
 * next one. */
static uint64_t judge_by(struct ticker *ticker, uint64_t due_ns)
{
    uint64_t now_ns = ppi_timer_now_ns(ticker->broker->port);

    ticker->late_ns = now_ns > due_ns + ms(TICK_MS) ? now_ns : 0;
    if (ticker->late_ns != 0)
        now_ns = due_ns > ticker->judged_ns ? due_ns : ticker->judged_ns;
    ticker->judged_ns = now_ns;
    return now_ns;
}

static void on_tick(pp_op *op)
{
    struct ticker *ticker = PP_CONTAINER(op, struct ticker, timer.op);
    struct broker *broker = ticker->broker;
    struct worker *worker = worker_self(broker);
    uint64_t due_ns = ticker->due_ns;

    atomic_store(&ticker->armed, false);
    if (atomic_exchange(&ticker->looking, true)) { /* for longer than a tick */
        ticker_wake(broker);
        broker_release(broker);
        return;
    }
    worker_enter(worker);
    uint64_t now_ns = judge_by(ticker, due_ns);
    bool more = broker->stopping && stop_watch(worker, now_ns);
    for (struct ppi_list *at = broker->peers.next; at != &broker->peers; at = at->next)
        more = watch(worker, PP_CONTAINER(at, struct peer, in_broker), now_ns) || more;
    calls_look_freed(worker, true);
    worker_send(worker);
    worker_leave(worker);
    atomic_store(&ticker->looking, false);
    if (more)
        ticker_wake(broker);
    broker_release(broker);
}

int ticker_open(struct broker *broker)
{
    struct ticker *ticker = calloc(1, sizeof *ticker);

    if (ticker == NULL)
        return PP_ENOMEM;
    ticker->broker = broker;
    ticker->timer.op.priv_.handler = on_tick;
    broker->ticker = ticker;
    return PP_OK;
}

void ticker_free(struct broker *broker)
{
    free(broker->ticker);
    broker->ticker = NULL;
}
