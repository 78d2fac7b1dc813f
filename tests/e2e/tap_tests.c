/* tap_tests.c: what is routed, as an operator sees it through a tap: SYS.md. */
#include "e2e/tapper.h"
#include "e2e/wire.h"
#include "sim/turns.h"
#include "support/support.h"
#include "unit/samples.h"

static void a_tap_shows_messages_as_they_are_routed(void **state)
{
    char fields[300];

    (void)state;
    tappers_open(NULL);
    tap(1, "{}");
    say(&b, "[0, 2, '$sub', ['x.*']]");
    hear(&b, "[1, 2, null, 1]");
    say(&a, "[2, 'x.y', [1, 'two']]");
    snprintf(fields, sizeof fields,
             "'n': 1, 'kind': 'pub', 'subject': 'x.y', 'from': %d, 'name': 'a', 'to': 1,"
             " 'receivers': [[%d, 'b']], 'time_us': null",
             number_of(2), number_of(3));
    hear_record(fields, "[1, 'two']");
    say(&a, "[0, 3, '$pub', ['nobody.is.here', []]]");
    hear(&a, "[1, 3, null, {'m': 0}]");
    hear_record("'n': 2, 'kind': 'pub', 'subject': 'nobody.is.here', 'to': 0, 'receivers': []",
                "[]");
    say(&tapper, "[2, 'x.mine', []]"); /* also what the operator publishes himself */
    hear_record("'n': 3, 'subject': 'x.mine', 'name': 'op', 'to': 1", "[]");
    hear_nothing(&tapper);
    tappers_close();
}

static void a_tap_shows_calls_and_how_they_end(void **state)
{
    (void)state;
    tappers_open(NULL);
    say(&b, "[0, 2, '$serve', ['sum', {'max_inflight': 1}]]");
    hear(&b, "[1, 2, null, 1]");
    tap(1, "{}");
    say(&a, "[0, 3, 'sum', [1, 2]]");
    hear(&b, "[0, 1, 'sum', [1, 2]]");
    hear_record("'kind': 'call', 'subject': 'sum', 'name': 'a', 'to': 1, 'receivers': [['?', 'b']],"
                " 'time_us': null",
                "[1, 2]");
    say(&b, "[1, 1, null, 3]");
    hear(&a, "[1, 3, null, 3]");
    hear_record("'kind': 'answer', 'subject': 'sum', 'name': 'b', 'to': 1,"
                " 'receivers': [['?', 'a']], 'time_us': '?'",
                "3");
    say(&a, "[0, 4, 'sum', ['x']]");
    hear(&b, "[0, 2, 'sum', ['x']]");
    hear_record("'kind': 'call'", "['x']");
    say(&b, "[1, 2, 'E_ARG that is no number', null]");
    hear(&a, "[1, 4, 'E_ARG *', null]");
    hear_record("'kind': 'error', 'subject': 'sum', 'name': 'b'", "'E_ARG that is no number'");
    tappers_close();
}

/* Nobody there, nobody free, nobody who answers in time, nobody any more. */
static void a_tap_shows_the_errors_that_the_broker_makes_of_calls(void **state)
{
    (void)state;
    tappers_open(NULL);
    say(&b, "[0, 2, '$serve', ['slow', {'max_inflight': 1}]]");
    hear(&b, "[1, 2, null, 1]");
    tap(1, "{'kind': 'error'}");
    say(&a, "[0, 3, 'none', []]");
    hear_record("'subject': 'none', 'from': 0, 'name': 'panpiped', 'receivers': [['?', 'a']]",
                "'E_NORESP nobody serves \\u0022none\\u0022'");
    hear(&a, "[1, 3, 'E_NORESP *', null]");
    say(&a, "[0, 4, 'slow', []]");
    hear(&b, "[0, 1, 'slow', []]");
    say(&a, "[0, 5, 'slow', []]");
    hear(&a, "[1, 5, 'E_BUSY *', null]");
    struct record record = next_record();
    assert_int_equal(record_figure(&record, "from"), 0);
    record_done(&record);
    say(&b, "[1, 1, null, null]");
    hear(&a, "[1, 4, null, null]");
    say(&a, "[0, 6, '$call', ['slow', [], {'deadline': 200}]]");
    hear(&b, "[0, 2, 'slow', []]");
    bus_pass_ms(&tapped, 400);
    hear(&a, "[1, 6, 'E_TIMEOUT *', null]");
    hear_record("'subject': 'slow', 'from': 0, 'time_us': '?'",
                "'E_TIMEOUT no answer came in time'");
    say(&a, "[0, 7, 'slow', []]");
    hear(&b, "[2, '$cancel', [2]]");
    hear(&b, "[0, 3, 'slow', []]");
    raw_close(&b);
    hear(&a, "[1, 7, 'E_GONE *', null]");
    hear_record("'subject': 'slow', 'from': 0",
                "'E_GONE the server\\u0027s connection ended before it answered'");
    raw_open(&b, &tapped);
    tappers_close();
}

/* A call that finds nobody is shown as a message to nobody is. */
static void a_call_to_nobody_is_shown_too(void **state)
{
    (void)state;
    tappers_open(NULL);
    tap(1, "{'dropped': true}");
    say(&a, "[0, 3, 'none', [7]]");
    hear(&a, "[1, 3, 'E_NORESP *', null]");
    hear_record("'kind': 'call', 'subject': 'none', 'name': 'a', 'to': 0, 'receivers': []", "[7]");
    hear_nothing(&tapper);
    tappers_close();
}

/* The same of one that waits for somebody, at its end. */
static void a_call_that_waits_in_vain_is_shown_too(void **state)
{
    (void)state;
    tappers_open(NULL);
    tap(1, "{}");
    say(&a, "[0, 3, '$call', ['none', [7], {'wait': 100}]]");
    bus_pass_ms(&tapped, 300);
    hear(&a, "[1, 3, 'E_NORESP *', null]");
    hear_record("'n': 1, 'kind': 'call', 'subject': 'none', 'name': 'a', 'to': 0", "[7]");
    hear_record("'n': 2, 'kind': 'error', 'subject': 'none', 'from': 0, 'receivers': [['?', 'a']]",
                "'E_NORESP nobody serves \\u0022none\\u0022'");
    hear_nothing(&tapper);
    tappers_close();
}

/* A call may name anything, which is an error, but no text of a record. */
static void a_call_whose_name_is_no_text_is_not_shown(void **state)
{
    (void)state;
    tappers_open(NULL);
    tap(1, "{}");
    SAY_BYTES(&a, "\x94\x00\x03\xA1\xFF\x90"); /* not UTF-8 */
    hear(&a, "[1, 3, '?', null]");
    say(&a, "[0, 4, '%0300d', []]", 0); /* longer than any subject */
    hear(&a, "[1, 4, 'E_ARG *', null]");
    say(&a, "[0, 5, 'a..b', []]");
    hear(&a, "[1, 5, 'E_ARG *', null]");
    hear_record("'n': 1, 'kind': 'call', 'subject': 'a..b', 'to': 0", "[]");
    struct record record = next_record();
    assert_int_equal(record_figure(&record, "n"), 2);
    record_done(&record);
    hear_nothing(&tapper);
    tappers_close();
}

/* --- forms ----------------------------------------------------------------------------------- */

static void a_record_comes_in_the_form_that_was_asked_for(void **state)
{
    (void)state;
    tappers_open(NULL);
    say(&tapper, "[0, 2, '$sys.tap', [{}]]");
    hear(&tapper, "[1, 2, null, '?']");
    say(&tapper, "[0, 3, '$sub', ['$sys.tap.1', {'form': 'rich', 'meta': true}]]");
    hear(&tapper, "[1, 3, null, 1]");
    say(&a, "[2, 'x', []]");
    hear(&tapper, "[2, '$msg', [1, '$sys.tap.1', [{'kind': 'pub', 'subject': 'x'}],"
                  " {'from': 0, 'name': 'panpiped', 'pid': '?', 'ts': '?'}]]");
    say(&tapper, "[0, 4, '$sys.subs', []]");
    hear(&tapper, "[1, 4, null, [{'pattern': '$sys.tap.1', 'policy': 'drop', 'accepted': 1,"
                  " 'delivered': 1, 'queued': 0, 'lost': 0}]]");
    tappers_close();
}

static void of_a_large_message_only_the_beginning_is_shown(void **state)
{
    enum { SIZE = 100000 };
    static const unsigned cuts[] = { 0, 10, 512, 65536 };
    struct ppi_buf message = { 0 };
    char filter[40];

    (void)state;
    tappers_open(NULL);
    sample_publish(&message, "x", SIZE);
    for (size_t i = 0; i < PPI_COUNT(cuts); i++) {
        snprintf(filter, sizeof filter, "{'cut': %u}", cuts[i]);
        tap((int)i + 1, filter);
        say_bytes(&a, ppi_buf_data(&message), ppi_buf_size(&message));
        struct record record = next_record();
        const msgpack_object_bin *body = &record_field(&record, "body")->via.bin;
        assert_int_equal(body->size, cuts[i]);
        assert_memory_equal(body->ptr, ppi_buf_data(&message) + 4, cuts[i]);
        assert_int_equal(record_figure(&record, "size_bytes"), ppi_buf_size(&message) - 4);
        assert_false(record_field(&record, "whole")->via.boolean);
        record_done(&record);
        say(&tapper, "[0, 12, '$unsub', [%d]]", (int)i + 1);
        hear(&tapper, "[1, 12, null, '?']");
    }
    ppi_buf_deinit(&message);
    tappers_close();
}

/* --- how many -------------------------------------------------------------------------------- */

/* What the tapper has read the broker may count a moment later. */
static bool nothing_waits(void)
{
    say(&tapper, "[0, 20, '$sys.subs', []]");
    return hears(&tapper, "[1, 20, null, [{'queued': 0}]]");
}

/* Simulated, it is more in one packet than may wait for a monitor: they go out while they are made.
 * Several workers, and a real system, are given so many that two rounds may wait, since the tapper
 * need not get to read meanwhile, and what it has read may count for a moment longer. */
static void a_burst_is_shown_in_order_and_whole(void **state)
{
    const uint64_t count = bus_is_simulated() && !sim_has_turns ? 2000 : 700;
    struct ppi_buf burst = { 0 };

    (void)state;
    tappers_open(NULL);
    tap(1, "{'cut': 8}");
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t frame[] = { 0x93, 2, 0xA1, 'a', 0x91, 0xCD, (uint8_t)(i >> 8), (uint8_t)i };

        assert_int_equal(ppi_buf_append(&burst, frame, sizeof frame), PP_OK);
    }
    for (uint64_t round = 0; round < 3; round++) {
        say_bytes(&a, ppi_buf_data(&burst), ppi_buf_size(&burst));
        for (uint64_t i = 0; i < count; i++) {
            struct record record = next_record();
            const uint8_t *body = (const uint8_t *)record_field(&record, "body")->via.bin.ptr;

            assert_int_equal(record_figure(&record, "missed"), 0);
            assert_int_equal(record_figure(&record, "n"), round * count + i + 1);
            assert_int_equal(body[2] << 8 | body[3], i);
            record_done(&record);
        }
        EVENTUALLY(nothing_waits());
    }
    ppi_buf_deinit(&burst);
    tappers_close();
}

/* Its last record may be there before it has ended. */
static bool nobody_taps(void)
{
    say(&tapper, "[0, 21, '$sys.stats', []]");
    return hears(&tapper, "[1, 21, null, {'taps': 0, 'subs': 0}]");
}

static void a_tap_ends_after_so_many_records(void **state)
{
    (void)state;
    tappers_open(NULL);
    tap(1, "{'max': 2}");
    say(&a, "[2, 'x', [1]]");
    hear_record("'n': 1", "[1]");
    say(&tapper, "[0, 20, '$sys.stats', []]");
    hear(&tapper, "[1, 20, null, {'taps': 1, 'subs': 1}]");
    for (int i = 0; i < 5; i++)
        say(&a, "[2, 'x', [2]]");
    hear_record("'n': 2", "[2]");
    hear_nothing(&tapper);
    EVENTUALLY(nobody_taps());
    tappers_close();
}

/* Records that nobody reads wait for nobody: all others get all, at once, and nobody is held. What
 * was shown and what was missed is what matched. */
static void a_stopped_tap_slows_nobody_down(void **state)
{
    enum { ROUNDS = 100, COUNT = 100 };
    struct ppi_buf batch = { 0 };
    uint64_t shown = 0, missed = 0;
    bool last = false;

    (void)state;
    tappers_open("queue_low = 262144;\nqueue_high = 1048576;\n");
    tap(1, "{'subject': 'data'}");
    say(&b, "[0, 2, '$sub', ['data']]");
    hear(&b, "[1, 2, null, 1]");
    for (int i = 0; i < COUNT; i++)
        sample_publish(&batch, "data", 600);
    size_t size = ppi_buf_size(&batch);
    for (int round = 0; round < ROUNDS; round++) {
        say_bytes(&a, ppi_buf_data(&batch), size);
        hear_bytes(&b, ppi_buf_data(&batch), size);
    }
    say(&b, "[0, 3, '$sys.stats', []]");
    hear(&b, "[1, 3, null, {'published': 10000, 'deliveries': 10000, 'refused': 0, 'lost': 0,"
             " 'held': 0, 'slow': 0, 'cut': 0}]");
    char clients[80];
    snprintf(clients, sizeof clients, "[0, 4, '$sys.clients', [%d]]", number_of(1));
    say(&b, "%s", clients);
    hear(&b, "[1, 4, null, [{'name': 'op', 'holds': 0, 'lost': 0, 'state': 'ok'}]]");
    while (!last) { /* room comes while it reads, so that a last one is shown */
        while (raw_frame_size(&tapper) != 0) {
            struct record record = next_record();

            assert_int_equal(record_figure(&record, "n"),
                             shown + missed + record_figure(&record, "missed") + 1);
            missed += record_figure(&record, "missed");
            shown++;
            last = record_figure(&record, "size_bytes") < 600;
            record_done(&record);
        }
        if (!last) {
            say(&a, "[2, 'data', []]");
            hear(&b, "[2, 'data', []]");
            assert_true(raw_receive(&tapper));
        }
    }
    assert_true(missed > 0 && shown > 0);
    assert_true(shown + missed > ROUNDS * COUNT);
    ppi_buf_deinit(&batch);
    tappers_close();
}

/* --- taps come and go ------------------------------------------------------------------------ */

static void a_tap_is_there_for_its_connection_alone(void **state)
{
    (void)state;
    tappers_open(NULL);
    say(&tapper, "[0, 2, '$sys.tap', [{}]]");
    hear(&tapper, "[1, 2, null, {'subject': '$sys.tap.1'}]");
    say(&a, "[0, 2, '$sub', ['$sys.tap.1']]");
    hear(&a, "[1, 2, 'E_PERM *', null]");
    say(&tapper, "[0, 3, '$sub', ['$sys.tap.1']]");
    hear(&tapper, "[1, 3, null, 1]");
    say(&tapper, "[0, 4, '$sub', ['$sys.tap.1']]");
    hear(&tapper, "[1, 4, 'E_BUSY *', null]");
    say(&tapper, "[0, 5, '$sub', ['$sys.tap.2']]");
    hear(&tapper, "[1, 5, 'E_NOTFOUND *', null]");
    say(&tapper, "[0, 6, '$unsub', [1]]");
    hear(&tapper, "[1, 6, null, '?']");
    say(&tapper, "[0, 7, '$sub', ['$sys.tap.1']]"); /* it ended with its subscription */
    hear(&tapper, "[1, 7, 'E_NOTFOUND *', null]");
    say(&a, "[2, 'x', []]");
    hear_nothing(&tapper);
    tappers_close();
}

static void there_are_so_many_taps_and_no_more(void **state)
{
    (void)state;
    tappers_open(NULL);
    for (int i = 1; i <= 16; i++) {
        say(&a, "[0, %d, '$sys.tap', [{}]]", i);
        hear(&a, "[1, '?', null, '?']");
    }
    say(&tapper, "[0, 2, '$sys.tap', [{}]]");
    hear(&tapper, "[1, 2, 'E_LIMIT *', null]");
    say(&tapper, "[0, 3, '$sys.stats', []]");
    hear(&tapper, "[1, 3, null, {'taps': 16, 'subs': 0}]");
    say(&a, "[0, 30, '$sub', ['$sys.tap.1']]");
    hear(&a, "[1, 30, null, 1]");
    raw_close(&a); /* with it go those that it has subscribed to, and those that it has not */
    say(&tapper, "[0, 4, '$sys.events', [{'max': 1}]]");
    hear(&tapper, "[1, 4, null, '?']");
    EVENTUALLY(bus_log_has(&tapped, "name=\"a\" why="));
    tap(17, "{}");
    raw_open(&a, &tapped);
    say(&a, "[2, 'x', []]");
    hear_record("'n': 1", "[]");
    tappers_close();
}

/* What the broker says to itself, and about itself, is no message. */
static void a_tap_does_not_see_what_concerns_the_broker(void **state)
{
    (void)state;
    tappers_open(NULL);
    tap(1, "{}");
    tap(2, "{'kind': 'pub'}");
    say(&a, "[0, 2, '$sub', ['$sys.events.>']]");
    hear(&a, "[1, 2, null, 1]");
    say(&b, "[0, 2, '$ping', []]");
    hear(&b, "[1, 2, null, null]");
    say(&b, "[0, 3, '$pub', ['$made.up', []]]");
    hear(&b, "[1, 3, null, '?']");
    say(&b, "[0, 4, '$wait', ['none', {'deadline': 1}]]");
    bus_pass_ms(&tapped, 300);
    hear(&b, "[1, 4, 'E_TIMEOUT *', null]");
    say(&b, "[0, 5, '$nothing', []]");
    hear(&b, "[1, 5, 'E_METHOD *', null]");
    raw_close(&b);
    hear(&a, "[2, '$sys.events.close', '?']");
    raw_open(&b, &tapped);
    hear(&a, "[2, '$sys.events.connect', '?']");
    hear_nothing(&tapper);
    tappers_close();
}

int tap_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_tap_shows_messages_as_they_are_routed),
        BUS_TEST(a_tap_shows_calls_and_how_they_end),
        BUS_TEST(a_tap_shows_the_errors_that_the_broker_makes_of_calls),
        BUS_TEST(a_call_to_nobody_is_shown_too),
        BUS_TEST(a_call_that_waits_in_vain_is_shown_too),
        BUS_TEST(a_call_whose_name_is_no_text_is_not_shown),
        BUS_TEST(a_record_comes_in_the_form_that_was_asked_for),
        BUS_TEST(of_a_large_message_only_the_beginning_is_shown),
        BUS_TEST(a_burst_is_shown_in_order_and_whole),
        BUS_TEST(a_tap_ends_after_so_many_records),
        BUS_TEST(a_stopped_tap_slows_nobody_down),
        BUS_TEST(a_tap_is_there_for_its_connection_alone),
        BUS_TEST(there_are_so_many_taps_and_no_more),
        BUS_TEST(a_tap_does_not_see_what_concerns_the_broker),
    };
    int failures = 0;

    RUN_GROUP(&failures, "taps", tests);
    return failures;
}
