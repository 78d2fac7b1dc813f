/* flow_tests.c: readers that are slow, and what that does to others: nothing that is not said. */
#include "e2e/bus.h"
#include "e2e/wire.h"
#include "support/support.h"
#include "unit/samples.h"

static struct bus bus;
static struct raw publisher, reader, other;

static const char small_queues[] = "queue_low = 65536;\nqueue_high = 262144;\n"
                                   "queue_hard = 1048576;\nframe_max = 1048576;\n"
                                   "stall_ms = 400;\n";

static void open_three(const char *settings, const char *options)
{
    bus_open(&bus, settings);
    raw_open(&publisher, &bus);
    raw_open(&reader, &bus);
    raw_open(&other, &bus);
    say(&reader, "[0, 1, '$hello', [{'v': 1, 'name': 'reader'}]]");
    hear(&reader, "[1, 1, null, '?']");
    say(&reader, "[0, 2, '$sub', ['data', %s]]", options);
    hear(&reader, "[1, 2, null, 1]");
}

static void close_three(void)
{
    raw_close(&publisher);
    raw_close(&reader);
    raw_close(&other);
    bus_close(&bus);
}

/* Messages of a KiB, with their numbers. */
enum { PAYLOAD = 1000 };

static void pack_numbered(struct ppi_buf *buf, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        size_t at;

        sample_publish(buf, "data", PAYLOAD);
        at = ppi_buf_size(buf) - PAYLOAD;
        memcpy(ppi_buf_data(buf) + at, &i, sizeof i);
    }
}

static int next_number(struct raw *raw)
{
    size_t size;
    int number;

    while ((size = raw_frame_size(raw)) == 0)
        assert_true(raw_receive(raw));
    memcpy(&number, ppi_buf_data(&raw->in) + size - PAYLOAD, sizeof number);
    ppi_buf_consume(&raw->in, size);
    return number;
}

/* A transfer in pieces that may get stuck. */
struct feed {
    struct raw *raw;
    struct ppi_buf bytes;
    size_t done;
    pp_op op;
    bool pending;
};

/* Writes until the pipe takes no more for a while, or all is written (true). */
static bool feed_on(struct feed *feed)
{
    while (feed->done < ppi_buf_size(&feed->bytes)) {
        size_t left = ppi_buf_size(&feed->bytes) - feed->done;

        if (!feed->pending) {
            feed->op = (pp_op)PP_OP_INIT;
            assert_int_equal(pp_op_use_wait(&feed->op), PP_OK);
            assert_int_equal(pp_write(feed->raw->pipe, &feed->op,
                                      ppi_buf_data(&feed->bytes) + feed->done,
                                      left < 4096 ? left : 4096),
                             PP_PENDING);
            feed->pending = true;
        }
        if (pp_op_wait(&feed->op, 200) != 1)
            return false;
        assert_int_equal(feed->op.status, PP_OK);
        feed->done += (size_t)feed->op.bytes;
        feed->pending = false;
    }
    return true;
}

/* The reader does not read: its publisher is held up. It reads: everything comes, in order. */
static void a_slow_reader_holds_its_publisher_up_and_loses_nothing(void **state)
{
    enum { COUNT = 6000 };
    struct ppi_buf all = { 0 };
    struct transfer transfer;
    struct runner runner;

    (void)state;
    if (bus_is_simulated())
        skip(); /* needs two threads that block */
    open_three("queue_low = 65536;\nqueue_high = 262144;\n", "{}");
    pack_numbered(&all, 0, COUNT);
    transfer = (struct transfer){ publisher.pipe, (char *)ppi_buf_data(&all), ppi_buf_size(&all), 0,
                                  false };
    runner_start(&runner, write_transfer, &transfer);
    EVENTUALLY(bus_log_has(&bus, "listen"));
    for (int i = 0; i < 20; i++) { /* others are served all the while */
        say(&other, "[0, %d, '$ping', []]", i);
        hear(&other, "[1, '?', null, null]");
    }
    assert_false(transfer.over); /* six MB do not fit into the pipes and a queue of 256 KiB */
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(next_number(&reader), i);
    runner_join(&runner);
    assert_int_equal(transfer.done, ppi_buf_size(&all));
    hear_nothing(&reader);
    ppi_buf_deinit(&all);
    close_three();
}

/* While its publishes are held, what cannot wait acts at once; all else keeps its order. */
static void a_held_up_publisher_can_still_answer_and_ping(void **state)
{
    struct ppi_buf all = { 0 };

    (void)state;
    open_three("queue_low = 65536;\nqueue_high = 262144;\nread_ahead = 4194304;\n", "{}");
    say(&publisher, "[0, 1, '$serve', ['q']]");
    hear(&publisher, "[1, 1, null, 1]");
    say(&other, "[0, 1, 'q', []]");
    hear(&publisher, "[0, 1, 'q', []]");
    pack_numbered(&all, 0, 560); /* enough to fill the pipe and the queue, with a little more */
    for (size_t at = 0, piece; at < ppi_buf_size(&all); at += piece) {
        piece = ppi_buf_size(&all) - at < 8192 ? ppi_buf_size(&all) - at : 8192;
        say_bytes(&publisher, ppi_buf_data(&all) + at, piece);
    }
    say(&publisher, "[2, 'other', ['held']]");
    say(&publisher, "[1, 1, null, 'answered while held up']");
    say(&publisher, "[0, 7, '$ping', []]");
    hear(&other, "[1, 1, null, 'answered while held up']");
    hear(&publisher, "[1, 7, null, null]");
    for (int i = 0; i < 560; i++)
        assert_int_equal(next_number(&reader), i);
    ppi_buf_deinit(&all);
    close_three();
}

/* Goodbye is the last word, not the next one: what was published before it still goes out. */
static void a_held_up_publisher_that_says_goodbye_loses_nothing(void **state)
{
    enum { COUNT = 560 };
    struct ppi_buf all = { 0 };

    (void)state;
    open_three("queue_low = 65536;\nqueue_high = 262144;\nread_ahead = 4194304;\n", "{}");
    pack_numbered(&all, 0, COUNT);
    for (size_t at = 0, piece; at < ppi_buf_size(&all); at += piece) {
        piece = ppi_buf_size(&all) - at < 8192 ? ppi_buf_size(&all) - at : 8192;
        say_bytes(&publisher, ppi_buf_data(&all) + at, piece);
    }
    say(&publisher, "[0, 1, '$sync', []]");
    say(&publisher, "[0, 2, '$bye', []]");
    say(&publisher, "[2, 'data', ['it had promised to say no more']]");
    say(&publisher, "[0, 3, '$ping', []]");
    hear(&publisher, "[1, 3, null, null]"); /* a ping does not wait, the others do */
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(next_number(&reader), i);
    hear(&publisher, "[1, 1, null, null]");
    hear(&publisher, "[1, 2, null, null]");
    hear_nothing(&reader);
    ppi_buf_deinit(&all);
    close_three();
}

/* A reader that has stopped is cut after `stall`, and told why; its publisher goes on. */
static void a_reader_that_has_stopped_is_cut_after_a_while(void **state)
{
    struct feed feed = { .raw = &publisher };

    (void)state;
    open_three(small_queues, "{}");
    pack_numbered(&feed.bytes, 0, 1500);
    EVENTUALLY(feed_on(&feed));
    skip_to_end(&reader);
    EVENTUALLY(bus_log_has(&bus, "why=E_SLOW"));
    say(&publisher, "[0, 5, '$pub', ['data', []]]");
    hear(&publisher, "[1, 5, null, {'m': 0, 'q': 0, 'd': 0}]");
    ppi_buf_deinit(&feed.bytes);
    close_three();
}

/* Fills the reader's queue from feed until its publisher is held up. */
static void hold_up(struct feed *feed, int count)
{
    pack_numbered(&feed->bytes, 0, count);
    assert_false(feed_on(feed));
}

/* A reader that is told to go, and does not read that either, frees its publishers at once. */
static void a_slow_reader_that_breaks_the_protocol_holds_nobody_up(void **state)
{
    struct feed feed = { .raw = &publisher };

    (void)state;
    if (bus_is_simulated())
        skip(); /* its clock would run on until the reader is cut */
    open_three("queue_low = 65536;\nqueue_high = 262144;\nstall_ms = 3600000;\n", "{}");
    hold_up(&feed, 1500);
    SAY_BYTES(&reader, "\xC1");
    EVENTUALLY(feed_on(&feed));
    say(&publisher, "[0, 5, '$pub', ['data', []]]"); /* it is there still, but refuses */
    hear(&publisher, "[1, 5, null, {'q': 0}]");
    ppi_buf_deinit(&feed.bytes);
    close_three();
}

/* Has the publisher send so much that the last of it is held, and what follows, too; other serves
 * 'q'. */
enum { HELD_COUNT = 1500 };
static void open_held_up(struct ppi_buf *all)
{
    open_three("queue_low = 65536;\nqueue_high = 262144;\nread_ahead = 4194304;\n", "{}");
    say(&other, "[0, 1, '$serve', ['q']]");
    hear(&other, "[1, 1, null, 1]");
    pack_numbered(all, 0, HELD_COUNT);
    for (size_t at = 0, piece; at < ppi_buf_size(all); at += piece) {
        piece = ppi_buf_size(all) - at < 8192 ? ppi_buf_size(all) - at : 8192;
        say_bytes(&publisher, ppi_buf_data(all) + at, piece);
    }
}

/* What a reader does not take, and what is held for it, is copied: the buffers are all back. */
static void who_is_held_up_keeps_none_of_the_ports_buffers(void **state)
{
    pp_port_stats stats = { .size = sizeof stats };
    struct ppi_buf all = { 0 };

    (void)state;
    if (!bus_is_simulated())
        skip(); /* the port is the broker's own */
    open_held_up(&all);
    bus_pass_ms(&bus, 0); /* all of it has come */
    assert_int_equal(pp_port_info(bus.port, &stats), PP_OK);
    assert_in_range(stats.pool_count, 1, UINT32_MAX);
    assert_int_equal(stats.pool_free, stats.pool_count);
    for (int i = 0; i < HELD_COUNT; i++)
        assert_int_equal(next_number(&reader), i);
    ppi_buf_deinit(&all);
    close_three();
}

/* A call that was held with them was open when $bye was said, and ends as such calls do. */
static void a_held_up_call_ends_with_bye(void **state)
{
    struct ppi_buf all = { 0 };

    (void)state;
    open_held_up(&all);
    say(&publisher, "[0, 5, 'q', []]");
    say(&publisher, "[0, 6, '$bye', []]");
    for (int i = 0; i < HELD_COUNT; i++)
        assert_int_equal(next_number(&reader), i);
    hear(&publisher, "[1, 5, 'E_CANCELED *', null]");
    hear(&publisher, "[1, 6, null, null]");
    hear_end(&publisher);
    ppi_buf_deinit(&all);
    close_three();
}

/* $cancel may pass what is held, but not the call that it is about. */
static void a_held_up_call_can_be_canceled(void **state)
{
    struct ppi_buf all = { 0 };

    (void)state;
    open_held_up(&all);
    say(&publisher, "[0, 5, 'q', []]");
    say(&publisher, "[2, '$cancel', [5]]");
    say(&publisher, "[0, 6, '$sync', []]");
    for (int i = 0; i < HELD_COUNT; i++)
        assert_int_equal(next_number(&reader), i);
    hear(&publisher, "[1, 5, 'E_CANCELED *', null]");
    hear(&publisher, "[1, 6, null, null]");
    ppi_buf_deinit(&all);
    close_three();
}

/* Also the answer because of which the broker looks at the publish before it. */
static void an_answer_does_not_wait_for_the_publish_before_it(void **state)
{
    struct feed feed = { .raw = &other };
    struct raw caller;

    (void)state;
    if (bus_is_simulated())
        skip(); /* its clock would run on until the reader is cut */
    open_three("queue_low = 65536;\nqueue_high = 262144;\nstall_ms = 3600000;\n", "{}");
    raw_open(&caller, &bus);
    say(&publisher, "[0, 1, '$serve', ['q']]");
    hear(&publisher, "[1, 1, null, 1]");
    say(&caller, "[0, 1, 'q', []]");
    hear(&publisher, "[0, 1, 'q', []]");
    hold_up(&feed, 1500);
    SAY_BYTES(&publisher, "\x93\x02\xA4"
                          "data\x91\x01"
                          "\x94\x01\x01\xC0\x2A");
    hear(&caller, "[1, 1, null, 42]");
    raw_close(&reader); /* nobody is held up by it any more */
    EVENTUALLY(feed_on(&feed));
    ppi_buf_deinit(&feed.bytes);
    raw_close(&caller);
    close_three();
}

static void who_wants_to_be_cut_rather_than_hold_others_up_is(void **state)
{
    struct ppi_buf all = { 0 };
    size_t done = 0;

    (void)state;
    open_three("queue_low = 65536;\nqueue_high = 262144;\n", "{'policy': 'cut'}");
    say(&other, "[0, 1, '$sub', ['done']]");
    hear(&other, "[1, 1, null, 1]");
    pack_numbered(&all, 0, 1500);
    for (size_t piece; done < ppi_buf_size(&all); done += piece) { /* never held up */
        piece = ppi_buf_size(&all) - done < 8192 ? ppi_buf_size(&all) - done : 8192;
        say_bytes(&publisher, ppi_buf_data(&all) + done, piece);
    }
    say(&publisher, "[2, 'done', []]");
    hear(&other, "[2, 'done', []]");
    skip_to_end(&reader);
    ppi_buf_deinit(&all);
    close_three();
}

/* A group's message passes from a member that is cut for it to the next; only when the last one is
 * cut it is refused, and counted. */
static void a_group_refuses_one_message_when_all_its_members_are_cut(void **state)
{
    struct ppi_buf all = { 0 };

    (void)state;
    open_three("queue_low = 65536;\nqueue_high = 262144;\n", "{'group': 'g', 'policy': 'cut'}");
    say(&other, "[0, 1, '$sub', ['data', {'group': 'g', 'policy': 'cut'}]]");
    hear(&other, "[1, 1, null, 1]");
    pack_numbered(&all, 0, 3000);
    for (size_t at = 0, piece; at < ppi_buf_size(&all); at += piece) {
        piece = ppi_buf_size(&all) - at < 8192 ? ppi_buf_size(&all) - at : 8192;
        say_bytes(&publisher, ppi_buf_data(&all) + at, piece);
    }
    say(&publisher, "[0, 1, '$sys.stats', []]");
    hear(&publisher, "[1, 1, null, {'published': 3000, 'refused': 1}]");
    ppi_buf_deinit(&all);
    close_three();
}

/* Answers are never refused; who lets them pile up beyond the hard limit is cut. */
static void a_caller_that_does_not_read_its_answers_is_cut(void **state)
{
    enum { CALLS = 60, BYTES = 32768 };
    char request[64];
    struct ppi_buf answer = { 0 };

    (void)state;
    open_three(small_queues, "{}");
    say(&other, "[0, 1, '$serve', ['q']]");
    hear(&other, "[1, 1, null, 1]");
    for (int i = 1; i <= CALLS; i++) {
        say(&publisher, "[0, %d, 'q', []]", i);
        snprintf(request, sizeof request, "[0, %d, 'q', []]", i);
        hear(&other, request);
    }
    for (int i = 1; i <= CALLS; i++) {
        const uint8_t head[] = { 0x94, 0x01, (uint8_t)i, 0xC0, 0xC5, BYTES >> 8, BYTES & 255 };

        ppi_buf_clear(&answer);
        ppi_buf_append(&answer, head, sizeof head);
        memset(ppi_buf_room(&answer, BYTES), 0, BYTES);
        ppi_buf_added(&answer, BYTES);
        say_bytes(&other, ppi_buf_data(&answer), ppi_buf_size(&answer));
    }
    skip_to_end(&publisher);
    hear_nothing(&other);
    ppi_buf_deinit(&answer);
    close_three();
}

static void a_message_that_is_begun_must_be_continued(void **state)
{
    (void)state;
    open_three("half_frame_ms = 200;\n", "{}");
    SAY_BYTES(&publisher, "\x93\x02\xA4"
                          "data\x91\xC4\x10"
                          "half");
    skip_to_end(&publisher);
    hear_nothing(&reader);
    close_three();
}

/* However fast its bytes drip. */
static void a_message_that_drips_is_ended(void **state)
{
    (void)state;
    if (!bus_is_simulated())
        skip(); /* minutes of real time */
    open_three("half_frame_ms = 10000;\nhalf_frame_rate = 1024;\n", "{}");
    SAY_BYTES(&publisher, "\x93\x02\xA4"
                          "data\x91\xC5\x10\x00");
    for (int i = 0; i < 20 && !publisher.ended; i++) {
        bus_pass_ms(&bus, 4000); /* always in time for the next byte */
        if (i < 2)
            SAY_BYTES(&publisher, "x");
        else
            skip_to_end(&publisher);
    }
    assert_true(publisher.ended);
    close_three();
}

int flow_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_slow_reader_holds_its_publisher_up_and_loses_nothing),
        BUS_TEST(a_held_up_publisher_can_still_answer_and_ping),
        BUS_TEST(a_held_up_publisher_that_says_goodbye_loses_nothing),
        BUS_TEST(a_reader_that_has_stopped_is_cut_after_a_while),
        BUS_TEST(a_slow_reader_that_breaks_the_protocol_holds_nobody_up),
        BUS_TEST(who_is_held_up_keeps_none_of_the_ports_buffers),
        BUS_TEST(a_held_up_call_ends_with_bye),
        BUS_TEST(a_held_up_call_can_be_canceled),
        BUS_TEST(an_answer_does_not_wait_for_the_publish_before_it),
        BUS_TEST(who_wants_to_be_cut_rather_than_hold_others_up_is),
        BUS_TEST(a_group_refuses_one_message_when_all_its_members_are_cut),
        BUS_TEST(a_caller_that_does_not_read_its_answers_is_cut),
        BUS_TEST(a_message_that_is_begun_must_be_continued),
        BUS_TEST(a_message_that_drips_is_ended),
    };
    int failures = 0;

    RUN_GROUP(&failures, "flow control", tests);
    return failures;
}
