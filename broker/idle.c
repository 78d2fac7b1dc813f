#include "idle.h"

#include <stdlib.h>
#include <string.h>

#include "io/name.h"
#include "io/start.h"
#include "io/timer.h"
#include "listener.h"
#include "log.h"
#include "stop.h"
#include "worker.h"

enum { AGAIN_MS = 100 };

struct idle {
    struct broker *broker;
    struct ppi_timer timer;
    struct ppi_start start; /* the lock on starting, while leaving */
    bool locked;
    atomic_bool armed;
    atomic_bool leaving;
    uint64_t since_ns; /* as peers */
};

static void arm(struct idle *idle, uint64_t at_ns)
{
    if (!atomic_exchange(&idle->armed, true) &&
        ppi_timer_start(&idle->timer, idle->broker->port, at_ns) != PP_OK)
        atomic_store(&idle->armed, false);
}

static uint64_t patience_ns(const struct idle *idle)
{
    return (uint64_t)idle->broker->settings.idle_exit_ms * PPI_NS_PER_MS;
}

void idle_watch(struct broker *broker)
{
    struct idle *idle = broker->idle;

    if (idle == NULL || broker->settings.idle_exit_ms == 0)
        return;
    idle->since_ns = ppi_timer_now_ns(broker->port);
    arm(idle, idle->since_ns + patience_ns(idle));
}

static void unlock(struct idle *idle)
{
    if (idle->locked)
        ppi_start_drop(&idle->start);
    idle->locked = false;
}

/* Is it over with idleness? If not, since when it lasts. */
static bool is_idle(struct broker *broker, uint64_t *since_ns)
{
    struct worker *worker = worker_self(broker);

    worker_enter(worker);
    bool nobody = broker->peer_count == 0 && !broker->stopping;
    *since_ns = broker->idle->since_ns;
    worker_leave(worker);
    return nobody;
}

/* Nobody can come any more, and whoever had come is in. */
static void on_all_in(struct broker *broker)
{
    struct idle *idle = broker->idle;
    uint64_t since_ns;

    if (is_idle(broker, &since_ns)) {
        log_event(LOG_INFO, "idle", "ms=%u", broker->settings.idle_exit_ms);
        stop_begin(broker);
        return;
    }
    int status = listener_reopen(broker);
    unlock(idle);
    if (status != PP_OK) {
        char quoted[LOG_QUOTED_MAX];

        log_event(LOG_ERROR, "listen", "why=%s",
                  log_quote(quoted, pp_detail(), strlen(pp_detail())));
        stop_begin(broker);
        return;
    }
    log_event(LOG_INFO, "stay", "why=\"somebody came\"");
    atomic_store(&idle->leaving, false);
    arm(idle, ppi_timer_now_ns(broker->port) + patience_ns(idle));
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

static void on_timer(pp_op *op)
{
    struct idle *idle = PP_CONTAINER(op, struct idle, timer.op);
    struct broker *broker = idle->broker;
    uint64_t now_ns = ppi_timer_now_ns(broker->port), since_ns;

    atomic_store(&idle->armed, false); /* before the look: who leaves after it arms again */
    if (!is_idle(broker, &since_ns) || atomic_load(&idle->leaving))
        return;
    if (now_ns < since_ns + patience_ns(idle)) {
        arm(idle, since_ns + patience_ns(idle));
    } else if (!lock(idle)) {
        arm(idle, now_ns + (uint64_t)AGAIN_MS * PPI_NS_PER_MS);
    } else {
        atomic_store(&idle->leaving, true);
        listener_refuse(broker, on_all_in);
    }
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
