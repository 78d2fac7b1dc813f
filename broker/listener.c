#include "listener.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker.h"
#include "events.h"
#include "io/handle.h"
#include "io/timer.h"
#include "log.h"
#include "panpipe_version.h"
#include "session.h"

enum { ACCEPTS = 8, PAUSE_MS = 100, SILENT_MS = 10000 };

struct acceptor {
    struct listener *listener;
    pp_op op;
    pp_handle *connection;
    struct ppi_timer pause;
};

struct listener {
    struct broker *broker;
    pp_handle *handle;
    struct acceptor acceptors[ACCEPTS];
    struct ppi_mutex lock; /* of the handle, which closing frees, and of what follows */
    bool closed;
    unsigned accepting;                    /* acceptors that go on */
    void (*all_in)(struct broker *broker); /* set while refusing */
    atomic_bool paused;                    /* it has been told that nobody can be accepted */
    atomic_uint_fast64_t quiet_ns;         /* until then it is not told again */
};

/* An acceptor is out (broker.h) from its first accept until it accepts no more. */
static void accept_next(struct acceptor *acceptor)
{
    struct listener *listener = acceptor->listener;

    ppi_mutex_lock(&listener->lock);
    bool accepts = !listener->closed &&
                   pp_accept(listener->handle, &acceptor->op, &acceptor->connection) == PP_PENDING;
    ppi_mutex_unlock(&listener->lock);
    if (!accepts)
        broker_release(listener->broker);
}

/* Accepts again in a moment; at once, if there is not even memory for a timer. */
static void accept_later(struct acceptor *acceptor, uint64_t now_ns)
{
    if (ppi_timer_start(&acceptor->pause, acceptor->listener->broker->port,
                        now_ns + (uint64_t)PAUSE_MS * PPI_NS_PER_MS) != PP_OK)
        accept_next(acceptor);
}

/* Told when it begins, and then now and then, not eight times in each pause. */
static void tell_failure(struct listener *listener, const pp_op *op, uint64_t now_ns)
{
    uint64_t quiet_ns = atomic_load(&listener->quiet_ns);

    if ((atomic_exchange(&listener->paused, true) && now_ns < quiet_ns) ||
        !atomic_compare_exchange_strong(&listener->quiet_ns, &quiet_ns,
                                        now_ns + (uint64_t)SILENT_MS * PPI_NS_PER_MS))
        return;
    log_event(&listener->broker->log, LOG_ERROR, "accept", "why=\"%s\" os_error=%d pause_ms=%d",
              pp_strerror(op->status), op->os_error, PAUSE_MS);
}

/* Somebody may not connect; it was told so already. */
static void note_denied(const struct acceptor *acceptor, uint32_t uid)
{
    struct broker *broker = acceptor->listener->broker;
    struct worker *worker = worker_self(broker);

    const char *access = pp_access_name(settings_access(&broker->settings));
    char text[100];

    worker_enter(worker);
    worker->counts.denied++;
    worker_leave(worker);
    log_event(&broker->log, LOG_WARN, "deny", "user=%u access=%s", uid, access);
    snprintf(text, sizeof text, "uid %u may not use this pipe: access is %s", uid, access);
    events_tell(broker, &(const struct event){ .kind = "denied", .why = "E_PERM", .text = text });
}

static void end_accepting(struct listener *listener)
{
    ppi_mutex_lock(&listener->lock);
    void (*all_in)(struct broker * broker) = listener->all_in;
    bool last = all_in != NULL && --listener->accepting == 0;
    ppi_mutex_unlock(&listener->lock);
    if (last)
        all_in(listener->broker);
}

static void on_accept(pp_op *op)
{
    struct acceptor *acceptor = PP_CONTAINER(op, struct acceptor, op);
    struct broker *broker = acceptor->listener->broker;

    if (op->status == PP_OK) {
        if (atomic_load(&acceptor->listener->paused) &&
            atomic_exchange(&acceptor->listener->paused, false))
            log_event(&broker->log, LOG_INFO, "accept", "why=\"goes on\"");
        session_open(worker_self(broker), acceptor->connection);
        accept_next(acceptor);
    } else if (op->status == PP_EACCESS) {
        note_denied(acceptor, (uint32_t)op->bytes);
        accept_next(acceptor);
    } else if (op->status != PP_ECANCELED && op->status != PP_ECLOSED) {
        uint64_t now_ns = ppi_timer_now_ns(broker->port);

        tell_failure(acceptor->listener, op, now_ns);
        accept_later(acceptor, now_ns);
    } else {
        end_accepting(acceptor->listener);
        broker_release(broker);
    }
}

static void on_pause_over(pp_op *op)
{
    accept_next(PP_CONTAINER(op, struct acceptor, pause.op));
}

static void tell_where(struct broker *broker)
{
    pp_port_stats stats = { .size = sizeof stats };
    char path[PP_PATH_MAX] = "";

    pp_port_info(broker->port, &stats);
    broker_path(broker, path, sizeof path);
    log_event(&broker->log, LOG_INFO, "listen",
              "path=%s pid=%" PRIu64 " workers=%u driver=%s "
              "version=%s",
              path, ppi_process_id(), stats.concurrency, stats.driver, PANPIPE_VERSION);
}

/* Takes the name. */
static int take_name(struct broker *broker, pp_handle **handle)
{
    const pp_listen_config config = settings_listen(&broker->settings);
    int error = pp_listen(handle, broker->settings.name, &config);

    if (error == PP_OK && (error = pp_port_attach(broker->port, *handle, 0)) != PP_OK)
        pp_close(*handle);
    return error;
}

static void accept_all(struct listener *listener)
{
    ppi_mutex_lock(&listener->lock);
    listener->all_in = NULL;
    listener->accepting = ACCEPTS;
    ppi_mutex_unlock(&listener->lock);
    for (int i = 0; i < ACCEPTS; i++) {
        broker_hold(listener->broker);
        accept_next(&listener->acceptors[i]);
    }
}

int listener_open(struct broker *broker)
{
    struct listener *listener = calloc(1, sizeof *listener);

    if (listener == NULL)
        return PP_ENOMEM;
    listener->broker = broker;
    ppi_mutex_init(&listener->lock);
    int error = take_name(broker, &listener->handle);
    if (error != PP_OK) {
        ppi_mutex_deinit(&listener->lock);
        free(listener);
        return error;
    }
    broker->listener = listener;
    tell_where(broker);
    for (int i = 0; i < ACCEPTS; i++) {
        struct acceptor *acceptor = &listener->acceptors[i];

        acceptor->listener = listener;
        acceptor->op.priv_.handler = on_accept;
        acceptor->pause.op.priv_.handler = on_pause_over;
    }
    accept_all(listener);
    return PP_OK;
}

void listener_refuse(struct broker *broker, void (*all_in)(struct broker *broker))
{
    struct listener *listener = broker->listener;

    ppi_mutex_lock(&listener->lock);
    listener->all_in = all_in;
    bool refuses = !listener->closed && ppi_handle_refuse(listener->handle) == PP_OK;
    ppi_mutex_unlock(&listener->lock);
    if (!refuses)
        all_in(broker);
}

int listener_reopen(struct broker *broker)
{
    struct listener *listener = broker->listener;
    int error = PP_OK;

    ppi_mutex_lock(&listener->lock);
    if (!listener->closed) {
        pp_close(listener->handle);
        error = take_name(broker, &listener->handle);
        listener->closed = error != PP_OK;
    }
    bool open = !listener->closed;
    ppi_mutex_unlock(&listener->lock);
    if (open)
        accept_all(listener);
    return error;
}

void listener_close(struct broker *broker)
{
    struct listener *listener = broker->listener;

    if (listener == NULL)
        return;
    ppi_mutex_lock(&listener->lock);
    bool first = !listener->closed;
    listener->closed = true;
    if (first)
        pp_close(listener->handle);
    ppi_mutex_unlock(&listener->lock);
    for (int i = 0; first && i < ACCEPTS; i++)
        if (ppi_timer_stop(&listener->acceptors[i].pause, broker->port))
            broker_release(broker);
}

void listener_free(struct broker *broker)
{
    if (broker->listener != NULL)
        ppi_mutex_deinit(&broker->listener->lock);
    free(broker->listener);
    broker->listener = NULL;
}
