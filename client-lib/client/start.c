/* start.c: how users have a client connected, and learn whether it is. */
#include "base/status.h"
#include "client/client.h"
#include "io/dial.h"
#include "io/port.h"

/* connect_ms are over. */
static void on_connect_late(pp_op *op)
{
    pp_client *client = PP_CONTAINER(op, pp_client, connect_timer.op);
    pp_op *late = NULL;

    ppi_mutex_lock(&client->lock);
    uint64_t deadline_ns = client->connect_deadline_ns;
    bool waits = client->connect_user_op != NULL;
    bool again = waits && ppi_timer_now_ns(client->port) < deadline_ns && op->status == PP_OK;
    bool alone = waits && !again && client->state == PPI_CLIENT_NEW;
    if (waits && !again && !alone) { /* it goes on, but nobody waits any more */
        late = client->connect_user_op;
        client->connect_user_op = NULL;
    }
    bool unanswered = alone && client->phase == PPI_PHASE_HELLO; /* else the dial ends by itself */
    ppi_mutex_unlock(&client->lock);
    if (again) /* the packet of an earlier connect */
        ppi_client_start_timer(client, &client->connect_timer, deadline_ns);
    if (unanswered)
        ppi_client_close_link(client, PP_ETIMEDOUT);
    ppi_client_finish(client, late, PP_ETIMEDOUT, 0);
    ppi_client_unref(client);
}

void ppi_client_init_start(pp_client *client)
{
    client->connect_timer.op.priv_.handler = on_connect_late;
}

/* Makes the turn, and gives it to the port. With the lock, which is released. PP_OK, PP_ECLOSED. */
static int begin(pp_client *client)
{
    client->phase = PPI_PHASE_TURN;
    client->backoff_ns = 0;
    ppi_client_ref(client);
    ppi_mutex_unlock(&client->lock);
    int status = pp_port_post(client->port, 0, 0, &client->turn_op);
    if (status == PP_OK)
        return PP_OK;
    ppi_mutex_lock(&client->lock);
    client->phase = PPI_PHASE_IDLE;
    ppi_mutex_unlock(&client->lock);
    ppi_client_unref(client);
    return status;
}

/* Can it be started here? */
static int check_name(const pp_client *client)
{
    char path[PP_PATH_MAX];
    int status = ppi_port_check_process(client->port);

    if (status == PP_OK)
        status = pp_pipe_path(client->config.broker, client->config.scope, path, sizeof path);
    if (status == PP_OK && (client->config.flags & PP_CLIENT_START) != 0)
        status = ppi_dial_check_start(client->config.broker, client->config.scope);
    return status;
}

/* May it be started, or waited for? With the lock. */
static int check_state(const pp_client *client)
{
    bool ended = client->closing || client->away.leaving || client->state == PPI_CLIENT_DRAINING ||
                 client->state == PPI_CLIENT_CLOSED;

    return ended ? ppi_fail(PP_ECLOSED, "the client has ended") : PP_OK;
}

int pp_client_start(pp_client *client)
{
    if (client == NULL)
        return ppi_fail_plain(PP_EINVAL);
    int status = check_name(client);
    if (status != PP_OK)
        return status;
    ppi_mutex_lock(&client->lock);
    status = check_state(client);
    if (status == PP_OK && client->state == PPI_CLIENT_NEW) {
        client->state = PPI_CLIENT_AWAY;
        client->started = true;
        if (client->phase == PPI_PHASE_IDLE) {
            status = begin(client);
            ppi_mutex_lock(&client->lock);
        }
        if (status != PP_OK) {
            client->state = PPI_CLIENT_NEW;
            client->started = false;
        }
    }
    ppi_mutex_unlock(&client->lock);
    return status;
}

/* Waits for the connection, with op, and sees to it that somebody makes it. PP_OK: op will end. */
static int await_connection(pp_client *client, pp_op *op)
{
    int32_t connect_ms = client->config.connect_ms;
    uint64_t now_ns = ppi_timer_now_ns(client->port);

    ppi_mutex_lock(&client->lock);
    int status = check_state(client);
    if (status == PP_OK && client->connect_user_op != NULL)
        status = ppi_fail(PP_ESTATE, "one pp_client_connect at a time");
    bool connected = client->state == PPI_CLIENT_OPEN && client->replaying == 0;
    if (status != PP_OK || connected) {
        ppi_mutex_unlock(&client->lock);
        if (status == PP_OK)
            ppi_client_finish(client, op, PP_OK, 0);
        return status;
    }
    uint64_t deadline_ns =
        connect_ms < 0 ? PPI_FOREVER : now_ns + (uint64_t)connect_ms * PPI_NS_PER_MS;
    client->connect_user_op = op;
    client->connect_deadline_ns = deadline_ns;
    ppi_client_ref(client); /* op may end at once, and the client with it */
    if (client->phase == PPI_PHASE_IDLE)
        status = begin(client);
    else
        ppi_mutex_unlock(&client->lock);
    if (status != PP_OK) {
        ppi_mutex_lock(&client->lock);
        client->connect_user_op = NULL;
        ppi_mutex_unlock(&client->lock);
    } else if (deadline_ns != PPI_FOREVER) {
        ppi_client_start_timer(client, &client->connect_timer, deadline_ns);
    }
    ppi_client_unref(client);
    return status;
}

int pp_client_connect(pp_client *client, pp_op *op)
{
    pp_op own = PP_OP_INIT, *started;

    if (client == NULL)
        return ppi_fail_plain(PP_EINVAL);
    int status = check_name(client);
    if (status == PP_OK)
        status = ppi_client_op_claimed(client, op, &own, &started);
    if (status != PP_OK)
        return status;
    status = await_connection(client, started);
    if (status != PP_OK)
        ppi_client_revoke(client, started);
    return ppi_client_result(client, op, &own, status == PP_OK ? PP_PENDING : status);
}

int pp_client_state(pp_client *client)
{
    int state = PP_CLIENT_ENDED;

    if (client == NULL)
        return state;
    ppi_mutex_lock(&client->lock);
    if (client->state == PPI_CLIENT_NEW)
        state = PP_CLIENT_NEW;
    else if (client->state == PPI_CLIENT_OPEN && client->replaying == 0)
        state = PP_CLIENT_CONNECTED;
    else if (client->state == PPI_CLIENT_OPEN || client->state == PPI_CLIENT_AWAY)
        state = PP_CLIENT_AWAY;
    ppi_mutex_unlock(&client->lock);
    return state;
}
