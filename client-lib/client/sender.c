/* sender.c: what goes out.
 *
 * Frames are staged: copied one behind the other, so that one write carries many. Who writes?
 *   - A thread that works for the client's port (a callback, a handler) only stages; the flush is a
 *     packet behind those that wait already, so everything that one round of handlers says leaves
 *     in one write, and no thread is woken for it.
 *   - Another thread writes by itself after a pause, or when somebody waits for the answer: that
 *     costs no switch of threads. In a burst it only stages, and has the port's thread flush; and
 *     when a good deal has gathered it writes by itself again, for it is faster than the other.
 * While one writes, the others go on staging in the second buffer: it goes out with the next. */
#include "client/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/status.h"
#include "io/port.h"
#include "wire/envelope.h"
#include "wire/scan.h"

enum { PPI_FRAME_PIECES = PPI_BODY_PIECES + 1 };

/* --- writing, with the lock held -------------------------------------------------------------- */

static void post_flush(pp_client *client)
{
    struct ppi_sender *sender = &client->sender;

    if (sender->posted)
        return;
    sender->posted = true;
    ppi_client_ref(client);
    ppi_port_post(client->port, &sender->flush_op);
}

/* Writes, without the lock; nobody else is writing. What others stage meanwhile is left to the
 * port's thread, or this thread could write for them for ever. */
static void write_parcels(pp_client *client, const struct ppi_parcel *parcels, int count)
{
    struct ppi_sender *sender = &client->sender;
    struct ppi_link *link = &client->connection->link; /* its end waits for us */
    size_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += parcels[i].length;
    sender->busy = true;
    ppi_mutex_unlock(&client->lock);
    ppi_link_charge(link, bytes);
    ppi_link_send(link, parcels, count, 0);
    ppi_mutex_lock(&client->lock);
    sender->busy = false;
    sender->last_ns = ppi_now_ns();
    if (sender->used > 0)
        post_flush(client);
    ppi_cond_broadcast(&client->changed);
}

/* Writes what is staged; nobody else is writing. */
static void flush(pp_client *client)
{
    struct ppi_sender *sender = &client->sender;
    struct ppi_sizes sizes = { (uint32_t)sender->used, 1 };
    const struct ppi_parcel parcel = { sender->stage, sender->used, NULL, &sizes, 1 };
    uint8_t *written = sender->stage;

    if (sender->used == 0)
        return;
    sender->stage = sender->spare;
    sender->spare = NULL;
    sender->used = 0;
    write_parcels(client, &parcel, 1);
    sender->spare = written;
}

/* Waits, and writes, until nobody writes and nothing is staged: the caller's turn. */
static void take_turn(pp_client *client)
{
    while (client->sender.busy || client->sender.used > 0)
        if (client->sender.busy)
            ppi_cond_wait(&client->changed, &client->lock);
        else
            flush(client);
}

static void on_flush(pp_op *op)
{
    pp_client *client = PP_CONTAINER(op, pp_client, sender.flush_op);

    ppi_mutex_lock(&client->lock);
    client->sender.posted = false;
    if (!client->sender.busy)
        flush(client);
    ppi_mutex_unlock(&client->lock);
    ppi_client_unref(client);
}

/* After something was staged: sees to it that it goes out. */
static void see_off(pp_client *client, bool urgent)
{
    struct ppi_sender *sender = &client->sender;

    if (sender->busy)
        return; /* who writes sees that there is more */
    if (ppi_port_is_home(client->port)) {
        if (sender->used >= PPI_STAGE_FULL)
            flush(client);
        else
            post_flush(client);
        return;
    }
    if (urgent || sender->used >= PPI_STAGE_FULL)
        flush(client);
    else if (!sender->posted && ppi_now_ns() - sender->last_ns > PPI_QUIET_NS)
        flush(client);
    else
        post_flush(client);
}

/* --- frames, with the lock held --------------------------------------------------------------- */

static size_t size_of(const pp_piece *pieces, int count)
{
    size_t size = 0;

    for (int i = 0; i < count; i++)
        size += pieces[i].length;
    return size;
}

/* Writes a frame at once, from where it lies; nothing else is being written. */
static void write_frame(pp_client *client, const pp_piece *pieces, int count, pp_op *op)
{
    struct ppi_parcel parcels[PPI_FRAME_PIECES];
    const struct ppi_sizes sizes = { (uint32_t)size_of(pieces, count), 1 };

    for (int i = 0; i < count; i++)
        parcels[i] = (struct ppi_parcel){ .data = pieces[i].data, .length = pieces[i].length };
    parcels[0].tag = op;
    parcels[0].sizes = &sizes;
    parcels[0].size_count = 1;
    write_parcels(client, parcels, count);
}

void ppi_sender_room(pp_client *client, size_t size)
{
    struct ppi_sender *sender = &client->sender;

    if (PPI_UNLIKELY(size > PPI_STAGE_BYTES)) /* it will be written from where it lies */
        take_turn(client);
    while (PPI_UNLIKELY(sender->used + size > PPI_STAGE_BYTES && sender->used > 0))
        take_turn(client);
}

void ppi_sender_stage(pp_client *client, const pp_piece *pieces, int count, bool urgent)
{
    struct ppi_sender *sender = &client->sender;
    size_t size = size_of(pieces, count);

    if (PPI_UNLIKELY(size > PPI_STAGE_BYTES)) {
        write_frame(client, pieces, count, NULL);
        return;
    }
    for (int i = 0; i < count; i++) {
        memcpy(sender->stage + sender->used, pieces[i].data, pieces[i].length);
        sender->used += pieces[i].length;
    }
    see_off(client, urgent);
}

void ppi_sender_write(pp_client *client, const pp_piece *pieces, int count,
                      const struct ppi_about *about)
{
    take_turn(client); /* what was sent before goes before */
    client->confirm.published += about->publish;
    write_frame(client, pieces, count, about->op); /* op ends from here on */
}

/* --- the ways in ------------------------------------------------------------------------------ */

int ppi_client_refuse(void)
{
    return ppi_fail(PP_ECLOSED, "the client is not started, or was closed");
}

/* May the call be answered on this connection? With the lock. */
static int check_call(const pp_client *client, uint64_t call)
{
    if (client->state != PPI_CLIENT_OPEN && client->state != PPI_CLIENT_AWAY)
        return ppi_client_refuse();
    if (client->state == PPI_CLIENT_AWAY || call != ppi_call_here(client, ppi_call_id(call)))
        return ppi_fail(PP_EGONE, "the connection over which the call came has ended");
    return PP_OK;
}

/* Is there a connection on which more may be said? Also during the replay, about what it has sent.
 * With the lock. */
static bool is_said_to(const pp_client *client)
{
    return client->state == PPI_CLIENT_OPEN ||
           (client->state == PPI_CLIENT_AWAY && client->phase == PPI_PHASE_LINKED &&
            client->connection != NULL);
}

int ppi_client_send(pp_client *client, uint64_t call, const pp_piece *pieces, int count)
{
    int status = ppi_port_check_process(client->port);

    if (status != PP_OK)
        return status;
    ppi_mutex_lock(&client->lock);
    if (is_said_to(client))
        ppi_sender_room(client, size_of(pieces, count));
    status = is_said_to(client) ? PP_OK : PP_ECLOSED;
    if (call != 0)
        status = check_call(client, call);
    if (status == PP_OK)
        ppi_sender_stage(client, pieces, count, true);
    ppi_mutex_unlock(&client->lock);
    return status == PP_ECLOSED ? ppi_client_refuse() : status;
}

void pp_client_push(pp_client *client)
{
    if (client == NULL || ppi_port_check_process(client->port) != PP_OK)
        return;
    ppi_mutex_lock(&client->lock);
    take_turn(client);
    ppi_mutex_unlock(&client->lock);
}

int ppi_sender_init(pp_client *client)
{
    struct ppi_sender *sender = &client->sender;

    sender->flush_op.priv_.handler = on_flush;
    sender->stage = malloc(PPI_STAGE_BYTES);
    sender->spare = malloc(PPI_STAGE_BYTES);
    return sender->stage != NULL && sender->spare != NULL ? PP_OK : PP_ENOMEM;
}

void ppi_sender_deinit(pp_client *client)
{
    free(client->sender.stage);
    free(client->sender.spare);
}

int ppi_client_send_op(pp_client *client, uint64_t call, pp_op *op, const pp_piece pieces[2])
{
    const struct ppi_about about = { .op = op, .publish = call == 0 };
    int status = ppi_client_claim(client, op);

    if (status != PP_OK)
        return status;
    ppi_mutex_lock(&client->lock);
    if (client->state == PPI_CLIENT_OPEN)
        take_turn(client);
    bool open = client->state == PPI_CLIENT_OPEN;
    if (call != 0)
        status = check_call(client, call);
    else if (client->state == PPI_CLIENT_AWAY)
        status = ppi_away_room(client, size_of(pieces, 2));
    else if (!open)
        status = ppi_client_refuse();
    bool ask = status == PP_OK && open && call == 0 && !client->confirm.asking;
    if (status == PP_OK && open) {
        client->confirm.asking |= ask;
        ppi_sender_write(client, pieces, 2, &about);
    } else if (status == PP_OK) {
        ppi_away_keep(client, pieces, 2, &about);
    }
    ppi_mutex_unlock(&client->lock);
    if (ask)
        ppi_client_ask_soon(client);
    if (status == PP_OK)
        return PP_PENDING;
    ppi_client_revoke(client, op);
    return status;
}

/* --- publishing ------------------------------------------------------------------------------- */

static int check_subject(const char *subject)
{
    const char *refusal = ppi_subject_refusal(subject, strlen(subject));

    return refusal == NULL ? PP_OK : ppi_fail(PP_EINVAL, "%s", refusal);
}

static int check_params(const void *params, size_t size)
{
    unsigned depth = 0;

    if (size > PPI_FRAME_MAX - PPI_FRAME_RESERVE)
        return ppi_fail(PP_ELIMIT, "params are at most 16 MiB - 4 KiB");
    size_t array = ppi_array_at(params, size, &depth);
    if (depth > PPI_PARAMS_DEPTH_MAX)
        return ppi_fail(PP_ELIMIT, "params nest at most %d deep", PPI_PARAMS_DEPTH_MAX);
    if (array != size || array == 0)
        return ppi_fail(PP_EINVAL, "params are one MessagePack array");
    return PP_OK;
}

int ppi_client_check(const char *subject, const void *params, size_t size)
{
    if (subject == NULL || params == NULL)
        return ppi_fail(PP_EINVAL, "subject and params must be set");
    int status = check_subject(subject);
    return status == PP_OK ? check_params(params, size) : status;
}

/* Writes the head of a message to subject, which mostly is that of the last one. With the lock. Its
 * size, or PP_EINVAL. */
static int head_for(struct ppi_sender *sender, const char *subject, uint8_t *head)
{
    if (PPI_UNLIKELY(sender->head_size == 0 || strcmp(sender->subject, subject) != 0)) {
        int status = check_subject(subject);

        if (status != PP_OK)
            return status;
        memcpy(sender->subject, subject, strlen(subject) + 1);
        sender->head_size = ppi_head_publish(sender->head, subject, strlen(subject));
    }
    memcpy(head, sender->head, sender->head_size);
    return (int)sender->head_size;
}

static bool full(pp_client *client)
{
    return atomic_load_explicit(&client->connection->link.load, memory_order_relaxed) >=
           client->config.queue_bytes;
}

/* Waits until less than queue_bytes wait, if there is a connection. With the lock. PP_OK, PP_EBUSY.
 */
static int wait_for_room(pp_client *client)
{
    while (PPI_UNLIKELY(client->state == PPI_CLIENT_OPEN && full(client))) {
        if (!client->own_port || ppi_in_callback())
            return ppi_fail(PP_EBUSY, "queue_bytes wait to be written already");
        ppi_cond_wait(&client->changed, &client->lock);
    }
    return PP_OK;
}

/* Sends a publish, or keeps it. With the lock. */
static int put(pp_client *client, const pp_piece *pieces, int count)
{
    static const struct ppi_about about = { .publish = true };
    size_t size = size_of(pieces, count);

    if (PPI_LIKELY(client->state == PPI_CLIENT_OPEN)) {
        ppi_sender_room(client, size);
        if (PPI_LIKELY(client->state == PPI_CLIENT_OPEN)) {
            client->confirm.published++;
            ppi_sender_stage(client, pieces, count, false);
            return PP_OK;
        }
    }
    if (client->state != PPI_CLIENT_AWAY)
        return ppi_client_refuse();
    int status = ppi_away_room(client, size);
    if (status == PP_OK)
        ppi_away_keep(client, pieces, count, &about);
    return status;
}

int pp_publish(pp_client *client, const char *subject, const void *params, size_t size)
{
    uint8_t head[PPI_HEAD_MAX]; /* a copy: the lock is given up while somebody waits, or writes */
    bool ask = false;

    if (client == NULL || subject == NULL || params == NULL)
        return ppi_fail(PP_EINVAL, "client, subject and params must be set");
    int status = check_params(params, size);
    if (status == PP_OK)
        status = ppi_port_check_process(client->port);
    if (status != PP_OK)
        return status;
    ppi_mutex_lock(&client->lock);
    int head_size = head_for(&client->sender, subject, head);
    status = head_size > 0 ? wait_for_room(client) : head_size;
    if (status == PP_OK) {
        const pp_piece pieces[] = { { head, (size_t)head_size }, { params, size } };

        status = put(client, pieces, 2);
        ask = !client->confirm.asking && client->state == PPI_CLIENT_OPEN && status == PP_OK;
        client->confirm.asking |= ask;
    }
    ppi_mutex_unlock(&client->lock);
    if (PPI_UNLIKELY(ask))
        ppi_client_ask_soon(client);
    return status;
}

int pp_publish_start(pp_client *client, pp_op *op, const char *subject, const void *params,
                     size_t size)
{
    uint8_t head[PPI_HEAD_MAX];

    if (client == NULL || op == NULL)
        return ppi_fail(PP_EINVAL, "client and op must be set");
    int status = ppi_client_check(subject, params, size);
    if (status != PP_OK)
        return status;
    const pp_piece pieces[] = { { head, ppi_head_publish(head, subject, strlen(subject)) },
                                { params, size } };
    return ppi_client_send_op(client, 0, op, pieces);
}
