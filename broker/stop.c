#include "stop.h"

#include <stdlib.h>

#include "broker.h"
#include "calls.h"
#include "events.h"
#include "idle.h"
#include "io/timer.h"
#include "listener.h"
#include "log.h"
#include "reply.h"
#include "ticker.h"

struct stopper {
    struct broker *broker;
    struct ppi_mutex lock;
    pp_op op;
    bool posted;
    unsigned wishes; /* not handled yet */
    uint32_t drain_ms;
};

static struct peer *peer_at(struct ppi_list *at)
{
    return PP_CONTAINER(at, struct peer, in_broker);
}

static void tell_everybody(struct worker *worker)
{
    struct broker *broker = worker->broker;

    for (struct ppi_list *at = broker->peers.next; at != &broker->peers; at = at->next) {
        calls_end_own(worker, peer_at(at), "E_SHUTDOWN the broker is leaving");
        reply_bye(worker, peer_at(at), "E_SHUTDOWN", "the broker is leaving", 0);
    }
}

static void close_everybody(struct broker *broker)
{
    for (struct ppi_list *at = broker->peers.next; at != &broker->peers; at = at->next)
        ppi_link_close(&peer_at(at)->link, PP_ESHUTDOWN);
}

static void begin(struct worker *worker, uint32_t drain_ms)
{
    struct broker *broker = worker->broker;

    log_event(&broker->log, LOG_INFO, "stop", "clients=%llu drain_ms=%u",
              (unsigned long long)broker->peer_count, drain_ms);
    events_tell(broker, &(const struct event){ .kind = "stop",
                                               .more = { { "drain_ms", drain_ms, NULL } } });
    worker_write_begin(worker);
    broker->stopping = true;
    broker->stop_by_ns = ppi_timer_now_ns(broker->port) + (uint64_t)drain_ms * PPI_NS_PER_MS;
    worker_write_end(worker);
    idle_stop(broker);
    listener_close(broker);
    tell_everybody(worker);
    ticker_wake(broker);
}

static void on_wish(pp_op *op)
{
    struct stopper *stopper = PP_CONTAINER(op, struct stopper, op);
    struct broker *broker = stopper->broker;
    struct worker *worker = worker_self(broker);

    ppi_mutex_lock(&stopper->lock);
    unsigned wishes = stopper->wishes;
    uint32_t drain_ms = stopper->drain_ms;
    stopper->wishes = 0;
    stopper->posted = false;
    ppi_mutex_unlock(&stopper->lock);
    worker_enter(worker);
    bool again = broker->stopping;
    if (!again)
        begin(worker, drain_ms);
    if (wishes > 1 || (again && wishes > 0))
        close_everybody(broker);
    bool nobody = broker->peer_count == 0;
    worker_send(worker);
    worker_leave(worker);
    if (nobody)
        ticker_stop(broker);
    broker_release(broker);
}

static void wish(struct broker *broker, unsigned wishes, const uint32_t *drain_ms)
{
    struct stopper *stopper = broker->stopper;

    if (!broker_try_hold(broker))
        return;
    ppi_mutex_lock(&stopper->lock);
    stopper->wishes += wishes;
    if (drain_ms != NULL)
        stopper->drain_ms = *drain_ms;
    /* refused by a port that is being shut down, which ends everything anyway */
    bool post = !stopper->posted && pp_port_post(broker->port, 0, 0, &stopper->op) == PP_OK;
    stopper->posted = stopper->posted || post;
    ppi_mutex_unlock(&stopper->lock);
    if (!post)
        broker_release(broker);
}

void stop_begin(struct broker *broker, unsigned wishes)
{
    wish(broker, wishes, NULL);
}

void stop_begin_within(struct broker *broker, uint32_t drain_ms)
{
    wish(broker, 1, &drain_ms);
}

/* Is anybody there but those who want to see the others gone? */
static bool others_left(struct broker *broker)
{
    for (struct ppi_list *at = broker->peers.next; at != &broker->peers; at = at->next)
        if (!atomic_load(&peer_at(at)->leaves_last))
            return true;
    return false;
}

bool stop_watch(struct worker *worker, uint64_t now_ns)
{
    struct broker *broker = worker->broker;
    bool others = others_left(broker);

    for (struct ppi_list *at = broker->peers.next; at != &broker->peers; at = at->next) {
        struct peer *peer = peer_at(at);
        bool stays = others && atomic_load(&peer->leaves_last);
        uint64_t read = atomic_load(&peer->link.read_bytes);
        bool quiet = read == peer->drain_read_bytes && atomic_load(&peer->link.load) == 0 &&
                     !atomic_load(&peer->link.holding);

        peer->drain_read_bytes = read;
        if (quiet && !stays)
            ppi_link_finish(&peer->link, PP_ESHUTDOWN);
        else if (now_ns >= broker->stop_by_ns)
            ppi_link_close(&peer->link, PP_ESHUTDOWN);
    }
    return broker->peer_count > 0;
}

int stop_open(struct broker *broker)
{
    struct stopper *stopper = calloc(1, sizeof *stopper);

    if (stopper == NULL)
        return PP_ENOMEM;
    stopper->broker = broker;
    stopper->drain_ms = broker->settings.drain_ms;
    stopper->op.priv_.handler = on_wish;
    ppi_mutex_init(&stopper->lock);
    broker->stopper = stopper;
    return PP_OK;
}

void stop_free(struct broker *broker)
{
    if (broker->stopper != NULL)
        ppi_mutex_deinit(&broker->stopper->lock);
    free(broker->stopper);
    broker->stopper = NULL;
}
