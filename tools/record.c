#include "record.h"

#include <stdio.h>
#include <string.h>

#include <panpipe/sys.h>

#include "glimpse.h"
#include "json.h"
#include "text.h"

enum { NAMES_MAX = 4, CLIENT_WIDTH = 18, SUBJECT_WIDTH = 20, TIME_OF_DAY = 11 };

/* --- reading --------------------------------------------------------------------------------- */

static bool has_name(const msgpack_object *key, const char *name)
{
    return key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) &&
           memcmp(key->via.str.ptr, name, key->via.str.size) == 0;
}

/* NULL: there is none, or it is nil. */
static const msgpack_object *field(const struct record *record, const char *name)
{
    for (uint32_t i = 0; i < record->map->size; i++)
        if (has_name(&record->map->ptr[i].key, name))
            return record->map->ptr[i].val.type != MSGPACK_OBJECT_NIL ? &record->map->ptr[i].val
                                                                      : NULL;
    return NULL;
}

static uint64_t number(const struct record *record, const char *name)
{
    const msgpack_object *value = field(record, name);

    return value != NULL && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? value->via.u64 : 0;
}

/* A text, perhaps empty. */
static msgpack_object_str text_of(const msgpack_object *value)
{
    return value != NULL && value->type == MSGPACK_OBJECT_STR ? value->via.str
                                                              : (msgpack_object_str){ 0, "" };
}

static msgpack_object_bin body_of(const struct record *record)
{
    const msgpack_object *value = field(record, "body");

    return value != NULL && value->type == MSGPACK_OBJECT_BIN ? value->via.bin
                                                              : (msgpack_object_bin){ 0, "" };
}

static bool is_kind(const struct record *record, const char *kind)
{
    const msgpack_object *value = field(record, "kind");

    return value != NULL && has_name(value, kind);
}

/* Has it the params of a message? Else it is the answer to a call. */
static bool has_params(const struct record *record)
{
    return is_kind(record, "pub") || is_kind(record, "call");
}

bool record_read(struct record *record, const void *params, size_t size)
{
    msgpack_unpacked_init(&record->unpacked);
    if (msgpack_unpack_next(&record->unpacked, params, size, NULL) != MSGPACK_UNPACK_SUCCESS)
        return false;
    const msgpack_object *array = &record->unpacked.data;
    if (array->type != MSGPACK_OBJECT_ARRAY || array->via.array.size == 0 ||
        array->via.array.ptr[0].type != MSGPACK_OBJECT_MAP)
        return false;
    record->map = &array->via.array.ptr[0].via.map;
    record->missed = number(record, "missed");
    return true;
}

void record_free(struct record *record)
{
    msgpack_unpacked_destroy(&record->unpacked);
}

/* --- as a line ------------------------------------------------------------------------------- */

static void add(struct bytes *line, const char *text)
{
    bytes_add(line, text, strlen(text));
}

/* Spaces up to width columns behind from; at least one. */
static void pad(struct bytes *line, size_t from, int width)
{
    int missing = width - text_columns(line->data + from, line->size - from);

    do
        add(line, " ");
    while (--missing > 0);
}

static void add_text(struct bytes *line, const msgpack_object *value)
{
    msgpack_object_str text = text_of(value);

    glimpse_text(text.ptr, text.size, line);
}

/* "03:15:57.120Z " */
static void add_time(struct bytes *line, uint64_t ts)
{
    char text[PP_TIME_TEXT];

    pp_time_text(ts, text);
    add(line, strlen(text) > TIME_OF_DAY ? text + TIME_OF_DAY : text);
    add(line, " ");
}

static void add_sender(struct bytes *line, const struct record *record)
{
    char pid[32];
    size_t from = line->size;

    add_text(line, field(record, "name"));
    snprintf(pid, sizeof pid, "[%llu]", (unsigned long long)number(record, "pid"));
    add(line, pid);
    pad(line, from, CLIENT_WIDTH);
}

/* "-> 2 logger, overlay", "-> nobody", "-> 17, 1 refused" */
static void add_receivers(struct bytes *line, const struct record *record)
{
    const msgpack_object *names = field(record, "receivers");
    uint64_t to = number(record, "to"), refused = number(record, "refused");
    char text[64];

    snprintf(text, sizeof text, to > 0 ? "-> %llu" : "-> nobody", (unsigned long long)to);
    add(line, text);
    if (to <= NAMES_MAX && names != NULL && names->type == MSGPACK_OBJECT_ARRAY)
        for (uint32_t i = 0; i < names->via.array.size; i++) {
            const msgpack_object *pair = &names->via.array.ptr[i];

            add(line, i > 0 ? ", " : " ");
            if (pair->type == MSGPACK_OBJECT_ARRAY && pair->via.array.size > 1)
                add_text(line, &pair->via.array.ptr[1]);
        }
    if (refused > 0) {
        snprintf(text, sizeof text, ", %llu refused", (unsigned long long)refused);
        add(line, text);
    }
}

/* "  after 1.9 ms": since the call. */
static void add_duration(struct bytes *line, uint64_t us)
{
    char text[48];

    if (us < 1000)
        snprintf(text, sizeof text, "  after %llu us", (unsigned long long)us);
    else if (us < 1000000)
        snprintf(text, sizeof text, "  after %.1f ms", (double)us / 1e3);
    else
        snprintf(text, sizeof text, "  after %.1f s", (double)us / 1e6);
    add(line, text);
}

void record_show(const struct record *record, struct bytes *line)
{
    msgpack_object_bin body = body_of(record);
    char size[32];
    size_t from;

    add_time(line, number(record, "ts"));
    from = line->size;
    add_text(line, field(record, "kind"));
    pad(line, from, sizeof "answer");
    add_sender(line, record);
    from = line->size;
    add_text(line, field(record, "subject"));
    pad(line, from, SUBJECT_WIDTH);
    snprintf(size, sizeof size, "%6llu B  ", (unsigned long long)number(record, "size_bytes"));
    add(line, size);
    add_receivers(line, record);
    if (field(record, "time_us") != NULL)
        add_duration(line, number(record, "time_us"));
    add(line, "  ");
    glimpse(body.ptr, body.size, has_params(record), line);
}

/* --- as JSON --------------------------------------------------------------------------------- */

static void set_body(const struct record *record, json_t *object)
{
    const msgpack_object *whole = field(record, "whole");
    msgpack_object_bin body = body_of(record);
    struct bytes base64 = { 0 };

    if (whole != NULL && whole->type == MSGPACK_OBJECT_BOOLEAN && whole->via.boolean) {
        json_object_set_new(object,
                            has_params(record)         ? "params"
                            : is_kind(record, "error") ? "error"
                                                       : "result",
                            json_from_value(body.ptr, body.size));
        return;
    }
    text_to_base64(&base64, body.ptr, body.size);
    json_object_set_new(
        object, "body",
        json_must(json_stringn(base64.data != NULL ? base64.data : "", base64.size)));
    bytes_free(&base64);
}

static void set_text(const struct record *record, json_t *object)
{
    msgpack_object_bin body = body_of(record);
    struct bytes text = { 0 };

    glimpse(body.ptr, body.size, has_params(record), &text);
    json_object_set_new(object, "text",
                        json_must(json_stringn(text.data != NULL ? text.data : "", text.size)));
    bytes_free(&text);
}

json_t *record_as_json(const struct record *record, bool text)
{
    json_t *object = json_must(json_object());

    for (uint32_t i = 0; i < record->map->size; i++) {
        const msgpack_object_kv *pair = &record->map->ptr[i];
        msgpack_object_str name = text_of(&pair->key);

        if (!has_name(&pair->key, "missed") && !has_name(&pair->key, "body"))
            json_object_setn_new(object, name.ptr, name.size, json_from_object(&pair->val));
    }
    set_body(record, object);
    if (text)
        set_text(record, object);
    return object;
}
