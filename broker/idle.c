#include "idle.h"

#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "io/name.h"
#include "io/start.h"
#include "io/timer.h"
#include "listener.h"
#include "log.h"
#include "stop.h"
#include "worker.h"

enum { AGAIN_MS = 100, FIRST_MS = 1000 };

struct idle {
    struct broker *broker;
    struct ppi_timer timer;
    struct ppi_start start; /* the lock on starting, while leaving */
    bool locked;
    atomic_bool armed;
    atomic_bool leaving;
    uint64_t over_ns; /* when it has lasted long enough; as peers */
};

/* While it is armed it is out (broker.h). In the view, or before there are workers; not stopping.
 */
static void arm(struct idle *idle, uint64_t at_ns)
{
    if (atomic_exchange(&idle->armed, true))
        return;
    broker_hold(idle->broker);
    if (ppi_timer_start(&idle->timer, idle->broker->port, at_ns) == PP_OK)
        return;
    atomic_store(&idle->armed, false);
    broker_release(idle->broker);
}

void idle_stop(struct broker *broker)
{
    if (!ppi_timer_stop(&broker->idle->timer, broker->port))
        return;
    atomic_store(&broker->idle->armed, false);
    broker_release(broker);
}

/* Who had it started is still on his way to it. In the view, or before there are workers. */
static uint64_t patience_ns(const struct broker *broker)
{
    uint32_t ms = broker->settings.idle_exit_ms;

    return (uint64_t)(broker->next_peer_id == 1 && ms < FIRST_MS ? FIRST_MS : ms) * PPI_NS_PER_MS;
}

void idle_watch(struct broker *broker)
{
    struct idle *idle = broker->idle;

    if (broker->settings.idle_exit_ms == 0 || broker->stopping)
        return;
    idle->over_ns = ppi_timer_now_ns(broker->port) + patience_ns(broker);
    idle_stop(broker); /* it may be set for later */
    arm(idle, idle->over_ns);
}

/* Looks again then, if there is still a need. */
static void look_again(struct idle *idle, uint64_t at_ns)
{
    struct worker *worker = worker_self(idle->broker);

    worker_enter(worker);
    if (!idle->broker->stopping)
        arm(idle, at_ns);
    worker_leave(worker);
}

static void unlock(struct idle *idle)
{
    if (idle->locked)
        ppi_start_drop(&idle->start);
    idle->locked = false;
}

/* Is nobody there? And when that has lasted long enough. */
static bool is_idle(struct broker *broker, uint64_t *over_ns)
{
    struct worker *worker = worker_self(broker);

    worker_enter(worker);
    bool nobody = broker->peer_count == 0 && !broker->stopping;
    *over_ns = broker->idle->over_ns;
    worker_leave(worker);
    return nobody;
}

/* Nobody can come any more, and whoever had come is in. */
static void on_all_in(struct broker *broker)
{
    struct idle *idle = broker->idle;
    uint64_t over_ns;

    if (is_idle(broker, &over_ns)) {
        log_event(&broker->log, LOG_INFO, "idle", "ms=%u", broker->settings.idle_exit_ms);
        stop_begin(broker, 1);
        return;
    }
    int status = listener_reopen(broker);
    unlock(idle);
    if (status != PP_OK) {
        char quoted[LOG_QUOTED_MAX];

        log_event(&broker->log, LOG_ERROR, "listen", "why=%s",
                  log_quote(quoted, pp_detail(), strlen(pp_detail())));
        stop_begin(broker, 1);
        return;
    }
    log_event(&broker->log, LOG_INFO, "stay", "why=\"somebody came\"");
    atomic_store(&idle->leaving, false);
    arm(idle,
        ppi_timer_now_ns(broker->port) + (uint64_t)broker->settings.idle_exit_ms * PPI_NS_PER_MS);
}

/* false: somebody is just starting a broker, that is, looks whether we are there. */
static bool lock(struct idle *idle)
{
    const struct settings *settings = &idle->broker->settings;

    if (settings->system || !ppi_name_valid(settings->name))
        return true; /* nobody starts such a one on demand */
    int status = ppi_start_take(&idle->start, settings->name);
    idle->locked = status == PP_OK;
    return status != PP_EBUSY;
}

static void look(struct idle *idle)
{
    struct broker *broker = idle->broker;
    uint64_t now_ns = ppi_timer_now_ns(broker->port), over_ns;

    if (!is_idle(broker, &over_ns) || atomic_load(&idle->leaving))
        return;
    if (now_ns < over_ns) {
        look_again(idle, over_ns);
    } else if (!lock(idle)) {
        look_again(idle, now_ns + (uint64_t)AGAIN_MS * PPI_NS_PER_MS);
    } else {
        atomic_store(&idle->leaving, true);
        listener_refuse(broker, on_all_in);
    }
}

static void on_timer(pp_op *op)
{
    struct idle *idle = PP_CONTAINER(op, struct idle, timer.op);

    atomic_store(&idle->armed, false); /* before the look: who leaves after it arms again */
    if (op->status == PP_OK)
        look(idle);
    broker_release(idle->broker);
}

int idle_open(struct broker *broker)
{
    struct idle *idle = calloc(1, sizeof *idle);

    if (idle == NULL)
        return PP_ENOMEM;
    idle->broker = broker;
    idle->timer.op.priv_.handler = on_timer;
    broker->idle = idle;
    return PP_OK;
}

void idle_free(struct broker *broker)
{
    if (broker->idle != NULL)
        unlock(broker->idle);
    free(broker->idle);
    broker->idle = NULL;
}
