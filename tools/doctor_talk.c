#include "doctor_talk.h"

#include <stdio.h>
#include <string.h>

#include <msgpack.h>
#include <panpipe/sys.h>

#include "json.h"
#include "value.h"

enum { PIECE = 16 * 1024, ANSWER_MAX = 1024 * 1024, NS_PER_MS = 1000000 };

/* Waits for an operation that was started; none is left behind. */
static int finish(pp_handle *stream, pp_op *op, int started, uint64_t deadline_ns)
{
    uint64_t now_ns = pp_now_ns();
    int left_ms = deadline_ns > now_ns ? (int)((deadline_ns - now_ns) / NS_PER_MS) + 1 : 0;

    if (started != PP_PENDING && started != PP_DONE)
        return started;
    if (pp_op_wait(op, left_ms) == 1)
        return op->status;
    pp_cancel(stream, op);
    pp_op_wait(op, -1);
    return op->status == PP_OK ? PP_OK : PP_ETIMEDOUT;
}

static uint64_t deadline_of(const struct talk *talk)
{
    return pp_now_ns() + (uint64_t)talk->patience_ms * NS_PER_MS;
}

int talk_open(struct talk *talk, const char *name, uint32_t scope, bool any, int patience_ms)
{
    pp_dial_config config = PP_DIAL_CONFIG_INIT;
    pp_op op = { 0 };

    *talk = (struct talk){ .patience_ms = patience_ms };
    config.scope = scope;
    config.flags = any ? PP_DIAL_ANY_SERVER : 0;
    config.timeout_ms = patience_ms;
    int status = pp_dial(&talk->stream, name, &config);
    if (status == PP_OK)
        status = pp_op_use_wait(&op);
    if (status == PP_OK)
        status = finish(talk->stream, &op, pp_connect(talk->stream, &op), deadline_of(talk));
    snprintf(talk->words, sizeof talk->words, "%s", status != PP_OK ? pp_detail() : "");
    if (status != PP_OK)
        talk_close(talk);
    return status;
}

void talk_close(struct talk *talk)
{
    pp_close(talk->stream);
    talk->stream = NULL;
    bytes_free(&talk->in);
}

/* --- asking ---------------------------------------------------------------------------------- */

static int say(struct talk *talk, const char *method, const char *params, size_t size,
               uint64_t deadline_ns)
{
    struct bytes request = { 0 };
    msgpack_packer packer;
    pp_op op = { 0 };

    msgpack_packer_init(&packer, &request, bytes_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_int(&packer, 0);
    msgpack_pack_unsigned_int(&packer, ++talk->asked);
    msgpack_pack_str(&packer, strlen(method));
    msgpack_pack_str_body(&packer, method, strlen(method));
    bytes_add(&request, params, size);
    int status = pp_op_use_wait(&op);
    if (status == PP_OK)
        status = finish(talk->stream, &op, pp_write(talk->stream, &op, request.data, request.size),
                        deadline_ns);
    bytes_free(&request);
    return status;
}

static int hear(struct talk *talk, uint64_t deadline_ns)
{
    pp_op op = { 0 };
    char *room = bytes_room(&talk->in, PIECE);
    int status = pp_op_use_wait(&op);

    if (status == PP_OK)
        status = finish(talk->stream, &op, pp_read(talk->stream, &op, room, PIECE), deadline_ns);
    if (status == PP_OK)
        talk->in.size += (size_t)op.bytes;
    return status;
}

/* A line for who may not, as a server sends it before it goes: "E_PERM ...". */
static bool is_refusal(struct talk *talk)
{
    const char *data = talk->in.data;

    if (talk->in.size < 2 || memcmp(data, "E_", 2) != 0)
        return false;
    snprintf(talk->words, sizeof talk->words, "%.*s", (int)talk->in.size, data);
    talk->words[strcspn(talk->words, "\n")] = '\0';
    return true;
}

/* Is the value, a frame, the answer to what was asked last? Then *end says which. */
static bool is_answer(struct talk *talk, json_t *frame, enum talk_end *end, json_t **result)
{
    const json_t *error = json_array_get(frame, 2);

    *end = TALK_STRANGE;
    if (!json_is_integer(json_array_get(frame, 0)))
        return true; /* no array, or no frame */
    if (json_integer_value(json_array_get(frame, 0)) == 2)
        return false; /* a note; requests nobody has for us */
    if (json_integer_value(json_array_get(frame, 0)) != 1 || json_array_size(frame) != 4 ||
        json_integer_value(json_array_get(frame, 1)) != (json_int_t)talk->asked)
        return true;
    *end = json_is_null(error) ? TALK_ANSWER : TALK_ERROR;
    if (json_is_null(error))
        *result = json_incref(json_array_get(frame, 3));
    else
        snprintf(talk->words, sizeof talk->words, "%s",
                 json_is_string(error) ? json_string_value(error) : "an error that is no text");
    return true;
}

/* Judges what has come so far. true: *end says how it ended. */
static bool judge(struct talk *talk, enum talk_end *end, json_t **result)
{
    size_t used = 0;

    while (talk->in.size > 0) {
        struct value_scan scan = { 0 };

        if (talk->in.data[0] == 'E') { /* no frame begins so */
            *end = is_refusal(talk) ? TALK_REFUSED : TALK_STRANGE;
            return talk->in.size >= 2;
        }
        enum value_end found =
            value_scan(&scan, (const uint8_t *)talk->in.data, talk->in.size, &used);
        *end = TALK_STRANGE;
        if (found != VALUE_COMPLETE)
            return found == VALUE_BAD || talk->in.size > ANSWER_MAX;
        json_t *frame = json_from_value(talk->in.data, used);
        bool ended = is_answer(talk, frame, end, result);
        json_decref(frame);
        memmove(talk->in.data, talk->in.data + used, talk->in.size - used);
        talk->in.size -= used;
        if (ended)
            return true;
    }
    return false;
}

enum talk_end talk_ask(struct talk *talk, const char *method, const char *params, size_t size,
                       json_t **result)
{
    uint64_t deadline_ns = deadline_of(talk);
    enum talk_end end = TALK_STRANGE;

    *result = NULL;
    talk->words[0] = '\0';
    /* who was sent away before may read why all the same */
    int status = say(talk, method, params, size, deadline_ns);
    if (status == PP_ETIMEDOUT)
        return TALK_SILENT;
    while (!judge(talk, &end, result)) {
        status = hear(talk, deadline_ns);
        if (status == PP_ETIMEDOUT)
            return TALK_SILENT;
        if (status != PP_OK)
            return TALK_ENDED;
    }
    return end;
}
