#include "e2e/tapper.h"

#include "support/support.h"
#include "support/text.h"

struct bus tapped;
struct raw tapper, a, b;

void tappers_open(const char *settings)
{
    struct raw *const all[] = { &tapper, &a, &b };
    static const char *const names[] = { "op", "a", "b" };

    bus_open(&tapped, settings);
    for (size_t i = 0; i < PPI_COUNT(all); i++) {
        raw_open(all[i], &tapped);
        say(all[i], "[0, 1, '$hello', [{'v': 1, 'name': '%s'}]]", names[i]);
        hear(all[i], "[1, 1, null, '?']");
    }
}

void tappers_close(void)
{
    raw_close(&tapper);
    raw_close(&a);
    raw_close(&b);
    bus_close(&tapped);
}

int number_of(int which)
{
    return which + (bus_is_simulated() ? 0 : 1);
}

void tap(int n, const char *filter)
{
    char expected[100];

    say(&tapper, "[0, 10, '$sys.tap', [%s]]", filter);
    snprintf(expected, sizeof expected, "[1, 10, null, {'subject': '$sys.tap.%d'}]", n);
    hear(&tapper, expected);
    say(&tapper, "[0, 11, '$sub', ['$sys.tap.%d']]", n);
    hear(&tapper, "[1, 11, null, '?']");
}

struct record next_record(void)
{
    struct record record;

    while ((record.size = raw_frame_size(&tapper)) == 0)
        assert_true(raw_receive(&tapper));
    msgpack_unpacked_init(&record.message);
    assert_int_equal(msgpack_unpack_next(&record.message, (const char *)ppi_buf_data(&tapper.in),
                                         record.size, NULL),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(record.message.data.via.array.size, 3);
    record.map = &record.message.data.via.array.ptr[2].via.array.ptr[0].via.map;
    return record;
}

void record_done(struct record *record)
{
    msgpack_unpacked_destroy(&record->message);
    ppi_buf_consume(&tapper.in, record->size);
}

const msgpack_object *record_field(const struct record *record, const char *name)
{
    for (uint32_t i = 0; i < record->map->size; i++) {
        const msgpack_object_str *key = &record->map->ptr[i].key.via.str;

        if (key->size == strlen(name) && memcmp(key->ptr, name, key->size) == 0)
            return &record->map->ptr[i].val;
    }
    fail_msg("a record has no %s", name);
    return NULL;
}

uint64_t record_figure(const struct record *record, const char *name)
{
    const msgpack_object *value = record_field(record, name);

    assert_int_equal(value->type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    return value->via.u64;
}

void hear_record(const char *fields, const char *body)
{
    struct ppi_buf bytes = { 0 };
    char expected[700];
    struct record record = next_record();
    const msgpack_object_bin *shown = &record_field(&record, "body")->via.bin;

    text_pack(&bytes, body);
    assert_int_equal(record_field(&record, "body")->type, MSGPACK_OBJECT_BIN);
    assert_int_equal(shown->size, ppi_buf_size(&bytes));
    assert_memory_equal(shown->ptr, ppi_buf_data(&bytes), shown->size);
    assert_int_equal(record_figure(&record, "size_bytes"), shown->size);
    ppi_buf_deinit(&bytes);
    msgpack_unpacked_destroy(&record.message);
    snprintf(expected, sizeof expected,
             "[2, '?', [{'n': '?', 'missed': 0, 'ts': '?', 'kind': '?', 'subject': '?',"
             " 'from': '?', 'name': '?', 'pid': '?', 'to': '?', 'refused': 0, 'whole': true,"
             " 'receivers': '?', 'time_us': '?', %s}]]",
             fields);
    hear(&tapper, expected);
}
