/* who_tests.c: who sent a message, who calls, who is connected. */
#include "e2e/bus.h"
#include "e2e/wire.h"
#include "support/support.h"

static struct bus bus;

static void open_two(struct raw *a, struct raw *b)
{
    bus_open(&bus, NULL);
    raw_open(a, &bus);
    raw_open(b, &bus);
}

static void close_two(struct raw *a, struct raw *b)
{
    raw_close(a);
    raw_close(b);
    bus_close(&bus);
}

#define SAID_BY_UI "{'from': '?', 'name': 'ui', 'pid': '?', 'ts': '?'}"

/* One message, three who get it: each in the form that it asked for, and no other. */
static void only_who_asks_is_told_who_sent_a_message(void **state)
{
    struct raw publisher, subscriber, plain;

    (void)state;
    open_two(&publisher, &subscriber);
    raw_open(&plain, &bus);
    say(&publisher, "[0, 1, '$hello', [{'v': 1, 'name': 'ui'}]]");
    hear(&publisher, "[1, 1, null, '?']");
    say(&subscriber, "[0, 1, '$sub', ['a', {'form': 'rich', 'meta': true}]]");
    hear(&subscriber, "[1, 1, null, 1]");
    say(&subscriber, "[0, 2, '$sub', ['*', {'form': 'rich'}]]");
    hear(&subscriber, "[1, 2, null, 2]");
    say(&plain, "[0, 1, '$sub', ['a']]");
    hear(&plain, "[1, 1, null, 1]");
    say(&publisher, "[2, 'a', [7, {'k': [null]}]]");
    hear(&subscriber, "[2, '$msg', [1, 'a', [7, {'k': [null]}], " SAID_BY_UI "]]");
    hear(&subscriber, "[2, '$msg', [2, 'a', [7, {'k': [null]}]]]");
    hear(&plain, "[2, 'a', [7, {'k': [null]}]]");
    say(&publisher, "[0, 2, '$pub', ['a', ['confirmed']]]");
    hear(&publisher, "[1, 2, null, {'m': 3, 'q': 3, 'd': 0}]");
    hear(&subscriber, "[2, '$msg', [1, 'a', ['confirmed'], " SAID_BY_UI "]]");
    hear(&subscriber, "[2, '$msg', [2, 'a', ['confirmed']]]");
    raw_close(&plain);
    close_two(&publisher, &subscriber);
}

/* Two connections whose subscriptions have the same id, of which one asks. */
static void one_asking_changes_nothing_for_another(void **state)
{
    struct raw asks, other;

    (void)state;
    open_two(&asks, &other);
    say(&asks, "[0, 1, '$sub', ['a', {'form': 'rich', 'meta': true, 'echo': true}]]");
    hear(&asks, "[1, 1, null, 1]");
    say(&other, "[0, 1, '$sub', ['a', {'form': 'rich'}]]");
    hear(&other, "[1, 1, null, 1]");
    say(&asks, "[2, 'a', [1]]");
    hear(&other, "[2, '$msg', [1, 'a', [1]]]");
    hear(&asks, "[2, '$msg', [1, 'a', [1], {'from': '?', 'name': 'pid-*'}]]");
    close_two(&asks, &other);
}

/* More messages at once than are told who sent them at once. */
static void a_burst_tells_it_with_every_message(void **state)
{
    enum { COUNT = 700 };
    struct raw publisher, subscriber;
    struct ppi_buf burst = { 0 };

    (void)state;
    open_two(&publisher, &subscriber);
    say(&subscriber, "[0, 1, '$sub', ['a', {'form': 'rich', 'meta': true}]]");
    hear(&subscriber, "[1, 1, null, 1]");
    for (int i = 0; i < COUNT; i++) {
        const uint8_t frame[] = { 0x93, 2, 0xA1, 'a', 0x91, 0xCD, (uint8_t)(i >> 8), (uint8_t)i };

        assert_int_equal(ppi_buf_append(&burst, frame, sizeof frame), PP_OK);
    }
    say_bytes(&publisher, ppi_buf_data(&burst), ppi_buf_size(&burst));
    for (int i = 0; i < COUNT; i++) {
        char expected[80];

        snprintf(expected, sizeof expected, "[2, '$msg', [1, 'a', [%d], {'from': '?'}]]", i);
        hear(&subscriber, expected);
    }
    ppi_buf_deinit(&burst);
    close_two(&publisher, &subscriber);
}

/* A large one is not copied: its head, its own bytes and what is told are three pieces. */
static void a_large_message_tells_it_too(void **state)
{
    enum { SIZE = 100000 };
    static uint8_t frame[SIZE + 10] = "\x93\x02\xA1"
                                      "a"
                                      "\x91\xC6";
    static const uint8_t head[] = "\x93\x02\xA4$msg\x94\x01\xA1"
                                  "a"
                                  "\x91\xC6";
    struct raw publisher, subscriber;

    (void)state;
    open_two(&publisher, &subscriber);
    for (int i = 0; i < 4; i++)
        frame[6 + i] = (uint8_t)(SIZE >> (24 - 8 * i));
    for (int i = 0; i < SIZE; i++)
        frame[10 + i] = (uint8_t)i;
    say(&subscriber, "[0, 1, '$sub', ['a', {'form': 'rich', 'meta': true}]]");
    hear(&subscriber, "[1, 1, null, 1]");
    for (int i = 0; i < 3; i++) {
        say_bytes(&publisher, frame, sizeof frame);
        hear_bytes(&subscriber, head, sizeof head - 1);
        hear_bytes(&subscriber, frame + 6, sizeof frame - 6);
        hear(&subscriber, "{'from': '?', 'name': '*', 'pid': '?', 'ts': '?'}");
    }
    hear_nothing(&subscriber);
    close_two(&publisher, &subscriber);
}

static void a_service_that_asks_is_told_who_calls(void **state)
{
    struct raw caller, server;

    (void)state;
    open_two(&caller, &server);
    say(&caller, "[0, 1, '$hello', [{'v': 1, 'name': 'ui'}]]");
    hear(&caller, "[1, 1, null, '?']");
    say(&server, "[0, 1, '$serve', ['sum', {'form': 'rich', 'meta': true}]]");
    hear(&server, "[1, 1, null, 1]");
    say(&caller, "[0, 2, 'sum', [1, 2]]");
    hear(&server, "[0, 1, '$call', [1, 'sum', [1, 2], " SAID_BY_UI "]]");
    say(&server, "[1, 1, null, 3]");
    hear(&caller, "[1, 2, null, 3]");
    say(&caller, "[0, 3, '$call', ['sum', [], {'deadline': 5000}]]");
    hear(&server, "[0, 2, '$call', [1, 'sum', [], " SAID_BY_UI "]]");
    say(&server, "[1, 2, null, 0]");
    hear(&caller, "[1, 3, null, 0]");
    close_two(&caller, &server);
}

static void the_plain_form_has_no_place_for_it(void **state)
{
    struct raw raw, other;

    (void)state;
    open_two(&raw, &other);
    say(&raw, "[0, 1, '$sub', ['a', {'meta': true}]]");
    hear(&raw, "[1, 1, 'E_ARG option \\u0027meta\\u0027 is for the rich form*', null]");
    say(&raw, "[0, 2, '$serve', ['a', {'form': 'plain', 'meta': true}]]");
    hear(&raw, "[1, 2, 'E_ARG option \\u0027meta\\u0027 is for the rich form*', null]");
    say(&raw, "[0, 3, '$sub', ['a', {'meta': 1}]]");
    hear(&raw, "[1, 3, 'E_ARG option \\u0027meta\\u0027 is true or false', null]");
    say(&raw, "[0, 4, '$sub', ['a', {'meta': false}]]");
    hear(&raw, "[1, 4, null, 1]");
    close_two(&raw, &other);
}

/* What was counted in is counted out: the bytes of what is told, too. */
static void what_is_told_is_part_of_the_accounts(void **state)
{
    struct raw publisher, subscriber;

    (void)state;
    open_two(&publisher, &subscriber);
    say(&subscriber, "[0, 1, '$sub', ['a', {'form': 'rich', 'meta': true}]]");
    hear(&subscriber, "[1, 1, null, 1]");
    for (int i = 0; i < 5; i++) {
        say(&publisher, "[2, 'a', [%d]]", i);
        hear(&subscriber, "[2, '$msg', [1, 'a', '?', '?']]");
    }
    say(&subscriber, "[0, 2, '$sys.subs', []]");
    hear(&subscriber, "[1, 2, null, [{'pattern': 'a', 'meta': true, 'accepted': 5, 'delivered': 5,"
                      " 'queued': 0, 'lost': 0}]]");
    say(&subscriber, "[0, 3, '$sys.stats', []]");
    hear(&subscriber, "[1, 3, null, {'queued_bytes': 0, 'denied': 0}]");
    close_two(&publisher, &subscriber);
}

static void the_list_of_clients_says_who_each_is(void **state)
{
    struct raw raw, other;
    const char *exe = bus_is_simulated() ? "null" : "'*'";

    (void)state;
    open_two(&raw, &other);
    say(&raw, "[0, 1, '$hello', [{'v': 1, 'name': 'ui'}]]");
    hear(&raw, "[1, 1, null, {'you': {'pid': '?', 'exe': '?'}}]");
    say(&other, "[2, 'x', []]"); /* on Windows a client is known after its first byte */
    say(&other, "[0, 1, '$ping', []]");
    hear(&other, "[1, 1, null, null]");
    say(&raw, "[0, 2, '$sys.clients', []]");
    char expected[200];
    snprintf(expected, sizeof expected,
             "[1, 2, null, [{'name': '*', 'who': {'pid': '?', 'exe': %s}},"
             " {'name': '*', 'who': {'pid': '?', 'exe': %s}}]]",
             exe, exe);
    hear(&raw, expected);
    close_two(&raw, &other);
}

static void who_says_nothing_is_let_go(void **state)
{
    struct raw silent;

    (void)state;
    bus_open(&bus, "silent_ms = 300;\n");
    raw_open(&silent, &bus);
    hear_end(&silent);
    EVENTUALLY(bus_log_has(&bus, "silent_ms: it said nothing"));
    raw_close(&silent);
    bus_close(&bus);
}

static void who_has_said_something_may_be_silent(void **state)
{
    struct raw silent, other;

    (void)state;
    if (!bus_is_simulated())
        skip(); /* a real system need not let a client speak in time */
    bus_open(&bus, "silent_ms = 300;\n");
    raw_open(&silent, &bus);
    raw_open(&other, &bus);
    say(&other, "[2, 'a', []]"); /* one message is enough, for ever */
    bus_pass_ms(&bus, 1000);
    hear_end(&silent);
    hear_nothing(&other);
    close_two(&silent, &other);
}

int who_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(only_who_asks_is_told_who_sent_a_message),
        BUS_TEST(one_asking_changes_nothing_for_another),
        BUS_TEST(a_burst_tells_it_with_every_message),
        BUS_TEST(a_large_message_tells_it_too),
        BUS_TEST(a_service_that_asks_is_told_who_calls),
        BUS_TEST(the_plain_form_has_no_place_for_it),
        BUS_TEST(what_is_told_is_part_of_the_accounts),
        BUS_TEST(the_list_of_clients_says_who_each_is),
        BUS_TEST(who_says_nothing_is_let_go),
        BUS_TEST(who_has_said_something_may_be_silent),
    };
    int failures = 0;

    RUN_GROUP(&failures, "who is who", tests);
    return failures;
}
