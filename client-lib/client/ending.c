/* ending.c: a client says goodbye, is closed.
 *
 * Everything ends; then one more packet, the last turn, goes behind those of the operations: it
 * tells the user. So on_closed is the last callback of all, and when it has run there is nothing
 * left of the client on its port but what the library posts for itself. */
#include "client/client.h"

#include <stdio.h>

#include "base/status.h"
#include "io/port.h"

void ppi_client_end(pp_client *client, int why)
{
    int status = why == PP_ECLOSED ? PP_ECANCELED : why;

    ppi_mutex_lock(&client->lock);
    pp_op *op = client->connect_user_op;
    client->connect_user_op = NULL;
    client->state = PPI_CLIENT_CLOSED;
    client->why = why;
    ppi_cond_broadcast(&client->changed); /* nobody need wait for room */
    ppi_mutex_unlock(&client->lock);
    ppi_client_stop_timer(client, &client->drain_timer);
    ppi_client_stop_timer(client, &client->connect_timer);
    ppi_client_stop_timer(client, &client->confirm.timer);
    ppi_client_stop_timer(client, &client->away.timer);
    ppi_client_finish(client, op, status, 0);
    ppi_client_end_requests(client, status, true);
    ppi_subs_end(client, status);
    client->unsent = ppi_away_end(client, status);
    ppi_mutex_lock(&client->lock);
    ppi_client_pass_turn(client, PPI_PHASE_END);
}

void ppi_client_on_end(pp_client *client)
{
    if (client->started) {
        ppi_client_tell(client, PP_CLIENT_ENDED, client->why, client->unsent);
        if (client->config.on_closed != NULL) {
            bool before = ppi_enter_callback();

            client->config.on_closed(client->config.context, client, client->why);
            ppi_leave_callback(before);
        }
    }
    ppi_mutex_lock(&client->lock);
    client->phase = PPI_PHASE_IDLE;
    client->over = true;
    ppi_cond_broadcast(&client->changed);
    ppi_mutex_unlock(&client->lock);
    ppi_client_unref(client);
}

static void on_drain_over(pp_op *op)
{
    pp_client *client = PP_CONTAINER(op, pp_client, drain_timer.op);

    ppi_client_close_link(client, PP_ECLOSED);
    ppi_client_unref(client);
}

void ppi_client_init_end(pp_client *client)
{
    client->drain_timer.op.priv_.handler = on_drain_over;
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
    uint64_t end_ns = ppi_timer_now_ns(client->port) + (uint64_t)drain_ms * PPI_NS_PER_MS;
    bool started = ppi_client_start_timer(client, &client->drain_timer, end_ns) == PP_OK;
    ppi_mutex_lock(&client->lock);
    bool over = client->state == PPI_CLIENT_CLOSED; /* before the timer could be stopped */
    ppi_mutex_unlock(&client->lock);
    if (started && over)
        ppi_client_stop_timer(client, &client->drain_timer);
    return started;
}

/* Begins the end: whoever has the turn is told. */
static void begin_end(pp_client *client, bool drain)
{
    ppi_mutex_lock(&client->lock);
    client->closing = true;
    if (client->dialing != NULL)
        pp_cancel(client->dialing, NULL);
    enum ppi_client_state state = client->state;
    enum ppi_phase phase = client->phase;
    ppi_mutex_unlock(&client->lock);
    ppi_client_stop_timer(client, &client->connect_timer);
    if (phase == PPI_PHASE_PAUSE && ppi_timer_stop(&client->retry_timer, client->port))
        ppi_client_end(client, PP_ECLOSED);
    if (phase != PPI_PHASE_HELLO && phase != PPI_PHASE_LINKED)
        return;
    bool said = state == PPI_CLIENT_DRAINING ||
                (drain && state == PPI_CLIENT_OPEN && say_bye(client, NULL) == PP_PENDING);
    if (!drain || !said || !limit_drain(client))
        ppi_client_close_link(client, PP_ECLOSED);
}

/* Waits until all that the client had on its own port was handled there. */
static void await_end(pp_client *client)
{
    ppi_mutex_lock(&client->lock);
    while (client->phase != PPI_PHASE_IDLE)
        ppi_cond_wait(&client->changed, &client->lock);
    if (client->over) {
        ppi_mutex_unlock(&client->lock);
        return;
    }
    ppi_client_ref(client); /* there is no turn: the last one's */
    ppi_client_pass_turn(client, PPI_PHASE_END);
    ppi_mutex_lock(&client->lock);
    while (!client->over)
        ppi_cond_wait(&client->changed, &client->lock);
    ppi_mutex_unlock(&client->lock);
}

static int end(pp_client *client, bool drain)
{
    if (client == NULL)
        return PP_OK;
    int status = ppi_port_check_process(client->port);
    if (status != PP_OK)
        return status;
    if (client->own_port && ppi_in_callback())
        return ppi_fail(PP_EDEADLOCK,
                        "a client with its own thread cannot be closed in a callback");
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
