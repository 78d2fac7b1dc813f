#include "broker.h"

#include <stdlib.h>

#include "base/status.h"
#include "idle.h"
#include "io/port.h"
#include "io/timer.h"
#include "listener.h"
#include "route.h"
#include "state.h"
#include "stop.h"
#include "subjects.h"
#include "ticker.h"
#include "worker.h"

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
                                               .queue_hard = (size_t)settings->queue_hard };
    broker->port = port;
    broker->id = ppi_random();
    broker->started_ns = ppi_timer_now_ns(port);
    broker->next_peer_id = 1;
    broker->version = 1;
    broker->worker_max = WORKERS_MAX;
    ppi_mutex_init(&broker->gate);
    ppi_list_init(&broker->peers);
    ppi_list_init(&broker->users);
    broker->workers = calloc(WORKERS_MAX, sizeof *broker->workers);
    broker->subjects = subjects_new();
    if (broker->workers == NULL || broker->subjects == NULL || ticker_open(broker) != PP_OK ||
        stop_open(broker) != PP_OK) {
        broker_free(broker);
        return NULL;
    }
    return broker;
}

int broker_open(struct broker **out, const struct settings *settings, pp_port *port,
                void (*on_stopped)(void *context), void *context)
{
    struct broker *broker = broker_new(settings, port);

    if (broker == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    broker->on_stopped = on_stopped;
    broker->context = context;
    int error = worker_self(broker) != NULL ? idle_open(broker) : PP_ENOMEM;
    if (error == PP_OK)
        error = listener_open(broker);
    if (error != PP_OK) {
        broker_free(broker);
        return error;
    }
    idle_watch(broker); /* no packet was taken yet */
    *out = broker;
    return PP_OK;
}

void broker_stop(struct broker *broker)
{
    stop_begin(broker);
}

void broker_free(struct broker *broker)
{
    if (broker == NULL)
        return;
    for (unsigned i = 0; broker->workers != NULL && i < atomic_load(&broker->worker_count); i++) {
        routes_forget(broker->workers[i]);
        worker_free(broker->workers[i]);
    }
    free(broker->workers);
    listener_free(broker);
    idle_free(broker);
    ticker_free(broker);
    stop_free(broker);
    subjects_free(broker->subjects);
    ppi_map_deinit(&broker->peers_by_id);
    ppi_mutex_deinit(&broker->gate);
    free(broker);
}
