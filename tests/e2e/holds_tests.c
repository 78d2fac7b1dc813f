/* holds_tests.c: what the broker tells about those who are slow, whom that holds up, and how long
 * messages are in it: broker/SYS.md. */
#include "e2e/watched.h"
#include "e2e/wire.h"
#include "sim/turns.h"
#include "support/support.h"
#include "support/text.h"
#include "times.h"
#include "unit/samples.h"

static const char small_queues[] = "queue_low = 65536;\nqueue_high = 262144;\n"
                                   "read_ahead = 4194304;\n";

enum { PAYLOAD = 1000, ENOUGH = 560 }; /* messages fill a pipe and a queue, with a little more */

/* Alice publishes more than Bob, who does not read, has room for: each message in a packet, and
 * each with a ping, so that of those that are timed some are behind others in the queue. */
static void hold_alice_up(void)
{
    for (int i = 0; i < ENOUGH; i++) {
        struct ppi_buf message = { 0 };

        sample_publish(&message, "data", PAYLOAD);
        text_pack(&message, "[0, 98, '$ping', []]"); /* it does not wait */
        say_bytes(&alice, ppi_buf_data(&message), ppi_buf_size(&message));
        ppi_buf_deinit(&message);
        hear(&alice, "[1, 98, null, null]");
    }
    EVENTUALLY(stat_of("held") == 1);
}

/* What he has read the broker may count a moment later. */
static void let_bob_read(int messages)
{
    for (int i = 0; i < messages; i++) {
        size_t size;

        while ((size = raw_frame_size(&bob)) == 0)
            assert_true(raw_receive(&bob));
        ppi_buf_consume(&bob.in, size);
    }
    EVENTUALLY(stat_of("held") == 0 && stat_of("queued_bytes") == 0);
}

static void who_is_slow_and_whom_that_slows_is_named(void **state)
{
    (void)state;
    watched_open(small_queues);
    say(&bob, "[0, 2, '$sub', ['data']]");
    hear(&bob, "[1, 2, null, 1]");
    hold_alice_up();
    ask("$sys.stats", "[]");
    answered("[1, 7, null, {'held': 1, 'slow': 1, 'cut': 0}]");
    assert_true(number("queued_max_bytes") > 262144);
    assert_true(number("queued_bytes") >= number("queued_max_bytes"));
    ask("$sys.clients", "[]");
    answered("[1, 7, null, [{'name': 'alice', 'state': 'blocked', 'held_by': '?', 'holds': 0,"
             " 'holding': 0}, {'name': 'bob', 'state': 'slow', 'holds': 1, 'holding': 1,"
             " 'held_ms': 0, 'held_by': null}, {'state': 'ok'}]]");
    assert_true(number("0/held_by") == number("1/id"));
    assert_true(number("1/queued_bytes") > 262144);
    double before = number("0/held_ms");
    bus_pass_ms(&watched, 60);
    ask("$sys.clients", "[]");
    assert_true(number("0/held_ms") >= before + 60);

    let_bob_read(ENOUGH);
    settle(&alice);
    ask("$sys.clients", "[]");
    answered("[1, 7, null, [{'name': 'alice', 'state': 'ok', 'held_by': '?'},"
             " {'name': 'bob', 'state': 'ok', 'holding': 0, 'queued_bytes': 0}, '?']]");
    before = number("0/held_ms");
    assert_true(before >= 60 && number("0/held_by") == number("1/id"));
    double id = number("1/id");
    bus_pass_ms(&watched, 60);
    raw_close(&bob); /* its number is good for ever */
    EVENTUALLY(stat_of("clients") == 2);
    ask("$sys.clients", "[]");
    assert_true(number("0/held_ms") == before && number("0/held_by") == id);
    raw_open(&bob, &watched);
    watched_close();
}

static void who_makes_others_wait_is_slow_until_they_go_on(void **state)
{
    (void)state;
    if (!bus_is_simulated())
        skip(); /* how much the system takes at once is its own choice */
    watched_open("queue_low = 1024;\nqueue_high = 262144;\nread_ahead = 4194304;\n");
    say(&bob, "[0, 2, '$sub', ['data']]");
    hear(&bob, "[1, 2, null, 1]");
    hold_alice_up();
    while (ppi_buf_size(&bob.in) < 192 * 1024) /* as much as a pipe holds, not as the queue does */
        assert_true(raw_receive(&bob));
    EVENTUALLY(stat_of("queued_max_bytes") <= 262144);
    ask("$sys.clients", "[]");
    answered("[1, 7, null, [{'state': 'blocked'}, {'state': 'slow', 'holding': 1}, '?']]");
    assert_int_equal(stat_of("slow"), 1);
    let_bob_read(ENOUGH);
    assert_int_equal(stat_of("slow"), 0);
    watched_close();
}

static void who_calls_a_server_without_room_is_held_by_it(void **state)
{
    (void)state;
    watched_open(small_queues);
    say(&bob, "[0, 2, '$sub', ['data']]");
    hear(&bob, "[1, 2, null, 1]");
    say(&bob, "[0, 3, '$serve', ['sum']]");
    hear(&bob, "[1, 3, null, 2]");
    hold_alice_up();
    say(&carol, "[0, 8, '$ping', []]");
    hear(&carol, "[1, 8, null, null]");
    struct raw caller;
    raw_open(&caller, &watched);
    say(&caller, "[0, 1, 'sum', []]");
    EVENTUALLY(stat_of("held") == 2);
    ask("$sys.clients", "[]");
    answered("[1, 7, null, [{'state': 'blocked'}, {'state': 'slow', 'holds': 2, 'holding': 2}, '?',"
             " {'state': 'blocked', 'calls_open': 0}]]");
    assert_true(number("3/held_by") == number("1/id"));
    let_bob_read(ENOUGH + 1);
    say(&bob, "[1, 1, null, 0]");
    hear(&caller, "[1, 1, null, 0]");
    raw_close(&caller);
    watched_close();
}

static void the_age_of_what_waits_grows_and_ends(void **state)
{
    (void)state;
    watched_open(small_queues);
    say(&bob, "[0, 2, '$sub', ['data']]");
    hear(&bob, "[1, 2, null, 1]");
    hold_alice_up();
    ask("$sys.clients", "[]");
    double before = number("1/oldest_ms");
    answered("[1, 7, null, [{'oldest_ms': null}, {'oldest_ms': '?'}, {'oldest_ms': null}]]");
    bus_pass_ms(&watched, 60);
    ask("$sys.clients", "[]");
    assert_true(number("1/oldest_ms") >= before + 60);
    let_bob_read(ENOUGH);
    settle(&bob);
    ask("$sys.clients", "[]");
    answered("[1, 7, null, [{'oldest_ms': null}, {'oldest_ms': null}, {'oldest_ms': null}]]");
    watched_close();
}

/* --- times ----------------------------------------------------------------------------------- */

static double timed(void)
{
    double all = 0, last = -1;

    for (size_t i = 0; i < count("times"); i++) {
        assert_true(number("times/%d/0", (int)i) > last);
        last = number("times/%d/0", (int)i);
        all += number("times/%d/1", (int)i);
    }
    return all;
}

/* Some packets of a worker is timed, whoever it is from. */
static void messages_are_timed_some_of_them(void **state)
{
    enum { MESSAGES = TIMES_EVERY * 12 };

    (void)state;
    watched_open(NULL);
    say(&bob, "[0, 2, '$sub', ['a']]");
    hear(&bob, "[1, 2, null, 1]");
    for (int i = 0; i < MESSAGES; i++) {
        say(&alice, "[2, 'a', [%d]]", i);
        hear(&bob, "[2, 'a', ['?']]");
    }
    ask("$sys.stats", "[]");
    assert_in_range(timed(), 1, MESSAGES / 4);
    if (bus_is_simulated() && !sim_has_turns) { /* no time passes; with turns, a little or none */
        answered("[1, 7, null, {'times': [[0, 12]]}]");
    } else if (!bus_is_simulated()) {
        assert_true(number("time_p50_us") > 0);
        assert_true(number("time_p50_us") <= number("time_p99_us"));
        assert_true(number("time_p99_us") < 1e6 * TEST_PATIENCE_MS / 1000);
    }
    watched_close();
}

/* What waits in a queue is in the broker. */
static void the_wait_in_a_queue_counts(void **state)
{
    (void)state;
    watched_open(small_queues);
    say(&bob, "[0, 2, '$sub', ['data']]");
    hear(&bob, "[1, 2, null, 1]");
    hold_alice_up();
    bus_pass_ms(&watched, 300);
    ask("$sys.stats", "[]");
    double quick = timed();
    let_bob_read(ENOUGH);
    settle(&alice);
    ask("$sys.stats", "[]");
    assert_true(timed() > quick);
    assert_true(number("time_p99_us") >= 300000);
    watched_close();
}

/* --- for how long ----------------------------------------------------------------------------- */

/* Alice is held up by Bob, who may stop for 1 s, while no time passes but what the test wants to;
 * she hears who is cut. */
static void open_patient(void)
{
    if (!bus_is_simulated())
        skip(); /* a real clock goes on meanwhile */
    watched_open("queue_low = 4096;\nqueue_high = 262144;\nread_ahead = 4194304;\n"
                 "stall_ms = 1000;\n");
    say(&bob, "[0, 2, '$sub', ['data']]");
    hear(&bob, "[1, 2, null, 1]");
    say(&alice, "[0, 2, '$sub', ['$sys.events.cut']]");
    hear(&alice, "[1, 2, null, 1]");
    hold_alice_up();
}

static void hear_of_cut(const char *why, const char *text)
{
    char expected[120];

    snprintf(expected, sizeof expected,
             "[2, '$sys.events.cut', [{'name': 'bob', 'why': '%s', 'text': '%s'}]]", why, text);
    hear(&alice, expected);
}

static void who_stops_for_a_while_is_waited_for_and_no_longer(void **state)
{
    (void)state;
    open_patient();
    bus_pass_ms(&watched, 700);
    ask("$sys.stats", "[]");
    answered("[1, 7, null, {'clients': 3, 'held': 1, 'cut': 0}]");
    bus_pass_ms(&watched, 600);
    hear_of_cut("E_SLOW", "stall*"); /* by one clock or the other */
    ask("$sys.stats", "[]");
    answered("[1, 7, null, {'clients': 2, 'held': 0, 'cut': 1}]");
    watched_close();
}

static void who_reads_a_little_and_then_no_more_is_cut_too(void **state)
{
    enum { A_LITTLE = 150 * 1024 }; /* with what one more read takes not all that is queued */

    (void)state;
    open_patient();
    while (ppi_buf_size(&bob.in) < A_LITTLE)
        assert_true(raw_receive(&bob));
    bus_pass_ms(&watched, 2000);
    hear_of_cut("E_SLOW", "stall_rate: it reads too slowly");
    watched_close();
}

static void who_does_not_read_its_last_words_is_closed_all_the_same(void **state)
{
    (void)state;
    open_patient();
    SAY_BYTES(&bob, "\xC1");
    hear_of_cut("E_PROTO", "this is another language");
    ask("$sys.stats", "[]"); /* he holds nobody up, but is there still */
    answered("[1, 7, null, {'clients': 3, 'held': 0}]");
    bus_pass_ms(&watched, 5000);
    ask("$sys.stats", "[]");
    answered("[1, 7, null, {'clients': 2, 'cut': 0}]");
    watched_close();
}

static void who_is_cut_for_reading_too_slowly_is_counted(void **state)
{
    (void)state;
    watched_open(small_queues);
    say(&bob, "[0, 2, '$sub', ['data', {'policy': 'cut'}]]");
    hear(&bob, "[1, 2, null, 1]");
    for (int i = 0; i < ENOUGH / 10; i++) {
        struct ppi_buf some = { 0 };

        for (int k = 0; k < 20; k++)
            sample_publish(&some, "data", PAYLOAD);
        say_bytes(&alice, ppi_buf_data(&some), ppi_buf_size(&some));
        ppi_buf_deinit(&some);
        settle(&alice);
    }
    skip_to_end(&bob);
    EVENTUALLY(stat_of("clients") == 2);
    ask("$sys.stats", "[]");
    answered("[1, 7, null, {'cut': 1, 'held': 0}]");
    assert_true(number("lost") > 0 && number("refused") > 0);
    double refused = number("refused");
    ask("$sys.subjects", "[]");
    assert_true(number("subjects/0/refused") == refused);
    watched_close();
}

int holds_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(who_is_slow_and_whom_that_slows_is_named),
        BUS_TEST(who_makes_others_wait_is_slow_until_they_go_on),
        BUS_TEST(who_calls_a_server_without_room_is_held_by_it),
        BUS_TEST(the_age_of_what_waits_grows_and_ends),
        BUS_TEST(messages_are_timed_some_of_them),
        BUS_TEST(the_wait_in_a_queue_counts),
        BUS_TEST(who_stops_for_a_while_is_waited_for_and_no_longer),
        BUS_TEST(who_reads_a_little_and_then_no_more_is_cut_too),
        BUS_TEST(who_does_not_read_its_last_words_is_closed_all_the_same),
        BUS_TEST(who_is_cut_for_reading_too_slowly_is_counted),
    };
    int failures = 0;

    RUN_GROUP(&failures, "who is slow", tests);
    return failures;
}
