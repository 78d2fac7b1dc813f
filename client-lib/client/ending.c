/* ending.c: a client says goodbye, loses its link, is closed.
 *
 * The link's end ends every operation; then one more packet, the last, goes behind theirs: it tells
 * the user. So on_closed is the last callback of all, and when it has run there is nothing left of
 * the client on its port but what the library posts for itself. */
#include "client/client.h"

#include <stdio.h>

#include "base/status.h"
#include "io/port.h"

/* Ends what waits for messages. */
static void end_receives(pp_client *client, int status)
{
    for (size_t position = 0;;) {
        pp_op *op = NULL;
        pp_sub *sub;

        ppi_mutex_lock(&client->lock);
        while (op == NULL && (sub = ppi_map_next(&client->subs, &position)) != NULL) {
            op = sub->receive_op;
            sub->receive_op = NULL;
        }
        ppi_mutex_unlock(&client->lock);
        if (op == NULL)
            return;
        ppi_client_finish(client, op, status, 0);
    }
}

void ppi_client_on_link_closed(struct ppi_link *link, int why)
{
    pp_client *client = PP_CONTAINER(link, pp_client, link);

    ppi_mutex_lock(&client->lock);
    if (client->why == PP_OK) { /* else the broker has said why */
        client->why = why;
        if (client->state != PPI_CLIENT_HELLO)
            client->error[0] = '\0';
    }
    why = client->why == PP_ECLOSED ? PP_ECANCELED : client->why;
    client->linked = true;
    client->state = PPI_CLIENT_CLOSED;
    ppi_cond_broadcast(&client->changed); /* nobody need wait for room */
    while (client->sender.busy)
        ppi_cond_wait(&client->changed, &client->lock);
    ppi_mutex_unlock(&client->lock);
    ppi_client_end_connect(client, why, PPI_CLIENT_CLOSED);
    ppi_client_end_requests(client, why);
    end_receives(client, why);
    if (ppi_timer_stop(&client->drain_timer, client->port))
        ppi_client_unref(client);
    ppi_port_post(client->port, &client->last_op); /* with the link's reference */
}

static void on_last(pp_op *op)
{
    pp_client *client = PP_CONTAINER(op, pp_client, last_op);

    if (client->linked && client->config.on_closed != NULL) {
        bool before = ppi_enter_callback();

        client->config.on_closed(client->config.context, client, client->why);
        ppi_leave_callback(before);
    }
    ppi_mutex_lock(&client->lock);
    client->over = true;
    ppi_cond_broadcast(&client->changed);
    ppi_mutex_unlock(&client->lock);
    ppi_client_unref(client);
}

static void on_drain_over(pp_op *op)
{
    pp_client *client = PP_CONTAINER(op, pp_client, drain_timer.op);

    ppi_link_close(&client->link, PP_ECLOSED);
    ppi_client_unref(client);
}

void ppi_client_init_end(pp_client *client)
{
    client->drain_timer.op.priv_.handler = on_drain_over;
    client->last_op.priv_.handler = on_last;
}

void ppi_client_on_bye(pp_client *client)
{
    ppi_link_close(&client->link, PP_ECLOSED);
}

static int say_bye(pp_client *client, pp_op *op)
{
    static const struct ppi_request model = { .kind = PPI_REQUEST_BYE };
    static const pp_piece none = { "\x90", 1 };

    return ppi_client_ask(client, op, &model, "$bye", &none, 1);
}

int pp_client_drain(pp_client *client, pp_op *op)
{
    pp_op own = PP_OP_INIT, *started;

    if (client == NULL)
        return ppi_fail_plain(PP_EINVAL);
    int status = ppi_client_op(client, op, &own, &started);
    if (status != PP_OK)
        return status;
    return ppi_client_result(client, op, &own, say_bye(client, started));
}

/* Sees to it that the goodbye does not take longer than drain_ms. false: no memory. */
static bool limit_drain(pp_client *client)
{
    int32_t drain_ms = client->config.drain_ms;

    if (drain_ms < 0)
        return true;
    ppi_client_ref(client); /* the timer's */
    uint64_t end_ns = ppi_timer_now_ns(client->port) + (uint64_t)drain_ms * PPI_NS_PER_MS;
    bool started = ppi_timer_start(&client->drain_timer, client->port, end_ns) == PP_OK;
    if (!started)
        ppi_client_unref(client);
    ppi_mutex_lock(&client->lock);
    bool over = client->state == PPI_CLIENT_CLOSED; /* before the timer could be stopped */
    ppi_mutex_unlock(&client->lock);
    if (started && over && ppi_timer_stop(&client->drain_timer, client->port))
        ppi_client_unref(client);
    return started;
}

/* Begins the end. The link's end will come, if there is a link. */
static void begin_end(pp_client *client, bool drain)
{
    ppi_mutex_lock(&client->lock);
    client->closing = true;
    if (client->dialing != NULL)
        pp_cancel(client->dialing, NULL);
    enum ppi_client_state state = client->state;
    ppi_mutex_unlock(&client->lock);
    if (state != PPI_CLIENT_HELLO && state != PPI_CLIENT_OPEN && state != PPI_CLIENT_DRAINING)
        return;
    bool said = state == PPI_CLIENT_DRAINING ||
                (drain && state == PPI_CLIENT_OPEN && say_bye(client, NULL) == PP_PENDING);
    if (!drain || !said || !limit_drain(client))
        ppi_link_close(&client->link, PP_ECLOSED);
}

/* Waits until all that the client had on its own port was handled there. */
static void await_end(pp_client *client)
{
    ppi_mutex_lock(&client->lock);
    while (client->dialing != NULL || client->connect_user_op != NULL ||
           (client->linked && !client->over))
        ppi_cond_wait(&client->changed, &client->lock);
    bool over = client->over;
    ppi_mutex_unlock(&client->lock);
    if (over)
        return;
    ppi_client_ref(client); /* there never was a link: the last packet's */
    ppi_port_post(client->port, &client->last_op);
    ppi_mutex_lock(&client->lock);
    while (!client->over)
        ppi_cond_wait(&client->changed, &client->lock);
    ppi_mutex_unlock(&client->lock);
}

static int end(pp_client *client, bool drain)
{
    if (client == NULL)
        return PP_OK;
    if (client->own_port && ppi_in_callback())
        return ppi_fail(PP_EDEADLOCK, "a client with its own thread cannot be closed in a callback");
    begin_end(client, drain);
    if (client->own_port) {
        await_end(client);
        pp_port_shutdown(client->port, PP_SHUT_FAST, -1, NULL, NULL);
        ppi_thread_join(&client->thread);
    }
    ppi_client_unref(client);
    return PP_OK;
}

int pp_client_close(pp_client *client)
{
    return end(client, true);
}

int pp_client_abort(pp_client *client)
{
    return end(client, false);
}

const char *pp_client_error(pp_client *client, char *text, size_t size)
{
    if (text == NULL || size == 0)
        return "";
    text[0] = '\0';
    if (client == NULL)
        return text;
    ppi_mutex_lock(&client->lock);
    snprintf(text, size, "%s", client->error);
    ppi_mutex_unlock(&client->lock);
    return text;
}
