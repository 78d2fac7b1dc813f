/* client.c: a client is made, connected and freed.
 *
 * References: one for whoever made it, until pp_client_close; one while the link is open; one for
 * each packet of the library's own that is on its way (connect, flush, drain timer, the last one).
 * The last one frees. A client with its own port is freed by the thread that closes it, after its
 * worker has ended; a client on somebody's port by whichever handler drops the last reference. */
#include "client/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "base/compiler.h"
#include "base/status.h"
#include "io/dial.h"
#include "io/handle.h"
#include "io/port.h"
#include "wire/envelope.h"
#include "wire/scan.h"

enum {
    CONNECT_MS = 5000,
    DRAIN_MS = 2000,
    QUEUE_BYTES = 4 * 1024 * 1024,
    INBOX_BYTES = 1024 * 1024,
    PROTOCOL_VERSION = 1,
    HELLO_BYTES = 128, /* at least what $hello's params have, with the longest name */
    OWN_PORT_BUFFERS = 4
};

/* --- making and freeing ---------------------------------------------------------------------- */

static char *copy_text(const char *text)
{
    char *copy = text != NULL ? malloc(strlen(text) + 1) : NULL;

    return copy != NULL ? strcpy(copy, text) : NULL;
}

static void client_free(pp_client *client)
{
    size_t position = 0;
    pp_sub *sub;

    while ((sub = ppi_map_next(&client->subs, &position)) != NULL)
        ppi_sub_free(sub, PP_ECANCELED);
    ppi_map_deinit(&client->subs);
    ppi_map_deinit(&client->serving);
    ppi_client_free_requests(client);
    ppi_sender_deinit(client);
    if (client->linked)
        ppi_link_deinit(&client->link);
    if (client->own_port)
        pp_port_close(client->port);
    ppi_cond_deinit(&client->changed);
    ppi_mutex_deinit(&client->lock);
    free((char *)(uintptr_t)client->config.name);
    free((char *)(uintptr_t)client->config.broker);
    free((char *)(uintptr_t)client->config.server);
    free(client);
}

void ppi_client_ref(pp_client *client)
{
    atomic_fetch_add_explicit(&client->references, 1, memory_order_relaxed);
}

void ppi_client_unref(pp_client *client)
{
    if (atomic_fetch_sub_explicit(&client->references, 1, memory_order_acq_rel) == 1)
        client_free(client);
}

static void work(void *argument)
{
    pp_port *port = argument;
    pp_packet packet;

    while (pp_port_get(port, &packet, -1) == 1)
        ; /* operations without a callback and without a waiter: nobody wants to know */
}

/* Copies config with its texts, and fills the gaps. */
static int copy_config(pp_client *client, const pp_client_config *config)
{
    const char *broker = config->broker != NULL ? config->broker : ppi_environment("PANPIPE");
    pp_client_config *own = &client->config;

    *own = *config;
    own->name = copy_text(config->name);
    own->server = copy_text(config->server);
    own->broker = copy_text(broker != NULL && broker[0] != '\0' ? broker : "default");
    own->connect_ms = config->connect_ms != 0 ? config->connect_ms : CONNECT_MS;
    own->drain_ms = config->drain_ms != 0 ? config->drain_ms : DRAIN_MS;
    own->queue_bytes = config->queue_bytes != 0 ? config->queue_bytes : QUEUE_BYTES;
    own->inbox_bytes = config->inbox_bytes != 0 ? config->inbox_bytes : INBOX_BYTES;
    bool complete = own->broker != NULL && (own->name != NULL) == (config->name != NULL) &&
                    (own->server != NULL) == (config->server != NULL);
    return complete ? PP_OK : PP_ENOMEM;
}

static int open_port(pp_client *client)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    if (client->config.port != NULL) {
        client->port = client->config.port;
        return PP_OK;
    }
    config.concurrency = 1;
    config.pool_count = OWN_PORT_BUFFERS;
    int status = pp_port_open(&client->port, &config);
    if (status != PP_OK)
        return status;
    client->own_port = true;
    status = ppi_thread_start(&client->thread, work, client->port);
    if (status != PP_OK) {
        client->own_port = false;
        pp_port_close(client->port);
    }
    return status;
}

int pp_client_new(pp_client **out, const pp_client_config *config)
{
    static const pp_client_config defaults = PP_CLIENT_CONFIG_INIT;

    if (config == NULL)
        config = &defaults;
    if (out == NULL || config->size != sizeof *config)
        return ppi_fail(PP_EINVAL, "out and config.size must be set");
    if (config->name != NULL && !ppi_label_valid(config->name, strlen(config->name)))
        return ppi_fail(PP_EINVAL, "a name has 1 to 64 bytes of UTF-8 and no control bytes");
    pp_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    atomic_init(&client->references, 1);
    ppi_mutex_init(&client->lock);
    ppi_cond_init(&client->changed);
    client->next_id = 1;
    ppi_client_init_end(client);
    int status = copy_config(client, config);
    if (status == PP_OK)
        status = ppi_sender_init(client);
    client->limits = (struct ppi_link_limits){ .frame_max = PPI_FRAME_MAX,
                                               .read_ahead = 64 * 1024,
                                               .queue_high = client->config.queue_bytes,
                                               .queue_low = client->config.queue_bytes / 2,
                                               .queue_hard = SIZE_MAX / 2 };
    if (status == PP_OK)
        status = open_port(client);
    if (status != PP_OK) {
        client_free(client);
        return ppi_fail(status, "the client could not be made");
    }
    *out = client;
    return PP_OK;
}

/* --- the link's events ----------------------------------------------------------------------- */

static pp_client *client_of(struct ppi_link *link)
{
    return PP_CONTAINER(link, pp_client, link);
}

static void on_nothing(struct ppi_link *link)
{
    (void)link;
}

static bool subject_is(const struct ppi_frame *frame, const char *name)
{
    return frame->subject_length == strlen(name) &&
           memcmp(ppi_frame_subject(frame), name, frame->subject_length) == 0;
}

static void tell(pp_client *client, const char *name, const char *text)
{
    if (client->config.on_note == NULL)
        return;
    bool before = ppi_enter_callback();
    client->config.on_note(client->config.context, client, name, text);
    ppi_leave_callback(before);
}

/* ["E_NAME", "text", ...] of $note and $bye, for the user. */
static void on_note(pp_client *client, const struct ppi_frame *frame)
{
    struct ppi_slice slices[2];
    char texts[2][PPI_ERROR_TEXT] = { "", "" };
    int count = ppi_slices(frame->data + frame->params, frame->size - frame->params, slices, 2);

    for (int i = 0; i < 2 && i < count; i++) {
        struct ppi_value value = ppi_value_at(slices[i].data, slices[i].size);

        if (value.kind == PPI_VALUE_TEXT)
            snprintf(texts[i], sizeof texts[i], "%.*s", (int)value.text_length, value.text);
    }
    if (subject_is(frame, "$bye")) {
        ppi_mutex_lock(&client->lock);
        client->why = ppi_status_of_error(texts[0], strlen(texts[0]));
        snprintf(client->error, sizeof client->error, "%.64s %.180s", texts[0], texts[1]);
        ppi_mutex_unlock(&client->lock);
    }
    tell(client, texts[0], texts[1]);
}

static enum ppi_verdict on_frame(struct ppi_link *link, const struct ppi_frame *frame)
{
    pp_client *client = client_of(link);

    if (PPI_LIKELY(frame->type == PPI_NOTIFICATION && subject_is(frame, "$msg")))
        return ppi_client_on_message(client, frame);
    if (frame->type == PPI_ANSWER)
        ppi_client_on_answer(client, frame);
    else if (frame->type == PPI_CALL && subject_is(frame, "$call"))
        return ppi_client_on_call(client, frame);
    else if (subject_is(frame, "$cancel"))
        ppi_client_on_cancel(client, frame);
    else if (subject_is(frame, "$note") || subject_is(frame, "$bye"))
        on_note(client, frame);
    return PPI_NEXT; /* whatever else a later broker may say is ignored */
}

/* While messages wait for pp_next, answers still come through. */
static bool on_urgent(struct ppi_link *link, const struct ppi_frame *frame)
{
    if (frame->type != PPI_ANSWER)
        return false;
    ppi_client_on_answer(client_of(link), frame);
    return true;
}

/* Closed with PP_EPROTO; unless it is a broker's line of text that says why it takes no connection,
 * "E_PERM uid 1000 may not ...": then with what that says. */
static void on_bad(struct ppi_link *link, enum ppi_scan what)
{
    pp_client *client = client_of(link);
    const char *line = link->read_op.buffer;
    size_t size = (size_t)link->read_op.bytes;

    ppi_mutex_lock(&client->lock);
    if (what == PPI_SCAN_ALIEN && client->state == PPI_CLIENT_HELLO && size > 2 &&
        memcmp(line, "E_", 2) == 0) {
        for (size_t i = 0; i < size; i++)
            if (line[i] == '\n')
                size = i;
        client->why = ppi_status_of_error(line, size);
        snprintf(client->error, sizeof client->error, "%.*s", (int)size, line);
    }
    ppi_mutex_unlock(&client->lock);
}

/* A pp_publish_start has gone out. */
static void on_sent(struct ppi_link *link, void *tag, uint32_t count, bool lost)
{
    int why = link->why != PP_OK ? link->why : PP_ENOMEM;

    (void)count;
    if (why == PP_ECLOSED)
        why = PP_ECANCELED;
    ppi_client_finish(client_of(link), tag, lost ? why : PP_OK, 0);
}

static void on_room(struct ppi_link *link)
{
    pp_client *client = client_of(link);

    ppi_mutex_lock(&client->lock);
    ppi_cond_broadcast(&client->changed);
    ppi_mutex_unlock(&client->lock);
}

const struct ppi_link_events ppi_client_events = {
    .begin = on_nothing,
    .end = on_nothing,
    .frame = on_frame,
    .urgent = on_urgent,
    .bad = on_bad,
    .sent = on_sent,
    .room = on_room,
    .closed = ppi_client_on_link_closed,
};

/* --- connecting ------------------------------------------------------------------------------ */

void ppi_client_end_connect(pp_client *client, int status, enum ppi_client_state state)
{
    ppi_mutex_lock(&client->lock);
    pp_op *op = client->connect_user_op;
    client->connect_user_op = NULL;
    if (client->state != PPI_CLIENT_CLOSED)
        client->state = state;
    ppi_cond_broadcast(&client->changed);
    ppi_mutex_unlock(&client->lock);
    ppi_client_finish(client, op, status, 0);
}

void ppi_client_on_hello(pp_client *client, int status)
{
    ppi_client_end_connect(client, status, status == PP_OK ? PPI_CLIENT_OPEN : PPI_CLIENT_HELLO);
    if (status != PP_OK)
        ppi_link_close(&client->link, status);
}

/* [{v: 1, name: ...}] */
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
    const pp_piece body = { ppi_buf_data(&buf), ppi_buf_size(&buf) };
    int status = ppi_client_ask(client, NULL, &model, "$hello", &body, 1);
    ppi_buf_deinit(&buf);
    return status;
}

/* Makes a link of the pipe, and says hello. Whoever closes the client meanwhile cannot end the link
 * before it is there, and leaves that to us. */
static void open_link(pp_client *client, pp_handle *pipe)
{
    ppi_client_ref(client); /* the link's, until it is closed */
    int status =
        ppi_link_open(&client->link, pipe, client->port, &ppi_client_events, &client->limits);
    if (status != PP_OK) {
        ppi_client_unref(client);
        pp_close(pipe);
        ppi_client_end_connect(client, status, PPI_CLIENT_NEW);
        return;
    }
    ppi_mutex_lock(&client->lock);
    client->linked = true;
    bool open = client->state == PPI_CLIENT_CONNECTING; /* not closed again already */
    if (open)
        client->state = PPI_CLIENT_HELLO;
    bool closing = client->closing;
    ppi_mutex_unlock(&client->lock);
    if (closing)
        ppi_link_close(&client->link, PP_ECLOSED);
    else if (open && say_hello(client) != PP_PENDING)
        ppi_client_on_hello(client, PP_ENOMEM);
}

/* Why there is no connection, in words. With the lock. */
static void note_problem(pp_client *client, int status)
{
    char path[PP_PATH_MAX] = "";

    client->error[0] = '\0';
    if (status == PP_OK || status == PP_ECANCELED ||
        pp_pipe_path(client->config.broker, client->config.scope, path, sizeof path) != PP_OK)
        return;
    if (client->dialing != NULL && client->dialing->dial->words[0] != '\0') {
        snprintf(client->error, sizeof client->error, "%.*s", PPI_ERROR_TEXT - 1,
                 client->dialing->dial->words);
        return;
    }
    snprintf(client->error, sizeof client->error,
             status == PP_ETIMEDOUT ? "nobody listens at %.200s; is panpiped running?" : "%.200s",
             path);
}

static void on_connected(pp_op *op)
{
    pp_client *client = PP_CONTAINER(op, pp_client, connect_op);
    pp_handle *pipe = client->dialing;
    int status = op->status;

    ppi_mutex_lock(&client->lock);
    if (status == PP_OK && client->closing)
        status = PP_ECANCELED;
    note_problem(client, status);
    client->dialing = NULL;
    ppi_mutex_unlock(&client->lock);
    if (status == PP_OK && pipe->dial->started)
        tell(client, "STARTED", "no broker was running: started one");
    if (status == PP_OK) {
        open_link(client, pipe);
    } else {
        pp_close(pipe);
        ppi_client_end_connect(client, status, PPI_CLIENT_NEW);
    }
    ppi_client_unref(client);
}

/* With everything claimed: dials. */
static int dial(pp_client *client)
{
    pp_dial_config config = PP_DIAL_CONFIG_INIT;
    pp_handle *pipe;

    config.scope = client->config.scope;
    config.flags = PP_DIAL_WAIT_SERVER;
    if ((client->config.flags & PP_CLIENT_START) != 0)
        config.flags |= PP_DIAL_START;
    config.timeout_ms = client->config.connect_ms;
    config.server = client->config.server;
    int status = pp_dial(&pipe, client->config.broker, &config);
    if (status != PP_OK)
        return status;
    status = pp_port_attach(client->port, pipe, 0);
    if (status == PP_OK) {
        client->connect_op.priv_.handler = on_connected;
        ppi_mutex_lock(&client->lock);
        client->dialing = pipe;
        ppi_mutex_unlock(&client->lock);
        ppi_client_ref(client); /* the packet's */
        status = pp_connect(pipe, &client->connect_op);
        ppi_mutex_lock(&client->lock);
        if (status == PP_PENDING && client->closing && client->dialing == pipe)
            pp_cancel(pipe, NULL); /* who closed the client may have come too early to cancel it */
        ppi_mutex_unlock(&client->lock);
        if (status == PP_PENDING)
            return PP_PENDING;
        ppi_mutex_lock(&client->lock);
        client->dialing = NULL;
        ppi_mutex_unlock(&client->lock);
        ppi_client_unref(client);
    }
    pp_close(pipe);
    return status;
}

int pp_client_connect(pp_client *client, pp_op *op)
{
    pp_op own = PP_OP_INIT, *started;

    if (client == NULL)
        return ppi_fail_plain(PP_EINVAL);
    int status = ppi_client_op(client, op, &own, &started);
    if (status == PP_OK)
        status = ppi_client_claim(client, started);
    if (status != PP_OK)
        return status;
    ppi_mutex_lock(&client->lock);
    bool possible = client->state == PPI_CLIENT_NEW && !client->closing;
    if (possible) {
        client->state = PPI_CLIENT_CONNECTING;
        client->connect_user_op = started;
    }
    ppi_mutex_unlock(&client->lock);
    status = possible ? dial(client) : ppi_fail(PP_ESTATE, "a client connects once");
    if (status != PP_PENDING) {
        if (possible) {
            ppi_mutex_lock(&client->lock);
            client->connect_user_op = NULL;
            client->state = PPI_CLIENT_NEW;
            ppi_cond_broadcast(&client->changed);
            ppi_mutex_unlock(&client->lock);
        }
        ppi_client_revoke(client, started);
    }
    return ppi_client_result(client, op, &own, status);
}

int pp_client_open(pp_client **out, const pp_client_config *config)
{
    pp_client *client;

    if (out == NULL || (config != NULL && config->size != sizeof *config))
        return ppi_fail(PP_EINVAL, "out and config.size must be set");
    if (config != NULL && config->port != NULL)
        return ppi_fail(PP_EINVAL, "on your own port: pp_client_new, then pp_client_connect");
    if (ppi_in_callback()) /* where it could not be closed again either */
        return ppi_fail(PP_ESTATE, "waiting inside a callback could never end");
    int status = pp_client_new(&client, config);
    if (status != PP_OK)
        return status;
    status = pp_client_connect(client, NULL);
    if (status == PP_OK) {
        *out = client;
    } else {
        char detail[PPI_ERROR_TEXT];

        snprintf(detail, sizeof detail, "%s", pp_detail());
        pp_client_abort(client);
        ppi_fail(status, "%s", detail);
    }
    return status;
}
