/* wait_tests.c: calls that wait for a server, publishers that wait for subscriptions: whoever is
 * started first need not sleep. */
#include "e2e/bus.h"
#include "e2e/wire.h"
#include "support/support.h"

static struct bus bus;
static struct raw caller, server, other;

static void open_three(const char *settings)
{
    bus_open(&bus, settings);
    raw_open(&caller, &bus);
    hear_nothing(&caller); /* connected, in this order */
    raw_open(&server, &bus);
    hear_nothing(&server);
    raw_open(&other, &bus);
    hear_nothing(&other);
}

static void close_three(void)
{
    raw_close(&caller);
    raw_close(&server);
    raw_close(&other);
    bus_close(&bus);
}

/* One whose end the log tells; its own end of the pipe may know before the broker does. */
static void name_waiter(struct raw *raw)
{
    say(raw, "[0, 1, '$hello', [{'v': 1, 'name': 'waiter'}]]");
    hear(raw, "[1, 1, null, '?']");
}

static void await_end_of_waiter(void)
{
    EVENTUALLY(bus_log_has(&bus, "name=\"waiter\" why="));
}

static void a_call_may_come_before_its_server(void **state)
{
    (void)state;
    open_three(NULL);
    say(&caller, "[0, 1, '$call', ['svc.sum', [1, 2], {'wait': 10000}]]");
    say(&caller, "[0, 2, '$call', ['svc.sum', [3], {'wait': 10000}]]");
    hear_nothing(&caller);
    say(&other, "[0, 1, '$serve', ['another']]"); /* not the one */
    hear(&other, "[1, 1, null, 1]");
    say(&server, "[0, 1, '$serve', ['svc.*']]");
    hear(&server, "[1, 1, null, 1]"); /* before its first call */
    hear(&server, "[0, 1, 'svc.sum', [1, 2]]");
    hear(&server, "[0, 2, 'svc.sum', [3]]");
    say(&server, "[1, 2, null, 'second']");
    say(&server, "[1, 1, null, 'first']");
    hear(&caller, "[1, 2, null, 'second']");
    hear(&caller, "[1, 1, null, 'first']");
    say(&caller, "[0, 3, '$call', ['svc.sum', [], {'wait': 10000}]]"); /* nothing to wait for */
    hear(&server, "[0, 3, 'svc.sum', []]");
    close_three();
}

static void a_rich_server_that_comes_later_gets_the_rich_form(void **state)
{
    (void)state;
    open_three(NULL);
    say(&caller, "[0, 1, '$call', ['svc.sum', [1, 2], {'wait': 10000}]]");
    hear_nothing(&caller);
    say(&server, "[0, 1, '$serve', ['svc.>', {'form': 'rich'}]]");
    hear(&server, "[1, 1, null, 1]");
    hear(&server, "[0, 1, '$call', [1, 'svc.sum', [1, 2]]]");
    say(&server, "[1, 1, 'E_ARG no', null]");
    hear(&caller, "[1, 1, 'E_ARG no', null]");
    close_three();
}

/* A large message is passed on from the copy that waited, which is gone by then. */
static void a_large_call_waits_as_well(void **state)
{
    enum { SIZE = 100 * 1024 };
    static const uint8_t head[] = "\x94\x00\x07\xA5$call\x93\xA3svc\x91\xC6\x00\x01\x90\x00";
    static const uint8_t tail[] = "\x81\xA4wait\xCD\x27\x10";
    struct ppi_buf call = { 0 };

    (void)state;
    open_three(NULL);
    ppi_buf_append(&call, head, sizeof head - 1);
    memset(ppi_buf_room(&call, SIZE), 'x', SIZE);
    ppi_buf_added(&call, SIZE);
    ppi_buf_append(&call, tail, sizeof tail - 1);
    say_bytes(&caller, ppi_buf_data(&call), ppi_buf_size(&call));
    hear_nothing(&caller);
    say(&server, "[0, 1, '$serve', ['svc']]");
    hear(&server, "[1, 1, null, 1]");
    HEAR_BYTES(&server, "\x94\x00\x01\xA3svc\x91\xC6\x00\x01\x90\x00");
    hear_bytes(&server, ppi_buf_data(&call) + sizeof head - 1, SIZE);
    hear_nothing(&server);
    ppi_buf_deinit(&call);
    close_three();
}

static void nobody_comes_and_the_call_ends_with_that(void **state)
{
    (void)state;
    open_three(NULL);
    say(&caller, "[0, 1, '$call', ['svc.a', [], {'wait': 150}]]");
    hear(&caller, "[1, 1, 'E_NORESP nobody serves *', null]");
    say(&caller, "[0, 2, '$call', ['svc.a', [], {'wait': 10000, 'deadline': 150}]]");
    hear(&caller, "[1, 2, 'E_TIMEOUT *', null]"); /* the deadline counts from the call on */
    say(&caller, "[0, 3, '$call', ['svc.a', [], {'wait': 0}]]");
    hear(&caller, "[1, 3, 'E_NORESP nobody serves *', null]");
    say(&caller, "[0, 4, '$call', ['svc.*', [], {'wait': 150}]]");
    hear(&caller, "[1, 4, 'E_ARG *', null]");
    say(&caller, "[0, 5, '$call', ['svc.a', [], {'wait': 3600001}]]");
    hear(&caller, "[1, 5, 'E_ARG option *', null]");
    close_three();
}

/* The deadline of a call that has found its server is the one that it came with. */
static void a_call_that_has_waited_keeps_its_deadline(void **state)
{
    (void)state;
    if (!bus_is_simulated())
        skip(); /* a real system need not let the server come in time */
    open_three(NULL);
    say(&server, "[0, 1, '$hello', [{'v': 1}]]");
    hear(&server, "[1, 1, null, '?']");
    say(&caller, "[0, 1, '$call', ['svc.a', [], {'wait': 60000, 'deadline': 1000}]]");
    hear_nothing(&caller);
    say(&server, "[0, 2, '$serve', ['svc.a']]");
    hear(&server, "[1, 2, null, 1]");
    hear(&server, "[0, 1, 'svc.a', []]");
    hear(&caller, "[1, 1, 'E_TIMEOUT *', null]");
    hear(&server, "[2, '$cancel', [1]]");
    close_three();
}

static void a_call_that_waits_is_an_open_call(void **state)
{
    (void)state;
    open_three("calls_open = 2;\n");
    say(&caller, "[0, 1, '$call', ['svc.a', [], {'wait': 10000}]]");
    say(&caller, "[0, 2, '$wait', ['news']]");
    say(&caller, "[0, 3, '$call', ['svc.a', [], {'wait': 10000}]]");
    hear(&caller, "[1, 3, 'E_LIMIT calls_open*', null]");
    say(&caller, "[0, 4, '$wait', ['news']]");
    hear(&caller, "[1, 4, 'E_LIMIT calls_open*', null]");
    say(&caller, "[0, 5, '$sys.clients', []]");
    hear(&caller, "[1, 5, null, [{'calls_open': 2}, {}, {}]]");
    say(&caller, "[0, 6, '$cancel', [1]]");
    hear(&caller, "[1, 1, 'E_CANCELED *', null]");
    hear(&caller, "[1, 6, null, null]");
    say(&caller, "[0, 7, '$cancel', [2]]");
    hear(&caller, "[1, 2, 'E_CANCELED *', null]");
    hear(&caller, "[1, 7, null, null]");
    say(&server, "[0, 1, '$serve', ['svc.a']]"); /* nothing is left for it */
    hear(&server, "[1, 1, null, 1]");
    hear_nothing(&server);
    close_three();
}

static void an_id_that_waits_cannot_be_used_again(void **state)
{
    (void)state;
    open_three(NULL);
    name_waiter(&caller);
    say(&caller, "[0, 9, '$call', ['svc.a', [], {'wait': 10000}]]");
    say(&caller, "[0, 9, '$wait', ['news']]");
    hear(&caller, "[2, '$bye', ['E_PROTO', '?', '?']]");
    hear_end(&caller);
    await_end_of_waiter();
    say(&server, "[0, 1, '$serve', ['svc.a']]"); /* it waited with the connection */
    hear(&server, "[1, 1, null, 1]");
    hear_nothing(&server);
    close_three();
}

static void calls_that_wait_hold_as_much_as_a_queue_may(void **state)
{
    enum { SIZE = 3000 };
    static const uint8_t head[] = "\xA5$call\x93\xA3svc\x91\xC5\x0B\xB8";
    static const uint8_t tail[] = "\x81\xA4wait\xCD\x27\x10";

    (void)state;
    open_three("frame_max = 8192;\nqueue_low = 1024;\nqueue_high = 4096;\nqueue_hard = 8192;\n");
    for (uint8_t id = 1; id <= 3; id++) {
        const uint8_t begin[] = { 0x94, 0x00, id };
        uint8_t body[SIZE] = { 0 };

        say_bytes(&caller, begin, sizeof begin);
        say_bytes(&caller, head, sizeof head - 1);
        say_bytes(&caller, body, sizeof body);
        say_bytes(&caller, tail, sizeof tail - 1);
    }
    hear(&caller, "[1, 3, 'E_LIMIT queue_hard*', null]");
    say(&caller, "[0, 4, '$cancel', [1]]");
    hear(&caller, "[1, 1, 'E_CANCELED *', null]");
    hear(&caller, "[1, 4, null, null]");
    say(&caller, "[0, 5, '$call', ['svc', [], {'wait': 10000}]]"); /* there is room again */
    hear_nothing(&caller);
    close_three();
}

/* A server that takes one call at a time gets the next one when it has answered; without `wait` the
 * caller hears at once that it is busy. */
static void a_call_may_wait_for_a_free_slot(void **state)
{
    (void)state;
    open_three(NULL);
    say(&server, "[0, 1, '$serve', ['svc.a', {'max_inflight': 1}]]");
    hear(&server, "[1, 1, null, 1]");
    say(&caller, "[0, 1, 'svc.a', [1]]");
    hear(&server, "[0, 1, 'svc.a', [1]]");
    say(&caller, "[0, 2, '$call', ['svc.a', [2], {'wait': 10000}]]");
    say(&caller, "[0, 3, '$call', ['svc.a', [3], {'wait': 150}]]");
    hear(&caller, "[1, 3, 'E_BUSY *', null]");
    say(&server, "[1, 1, null, 'one']");
    hear(&caller, "[1, 1, null, 'one']");
    hear(&server, "[0, 2, 'svc.a', [2]]");
    say(&caller, "[0, 4, '$call', ['svc.a', [4], {'wait': 10000}]]");
    hear_nothing(&caller);
    say(&caller, "[0, 5, '$cancel', [2]]"); /* which makes room, too */
    hear(&caller, "[1, 2, 'E_CANCELED *', null]");
    hear(&caller, "[1, 5, null, null]");
    hear(&server, "[0, 3, 'svc.a', [4]]");
    say(&server, "[1, 3, null, 'four']");
    hear(&caller, "[1, 4, null, 'four']");
    close_three();
}

/* Of many that wait, a server that takes one at a time gets one at a time, in their order. */
static void those_that_wait_for_a_slot_come_one_after_the_other(void **state)
{
    enum { CALLS = 20 };
    char expected[64];

    (void)state;
    open_three(NULL);
    for (int i = 1; i <= CALLS; i++)
        say(&caller, "[0, %d, '$call', ['svc.a', [%d], {'wait': 10000}]]", i, i);
    hear_nothing(&caller);
    say(&server, "[0, 1, '$serve', ['svc.a', {'max_inflight': 1}]]");
    hear(&server, "[1, 1, null, 1]");
    for (int i = 1; i <= CALLS; i++) {
        snprintf(expected, sizeof expected, "[0, %d, 'svc.a', [%d]]", i, i);
        hear(&server, expected);
        hear_nothing(&server);
        say(&server, "[1, %d, null, %d]", i, i);
        snprintf(expected, sizeof expected, "[1, %d, null, %d]", i, i);
        hear(&caller, expected);
    }
    close_three();
}

static void a_publisher_waits_for_its_subscribers(void **state)
{
    (void)state;
    open_three(NULL);
    say(&caller, "[0, 1, '$wait', ['news.a', {'subs': 2}]]");
    hear_nothing(&caller);
    say(&server, "[0, 1, '$sub', ['news.*']]");
    hear(&server, "[1, 1, null, 1]");
    say(&server, "[0, 2, '$serve', ['news.a']]"); /* no subscription */
    hear(&server, "[1, 2, null, 2]");
    hear_nothing(&caller);
    say(&other, "[0, 1, '$sub', ['>', {'group': 'g'}]]");
    hear(&other, "[1, 1, null, 1]");
    hear(&caller, "[1, 1, null, 2]");
    say(&caller, "[2, 'news.a', [1]]"); /* now they get it */
    hear(&server, "[2, 'news.a', [1]]");
    hear(&other, "[2, 'news.a', [1]]");
    say(&caller, "[0, 2, '$wait', ['news.a']]"); /* one is enough, and there are more */
    hear(&caller, "[1, 2, null, 2]");
    say(&caller, "[0, 3, '$wait', ['nothing', {'subs': 0}]]");
    hear(&caller, "[1, 3, null, 1]");
    close_three();
}

static void ones_own_subscription_counts_if_it_hears_its_peer(void **state)
{
    (void)state;
    open_three(NULL);
    say(&caller, "[0, 1, '$sub', ['news']]");
    hear(&caller, "[1, 1, null, 1]");
    say(&caller, "[0, 2, '$wait', ['news', {'deadline': 150}]]");
    hear(&caller, "[1, 2, 'E_TIMEOUT nobody *', null]");
    say(&caller, "[0, 2, '$wait', ['news', {'subs': 2, 'deadline': 150}]]");
    hear(&caller, "[1, 2, 'E_TIMEOUT fewer than 2 *', null]");
    say(&caller, "[0, 3, '$wait', ['news', {'deadline': 0}]]");
    say(&caller, "[0, 4, '$sub', ['news', {'echo': true}]]");
    hear(&caller, "[1, 4, null, 2]");
    hear(&caller, "[1, 3, null, 1]");
    close_three();
}

static void what_cannot_be_waited_for_is_told(void **state)
{
    static const struct {
        const char *said, *heard;
    } cases[] = {
        { "[0, 1, '$wait', []]", "[1, 1, 'E_ARG param 1 *', null]" },
        { "[0, 2, '$wait', ['a.*']]", "[1, 2, 'E_ARG a wildcard *', null]" },
        { "[0, 3, '$wait', ['a', {'subs': -1}]]", "[1, 3, 'E_ARG option *', null]" },
        { "[0, 4, '$wait', ['a', {'subs': 4294967296}]]", "[1, 4, 'E_ARG option *', null]" },
        { "[0, 5, '$wait', ['a', {'wait': 1}]]", "[1, 5, 'E_ARG option *', null]" },
    };

    (void)state;
    open_three(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        say(&caller, "%s", cases[i].said);
        hear(&caller, cases[i].heard);
    }
    close_three();
}

/* Whoever waits may go, and the broker, too. */
static void waiting_ends_with_the_connection_and_with_the_broker(void **state)
{
    (void)state;
    open_three(NULL);
    name_waiter(&other);
    say(&other, "[0, 1, '$call', ['svc.a', ['other'], {'wait': 10000}]]");
    say(&other, "[0, 2, '$wait', ['news']]");
    hear_nothing(&other);
    raw_close(&other);
    await_end_of_waiter();
    raw_open(&other, &bus);
    say(&other, "[0, 1, '$call', ['svc.a', ['other'], {'wait': 10000}]]");
    say(&other, "[0, 2, '$bye', []]");
    hear(&other, "[1, 1, 'E_CANCELED *', null]");
    hear(&other, "[1, 2, null, null]");
    hear_end(&other);
    say(&caller, "[0, 1, '$call', ['svc.b', [], {'wait': 10000}]]");
    say(&caller, "[0, 2, '$wait', ['news']]");
    hear_nothing(&caller);
    say(&server, "[0, 1, '$serve', ['svc.a']]");
    hear(&server, "[1, 1, null, 1]");
    hear_nothing(&server);
    say(&server, "[2, '$sys.stop', []]");
    hear(&caller, "[1, '?', 'E_SHUTDOWN *', null]");
    hear(&caller, "[1, '?', 'E_SHUTDOWN *', null]");
    hear_end(&caller);
    raw_close(&caller);
    raw_close(&server);
    raw_close(&other);
    bus_await_end(&bus);
}

int wait_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_call_may_come_before_its_server),
        BUS_TEST(a_rich_server_that_comes_later_gets_the_rich_form),
        BUS_TEST(a_large_call_waits_as_well),
        BUS_TEST(nobody_comes_and_the_call_ends_with_that),
        BUS_TEST(a_call_that_has_waited_keeps_its_deadline),
        BUS_TEST(a_call_that_waits_is_an_open_call),
        BUS_TEST(an_id_that_waits_cannot_be_used_again),
        BUS_TEST(calls_that_wait_hold_as_much_as_a_queue_may),
        BUS_TEST(a_call_may_wait_for_a_free_slot),
        BUS_TEST(those_that_wait_for_a_slot_come_one_after_the_other),
        BUS_TEST(a_publisher_waits_for_its_subscribers),
        BUS_TEST(ones_own_subscription_counts_if_it_hears_its_peer),
        BUS_TEST(what_cannot_be_waited_for_is_told),
        BUS_TEST(waiting_ends_with_the_connection_and_with_the_broker),
    };
    int failures = 0;

    RUN_GROUP(&failures, "waiting", tests);
    return failures;
}
