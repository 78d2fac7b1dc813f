/* client.c: a client is made and freed, and what comes in is handed on.
 *
 * References: one for whoever made it, until pp_client_close; one that goes with the turn; one for
 * each other packet or timer of the library's own that is on its way.
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
    AWAY_BYTES = 1024 * 1024,
    AWAY_MS_MAX = 24 * 60 * 60 * 1000, /* whatever a broker says */
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
    ppi_subs_free(client);
    ppi_map_deinit(&client->serving);
    ppi_client_free_requests(client);
    ppi_sender_deinit(client);
    ppi_away_deinit(client);
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

int ppi_client_start_timer(pp_client *client, struct ppi_timer *timer, uint64_t deadline_ns)
{
    ppi_client_ref(client);
    int status = ppi_timer_start(timer, client->port, deadline_ns);
    if (status != PP_OK)
        ppi_client_unref(client);
    return status;
}

void ppi_client_stop_timer(pp_client *client, struct ppi_timer *timer)
{
    if (ppi_timer_stop(timer, client->port))
        ppi_client_unref(client);
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
    own->away_bytes = config->away_bytes != 0 ? config->away_bytes : AWAY_BYTES;
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
    config.flags = PP_PORT_SINGLE_CONSUMER;
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
    ppi_list_init(&client->subs);
    ppi_list_init(&client->unasked);
    ppi_client_init_start(client);
    ppi_client_init_connection(client);
    ppi_client_init_loss(client);
    ppi_client_init_end(client);
    ppi_away_init(client);
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
    return PP_CONTAINER(link, struct ppi_connection, link)->client;
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

void ppi_client_note(pp_client *client, const char *name, const char *text)
{
    if (client->config.on_note == NULL)
        return;
    bool before = ppi_enter_callback();
    client->config.on_note(client->config.context, client, name, text);
    ppi_leave_callback(before);
}

/* ["E_NAME", "text", ...] of $note and $bye, for the user; the broker may want to be left alone for
 * so many ms. */
static void on_note(pp_client *client, const struct ppi_frame *frame)
{
    struct ppi_slice slices[3];
    char texts[2][PPI_ERROR_TEXT] = { "", "" };
    int count = ppi_slices(frame->data + frame->params, frame->size - frame->params, slices, 3);

    for (int i = 0; i < 2 && i < count; i++) {
        struct ppi_value value = ppi_value_at(slices[i].data, slices[i].size);

        if (value.kind == PPI_VALUE_TEXT)
            snprintf(texts[i], sizeof texts[i], "%.*s", (int)value.text_length, value.text);
    }
    if (subject_is(frame, "$bye")) {
        uint64_t ms = count > 2 ? ppi_value_at(slices[2].data, slices[2].size).number : 0;

        ppi_mutex_lock(&client->lock);
        client->away_ns = (ms < AWAY_MS_MAX ? ms : AWAY_MS_MAX) * PPI_NS_PER_MS;
        client->refusal = ppi_status_of_error(texts[0], strlen(texts[0]));
        snprintf(client->error, sizeof client->error, "%.64s %.180s", texts[0], texts[1]);
        ppi_mutex_unlock(&client->lock);
    }
    ppi_client_note(client, texts[0], texts[1]);
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
    if (what == PPI_SCAN_ALIEN && client->phase == PPI_PHASE_HELLO && size > 2 &&
        memcmp(line, "E_", 2) == 0) {
        for (size_t i = 0; i < size; i++)
            if (line[i] == '\n')
                size = i;
        client->refusal = ppi_status_of_error(line, size);
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

/* --- all in one ------------------------------------------------------------------------------ */

int pp_client_open(pp_client **out, const pp_client_config *config)
{
    pp_client *client;

    if (out == NULL || (config != NULL && config->size != sizeof *config))
        return ppi_fail(PP_EINVAL, "out and config.size must be set");
    if (config != NULL && config->port != NULL)
        return ppi_fail(PP_EINVAL, "on your own port: pp_client_new, then pp_client_connect");
    if (ppi_in_callback()) /* where it could not be closed again either */
        return ppi_fail(PP_EDEADLOCK, "waiting inside a callback could never end");
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
