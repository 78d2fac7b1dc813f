/* watch_tests.c: what an operator is told of what happens, and what he may do about it: SYS.md. */
#include <msgpack.h>

#include "e2e/bus.h"
#include "e2e/wire.h"
#include "support/support.h"
#include "unit/samples.h"

static struct bus bus;
static struct raw operator, hand, client; /* his two connections: one hears, one acts */

/* A broker, and an operator who is told of those events. */
static void open_watched(const char *settings, const char *pattern)
{
    bus_open(&bus, settings);
    raw_open(&hand, &bus);
    say(&hand, "[0, 1, '$hello', [{'v': 1, 'name': 'op'}]]");
    hear(&hand, "[1, 1, null, '?']");
    raw_open(&operator, & bus);
    say(&operator, "[0, 1, '$ping', []]"); /* on Windows a client is known after its first byte */
    hear(&operator, "[1, 1, null, null]");
    say(&operator, "[0, 2, '$sub', ['%s']]", pattern);
    hear(&operator, "[1, 2, null, 1]");
}

static void close_watched(void)
{
    raw_close(&operator);
    raw_close(&hand);
    bus_close(&bus);
}

/* A number of the map that the next message ends with: its result, or its only param. */
static uint64_t next_number(struct raw *raw, const char *name)
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

/* What the broker says about itself. */
static uint64_t figure(const char *name)
{
    say(&hand, "[0, 98, '$sys.stats', []]");
    uint64_t number = next_number(&hand, name);
    hear(&hand, "[1, 98, null, '?']");
    return number;
}

/* The next message is that event, with these fields; its number. */
static uint64_t hear_event(const char *kind, const char *fields)
{
    char expected[600];
    uint64_t n = next_number(&operator, "n");

    snprintf(expected, sizeof expected,
             "[2, '$sys.events.%s', [{'n': '?', 'ts': '?', 'event': '%s', 'client': '?',"
             " 'name': '?', 'pid': '?', 'user': '?', 'why': '?', 'text': '?'%s%s}]]",
             kind, kind, fields[0] != '\0' ? ", " : "", fields);
    hear(&operator, expected);
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

/* The same, whatever comes before. */
static void await_event(const char *kind, const char *fields)
{
    char subject[40];

    snprintf(subject, sizeof subject, "$sys.events.%s", kind);
    for (;;) {
        size_t size;

        while ((size = raw_frame_size(&operator)) == 0)
            assert_true(raw_receive(&operator));
        if (has_text(ppi_buf_data(&operator.in), size, subject))
            break;
        ppi_buf_consume(&operator.in, size);
    }
    hear_event(kind, fields);
}

/* --- events ---------------------------------------------------------------------------------- */

static void what_happens_is_told_as_it_comes(void **state)
{
    (void)state;
    open_watched(NULL, "$sys.events.>");
    raw_open(&client, &bus);
    uint64_t n = hear_event("connect", "'name': 'pid-*', 'why': null, 'text': null, 'exe': '?'");
    say(&client, "[0, 1, '$hello', [{'v': 1, 'name': 'ui'}]]");
    hear(&client, "[1, 1, null, '?']");
    assert_int_equal(hear_event("hello", "'name': 'ui'"), n + 1);
    say(&client, "[2, 'a', []]");
    say(&client, "[0, 2, '$bye', []]");
    hear(&client, "[1, 2, null, null]");
    raw_close(&client);
    assert_int_equal(hear_event("close", "'name': 'ui', 'why': 'goodbye', 'age_ms': '?',"
                                         " 'published': 1, 'delivered': 0, 'lost': 0"),
                     n + 2);
    raw_open(&client, &bus);
    hear_event("connect", "");
    raw_close(&client);
    assert_int_equal(hear_event("close", "'why': 'gone', 'published': 0"), n + 4);
    close_watched();
}

/* In a client's own forms, and from the broker itself. */
static void an_event_comes_in_the_form_that_was_asked_for(void **state)
{
    (void)state;
    open_watched(NULL, "$sys.events.none");
    say(&operator, "[0, 3, '$sub', ['$sys.events.connect', {'form': 'rich', 'meta': true}]]");
    hear(&operator, "[1, 3, null, 2]");
    raw_open(&client, &bus);
    hear(&operator, "[2, '$msg', [2, '$sys.events.connect', [{'event': 'connect'}],"
                    " {'from': 0, 'name': 'panpiped', 'pid': '?', 'ts': '?'}]]");
    hear_nothing(&operator);
    raw_close(&client);
    close_watched();
}

static void several_plain_subscriptions_get_an_event_once(void **state)
{
    (void)state;
    open_watched(NULL, "$sys.events.connect");
    say(&operator, "[0, 3, '$sub', ['$sys.>']]");
    hear(&operator, "[1, 3, null, 2]");
    say(&operator, "[0, 4, '$sub', ['$sys.events.*', {'form': 'rich'}]]");
    hear(&operator, "[1, 4, null, 3]");
    raw_open(&client, &bus);
    hear_event("connect", "");
    hear(&operator, "[2, '$msg', [3, '$sys.events.connect', ['?']]]");
    hear_nothing(&operator);
    say(&operator, "[0, 5, '$sys.subs', []]");
    hear(&operator, "[1, 5, null, ["
                    "{'sid': 1, 'policy': 'drop', 'accepted': 1, 'delivered': 1, 'merged': 0},"
                    "{'sid': 2, 'policy': 'drop', 'accepted': 1, 'delivered': 0, 'merged': 1},"
                    "{'sid': 3, 'policy': 'drop', 'accepted': 1, 'delivered': 1, 'merged': 0}]]");
    raw_close(&client);
    close_watched();
}

static void a_subscription_of_events_may_have_an_end(void **state)
{
    (void)state;
    open_watched(NULL, "$sys.events.connect");
    say(&operator, "[0, 3, '$unsub', [1, {'max': 2}]]");
    hear(&operator, "[1, 3, null, {'delivered': 0, 'discarded': 0}]");
    for (int i = 0; i < 3; i++) {
        raw_open(&client, &bus);
        if (i < 2)
            hear_event("connect", "");
        raw_close(&client);
    }
    hear_nothing(&operator);
    say(&hand, "[0, 4, '$sys.stats', []]");
    hear(&hand, "[1, 4, null, {'subs': 0, 'missed': 0}]");
    close_watched();
}

/* Also what was before anybody subscribed. */
static void the_last_events_can_be_asked_for(void **state)
{
    int before = bus_is_simulated() ? 0 : 2; /* a real broker was tried whether it listens */
    char expected[400], gone[40];

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&client, &bus);
    raw_close(&client);
    snprintf(gone, sizeof gone, "disconnect client=%d", before / 2 + 1);
    EVENTUALLY(bus_log_has(&bus, gone));
    raw_open(&hand, &bus);
    say(&hand, "[0, 1, '$sys.events', [{'since': %d}]]", before + 1);
    snprintf(expected, sizeof expected,
             "[1, 1, null, {'first': 1, 'next': %d, 'events': [{'n': %d, 'event': 'connect'},"
             " {'n': %d, 'event': 'close', 'why': 'gone'}, {'n': %d, 'event': 'connect'}]}]",
             before + 4, before + 1, before + 2, before + 3);
    hear(&hand, expected);
    say(&hand, "[0, 2, '$sys.events', [{'since': %d, 'max': 1}]]", before + 2);
    snprintf(expected, sizeof expected,
             "[1, 2, null, {'next': %d, 'events': [{'n': %d, 'event': 'close'}]}]", before + 3,
             before + 2);
    hear(&hand, expected);
    say(&hand, "[0, 3, '$sys.events', [{'since': 1000000}]]");
    snprintf(expected, sizeof expected, "[1, 3, null, {'next': %d, 'events': []}]", before + 4);
    hear(&hand, expected);
    say(&hand, "[0, 4, '$sys.events', [{'until': 1}]]");
    hear(&hand, "[1, 4, 'E_ARG *', null]");
    raw_close(&hand);
    bus_close(&bus);
}

static void only_the_last_thousand_events_are_kept(void **state)
{
    char expected[100];

    (void)state;
    open_watched(NULL, "$sys.events.close");
    for (int i = 0; i < 599; i++) {
        raw_open(&client, &bus);
        raw_close(&client);
        hear_event("close", "");
    }
    raw_open(&client, &bus);
    raw_close(&client);
    int last = (int)hear_event("close", "");
    say(&hand, "[0, 4, '$sys.events', [{'max': 1}]]");
    snprintf(expected, sizeof expected,
             "[1, 4, null, {'first': %d, 'next': %d, 'events': [{'n': %d}]}]", last - 999,
             last - 998, last - 999);
    hear(&hand, expected);
    close_watched();
}

static void who_reads_too_slowly_is_told_of_and_that_it_is_over(void **state)
{
    enum { COUNT = 500 };
    struct ppi_buf all = { 0 };
    struct raw reader;

    (void)state;
    if (bus_is_simulated())
        skip(); /* its clock would run on until the reader is cut */
    open_watched("queue_low = 65536;\nqueue_high = 131072;\n", "$sys.events.slow");
    say(&operator, "[0, 3, '$sub', ['$sys.events.easy']]");
    hear(&operator, "[1, 3, null, 2]");
    raw_open(&reader, &bus);
    raw_open(&client, &bus);
    say(&reader, "[0, 1, '$sub', ['data']]");
    hear(&reader, "[1, 1, null, 1]");
    for (int i = 0; i < COUNT; i++)
        sample_publish(&all, "data", 1000);
    size_t size = ppi_buf_size(&all) / COUNT * 390; /* what pipe and queue take, with some more */
    say_bytes(&client, ppi_buf_data(&all), size);
    hear_event("slow", "'client': '?', 'queued_bytes': '?'");
    for (size_t come = 0; come < size;) {
        assert_true(raw_receive(&reader));
        come += ppi_buf_size(&reader.in);
        ppi_buf_clear(&reader.in);
    }
    hear_event("easy", "'slow_ms': '?'");
    ppi_buf_deinit(&all);
    raw_close(&reader);
    raw_close(&client);
    close_watched();
}

/* Also what that loses. */
static void who_is_cut_is_told_of(void **state)
{
    (void)state;
    open_watched("queue_low = 4096;\nqueue_high = 8192;\n", "$sys.events.>");
    raw_open(&client, &bus);
    hear_event("connect", "");
    say(&client, "[0, 1, '$sub', ['data', {'policy': 'cut', 'echo': true}]]");
    hear(&client, "[1, 1, null, 1]");
    struct ppi_buf all = { 0 };
    for (int i = 0; i < 20; i++)
        sample_publish(&all, "data", 60000);
    pp_op op = PP_OP_INIT;
    pp_op_use_wait(&op);
    assert_int_equal(pp_write(client.pipe, &op, ppi_buf_data(&all), ppi_buf_size(&all)),
                     PP_PENDING);
    assert_int_equal(pp_op_wait(&op, TEST_PATIENCE_MS), 1);
    await_event("cut", "'why': 'E_SLOW', 'text': 'queue_high: it reads too slowly, policy cut'");
    hear_event("lost", "'count': '?', 'why': 'E_SLOW'");
    hear_event("close", "'why': 'E_SLOW', 'lost': '?'");
    ppi_buf_deinit(&all);
    raw_close(&client);
    say(&hand, "[0, 3, '$sys.stats', []]");
    hear(&hand, "[1, 3, null, {'cut': 1}]");
    close_watched();
}

static void who_breaks_the_protocol_is_told_of(void **state)
{
    (void)state;
    open_watched(NULL, "$sys.events.>");
    raw_open(&client, &bus);
    hear_event("connect", "");
    SAY_BYTES(&client, "\x93\x02\xC1");
    hear_event("cut", "'why': 'E_PROTO', 'text': 'this is not a MessagePack-RPC message'");
    hear_event("close", "'why': 'E_PROTO'");
    raw_close(&client);
    raw_open(&client, &bus);
    hear_event("connect", "");
    SAY_BYTES(&client, "GET / HTTP/1.1\r\n");
    hear_event("cut", "'why': 'E_PROTO', 'text': 'this is another language'");
    hear_event("close", "'why': 'E_PROTO'");
    raw_close(&client);
    close_watched();
}

static void who_is_not_let_in_is_told_of(void **state)
{
    (void)state;
    open_watched("connections = 2;\n", "$sys.events.>");
    raw_open(&client, &bus);
    hear_event("denied", "'client': null, 'name': null, 'why': 'E_QUOTA',"
                         " 'text': 'connections: too many connections'");
    skip_to_end(&client);
    raw_close(&client);
    say(&hand, "[0, 3, '$sys.stats', []]");
    hear(&hand, "[1, 3, null, {'denied': 0}]"); /* it may, but there is no room */
    close_watched();
}

static void a_stop_is_told_of_with_its_own_patience(void **state)
{
    (void)state;
    open_watched(NULL, "$sys.events.stop");
    say(&hand, "[0, 3, '$sys.stop', [{'drain_ms': 3600001}]]");
    hear(&hand, "[1, 3, 'E_ARG *', null]");
    say(&hand, "[0, 4, '$sys.stop', [{'drain_ms': 1234}]]");
    hear(&hand, "[1, 4, null, null]");
    hear(&hand, "[2, '$bye', ['E_SHUTDOWN', '*', 0]]");
    hear_event("stop", "'client': null, 'drain_ms': 1234");
    raw_close(&operator);
    raw_close(&hand);
    bus_await_end(&bus);
}

/* Takes events up to the answer to a ping; how many, and the number of the last one. */
static uint64_t count_events(uint64_t *last)
{
    uint64_t count = 0;

    say(&operator, "[0, 99, '$ping', []]");
    for (;; count++) {
        while (raw_frame_size(&operator) == 0)
            assert_true(raw_receive(&operator));
        if (ppi_buf_data(&operator.in)[0] == 0x94) /* the answer has four parts */
            break;
        uint64_t n = next_number(&operator, "n");
        assert_true(n > *last);
        *last = n;
        hear(&operator, "[2, '?', '?']");
    }
    hear(&operator, "[1, 99, null, null]");
    return count;
}

/* What nobody reads waits for nobody: what there is no room for is missed, and counted. */
static void an_operator_who_does_not_read_misses_events(void **state)
{
    enum { COUNT = 3000 };
    uint64_t last = 0, count = 0;

    (void)state;
    open_watched(NULL, "$sys.events.>");
    for (int i = 0; i < COUNT; i++) {
        raw_open(&client, &bus);
        raw_close(&client);
    }
    EVENTUALLY(figure("clients_ever") - figure("clients") >= COUNT);
    assert_int_equal(figure("published"), 0);
    assert_int_equal(figure("slow") + figure("held") + figure("lost"), 0);
    EVENTUALLY((count += count_events(&last)) + figure("missed") == 2 * COUNT);
    assert_true(count < 2 * COUNT);
    raw_open(&client, &bus); /* there is room again */
    assert_true(hear_event("connect", "") > last + 1);
    raw_close(&client);
    close_watched();
}

/* --- rights ---------------------------------------------------------------------------------- */

static void only_an_operator_may_watch_and_intervene(void **state)
{
    static const char *const refused[] = {
        "'$sys.stats', []",          "'$sys.clients', []",
        "'$sys.subs', []",           "'$sys.subjects', []",
        "'$sys.settings', []",       "'$sys.events', []",
        "'$sys.tap', [{}]",          "'$sys.kick', [1]",
        "'$sys.stop', []",           "'$sub', ['$sys.>']",
        "'$sub', ['$sys.events.>']", "'$sub', ['$sys.events.close', {'policy': 'drop'}]",
        "'$sub', ['$sys.tap.1']",    "'$sub', ['$sys.whatever']",
        "'$serve', ['$sys.stats']",
    };

    (void)state;
    if (!bus_is_simulated())
        skip(); /* there another user is a matter of identity.py */
    open_watched(NULL, "$sys.events.none");
    say(&operator, "[0, 3, '$sys.tap', [{}]]");
    hear(&operator, "[1, 3, null, {'subject': '$sys.tap.1'}]");
    sim_become(4242);
    raw_open(&client, &bus);
    for (size_t i = 0; i < PPI_COUNT(refused); i++) {
        say(&client, "[0, %d, %s]", (int)i, refused[i]);
        hear(&client, "[1, '?', 'E_PERM *', null]");
    }
    say(&client, "[0, 50, '$sub', ['>']]"); /* is not meant, and gets nothing */
    hear(&client, "[1, 50, null, 1]");
    hear_nothing(&operator);
    hear_nothing(&client);
    raw_close(&client);
    close_watched();
}

static void what_concerns_the_broker_is_of_the_lowest_class(void **state)
{
    (void)state;
    open_watched(NULL, "$sys.events.none");
    static const char *const rows[][2] = {
        { "['$sys.events.>', {'policy': 'block'}]", "E_ARG *" },
        { "['$sys.events.>', {'policy': 'cut'}]", "E_ARG *" },
        { "['$sys.events.>', {'group': 'g'}]", "E_ARG *" },
        { "['a', {'policy': 'drop'}]", "E_ARG *" },
        { "['$sys.tap.7']", "E_NOTFOUND *" },
        { "['$sys.stats']", "E_NOTFOUND *" },
    };
    for (size_t i = 0; i < PPI_COUNT(rows); i++) {
        char expected[60];

        say(&operator, "[0, %d, '$sub', %s]", (int)i, rows[i][0]);
        snprintf(expected, sizeof expected, "[1, %d, '%s', null]", (int)i, rows[i][1]);
        hear(&operator, expected);
    }
    say(&operator, "[0, 20, '$serve', ['$sys.events.connect']]");
    hear(&operator, "[1, 20, 'E_PERM *', null]");
    say(&operator, "[0, 21, '$sub', ['$sys.events.connect', {'policy': 'drop'}]]");
    hear(&operator, "[1, 21, null, '?']");
    say(&operator, "[0, 22, '$pub', ['$sys.events.connect', ['made up']]]"); /* nobody can */
    hear(&operator, "[1, 22, null, {'m': 0}]");
    hear_nothing(&operator);
    close_watched();
}

/* --- kicks ----------------------------------------------------------------------------------- */

static uint64_t connect_client(void)
{
    raw_open(&client, &bus);
    uint64_t id = next_number(&operator, "client");
    hear_event("connect", "");
    return id;
}

static void who_is_kicked_is_told_by_whom_and_why(void **state)
{
    (void)state;
    open_watched(NULL, "$sys.events.>");
    uint64_t id = connect_client();
    say(&client, "[0, 1, '$hello', [{'v': 1, 'name': 'flood'}]]");
    hear(&client, "[1, 1, null, '?']");
    hear_event("hello", "");
    say(&hand, "[0, 3, '$sys.kick', [%d, {'text': 'too much'}]]", (int)id);
    hear(&hand, "[1, 3, null, null]");
    hear(&client, "[2, '$bye', ['E_PERM', 'kicked by op[*', 0]]");
    hear_end(&client);
    hear_event("kick", "'name': 'flood', 'by': 'op[*', 'text': 'too much'");
    hear_event("close", "'why': 'E_PERM'");
    raw_close(&client);
    id = connect_client(); /* it may come again */
    say(&hand, "[0, 4, '$sys.kick', [%d]]", (int)id);
    hear(&hand, "[1, 4, null, null]");
    hear_end(&client); /* who said no $hello is told nothing */
    hear_event("kick", "'text': null");
    hear_event("close", "");
    say(&hand, "[0, 5, '$sys.kick', [%d]]", (int)id);
    hear(&hand, "[1, 5, 'E_NOTFOUND *', null]");
    say(&hand, "[0, 6, '$sys.stats', []]");
    hear(&hand, "[1, 6, null, {'kicked': 2, 'clients': 2, 'denied': 0}]");
    raw_close(&client);
    close_watched();
}

static void a_kick_that_makes_no_sense_is_refused(void **state)
{
    static const char *const rows[] = { "[]",
                                        "['one']",
                                        "[1, {'text': 7}]",
                                        "[1, {'text': 'two\\nlines'}]",
                                        "[1, {'for_ms': 86400001}]",
                                        "[1, {'reason': 'x'}]" };

    (void)state;
    open_watched(NULL, "$sys.events.kick");
    for (size_t i = 0; i < PPI_COUNT(rows); i++) {
        say(&hand, "[0, %d, '$sys.kick', %s]", (int)i, rows[i]);
        hear(&hand, "[1, '?', 'E_ARG *', null]");
    }
    say(&hand, "[2, '$sys.kick', [1]]"); /* only as a request */
    hear(&hand, "[2, '$note', ['E_ARG', '*', {}]]");
    close_watched();
}

static void one_may_kick_oneself(void **state)
{
    (void)state;
    open_watched(NULL, "$sys.events.>");
    say(&hand, "[0, 3, '$sys.kick', [%d]]", bus_is_simulated() ? 1 : 2);
    hear(&hand, "[1, 3, null, null]");
    hear(&hand, "[2, '$bye', ['E_PERM', 'kicked by op[*', 0]]");
    hear_end(&hand);
    hear_event("kick", "'name': 'op', 'by': 'op[*'");
    close_watched();
}

static void who_is_kicked_for_a_while_is_kept_away_so_long(void **state)
{
    (void)state;
    open_watched(NULL, "$sys.events.>");
    uint64_t id = connect_client();
    say(&client, "[0, 1, '$hello', [{'v': 1}]]");
    hear(&client, "[1, 1, null, '?']");
    say(&hand, "[0, 3, '$sys.kick', [%d, {'for_ms': 1500, 'text': 'later'}]]", (int)id);
    hear(&client, "[2, '$bye', ['E_PERM', 'kicked by op[*', 1500]]");
    hear_end(&client);
    raw_close(&client);
    raw_open(&client, &bus);
    HEAR_BYTES(&client, "E_PERM kicked: later; again in 2 s\n");
    hear_end(&client);
    raw_close(&client);
    hear_event("hello", "");
    hear(&hand, "[1, 3, null, null]");
    hear_event("kick", "'for_ms': 1500");
    hear_event("close", "");
    hear_event("denied", "'client': null, 'pid': '?', 'why': 'E_PERM',"
                         " 'text': 'kicked: later; again in 2 s'");
    say(&hand, "[0, 4, '$sys.stats', []]");
    hear(&hand, "[1, 4, null, {'denied': 1, 'clients': 2}]");
    bus_pass_ms(&bus, 1600);
    connect_client();
    hear_nothing(&client);
    raw_close(&client);
    close_watched();
}

static void a_thousand_kicks_leave_nothing(void **state)
{
    enum { COUNT = 1000 };

    (void)state;
    open_watched(NULL, "$sys.events.connect");
    for (int i = 0; i < COUNT; i++) {
        uint64_t id = connect_client();

        say(&client, "[0, 1, '$sub', ['a.%d']]", i);
        hear(&client, "[1, 1, null, 1]");
        say(&hand, "[0, 3, '$sys.kick', [%d]]", (int)id);
        hear(&hand, "[1, 3, null, null]");
        hear_end(&client);
        raw_close(&client);
    }
    say(&hand, "[0, 4, '$sys.stats', []]");
    hear(&hand, "[1, 4, null, {'kicked': 1000, 'clients': 2, 'subs': 1, 'missed': 0}]");
    close_watched();
}

int watch_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(what_happens_is_told_as_it_comes),
        BUS_TEST(an_event_comes_in_the_form_that_was_asked_for),
        BUS_TEST(several_plain_subscriptions_get_an_event_once),
        BUS_TEST(a_subscription_of_events_may_have_an_end),
        BUS_TEST(the_last_events_can_be_asked_for),
        BUS_TEST(only_the_last_thousand_events_are_kept),
        BUS_TEST(who_reads_too_slowly_is_told_of_and_that_it_is_over),
        BUS_TEST(who_is_cut_is_told_of),
        BUS_TEST(who_breaks_the_protocol_is_told_of),
        BUS_TEST(who_is_not_let_in_is_told_of),
        BUS_TEST(a_stop_is_told_of_with_its_own_patience),
        BUS_TEST(an_operator_who_does_not_read_misses_events),
        BUS_TEST(only_an_operator_may_watch_and_intervene),
        BUS_TEST(what_concerns_the_broker_is_of_the_lowest_class),
        BUS_TEST(who_is_kicked_is_told_by_whom_and_why),
        BUS_TEST(a_kick_that_makes_no_sense_is_refused),
        BUS_TEST(one_may_kick_oneself),
        BUS_TEST(who_is_kicked_for_a_while_is_kept_away_so_long),
        BUS_TEST(a_thousand_kicks_leave_nothing),
    };
    int failures = 0;

    RUN_GROUP(&failures, "what an operator is told, and does", tests);
    return failures;
}
