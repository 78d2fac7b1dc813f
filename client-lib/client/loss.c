/* loss.c: what the end of a connection means to everything that was said over it.
 *
 * Requests that were sent end, and are not sent again; subscriptions wait for the next connection;
 * what was published and is not known to have arrived is counted. The broker is asked for that at
 * most every CONFIRM_MS while something is published, and not at all if nothing is. */
#include "client/client.h"

#include <stdio.h>

#include "io/port.h"

enum { CONFIRM_MS = 100 };

/* --- what has become of publishes ------------------------------------------------------------- */

void ppi_client_confirm(pp_client *client, const struct ppi_request *request)
{
    if (request->published > client->confirm.confirmed)
        client->confirm.confirmed = request->published;
}

/* Asks now. With the lock. false: there is no connection, or no memory, or no need. */
static bool ask(pp_client *client)
{
    static const struct ppi_request model = { .kind = PPI_REQUEST_CONFIRM };

    if (client->state != PPI_CLIENT_OPEN || client->confirm.published == client->confirm.confirmed)
        return false;
    ppi_sender_room(client, PPI_HEAD_MAX);
    return client->state == PPI_CLIENT_OPEN &&
           ppi_client_ask_now(client, &model, "$sync", "\x90", 1) == PP_OK;
}

static void on_confirm_due(pp_op *op)
{
    pp_client *client = PP_CONTAINER(op, pp_client, confirm.timer.op);

    ppi_mutex_lock(&client->lock);
    if (!ask(client)) /* if it asks, the answer may be here before ask returns, and decides */
        client->confirm.asking = false;
    ppi_mutex_unlock(&client->lock);
    ppi_client_unref(client);
}

void ppi_client_ask_soon(pp_client *client)
{
    uint64_t pause_ns = (uint64_t)CONFIRM_MS * PPI_NS_PER_MS;

    if (ppi_client_start_timer(client, &client->confirm.timer,
                               ppi_timer_now_ns(client->port) + pause_ns) == PP_OK)
        return;
    ppi_mutex_lock(&client->lock);
    client->confirm.asking = false; /* the next publish tries again */
    ppi_mutex_unlock(&client->lock);
}

void ppi_client_init_loss(pp_client *client)
{
    client->confirm.timer.op.priv_.handler = on_confirm_due;
}

void ppi_client_tell(pp_client *client, int state, int status, uint64_t unsent)
{
    ppi_mutex_lock(&client->lock);
    const pp_client_event event = { .state = state,
                                    .status = status,
                                    .connections = client->connections,
                                    .unconfirmed = client->confirm.lost,
                                    .unsent = unsent };
    bool new = client->told != state;
    if (new) {
        client->told = state;
        client->confirm.lost = 0;
    }
    ppi_mutex_unlock(&client->lock);
    if (!new || client->config.on_state == NULL)
        return;
    bool before = ppi_enter_callback();
    client->config.on_state(client->config.context, client, &event);
    ppi_leave_callback(before);
}

/* --- the end of a link ------------------------------------------------------------------------ */

/* The calls that are being served are told that nobody waits for their answers any more. */
static void cancel_calls(pp_client *client)
{
    for (;;) {
        size_t position = 0;

        ppi_mutex_lock(&client->lock);
        bool any = ppi_map_next(&client->serving, &position) != NULL;
        uint64_t call = any ? client->serving.slots[position - 1].key : 0;
        uintptr_t sid = (uintptr_t)ppi_map_remove(&client->serving, call);
        const pp_sub *service = sid != 0 ? ppi_map_get(&client->sids, sid) : NULL;
        if (service != NULL && service->ending)
            service = NULL;
        ppi_mutex_unlock(&client->lock);
        if (!any)
            return;
        if (service == NULL)
            continue;
        bool before = ppi_enter_callback();
        service->on_cancel(service->context, call);
        ppi_leave_callback(before);
    }
}

/* The link is nobody's any more, and what was said over it neither. With the lock. */
static void forget_link(pp_client *client, bool again)
{
    if (client->phase == PPI_PHASE_LINKED) { /* nobody says or waits for more over it */
        client->state = again ? PPI_CLIENT_AWAY : PPI_CLIENT_CLOSED;
        ppi_cond_broadcast(&client->changed);
    }
    while (client->sender.busy)
        ppi_cond_wait(&client->changed, &client->lock);
    client->sender.used = 0;
    client->connection = NULL;
    client->confirm.lost += client->confirm.published - client->confirm.confirmed;
    client->confirm.published = client->confirm.confirmed = 0;
    ppi_subs_lost(client);
}

/* Is the end of this link not the end of the client? With the lock. */
static bool comes_again(pp_client *client)
{
    return client->phase == PPI_PHASE_LINKED && !client->closing && !client->away.leaving &&
           client->state != PPI_CLIENT_DRAINING && (client->config.flags & PP_CLIENT_ONCE) == 0 &&
           !atomic_load(&client->port->closing);
}

void ppi_client_on_link_closed(struct ppi_link *link, int why)
{
    struct ppi_connection *connection = PP_CONTAINER(link, struct ppi_connection, link);
    pp_client *client = connection->client;

    ppi_mutex_lock(&client->lock);
    while (client->opening) /* it is not in connection yet */
        ppi_cond_wait(&client->changed, &client->lock);
    bool linked = client->phase == PPI_PHASE_LINKED, again = comes_again(client);
    if (client->refusal != PP_OK)
        why = client->refusal;
    else if (linked)
        client->error[0] = '\0';
    if (linked && why == PP_ECANCELED) /* by the port's shutdown */
        why = PP_ECLOSED;
    client->why = why;
    ppi_mutex_unlock(&client->lock);
    if (again)
        cancel_calls(client);
    ppi_mutex_lock(&client->lock);
    again = again && comes_again(client); /* on_cancel may have closed it */
    forget_link(client, again);
    ppi_mutex_unlock(&client->lock);
    ppi_connection_drop(connection);
    ppi_client_end_requests(client, why == PP_ECLOSED ? PP_ECANCELED : why, false);
    if (!linked) {
        ppi_client_failed(client, why);
    } else if (!again) {
        ppi_client_end(client, why);
    } else {
        ppi_mutex_lock(&client->lock);
        ppi_client_pass_turn(client, PPI_PHASE_LOST);
    }
}
