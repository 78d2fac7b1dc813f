#include "reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "events.h"
#include "ticker.h"
#include "wire/envelope.h"

enum { TEXT_MAX = 400 };

static void cut(struct peer *peer)
{
    events_tell_cut(peer, "E_SLOW", "queue_hard: it does not read its answers");
    ppi_link_close(&peer->link, PP_ESLOW);
}

void reply_frame(struct worker *worker, struct peer *peer, const void *head, size_t head_size,
                 const void *rest, size_t rest_size)
{
    if (!ppi_link_charge(&peer->link, head_size + rest_size))
        cut(peer);
    else
        ticker_watch(worker->broker, &peer->link);
    worker_collect_frame(worker, &peer->link, head, head_size, rest, rest_size, NULL);
}

/* Sends what is in buf and frees it. */
static void send_buf(struct worker *worker, struct peer *peer, struct ppi_buf *buf)
{
    size_t size = ppi_buf_size(buf);

    if (size > 0)
        reply_frame(worker, peer, ppi_buf_data(buf), size > SMALL_FRAME_BYTES ? 0 : size,
                    ppi_buf_data(buf), size > SMALL_FRAME_BYTES ? size : 0);
    if (size > SMALL_FRAME_BYTES)
        worker_send(worker); /* a large one was not copied */
    ppi_buf_deinit(buf);
}

void reply_error(struct worker *worker, struct peer *peer, uint32_t id, const char *format, ...)
{
    char text[TEXT_MAX];
    struct ppi_buf buf = { 0 };
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    worker->counts.errors++;
    ppi_pack_error(&buf, id, "%s", text);
    send_buf(worker, peer, &buf);
}

void reply_begin(struct reply *reply, uint32_t id)
{
    uint8_t head[PPI_HEAD_MAX];

    reply->buf = (struct ppi_buf){ 0 };
    ppi_buf_append(&reply->buf, head, ppi_head_answer(head, id));
    msgpack_packer_init(&reply->packer, &reply->buf, ppi_pack_write);
    msgpack_pack_nil(&reply->packer);
}

void reply_end(struct worker *worker, struct peer *peer, struct reply *reply)
{
    send_buf(worker, peer, &reply->buf);
}

/* Packs [2, method, [ with count elements to come. */
static void notify_begin(struct reply *reply, const char *method, unsigned count)
{
    reply->buf = (struct ppi_buf){ 0 };
    msgpack_packer_init(&reply->packer, &reply->buf, ppi_pack_write);
    msgpack_pack_array(&reply->packer, 3);
    msgpack_pack_int(&reply->packer, PPI_NOTIFICATION);
    ppi_pack_text(&reply->packer, method);
    msgpack_pack_array(&reply->packer, count);
}

void reply_note(struct worker *worker, struct peer *peer, const char *name, const char *format, ...)
{
    char text[TEXT_MAX];
    struct reply reply;
    va_list arguments;

    worker->counts.notes++;
    if (!peer->hello)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    notify_begin(&reply, "$note", 3);
    ppi_pack_text(&reply.packer, name);
    ppi_pack_text(&reply.packer, text);
    msgpack_pack_map(&reply.packer, 0);
    send_buf(worker, peer, &reply.buf);
}

void reply_bye(struct worker *worker, struct peer *peer, const char *name, const char *text,
               uint64_t retry_after_ms)
{
    struct reply reply;

    if (!peer->hello)
        return;
    notify_begin(&reply, "$bye", 3);
    ppi_pack_text(&reply.packer, name);
    ppi_pack_text(&reply.packer, text);
    msgpack_pack_uint64(&reply.packer, retry_after_ms);
    send_buf(worker, peer, &reply.buf);
}

void reply_cancel(struct worker *worker, struct peer *server, uint32_t id)
{
    struct reply reply;

    if (!server->hello)
        return;
    notify_begin(&reply, "$cancel", 1);
    msgpack_pack_uint32(&reply.packer, id);
    send_buf(worker, server, &reply.buf);
}

void reply_text(struct worker *worker, struct peer *peer, const char *line)
{
    reply_frame(worker, peer, line, strlen(line), "", 0);
}
