/* inbox.c: what comes in: messages for subscriptions, calls for services. */
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "base/compiler.h"
#include "base/status.h"
#include "client/client.h"
#include "io/port.h"
#include "wire/envelope.h"
#include "wire/skip.h"

/* In front of each message that waits for pp_next; subject, params and meta follow. */
struct waiting {
    uint64_t call;
    uint32_t subject_length, params_size, meta_size;
};

/* --- from the wire --------------------------------------------------------------------------- */

/* The bytes of a number, and of a text: the broker passes on what others wrote, who may have used
 * an unusual form. 0: it is something else. */
static size_t take_number(const uint8_t *data, size_t size, uint64_t *number)
{
    size_t quick = ppi_skip_number(data, size, number);

    if (PPI_LIKELY(quick > 0))
        return quick;
    struct ppi_value value = ppi_value_at(data, size);
    *number = value.number;
    return value.kind == PPI_VALUE_NUMBER ? value.size : 0;
}

static size_t take_text(const uint8_t *data, size_t size, size_t *length)
{
    size_t quick = ppi_skip_text(data, size, length);

    if (PPI_LIKELY(quick > 0))
        return quick;
    struct ppi_value value = ppi_value_at(data, size);
    *length = value.text_length;
    return value.kind == PPI_VALUE_TEXT ? value.size : 0;
}

/* [sid, subject, params, meta?]: false: it is not that. */
static bool parse(const struct ppi_frame *frame, uint64_t *sid, pp_message *message,
                  struct ppi_slice *meta)
{
    const uint8_t *at = frame->data + frame->params, *end = frame->data + frame->size;
    bool options = *at == 0x94; /* behind the params */
    size_t part;

    if (*at != 0x93 && !options)
        return false;
    at++;
    if ((part = take_number(at, (size_t)(end - at), sid)) == 0)
        return false;
    at += part;
    if ((part = take_text(at, (size_t)(end - at), &message->subject_length)) == 0)
        return false;
    at += part;
    message->subject = (const char *)at - message->subject_length;
    if (at == end || !ppi_skip_is_array(*at))
        return false;
    message->params = at;
    message->params_size = (size_t)(end - at);
    *meta = (struct ppi_slice){ 0 };
    if (options) {
        message->params_size = ppi_value_at(at, message->params_size).size;
        at += message->params_size;
        *meta = (struct ppi_slice){ at, (size_t)(end - at) };
    }
    return message->params_size > 0;
}

/* On the reader's thread, which alone changes the map. */
static pp_sub *find(pp_client *client, uint64_t sid)
{
    if (client->last_sub == NULL || client->last_sub->sid != sid)
        client->last_sub = ppi_map_get(&client->sids, sid);
    return client->last_sub;
}

static size_t waiting_size(const pp_message *message, const struct ppi_slice *meta)
{
    return sizeof(struct waiting) + message->subject_length + message->params_size + meta->size;
}

/* Keeps a message for pp_next. */
static int keep(pp_sub *sub, const pp_message *message, const struct ppi_slice *meta)
{
    struct waiting head = { message->call, (uint32_t)message->subject_length,
                            (uint32_t)message->params_size, (uint32_t)meta->size };
    uint8_t *room = ppi_buf_room(&sub->filling, waiting_size(message, meta));

    if (room == NULL)
        return PP_ENOMEM;
    memcpy(room, &head, sizeof head);
    memcpy(room + sizeof head, message->subject, message->subject_length);
    room += sizeof head + message->subject_length;
    memcpy(room, message->params, message->params_size);
    if (meta->size > 0)
        memcpy(room + message->params_size, meta->data, meta->size);
    ppi_buf_added(&sub->filling, waiting_size(message, meta));
    return PP_OK;
}

/* Whom to tell when the call is canceled: its service, by its sid, for that may be gone by then.
 * Without memory nobody is told. With the lock. */
static void remember_call(pp_client *client, const pp_sub *sub, uint64_t call)
{
    if (call != 0 && sub->on_cancel != NULL && ppi_map_get(&client->serving, call) == NULL)
        ppi_map_add(&client->serving, call, (void *)(uintptr_t)sub->sid);
}

/* Puts a message by for pp_next, or has it wait until there is room. */
static enum ppi_verdict put_by(pp_client *client, pp_sub *sub, const pp_message *message,
                               const struct ppi_slice *meta)
{
    int status = PP_OK;

    ppi_mutex_lock(&client->lock);
    if (atomic_load_explicit(&sub->ending, memory_order_relaxed)) { /* nobody would make room */
        ppi_mutex_unlock(&client->lock);
        return PPI_NEXT;
    }
    size_t waits = ppi_buf_size(&sub->filling);
    bool hold = waits > 0 && waits + waiting_size(message, meta) > client->config.inbox_bytes;
    pp_op *op = sub->receive_op;
    sub->full = hold;
    sub->receive_op = NULL;
    if (!hold) {
        status = keep(sub, message, meta);
        remember_call(client, sub, message->call);
    }
    ppi_mutex_unlock(&client->lock);
    ppi_client_finish(client, op, PP_OK, 0);
    if (status != PP_OK)
        ppi_client_close_link(client, status);
    return hold ? PPI_HOLD : status == PP_OK ? PPI_NEXT : PPI_STOP;
}

/* Nothing comes to it any more. To a service with a callback calls come until the broker knows that
 * it has ended: their callers need not learn of it. */
static bool has_ended(const pp_sub *sub)
{
    return sub == NULL || (atomic_load_explicit(&sub->ending, memory_order_relaxed) &&
                           (!sub->serve || sub->on_message == NULL));
}

/* Hands a message to whoever it is for. */
static enum ppi_verdict hand_over(pp_client *client, uint64_t sid, pp_message *message,
                                  const struct ppi_slice *meta)
{
    pp_sender sender;
    pp_sub *sub = find(client, sid);

    if (has_ended(sub))
        return PPI_NEXT; /* unsubscribed meanwhile */
    message->sub = sub;
    if (sub->on_message == NULL)
        return put_by(client, sub, message, meta);
    if (meta->size > 0) {
        ppi_read_sender(meta->data, meta->size, &sender);
        message->sender = &sender;
    }
    if (message->call != 0 && sub->on_cancel != NULL) {
        ppi_mutex_lock(&client->lock);
        remember_call(client, sub, message->call);
        ppi_mutex_unlock(&client->lock);
    }
    bool before = ppi_enter_callback();
    sub->on_message(sub->context, message);
    ppi_leave_callback(before);
    return PPI_NEXT;
}

enum ppi_verdict ppi_client_on_message(pp_client *client, const struct ppi_frame *frame)
{
    pp_message message = { 0 };
    struct ppi_slice meta;
    uint64_t sid;

    if (!parse(frame, &sid, &message, &meta)) {
        ppi_client_close_link(client, PP_EPROTO);
        return PPI_STOP;
    }
    return hand_over(client, sid, &message, &meta);
}

enum ppi_verdict ppi_client_on_call(pp_client *client, const struct ppi_frame *frame)
{
    pp_message message = { .call = ppi_call_here(client, frame->id) };
    struct ppi_slice meta;
    uint64_t sid;

    if (!parse(frame, &sid, &message, &meta)) {
        ppi_client_close_link(client, PP_EPROTO);
        return PPI_STOP;
    }
    if (has_ended(find(client, sid))) {
        pp_reply_error(client, message.call, "E_NORESP the service has ended");
        return PPI_NEXT;
    }
    return hand_over(client, sid, &message, &meta);
}

void ppi_client_on_cancel(pp_client *client, const struct ppi_frame *frame)
{
    const uint8_t *data = frame->data + frame->params;
    struct ppi_value id = ppi_value_at(data + 1, frame->size - frame->params - 1);

    if (id.kind != PPI_VALUE_NUMBER || id.number > UINT32_MAX)
        return;
    ppi_mutex_lock(&client->lock);
    uint64_t canceled = ppi_call_here(client, (uint32_t)id.number);
    uintptr_t sid = (uintptr_t)ppi_map_remove(&client->serving, canceled);
    pp_sub *service = sid != 0 ? ppi_map_get(&client->sids, sid) : NULL;
    bool call = !has_ended(service);
    ppi_mutex_unlock(&client->lock);
    if (!call)
        return;
    bool before = ppi_enter_callback();
    service->on_cancel(service->context, canceled);
    ppi_leave_callback(before);
}

/* --- subscribing and serving ----------------------------------------------------------------- */

/* What a subscribe or serve request says; packed, it has WISH_BYTES at most, and its doc. It is
 * said anew on each connection, so it must never be what a broker ends the connection for: at its
 * limits it is a frame that every broker takes (frame_max is 8 KiB or more). */
enum { WISH_BYTES = 512, DOC_BYTES_MAX = 4096 };
struct wish {
    const char *pattern, *group;
    bool echo, cut, meta, exclusive;
    uint32_t max_inflight;
    const void *doc; /* NULL: none; a MessagePack value, or (doc_is_text) doc_size bytes of text */
    size_t doc_size;
    bool doc_is_text;
};

/* [pattern, {form: "rich", ...}] */
static void pack_wish(struct ppi_buf *buf, const struct wish *wish)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buf, ppi_pack_write);
    msgpack_pack_array(&packer, 2);
    ppi_pack_text(&packer, wish->pattern);
    msgpack_pack_map(&packer, 1u + (wish->group != NULL) + wish->echo + wish->cut + wish->meta +
                                  wish->exclusive + (wish->max_inflight != 0) +
                                  (wish->doc != NULL));
    ppi_pack_text(&packer, "form");
    ppi_pack_text(&packer, "rich");
    if (wish->group != NULL) {
        ppi_pack_text(&packer, "group");
        ppi_pack_text(&packer, wish->group);
    }
    if (wish->echo) {
        ppi_pack_text(&packer, "echo");
        msgpack_pack_true(&packer);
    }
    if (wish->cut) {
        ppi_pack_text(&packer, "policy");
        ppi_pack_text(&packer, "cut");
    }
    if (wish->meta) {
        ppi_pack_text(&packer, "meta");
        msgpack_pack_true(&packer);
    }
    if (wish->exclusive) {
        ppi_pack_text(&packer, "exclusive");
        msgpack_pack_true(&packer);
    }
    if (wish->max_inflight != 0) {
        ppi_pack_text(&packer, "max_inflight");
        msgpack_pack_uint32(&packer, wish->max_inflight);
    }
    if (wish->doc != NULL) {
        ppi_pack_text(&packer, "doc");
        if (wish->doc_is_text)
            msgpack_pack_str(&packer, wish->doc_size);
        ppi_buf_append(buf, wish->doc, wish->doc_size);
    }
}

static int start(pp_client *client, pp_op *op, const struct wish *wish, pp_sub *sub, pp_sub **out)
{
    pp_op own = PP_OP_INIT, *started;
    int status = ppi_client_op(client, op, &own, &started);

    if (status == PP_OK && ppi_buf_room(&sub->wish, WISH_BYTES + wish->doc_size) == NULL)
        status = ppi_fail_plain(PP_ENOMEM); /* or half a request could be packed */
    if (status == PP_OK) {
        pack_wish(&sub->wish, wish);
        sub->out = out;
        status = ppi_sub_start(client, started, sub);
    }
    if (status != PP_PENDING)
        ppi_sub_free(sub, PP_ECANCELED);
    return ppi_client_result(client, op, &own, status);
}

static pp_sub *sub_new(pp_client *client)
{
    pp_sub *sub = calloc(1, sizeof *sub);

    if (sub == NULL) {
        ppi_fail_plain(PP_ENOMEM);
    } else {
        sub->client = client;
        ppi_list_init(&sub->in);
    }
    return sub;
}

static int check_pattern(const char *pattern)
{
    enum ppi_subject check = ppi_subject_check(pattern, strlen(pattern));

    return check <= PPI_SUBJECT_PATTERN ? PP_OK
                                        : ppi_fail(PP_EINVAL, "%s", ppi_subject_problem(check));
}

int pp_subscribe(pp_client *client, pp_op *op, const char *pattern, const pp_sub_config *config,
                 pp_sub **out)
{
    static const pp_sub_config defaults = PP_SUB_CONFIG_INIT;

    if (config == NULL)
        config = &defaults;
    if (client == NULL || pattern == NULL || out == NULL || config->size != sizeof *config)
        return ppi_fail(PP_EINVAL, "client, pattern, sub and config.size must be set");
    if (config->group != NULL && !ppi_label_valid(config->group, strlen(config->group)))
        return ppi_fail(PP_EINVAL, "a group has 1 to 64 bytes of UTF-8 and no control bytes");
    if (check_pattern(pattern) != PP_OK)
        return PP_EINVAL;
    const struct wish wish = { .pattern = pattern,
                               .group = config->group,
                               .echo = (config->flags & PP_SUB_ECHO) != 0,
                               .cut = (config->flags & PP_SUB_CUT) != 0,
                               .meta = (config->flags & PP_SUB_META) != 0 };
    pp_sub *sub = sub_new(client);
    if (sub == NULL)
        return PP_ENOMEM;
    sub->on_message = config->on_message;
    sub->context = config->context;
    return start(client, op, &wish, sub, out);
}

/* Takes the doc over. PP_EINVAL: both forms are given, or bytes that are no value. */
static int wish_doc(struct wish *wish, const pp_serve_config *config)
{
    wish->doc_is_text = config->doc != NULL;
    wish->doc = wish->doc_is_text ? config->doc : config->doc_data;
    wish->doc_size = wish->doc_is_text ? strlen(config->doc) : config->doc_size;
    if (config->doc != NULL && config->doc_data != NULL)
        return ppi_fail(PP_EINVAL, "a service has doc or doc_data, not both");
    if (wish->doc != NULL && wish->doc_size > DOC_BYTES_MAX)
        return ppi_fail(PP_ELIMIT, "a doc has at most %d bytes", DOC_BYTES_MAX);
    if (config->doc_data == NULL)
        return PP_OK;
    struct ppi_value value = ppi_value_at(config->doc_data, config->doc_size);
    return value.size != 0 && value.size == config->doc_size && value.depth <= PPI_PARAMS_DEPTH_MAX
               ? PP_OK
               : ppi_fail(PP_EINVAL, "doc_data is not one MessagePack value");
}

int pp_serve(pp_client *client, pp_op *op, const char *pattern, const pp_serve_config *config,
             pp_sub **out)
{
    static const pp_serve_config defaults = PP_SERVE_CONFIG_INIT;

    if (config == NULL)
        config = &defaults;
    if (client == NULL || pattern == NULL || out == NULL || config->size != sizeof *config)
        return ppi_fail(PP_EINVAL, "client, pattern, service and config.size must be set");
    struct wish wish = { .pattern = pattern,
                         .exclusive = (config->flags & PP_SERVE_EXCLUSIVE) != 0,
                         .meta = (config->flags & PP_SERVE_META) != 0,
                         .max_inflight = config->max_inflight };
    int status = check_pattern(pattern);
    if (status == PP_OK)
        status = wish_doc(&wish, config);
    if (status != PP_OK)
        return status;
    pp_sub *service = sub_new(client);
    if (service == NULL)
        return PP_ENOMEM;
    service->serve = true;
    service->on_message = config->on_call;
    service->on_cancel = config->on_cancel;
    service->context = config->context;
    return start(client, op, &wish, service, out);
}

/* --- taking messages ------------------------------------------------------------------------- */

int pp_receive(pp_sub *sub, pp_op *op)
{
    pp_op own = PP_OP_INIT, *started;

    if (sub == NULL)
        return ppi_fail_plain(PP_EINVAL);
    pp_client *client = sub->client;
    int status = ppi_client_op_claimed(client, op, &own, &started);
    if (status != PP_OK)
        return status;
    ppi_mutex_lock(&client->lock);
    bool waits = ppi_buf_size(&sub->filling) > 0;
    if (!waits && client->state != PPI_CLIENT_OPEN && client->state != PPI_CLIENT_AWAY)
        status = ppi_client_refuse();
    else if (!waits && sub->refused != PP_OK)
        status = ppi_fail(sub->refused, "the broker did not make the subscription anew");
    else if (sub->receive_op != NULL || sub->on_message != NULL)
        status = ppi_fail(PP_ESTATE, "one pp_receive at a time, and none with a callback");
    else if (!waits)
        sub->receive_op = started;
    ppi_mutex_unlock(&client->lock);
    if (status != PP_OK)
        ppi_client_revoke(client, started);
    else if (waits)
        ppi_client_finish(client, started, PP_OK, 0);
    return ppi_client_result(client, op, &own, status == PP_OK ? PP_PENDING : status);
}

/* Takes the messages that came meanwhile over for reading; lets the reader go on. */
static bool turn_over(pp_sub *sub)
{
    pp_client *client = sub->client;

    ppi_buf_clear(&sub->reading);
    ppi_mutex_lock(&client->lock);
    struct ppi_buf empty = sub->reading;
    sub->reading = sub->filling;
    sub->filling = empty;
    bool resume = sub->full;
    sub->full = false;
    ppi_mutex_unlock(&client->lock);
    if (resume)
        ppi_client_resume_link(client);
    return ppi_buf_size(&sub->reading) > 0;
}

int pp_next(pp_sub *sub, pp_message *message)
{
    struct waiting head;

    if (sub == NULL || message == NULL)
        return 0;
    ppi_buf_consume(&sub->reading, sub->read_size);
    sub->read_size = 0;
    if (ppi_buf_size(&sub->reading) == 0 && !turn_over(sub))
        return 0;
    const uint8_t *data = ppi_buf_data(&sub->reading);
    memcpy(&head, data, sizeof head);
    data += sizeof head;
    *message = (pp_message){ sub,
                             (const char *)data,
                             head.subject_length,
                             data + head.subject_length,
                             head.params_size,
                             head.call,
                             head.meta_size > 0 ? &sub->sender : NULL };
    if (head.meta_size > 0)
        ppi_read_sender(data + head.subject_length + head.params_size, head.meta_size,
                        &sub->sender);
    sub->read_size = sizeof head + head.subject_length + head.params_size + head.meta_size;
    return 1;
}
