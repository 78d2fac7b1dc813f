/* connection.c: a client is connected, and connected again: one path, see client.h. */
#include "client/client.h"

#include <stdio.h>
#include <stdlib.h>

#include <msgpack.h>

#include "base/status.h"
#include "io/dial.h"
#include "io/handle.h"
#include "io/port.h"
#include "wire/envelope.h"

enum {
    PROTOCOL_VERSION = 1,
    HELLO_BYTES = 128,   /* at least what $hello's params have, with the longest name */
    LOST_PAUSE_MS = 50,  /* after a loss at most: not all clients at the same moment */
    BACKOFF_MIN_MS = 20, /* after an attempt that somebody answered, with no good end */
    BACKOFF_MAX_MS = 500
};

/* --- connections ------------------------------------------------------------------------------ */

struct ppi_connection *ppi_client_hold(pp_client *client)
{
    struct ppi_connection *connection = client->connection;

    if (connection != NULL)
        atomic_fetch_add_explicit(&connection->references, 1, memory_order_relaxed);
    return connection;
}

void ppi_connection_drop(struct ppi_connection *connection)
{
    if (atomic_fetch_sub_explicit(&connection->references, 1, memory_order_acq_rel) != 1)
        return;
    ppi_link_deinit(&connection->link);
    free(connection);
}

static struct ppi_connection *hold(pp_client *client)
{
    ppi_mutex_lock(&client->lock);
    struct ppi_connection *connection = ppi_client_hold(client);
    ppi_mutex_unlock(&client->lock);
    return connection;
}

void ppi_client_close_link(pp_client *client, int why)
{
    struct ppi_connection *connection = hold(client);

    if (connection == NULL)
        return;
    ppi_link_close(&connection->link, why);
    ppi_connection_drop(connection);
}

void ppi_client_resume_link(pp_client *client)
{
    struct ppi_connection *connection = hold(client);

    if (connection == NULL)
        return;
    ppi_link_resume(&connection->link);
    ppi_connection_drop(connection);
}

/* --- where the turn goes ---------------------------------------------------------------------- */

void ppi_client_pass_turn(pp_client *client, enum ppi_phase phase)
{
    client->phase = phase;
    ppi_mutex_unlock(&client->lock);
    ppi_port_post(client->port, &client->turn_op);
}

/* A while later it goes on. */
static void pause_for(pp_client *client, uint64_t pause_ns)
{
    ppi_client_ref(client); /* the turn may be somebody else's soon */
    ppi_mutex_lock(&client->lock);
    if (pause_ns < client->away_ns)
        pause_ns = client->away_ns;
    client->away_ns = 0;
    uint64_t until_ns = ppi_timer_now_ns(client->port) + pause_ns;
    if (client->state == PPI_CLIENT_NEW && until_ns > client->connect_deadline_ns)
        until_ns = client->connect_deadline_ns;
    client->phase = PPI_PHASE_PAUSE;
    ppi_mutex_unlock(&client->lock);
    int status = ppi_timer_start(&client->retry_timer, client->port, until_ns);
    ppi_mutex_lock(&client->lock);
    bool closing = client->closing; /* whoever closed may have come too early to stop it */
    ppi_mutex_unlock(&client->lock);
    if (status != PP_OK)
        ppi_client_end(client, status); /* the port is shut down, or there is no memory */
    else if (closing && ppi_timer_stop(&client->retry_timer, client->port))
        ppi_client_end(client, PP_ECLOSED);
    ppi_client_unref(client);
}

/* Why there is no connection, in words, unless the broker has said so. With the lock. */
static void note_problem(pp_client *client, int status)
{
    char path[PP_PATH_MAX] = "";
    const char *before = "", *after = "";

    if (client->refusal != PP_OK)
        return;
    client->error[0] = '\0';
    if (status == PP_ECANCELED ||
        pp_pipe_path(client->config.broker, client->config.scope, path, sizeof path) != PP_OK)
        return;
    if (status == PP_ETIMEDOUT && client->phase == PPI_PHASE_HELLO) {
        before = "who listens at ";
        after = " does not answer; is it a broker?";
    } else if (status == PP_ETIMEDOUT || status == PP_ENOSERVER) {
        before = "nobody listens at ";
        after = "; is panpiped running?";
    }
    snprintf(client->error, sizeof client->error, "%s%.180s%s", before, path, after);
}

/* Is it worth while to try again at once, if there is little time? */
static bool passes(const pp_client *client, int status)
{
    return status == PP_EPEERCLOSED || status == PP_ESHUTDOWN ||
           (status == PP_ENOSERVER && client->refusal == PP_OK);
}

/* Twice as long as the last one, and up to a quarter more. */
static uint64_t next_backoff_ns(pp_client *client)
{
    const uint64_t min_ns = (uint64_t)BACKOFF_MIN_MS * PPI_NS_PER_MS;
    const uint64_t max_ns = (uint64_t)BACKOFF_MAX_MS * PPI_NS_PER_MS;

    client->backoff_ns = client->backoff_ns == 0 ? min_ns : client->backoff_ns * 2;
    if (client->backoff_ns > max_ns)
        client->backoff_ns = max_ns;
    return client->backoff_ns + ppi_random() % (client->backoff_ns / 4);
}

void ppi_client_failed(pp_client *client, int status)
{
    pp_op *op = NULL;

    ppi_mutex_lock(&client->lock);
    note_problem(client, status);
    bool is_new = client->state == PPI_CLIENT_NEW;
    bool late = ppi_timer_now_ns(client->port) >= client->connect_deadline_ns;
    bool over = client->closing || atomic_load(&client->port->closing);
    bool give_up = is_new && !over && (late || status == PP_ETIMEDOUT || !passes(client, status));
    if (give_up || (!over && !passes(client, status))) {
        op = client->connect_user_op;
        client->connect_user_op = NULL;
    }
    uint64_t pause_ns = next_backoff_ns(client);
    client->why = status;
    if (give_up) {
        client->phase = PPI_PHASE_IDLE;
        ppi_cond_broadcast(&client->changed);
    }
    ppi_mutex_unlock(&client->lock);
    ppi_client_finish(client, op, status, 0);
    if (over) {
        ppi_client_end(client, PP_ECLOSED);
        return;
    }
    if (give_up) {
        ppi_client_unref(client);
        return;
    }
    if (!is_new)
        ppi_client_tell(client, PP_CLIENT_AWAY, status, 0);
    pause_for(client, pause_ns);
}

/* --- $hello, and everything that was said before ---------------------------------------------- */

/* [{v: 1, name: ...}]. With the lock. */
static int say_hello(pp_client *client)
{
    static const struct ppi_request model = { .kind = PPI_REQUEST_HELLO };
    const char *name = client->config.name;
    struct ppi_buf buf = { 0 };
    msgpack_packer packer;

    if (ppi_buf_room(&buf, HELLO_BYTES) == NULL) /* or half a request could be packed */
        return PP_ENOMEM;
    msgpack_packer_init(&packer, &buf, ppi_pack_write);
    msgpack_pack_array(&packer, 1);
    msgpack_pack_map(&packer, name != NULL ? 2 : 1);
    ppi_pack_text(&packer, "v");
    msgpack_pack_int(&packer, PROTOCOL_VERSION);
    if (name != NULL) {
        ppi_pack_text(&packer, "name");
        ppi_pack_text(&packer, name);
    }
    int status =
        ppi_client_ask_now(client, &model, "$hello", ppi_buf_data(&buf), ppi_buf_size(&buf));
    ppi_buf_deinit(&buf);
    return status;
}

void ppi_client_replayed(pp_client *client)
{
    if (--client->replaying > 0) {
        ppi_mutex_unlock(&client->lock);
        return;
    }
    pp_op *op = client->connect_user_op;
    client->connect_user_op = NULL;
    client->connections++;
    client->backoff_ns = 0;
    ppi_mutex_unlock(&client->lock);
    ppi_client_stop_timer(client, &client->connect_timer);
    ppi_client_finish(client, op, PP_OK, 0);
    ppi_client_tell(client, PP_CLIENT_CONNECTED, PP_OK, 0);
}

/* On the reader's thread: subscriptions, then what was kept, then whatever is said next. The link
 * cannot end meanwhile, but it can be of no use any more: then the rest waits for the next one. */
static void replay(pp_client *client)
{
    struct ppi_link *link = &client->connection->link;
    int status = PP_OK;

    ppi_mutex_lock(&client->lock);
    client->phase = PPI_PHASE_LINKED;
    client->state = PPI_CLIENT_AWAY;
    client->started = true;
    client->replaying = 1;
    client->error[0] = '\0';
    while (!ppi_link_is_closing(link) &&
           (ppi_subs_ask_next(client, &status) || (status == PP_OK && ppi_away_send_next(client))))
        ;
    if (status != PP_OK || ppi_link_is_closing(link)) {
        ppi_mutex_unlock(&client->lock);
        ppi_link_close(link, status);
        return;
    }
    client->state = client->away.leaving ? PPI_CLIENT_DRAINING : PPI_CLIENT_OPEN;
    bool ask = client->confirm.published > 0 && !client->confirm.asking;
    client->confirm.asking |= ask;
    ppi_client_replayed(client);
    if (ask)
        ppi_client_ask_soon(client);
}

void ppi_client_on_hello(pp_client *client, int status)
{
    if (status == PP_OK) {
        replay(client);
        return;
    }
    ppi_mutex_lock(&client->lock);
    client->refusal = status;
    ppi_mutex_unlock(&client->lock);
    ppi_client_close_link(client, status);
}

/* --- an attempt ------------------------------------------------------------------------------- */

/* Says hello over the link that was opened, if there is still a reason to. */
static void greet(pp_client *client, struct ppi_connection *connection)
{
    int status = PP_OK;

    ppi_mutex_lock(&client->lock);
    client->connection = connection;
    client->opening = false;
    ppi_cond_broadcast(&client->changed);
    if (client->closing)
        status = PP_ECLOSED;
    else if (client->state == PPI_CLIENT_NEW &&
             ppi_timer_now_ns(client->port) >= client->connect_deadline_ns)
        status = PP_ETIMEDOUT;
    else
        status = say_hello(client);
    ppi_mutex_unlock(&client->lock);
    if (status != PP_OK)
        ppi_client_close_link(client, status);
}

/* Makes a link of the pipe; the turn is the link's then. */
static void open_link(pp_client *client, pp_handle *pipe)
{
    struct ppi_connection *connection = calloc(1, sizeof *connection);
    int status = PP_ENOMEM;

    ppi_client_ref(client);
    if (connection != NULL) {
        connection->client = client;
        atomic_init(&connection->references, 1);
        ppi_mutex_lock(&client->lock);
        client->phase = PPI_PHASE_HELLO;
        client->opening = true;
        client->refusal = PP_OK;
        client->epoch++;
        ppi_mutex_unlock(&client->lock);
        status = ppi_link_open(&connection->link, pipe, client->port, &ppi_client_events,
                               &client->limits);
    }
    if (status == PP_OK) {
        greet(client, connection);
    } else {
        free(connection);
        pp_close(pipe);
        ppi_mutex_lock(&client->lock);
        client->opening = false;
        ppi_mutex_unlock(&client->lock);
        ppi_client_failed(client, status);
    }
    ppi_client_unref(client);
}

static void on_connected(pp_op *op)
{
    pp_client *client = PP_CONTAINER(op, pp_client, connect_op);
    pp_handle *pipe = client->dialing;
    int status = op->status;

    ppi_mutex_lock(&client->lock);
    client->dialing = NULL;
    client->refusal = PP_OK;
    if (pipe->dial->words[0] != '\0') { /* why no broker can be started */
        client->refusal = status;
        snprintf(client->error, sizeof client->error, "%.*s", PPI_ERROR_TEXT - 1,
                 pipe->dial->words);
    }
    if (status == PP_OK && client->closing)
        status = PP_ECANCELED;
    ppi_mutex_unlock(&client->lock);
    if (status == PP_OK) {
        if (pipe->dial->started)
            ppi_client_note(client, "STARTED", "no broker was running: started one");
        open_link(client, pipe);
        return;
    }
    pp_close(pipe);
    ppi_client_failed(client, status);
}

/* How, and how long, to dial. With the lock. */
static void fill_dial(const pp_client *client, pp_dial_config *config)
{
    config->scope = client->config.scope;
    config->server = client->config.server;
    config->flags = PP_DIAL_WAIT_SERVER;
    if ((client->config.flags & PP_CLIENT_START) != 0)
        config->flags |= PP_DIAL_START;
    config->timeout_ms = -1;
    if (client->state != PPI_CLIENT_NEW) {
        if (client->told == PP_CLIENT_NEW)
            config->flags &= ~(
                uint32_t)PP_DIAL_WAIT_SERVER; /* if nobody is there, that is told before the wait */
    } else if (client->connect_deadline_ns != PPI_FOREVER) {
        uint64_t now_ns = ppi_timer_now_ns(client->port), left_ms = 1;

        if (client->connect_deadline_ns > now_ns)
            left_ms = (client->connect_deadline_ns - now_ns) / PPI_NS_PER_MS + 1;
        config->timeout_ms = (int32_t)(left_ms < INT32_MAX ? left_ms : INT32_MAX);
    }
}

/* Dials. PP_PENDING: on_connected follows. */
static int dial(pp_client *client)
{
    pp_dial_config config = PP_DIAL_CONFIG_INIT;
    pp_handle *pipe;

    ppi_mutex_lock(&client->lock);
    client->phase = PPI_PHASE_DIALING;
    fill_dial(client, &config);
    ppi_mutex_unlock(&client->lock);
    int status = pp_dial(&pipe, client->config.broker, &config);
    if (status != PP_OK)
        return status;
    status = pp_port_attach(client->port, pipe, 0);
    if (status == PP_OK) {
        ppi_mutex_lock(&client->lock);
        client->dialing = pipe;
        ppi_mutex_unlock(&client->lock);
        status = pp_connect(pipe, &client->connect_op);
        ppi_mutex_lock(&client->lock);
        if (status != PP_PENDING)
            client->dialing = NULL;
        else if (client->closing && client->dialing == pipe)
            pp_cancel(pipe, NULL); /* who closed the client may have come too early to cancel it */
        ppi_mutex_unlock(&client->lock);
    }
    if (status != PP_PENDING)
        pp_close(pipe);
    return status;
}

static void attempt(pp_client *client)
{
    ppi_mutex_lock(&client->lock);
    bool closing = client->closing;
    ppi_mutex_unlock(&client->lock);
    if (closing) {
        ppi_client_end(client, PP_ECLOSED);
        return;
    }
    ppi_client_ref(client);
    int status = dial(client);
    if (status != PP_PENDING)
        ppi_client_failed(client, status);
    ppi_client_unref(client);
}

static void on_retry(pp_op *op)
{
    attempt(PP_CONTAINER(op, pp_client, retry_timer.op));
}

static void on_turn(pp_op *op)
{
    pp_client *client = PP_CONTAINER(op, pp_client, turn_op);

    ppi_mutex_lock(&client->lock);
    enum ppi_phase phase = client->phase;
    bool closing = client->closing;
    ppi_mutex_unlock(&client->lock);
    if (phase == PPI_PHASE_END) {
        ppi_client_on_end(client);
    } else if (phase == PPI_PHASE_LOST && !closing) {
        ppi_client_tell(client, PP_CLIENT_AWAY, client->why, 0);
        pause_for(client, ppi_random() % ((uint64_t)LOST_PAUSE_MS * PPI_NS_PER_MS));
    } else {
        attempt(client);
    }
}

void ppi_client_init_connection(pp_client *client)
{
    client->connect_op.priv_.handler = on_connected;
    client->turn_op.priv_.handler = on_turn;
    client->retry_timer.op.priv_.handler = on_retry;
    client->connect_deadline_ns = PPI_FOREVER;
}
