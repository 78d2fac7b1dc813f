/* watch_tests.c: what happens, and how an operator is told of it: SYS.md. */
#include "e2e/operator.h"
#include "e2e/wire.h"
#include "support/support.h"
#include "unit/samples.h"

#include "events.h"

static void what_happens_is_told_as_it_comes(void **state)
{
    (void)state;
    operator_open(NULL, "$sys.events.>");
    raw_open(&client, &operated);
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
    raw_open(&client, &operated);
    hear_event("connect", "");
    raw_close(&client);
    assert_int_equal(hear_event("close", "'why': 'gone', 'published': 0"), n + 4);
    operator_close();
}

/* In a client's own forms, and from the broker itself. */
static void an_event_comes_in_the_form_that_was_asked_for(void **state)
{
    (void)state;
    operator_open(NULL, "$sys.events.none");
    say(&ear, "[0, 3, '$sub', ['$sys.events.connect', {'form': 'rich', 'meta': true}]]");
    hear(&ear, "[1, 3, null, 2]");
    raw_open(&client, &operated);
    hear(&ear, "[2, '$msg', [2, '$sys.events.connect', [{'event': 'connect'}],"
               " {'from': 0, 'name': 'panpiped', 'pid': '?', 'ts': '?'}]]");
    hear_nothing(&ear);
    raw_close(&client);
    operator_close();
}

static void several_plain_subscriptions_get_an_event_once(void **state)
{
    (void)state;
    operator_open(NULL, "$sys.events.connect");
    say(&ear, "[0, 3, '$sub', ['$sys.>']]");
    hear(&ear, "[1, 3, null, 2]");
    say(&ear, "[0, 4, '$sub', ['$sys.events.*', {'form': 'rich'}]]");
    hear(&ear, "[1, 4, null, 3]");
    raw_open(&client, &operated);
    hear_event("connect", "");
    hear(&ear, "[2, '$msg', [3, '$sys.events.connect', ['?']]]");
    hear_nothing(&ear);
    say(&ear, "[0, 5, '$sys.subs', []]");
    hear(&ear, "[1, 5, null, ["
               "{'sid': 1, 'policy': 'drop', 'accepted': 1, 'delivered': 1, 'merged': 0},"
               "{'sid': 2, 'policy': 'drop', 'accepted': 1, 'delivered': 0, 'merged': 1},"
               "{'sid': 3, 'policy': 'drop', 'accepted': 1, 'delivered': 1, 'merged': 0}]]");
    raw_close(&client);
    operator_close();
}

/* Its last event may be there before it has ended. */
static bool nobody_subscribes(void)
{
    say(&hand, "[0, 4, '$sys.stats', []]");
    return hears(&hand, "[1, 4, null, {'subs': 0, 'missed': 0}]");
}

static void a_subscription_of_events_may_have_an_end(void **state)
{
    (void)state;
    operator_open(NULL, "$sys.events.connect");
    say(&ear, "[0, 3, '$unsub', [1, {'max': 2}]]");
    hear(&ear, "[1, 3, null, {'delivered': 0, 'discarded': 0}]");
    for (int i = 0; i < 3; i++) {
        raw_open(&client, &operated);
        if (i < 2)
            hear_event("connect", "");
        raw_close(&client);
    }
    hear_nothing(&ear);
    EVENTUALLY(nobody_subscribes());
    operator_close();
}

/* Also what was before anybody subscribed. */
static void the_last_events_can_be_asked_for(void **state)
{
    int before = bus_is_simulated() ? 0 : 2; /* a real broker was tried whether it listens */
    char expected[400], gone[40];

    (void)state;
    bus_open(&operated, NULL);
    raw_open(&client, &operated);
    raw_close(&client);
    snprintf(gone, sizeof gone, "disconnect client=%d", before / 2 + 1);
    EVENTUALLY(bus_log_has(&operated, gone));
    raw_open(&hand, &operated);
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
    bus_close(&operated);
}

static void only_the_last_events_are_kept(void **state)
{
    char expected[100];

    (void)state;
    operator_open(NULL, "$sys.events.close");
    for (int i = 0; i < EVENTS_KEPT / 2 + 99; i++) {
        raw_open(&client, &operated);
        raw_close(&client);
        hear_event("close", "");
    }
    raw_open(&client, &operated);
    raw_close(&client);
    int last = (int)hear_event("close", "");
    say(&hand, "[0, 4, '$sys.events', [{'max': 1}]]");
    snprintf(expected, sizeof expected,
             "[1, 4, null, {'first': %d, 'next': %d, 'events': [{'n': %d}]}]",
             last - EVENTS_KEPT + 1, last - EVENTS_KEPT + 2, last - EVENTS_KEPT + 1);
    hear(&hand, expected);
    operator_close();
}

static void who_reads_too_slowly_is_told_of_and_that_it_is_over(void **state)
{
    enum { COUNT = 1000 }; /* of a KiB: more than pipes and queues take */
    struct ppi_buf all = { 0 };
    struct transfer transfer;
    struct runner runner;
    struct raw reader;

    (void)state;
    if (bus_is_simulated())
        skip(); /* needs two threads that block */
    operator_open("queue_low = 65536;\nqueue_high = 131072;\n", "$sys.events.slow");
    say(&ear, "[0, 3, '$sub', ['$sys.events.easy']]");
    hear(&ear, "[1, 3, null, 2]");
    raw_open(&reader, &operated);
    raw_open(&client, &operated);
    say(&reader, "[0, 1, '$sub', ['data']]");
    hear(&reader, "[1, 1, null, 1]");
    for (int i = 0; i < COUNT; i++)
        sample_publish(&all, "data", 1000);
    transfer =
        (struct transfer){ client.pipe, (char *)ppi_buf_data(&all), ppi_buf_size(&all), 0, false };
    runner_start(&runner, write_transfer, &transfer);
    hear_event("slow", "'client': '?', 'queued_bytes': '?'");
    for (size_t come = 0; come < ppi_buf_size(&all);) {
        assert_true(raw_receive(&reader));
        come += ppi_buf_size(&reader.in);
        ppi_buf_clear(&reader.in);
    }
    runner_join(&runner);
    hear_event("easy", "'slow_ms': '?'");
    ppi_buf_deinit(&all);
    raw_close(&reader);
    raw_close(&client);
    operator_close();
}

/* Also what that loses. */
static void who_is_cut_is_told_of(void **state)
{
    (void)state;
    operator_open("queue_low = 4096;\nqueue_high = 8192;\n", "$sys.events.>");
    raw_open(&client, &operated);
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
    await_event("lost", "'count': '?', 'why': 'E_SLOW'"); /* that it is slow may be told, too */
    await_event("close", "'why': 'E_SLOW', 'lost': '?'");
    ppi_buf_deinit(&all);
    raw_close(&client);
    say(&hand, "[0, 3, '$sys.stats', []]");
    hear(&hand, "[1, 3, null, {'cut': 1}]");
    operator_close();
}

static void who_breaks_the_protocol_is_told_of(void **state)
{
    (void)state;
    operator_open(NULL, "$sys.events.>");
    raw_open(&client, &operated);
    hear_event("connect", "");
    SAY_BYTES(&client, "\x93\x02\xC1");
    hear_event("cut", "'why': 'E_PROTO', 'text': 'this is not a MessagePack-RPC message'");
    hear_event("close", "'why': 'E_PROTO'");
    raw_close(&client);
    raw_open(&client, &operated);
    hear_event("connect", "");
    SAY_BYTES(&client, "GET / HTTP/1.1\r\n");
    hear_event("cut", "'why': 'E_PROTO', 'text': 'this is another language'");
    hear_event("close", "'why': 'E_PROTO'");
    raw_close(&client);
    operator_close();
}

static void who_is_not_let_in_is_told_of(void **state)
{
    (void)state;
    operator_open("connections = 2;\n", "$sys.events.>");
    raw_open(&client, &operated);
    hear_event("denied", "'client': null, 'name': null, 'why': 'E_QUOTA',"
                         " 'text': 'connections: too many connections'");
    skip_to_end(&client);
    raw_close(&client);
    say(&hand, "[0, 3, '$sys.stats', []]");
    hear(&hand, "[1, 3, null, {'denied': 0}]"); /* it may, but there is no room */
    operator_close();
}

static void a_stop_is_told_of_with_its_own_patience(void **state)
{
    (void)state;
    operator_open(NULL, "$sys.events.stop");
    say(&hand, "[0, 3, '$sys.stop', [{'drain_ms': 3600001}]]");
    hear(&hand, "[1, 3, 'E_ARG *', null]");
    say(&hand, "[0, 4, '$sys.stop', [{'drain_ms': 1234}]]");
    hear(&hand, "[1, 4, null, null]");
    hear(&hand, "[2, '$bye', ['E_SHUTDOWN', '*', 0]]");
    hear_event("stop", "'client': null, 'drain_ms': 1234");
    raw_close(&ear);
    raw_close(&hand);
    bus_await_end(&operated);
}

/* Takes events up to the answer to a ping; how many, and the number of the last one. */
static uint64_t count_events(uint64_t *last)
{
    uint64_t count = 0;

    say(&ear, "[0, 99, '$ping', []]");
    for (;; count++) {
        while (raw_frame_size(&ear) == 0)
            assert_true(raw_receive(&ear));
        if (ppi_buf_data(&ear.in)[0] == 0x94) /* the answer has four parts */
            break;
        uint64_t n = next_number(&ear, "n");
        assert_true(n > *last);
        *last = n;
        hear(&ear, "[2, '?', '?']");
    }
    hear(&ear, "[1, 99, null, null]");
    return count;
}

/* What nobody reads waits for nobody: what there is no room for is missed, and counted. */
static void an_operator_who_does_not_read_misses_events(void **state)
{
    enum { COUNT = 3000 };
    uint64_t last = 0, count = 0;

    (void)state;
    operator_open(NULL, "$sys.events.>");
    for (int i = 0; i < COUNT; i++) {
        raw_open(&client, &operated);
        raw_close(&client);
    }
    EVENTUALLY(figure("clients_ever") - figure("clients") >= COUNT);
    assert_int_equal(figure("published"), 0);
    assert_int_equal(figure("slow") + figure("held") + figure("lost"), 0);
    EVENTUALLY((count += count_events(&last)) + figure("missed") == 2 * COUNT);
    assert_true(count < 2 * COUNT);
    raw_open(&client, &operated); /* there is room again */
    assert_true(hear_event("connect", "") > last);
    raw_close(&client);
    operator_close();
}

int watch_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(what_happens_is_told_as_it_comes),
        BUS_TEST(an_event_comes_in_the_form_that_was_asked_for),
        BUS_TEST(several_plain_subscriptions_get_an_event_once),
        BUS_TEST(a_subscription_of_events_may_have_an_end),
        BUS_TEST(the_last_events_can_be_asked_for),
        BUS_TEST(only_the_last_events_are_kept),
        BUS_TEST(who_reads_too_slowly_is_told_of_and_that_it_is_over),
        BUS_TEST(who_is_cut_is_told_of),
        BUS_TEST(who_breaks_the_protocol_is_told_of),
        BUS_TEST(who_is_not_let_in_is_told_of),
        BUS_TEST(a_stop_is_told_of_with_its_own_patience),
        BUS_TEST(an_operator_who_does_not_read_misses_events),
    };
    int failures = 0;

    RUN_GROUP(&failures, "what an operator is told", tests);
    return failures;
}
