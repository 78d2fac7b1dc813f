#include "broker.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/status.h"
#include "events.h"
#include "idle.h"
#include "io/op.h"
#include "io/timer.h"
#include "kick.h"
#include "listener.h"
#include "route.h"
#include "state.h"
#include "stop.h"
#include "subjects.h"
#include "tap.h"
#include "ticker.h"
#include "worker.h"

static void broker_free(struct broker *broker)
{
    for (unsigned i = 0; broker->workers != NULL && i < atomic_load(&broker->worker_count); i++) {
        routes_forget(broker->workers[i]);
        worker_free(broker->workers[i]);
    }
    free(broker->workers);
    listener_free(broker);
    idle_free(broker);
    ticker_free(broker);
    stop_free(broker);
    events_free(broker);
    taps_free(broker);
    kicks_free(broker);
    subjects_free(broker->subjects);
    ppi_map_deinit(&broker->peers_by_id);
    ppi_mutex_deinit(&broker->waits_lock);
    ppi_mutex_deinit(&broker->gate);
    free(broker);
}

static struct broker *broker_new(const struct settings *settings, pp_port *port)
{
    struct broker *broker = calloc(1, sizeof *broker);

    if (broker == NULL)
        return NULL;
    broker->settings = *settings;
    broker->limits = (struct ppi_link_limits){ .frame_max = settings->frame_max,
                                               .read_ahead = settings->read_ahead,
                                               .queue_high = (size_t)settings->queue_high,
                                               .queue_low = (size_t)settings->queue_low,
                                               .queue_hard = (size_t)settings->queue_hard,
                                               .hear_out = true };
    broker->port = port;
    broker->id = ppi_random();
    broker->started_ns = ppi_timer_now_ns(port);
    broker->next_peer_id = 1;
    broker->version = 1;
    broker->worker_max = WORKERS_MAX;
    atomic_init(&broker->out, 1); /* broker_open itself */
    atomic_init(&broker->references, 2);
    ppi_mutex_init(&broker->gate);
    ppi_mutex_init(&broker->waits_lock);
    ppi_list_init(&broker->waits);
    ppi_list_init(&broker->peers);
    ppi_list_init(&broker->users);
    broker->workers = calloc(WORKERS_MAX, sizeof *broker->workers);
    broker->subjects = subjects_new();
    if (broker->workers == NULL || broker->subjects == NULL || ticker_open(broker) != PP_OK ||
        stop_open(broker) != PP_OK || events_open(broker) != PP_OK || taps_open(broker) != PP_OK ||
        kicks_open(broker) != PP_OK) {
        broker_free(broker);
        return NULL;
    }
    return broker;
}

int broker_open(struct broker **out, const struct settings *settings, pp_port *port,
                const struct broker_events *events)
{
    struct broker *broker = broker_new(settings, port);

    if (broker == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    broker->log = (struct log){ settings->log_level, events->log, events->context };
    broker->on_stopped = events->stopped;
    broker->context = events->context;
    int error = worker_self(broker) != NULL ? idle_open(broker) : PP_ENOMEM;
    if (error == PP_OK)
        error = listener_open(broker);
    if (error != PP_OK) {
        broker_free(broker);
        return error;
    }
    *out = broker;
    idle_watch(broker);
    broker_release(broker);
    return PP_OK;
}

int broker_path(const struct broker *broker, char *path, size_t size)
{
    return pp_pipe_path(broker->settings.name,
                        broker->settings.system ? PP_SCOPE_SYSTEM : PP_SCOPE_USER, path, size);
}

void broker_stop(struct broker *broker)
{
    stop_begin(broker, 1);
}

void broker_end(struct broker *broker)
{
    stop_begin(broker, 0);
}

static void unref(struct broker *broker)
{
    if (atomic_fetch_sub(&broker->references, 1) == 1)
        broker_free(broker);
}

void broker_close(struct broker *broker)
{
    if (broker == NULL)
        return;
    stop_begin(broker, 2);
    unref(broker);
}

void broker_hold(struct broker *broker)
{
    uint64_t before = atomic_fetch_add_explicit(&broker->out, 1, memory_order_relaxed);

    ppi_check(before > 0);
}

bool broker_try_hold(struct broker *broker)
{
    uint64_t out = atomic_load(&broker->out);

    while (out > 0 && !atomic_compare_exchange_weak(&broker->out, &out, out + 1))
        ;
    return out > 0;
}

void broker_release(struct broker *broker)
{
    if (atomic_fetch_sub_explicit(&broker->out, 1, memory_order_acq_rel) > 1)
        return;
    listener_close(broker); /* the port's end has ended it; else it is closed already */
    log_event(&broker->log, LOG_INFO, "leave", "%s", "");
    if (broker->on_stopped != NULL) {
        bool before = ppi_enter_callback();

        broker->on_stopped(broker->context, (pp_broker *)broker);
        ppi_leave_callback(before);
    }
    unref(broker);
}
