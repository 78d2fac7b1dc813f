#include "e2e/operator.h"

#include <msgpack.h>

#include "support/support.h"

struct bus operated;
struct raw ear, hand, client;

void operator_open(const char *settings, const char *pattern)
{
    bus_open(&operated, settings);
    raw_open(&hand, &operated);
    say(&hand, "[0, 1, '$hello', [{'v': 1, 'name': 'op'}]]");
    hear(&hand, "[1, 1, null, '?']");
    raw_open(&ear, &operated);
    say(&ear, "[0, 1, '$ping', []]"); /* on Windows a client is known after its first byte */
    hear(&ear, "[1, 1, null, null]");
    say(&ear, "[0, 2, '$sub', ['%s']]", pattern);
    hear(&ear, "[1, 2, null, 1]");
}

void operator_close(void)
{
    raw_close(&ear);
    raw_close(&hand);
    bus_close(&operated);
}

uint64_t next_number(struct raw *raw, const char *name)
{
    msgpack_unpacked message;
    uint64_t number = UINT64_MAX;

    while (raw_frame_size(raw) == 0)
        assert_true(raw_receive(raw));
    msgpack_unpacked_init(&message);
    assert_int_equal(msgpack_unpack_next(&message, (const char *)ppi_buf_data(&raw->in),
                                         ppi_buf_size(&raw->in), NULL),
                     MSGPACK_UNPACK_SUCCESS);
    const msgpack_object_array *parts = &message.data.via.array;
    const msgpack_object *last = &parts->ptr[parts->size - 1];
    const msgpack_object_map *map =
        last->type == MSGPACK_OBJECT_MAP ? &last->via.map : &last->via.array.ptr[0].via.map;
    for (uint32_t i = 0; i < map->size; i++)
        if (map->ptr[i].key.via.str.size == strlen(name) &&
            memcmp(map->ptr[i].key.via.str.ptr, name, strlen(name)) == 0)
            number = map->ptr[i].val.via.u64;
    msgpack_unpacked_destroy(&message);
    assert_true(number != UINT64_MAX);
    return number;
}

uint64_t figure(const char *name)
{
    say(&hand, "[0, 98, '$sys.stats', []]");
    uint64_t number = next_number(&hand, name);
    hear(&hand, "[1, 98, null, '?']");
    return number;
}

uint64_t hear_event(const char *kind, const char *fields)
{
    char expected[600];
    uint64_t n = next_number(&ear, "n");

    snprintf(expected, sizeof expected,
             "[2, '$sys.events.%s', [{'n': '?', 'ts': '?', 'event': '%s', 'client': '?',"
             " 'name': '?', 'pid': '?', 'user': '?', 'why': '?', 'text': '?'%s%s}]]",
             kind, kind, fields[0] != '\0' ? ", " : "", fields);
    hear(&ear, expected);
    return n;
}

static bool has_text(const uint8_t *data, size_t size, const char *text)
{
    size_t length = strlen(text);

    for (size_t at = 0; at + length <= size; at++)
        if (memcmp(data + at, text, length) == 0)
            return true;
    return false;
}

void await_event(const char *kind, const char *fields)
{
    char subject[40];

    snprintf(subject, sizeof subject, "$sys.events.%s", kind);
    for (;;) {
        size_t size;

        while ((size = raw_frame_size(&ear)) == 0)
            assert_true(raw_receive(&ear));
        if (has_text(ppi_buf_data(&ear.in), size, subject))
            break;
        ppi_buf_consume(&ear.in, size);
    }
    hear_event(kind, fields);
}
