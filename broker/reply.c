#include "reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "events.h"
#include "room.h"
#include "ticker.h"
#include "wire/envelope.h"
#include "wire/scan.h"

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

/* --- a few words: they need no memory -------------------------------------------------------- */

struct words {
    struct room room;
    msgpack_packer packer;
    uint8_t frame[TEXT_MAX + 64]; /* the text, and what is around it */
};

static void send_words(struct worker *worker, struct peer *peer, const struct words *words)
{
    ppi_check(!words->room.full);
    reply_frame(worker, peer, words->frame, room_used(&words->room), "", 0);
}

void reply_error(struct worker *worker, struct peer *peer, uint32_t id, const char *format, ...)
{
    char text[TEXT_MAX];
    struct words words;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    worker->counts.errors++;
    room_open(&words.room, &words.packer, words.frame, sizeof words.frame);
    msgpack_pack_array(&words.packer, 4);
    msgpack_pack_int(&words.packer, PPI_ANSWER);
    msgpack_pack_uint32(&words.packer, id);
    ppi_pack_text(&words.packer, text);
    msgpack_pack_nil(&words.packer);
    send_words(worker, peer, &words);
}

/* Packs [2, method, [ with count elements to come. */
static void notify_begin(struct words *words, const char *method, unsigned count)
{
    room_open(&words->room, &words->packer, words->frame, sizeof words->frame);
    msgpack_pack_array(&words->packer, 3);
    msgpack_pack_int(&words->packer, PPI_NOTIFICATION);
    ppi_pack_text(&words->packer, method);
    msgpack_pack_array(&words->packer, count);
}

void reply_note(struct worker *worker, struct peer *peer, const char *name, const char *format, ...)
{
    char text[TEXT_MAX];
    struct words words;
    va_list arguments;

    worker->counts.notes++;
    if (!peer->hello)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    notify_begin(&words, "$note", 3);
    ppi_pack_text(&words.packer, name);
    ppi_pack_text(&words.packer, text);
    msgpack_pack_map(&words.packer, 0);
    send_words(worker, peer, &words);
}

void reply_bye(struct worker *worker, struct peer *peer, const char *name, const char *text,
               uint64_t retry_after_ms)
{
    struct words words;

    if (!peer->hello)
        return;
    notify_begin(&words, "$bye", 3);
    ppi_pack_text(&words.packer, name);
    ppi_pack_text(&words.packer, text);
    msgpack_pack_uint64(&words.packer, retry_after_ms);
    send_words(worker, peer, &words);
}

void reply_cancel(struct worker *worker, struct peer *server, uint32_t id)
{
    struct words words;

    if (!server->hello)
        return;
    notify_begin(&words, "$cancel", 1);
    msgpack_pack_uint32(&words.packer, id);
    send_words(worker, server, &words);
}

void reply_text(struct worker *worker, struct peer *peer, const char *line)
{
    reply_frame(worker, peer, line, strlen(line), "", 0);
}

/* --- a result -------------------------------------------------------------------------------- */

void reply_append(struct reply *reply, const void *data, size_t size)
{
    reply->failed = ppi_buf_append(&reply->buf, data, size) != PP_OK || reply->failed;
}

static int append(void *reply, const char *data, size_t size)
{
    reply_append(reply, data, size);
    return 0;
}

void reply_begin(struct reply *reply, uint32_t id)
{
    uint8_t head[PPI_HEAD_MAX];

    *reply = (struct reply){ .id = id };
    reply_append(reply, head, ppi_head_answer(head, id));
    msgpack_packer_init(&reply->packer, reply, append);
    msgpack_pack_nil(&reply->packer);
}

void reply_end(struct worker *worker, struct peer *peer, struct reply *reply)
{
    const uint8_t *data = ppi_buf_data(&reply->buf);
    size_t size = ppi_buf_size(&reply->buf);

    if (reply->failed)
        reply_error(worker, peer, reply->id, "E_LIMIT the broker is out of memory");
    else if (size <= SMALL_FRAME_BYTES)
        reply_frame(worker, peer, data, size, "", 0);
    else
        reply_frame(worker, peer, "", 0, data, size);
    if (size > SMALL_FRAME_BYTES)
        worker_send(worker); /* a large one was not copied */
    ppi_buf_deinit(&reply->buf);
}
