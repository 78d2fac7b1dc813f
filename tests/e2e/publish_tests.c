/* publish_tests.c: who gets what, in which form, how often. */
#include "e2e/bus.h"
#include "e2e/wire.h"
#include "support/support.h"
#include "unit/samples.h"

#include "wire/scan.h"

static struct bus bus;

static void open_two(struct raw *a, struct raw *b, const char *settings)
{
    bus_open(&bus, settings);
    raw_open(a, &bus);
    raw_open(b, &bus);
}

static void close_two(struct raw *a, struct raw *b)
{
    raw_close(a);
    raw_close(b);
    bus_close(&bus);
}

static void a_publish_reaches_who_subscribed(void **state)
{
    struct raw publisher, subscriber;

    (void)state;
    open_two(&publisher, &subscriber, NULL);
    say(&subscriber, "[0, 1, '$sub', ['ui.*']]");
    hear(&subscriber, "[1, 1, null, 1]");
    say(&publisher, "[2, 'ui.tick', [1, {'a': [true, null]}]]");
    hear(&subscriber, "[2, 'ui.tick', [1, {'a': [true, null]}]]");
    say(&publisher, "[2, 'ui', [2]]");
    say(&publisher, "[2, 'ui.a.b', [3]]");
    say(&publisher, "[2, 'ui.last', [4]]");
    hear(&subscriber, "[2, 'ui.last', [4]]");
    close_two(&publisher, &subscriber);
}

/* What a client wrote is never encoded anew: in plain form the frame, in rich form all after its
 * head, also numbers that are wider than need be. */
static void what_is_forwarded_is_equal_byte_for_byte(void **state)
{
    struct raw publisher, plain, rich;

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&publisher, &bus);
    raw_open(&plain, &bus);
    raw_open(&rich, &bus);
    say(&plain, "[0, 1, '$sub', ['>']]");
    hear(&plain, "[1, 1, null, 1]");
    say(&rich, "[0, 1, '$sub', ['>', {'form': 'rich'}]]");
    hear(&rich, "[1, 1, null, 1]");
    for (int i = 0; i < SAMPLES; i++) {
        static const char head[] = "\x93\x02\xA4$msg\x93\x01";
        _Alignas(16) uint8_t memory[PPI_SCANNER_BYTES];
        struct ppi_buf buf = { 0 };
        struct ppi_frame frame;

        sample_append(&buf, i);
        assert_int_equal(ppi_scan(ppi_scanner_init(memory, PPI_FRAME_MAX), ppi_buf_data(&buf),
                                  ppi_buf_size(&buf), &frame),
                         PPI_SCAN_FRAME);
        if (frame.type == PPI_NOTIFICATION && frame.depth <= PPI_PARAMS_DEPTH_MAX) {
            say_bytes(&publisher, frame.data, frame.size);
            hear_bytes(&plain, frame.data, frame.size);
            hear_bytes(&rich, head, sizeof head - 1);
            hear_bytes(&rich, frame.data + frame.rest, frame.size - frame.rest);
        }
        ppi_buf_deinit(&buf);
    }
    raw_close(&rich);
    close_two(&publisher, &plain);
}

static void nobody_gets_own_publishes_unless_asked_for(void **state)
{
    struct raw a, b;

    (void)state;
    open_two(&a, &b, NULL);
    say(&a, "[0, 1, '$sub', ['x']]");
    hear(&a, "[1, 1, null, 1]");
    say(&a, "[2, 'x', [1]]");
    hear_nothing(&a);
    say(&b, "[0, 1, '$sub', ['x', {'echo': true}]]");
    hear(&b, "[1, 1, null, 1]");
    say(&b, "[2, 'x', [2]]");
    hear(&b, "[2, 'x', [2]]");
    hear(&a, "[2, 'x', [2]]");
    close_two(&a, &b);
}

/* Once for all plain subscriptions, once for each rich one, once for each group. */
static void each_form_delivers_as_often_as_it_should(void **state)
{
    struct raw publisher, subscriber;

    (void)state;
    open_two(&publisher, &subscriber, NULL);
    say(&subscriber, "[0, 1, '$sub', ['a.b']]");
    hear(&subscriber, "[1, 1, null, 1]");
    say(&subscriber, "[0, 2, '$sub', ['a.*']]");
    hear(&subscriber, "[1, 2, null, 2]");
    say(&subscriber, "[0, 3, '$sub', ['>', {'form': 'rich'}]]");
    hear(&subscriber, "[1, 3, null, 3]");
    say(&subscriber, "[0, 4, '$sub', ['a.>', {'form': 'rich'}]]");
    hear(&subscriber, "[1, 4, null, 4]");
    say(&subscriber, "[0, 5, '$sub', ['a.b', {'form': 'rich', 'group': 'g'}]]");
    hear(&subscriber, "[1, 5, null, 5]");
    say(&publisher, "[2, 'a.b', [1]]");
    hear(&subscriber, "[2, 'a.b', [1]]");
    hear(&subscriber, "[2, '$msg', [3, 'a.b', [1]]]");
    hear(&subscriber, "[2, '$msg', [4, 'a.b', [1]]]");
    hear(&subscriber, "[2, '$msg', [5, 'a.b', [1]]]");
    hear_nothing(&subscriber);
    close_two(&publisher, &subscriber);
}

/* The number in the next message, taken; -1: it is no notification. */
static int job_of(struct raw *raw)
{
    size_t size;

    while ((size = raw_frame_size(raw)) == 0)
        assert_true(raw_receive(raw));
    if (ppi_buf_data(&raw->in)[1] != 2)
        return -1;
    int number = ppi_buf_data(&raw->in)[size - 1];
    ppi_buf_consume(&raw->in, size);
    return number;
}

static void a_group_deals_messages_to_its_members(void **state)
{
    enum { MEMBERS = 3, MESSAGES = 30 };
    struct raw publisher, members[MEMBERS], alone;

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&publisher, &bus);
    raw_open(&alone, &bus);
    say(&alone, "[0, 1, '$sub', ['jobs', {'group': 'other'}]]");
    hear(&alone, "[1, 1, null, 1]");
    for (int i = 0; i < MEMBERS; i++) {
        raw_open(&members[i], &bus);
        say(&members[i], "[0, 1, '$sub', ['jobs', {'group': 'g'}]]");
        hear(&members[i], "[1, 1, null, 1]");
    }
    for (int i = 0; i < MESSAGES; i++)
        say(&publisher, "[2, 'jobs', [%d]]", i);
    say(&publisher, "[0, 1, '$ping', []]");
    hear(&publisher, "[1, 1, null, null]");
    int sum = 0;
    for (int i = 0; i < MEMBERS; i++) {
        int last = -1;

        say(&members[i], "[0, 2, '$ping', []]");
        for (int number; (number = job_of(&members[i])) >= 0; last = number) {
            assert_true(number > last);
            sum += number;
        }
        assert_true(last >= 0); /* everybody got some */
        hear(&members[i], "[1, 2, null, null]");
        raw_close(&members[i]);
    }
    assert_int_equal(sum, MESSAGES * (MESSAGES - 1) / 2);
    for (int i = 0; i < MESSAGES; i++) {
        char expected[64];

        snprintf(expected, sizeof expected, "[2, 'jobs', [%d]]", i);
        hear(&alone, expected);
    }
    close_two(&publisher, &alone);
}

static void a_confirmed_publish_tells_what_became_of_it(void **state)
{
    struct raw publisher, subscriber;

    (void)state;
    open_two(&publisher, &subscriber, NULL);
    say(&publisher, "[0, 1, '$pub', ['a', [1]]]");
    hear(&publisher, "[1, 1, null, {'m': 0, 'q': 0, 'd': 0}]");
    say(&subscriber, "[0, 1, '$sub', ['a']]");
    hear(&subscriber, "[1, 1, null, 1]");
    say(&subscriber, "[0, 2, '$sub', ['a', {'form': 'rich'}]]");
    hear(&subscriber, "[1, 2, null, 2]");
    say(&publisher, "[0, 2, '$pub', ['a', [1, 2]]]");
    hear(&publisher, "[1, 2, null, {'m': 2, 'q': 2, 'd': 0}]");
    hear(&subscriber, "[2, 'a', [1, 2]]");
    hear(&subscriber, "[2, '$msg', [2, 'a', [1, 2]]]");
    say(&publisher, "[2, '$pub', ['a', [3]]]"); /* also as a notification */
    hear(&subscriber, "[2, 'a', [3]]");
    close_two(&publisher, &subscriber);
}

static void what_is_not_supported_is_refused_by_name(void **state)
{
    static const struct {
        const char *request, *answer;
    } cases[] = {
        { "[0, 1, '$pub', ['a', [1], {'keep': true}]]", "[1, 1, 'E_ARG option *', null]" },
        { "[0, 1, '$sub', ['a', {'kept': true}]]", "[1, 1, 'E_ARG option *', null]" },
        { "[0, 1, '$sub', ['a', {'policy': 'latest'}]]", "[1, 1, 'E_ARG option *', null]" },
        { "[0, 1, '$sub', ['a', {'form': 'pretty'}]]", "[1, 1, 'E_ARG option *', null]" },
        { "[0, 1, '$sub', ['a', {'group': ''}]]", "[1, 1, 'E_ARG option *', null]" },
        { "[0, 1, '$sub', ['a', [1]]]", "[1, 1, 'E_ARG options are a map', null]" },
        { "[0, 1, '$sub', []]", "[1, 1, 'E_ARG param 1 *', null]" },
        { "[0, 1, '$sub', [7]]", "[1, 1, 'E_ARG param 1 *', null]" },
        { "[0, 1, '$sub', ['a..b']]", "[1, 1, 'E_ARG *', null]" },
        { "[0, 1, '$sub', ['>.a']]", "[1, 1, 'E_ARG *', null]" },
        { "[0, 1, '$sub', ['a b']]", "[1, 1, 'E_ARG *', null]" },
        { "[0, 1, '$serve', ['a', {'meta': true}]]", "[1, 1, 'E_ARG option *', null]" },
        { "[0, 1, '$pub', ['a.*', []]]", "[1, 1, 'E_ARG *', null]" },
        { "[0, 1, '$pub', ['a']]", "[1, 1, 'E_ARG param 2 *', null]" },
        { "[0, 1, '$pub', ['a', {}]]", "[1, 1, 'E_ARG param 2 *', null]" },
        { "[0, 1, '$call', ['a', [], {'hdr': {}}]]", "[1, 1, 'E_ARG option *', null]" },
        { "[0, 1, '$unsub', [99]]", "[1, 1, 'E_NOTFOUND *', null]" },
        { "[0, 1, '$unsub', ['x']]", "[1, 1, 'E_ARG param 1 *', null]" },
        { "[0, 1, '$cancel', [99]]", "[1, 1, 'E_NOTFOUND *', null]" },
        { "[0, 1, 'a.>', []]", "[1, 1, 'E_ARG *', null]" },
        { "[0, 1, 'a..b', []]", "[1, 1, 'E_ARG *', null]" },
    };
    struct raw raw, other;

    (void)state;
    open_two(&raw, &other, NULL);
    for (size_t i = 0; i < PPI_COUNT(cases); i++) {
        say(&raw, "%s", cases[i].request);
        hear(&raw, cases[i].answer);
    }
    close_two(&raw, &other);
}

/* A mistake in a notification never closes; who said hello is told. */
static void a_bad_publish_is_noted_and_harmless(void **state)
{
    static const char *const bad[] = { "[2, 'a.*', []]", "[2, 'a..b', []]", "[2, 'a b', []]",
                                       "[2, '', []]" };
    struct raw publisher, subscriber;

    (void)state;
    open_two(&publisher, &subscriber, NULL);
    say(&subscriber, "[0, 1, '$sub', ['>']]");
    hear(&subscriber, "[1, 1, null, 1]");
    for (size_t i = 0; i < PPI_COUNT(bad); i++)
        say(&publisher, "%s", bad[i]);
    hear_nothing(&publisher);
    say(&publisher, "[0, 1, '$hello', [{'v': 1}]]");
    hear(&publisher, "[1, 1, null, '?']");
    for (size_t i = 0; i < PPI_COUNT(bad); i++) {
        say(&publisher, "%s", bad[i]);
        hear(&publisher, "[2, '$note', ['E_ARG', '?', {}]]");
    }
    say(&publisher, "[2, 'good', []]");
    hear(&subscriber, "[2, 'good', []]");
    close_two(&publisher, &subscriber);
}

/* After its answer nothing of a subscription arrives; what was queued before it does. */
static void after_unsub_nothing_arrives(void **state)
{
    struct raw publisher, subscriber;

    (void)state;
    open_two(&publisher, &subscriber, NULL);
    say(&subscriber, "[0, 1, '$sub', ['a']]");
    hear(&subscriber, "[1, 1, null, 1]");
    for (int i = 0; i < 3; i++)
        say(&publisher, "[2, 'a', [%d]]", i);
    say(&publisher, "[0, 1, '$ping', []]");
    hear(&publisher, "[1, 1, null, null]");
    say(&subscriber, "[0, 2, '$unsub', [1]]");
    hear(&subscriber, "[2, 'a', [0]]");
    hear(&subscriber, "[2, 'a', [1]]");
    hear(&subscriber, "[2, 'a', [2]]");
    hear(&subscriber, "[1, 2, null, {'delivered': 3, 'discarded': 0}]");
    say(&publisher, "[0, 2, '$pub', ['a', []]]");
    hear(&publisher, "[1, 2, null, {'m': 0, 'q': 0, 'd': 0}]");
    hear_nothing(&subscriber);
    say(&subscriber, "[0, 3, '$sub', ['a']]");
    hear(&subscriber, "[1, 3, null, 2]"); /* an id is never used again */
    close_two(&publisher, &subscriber);
}

/* Several plain subscriptions share a message; one that has had its last leaves it to the others,
 * also in the middle of what came at once. */
static void one_subscription_that_is_over_takes_nothing_from_another(void **state)
{
    struct raw publisher, subscriber;

    (void)state;
    open_two(&publisher, &subscriber, NULL);
    for (int sid = 1; sid <= 3; sid++) {
        char answer[32];

        say(&subscriber, "[0, %d, '$sub', ['a']]", sid);
        snprintf(answer, sizeof answer, "[1, %d, null, %d]", sid, sid);
        hear(&subscriber, answer);
    }
    say(&subscriber, "[0, 4, '$unsub', [1, {'max': 2}]]");
    hear(&subscriber, "[1, 4, null, '?']");
    say(&subscriber, "[0, 5, '$unsub', [2, {'max': 4}]]");
    hear(&subscriber, "[1, 5, null, '?']");
    SAY_BYTES(&publisher, "\x93\x02\xA1"
                          "a\x91\x01\x93\x02\xA1"
                          "a\x91\x02\x93\x02\xA1"
                          "a\x91\x03\x93\x02\xA1"
                          "a\x91\x04\x93\x02\xA1"
                          "a\x91\x05");
    for (int i = 1; i <= 5; i++) {
        char message[32];

        snprintf(message, sizeof message, "[2, 'a', [%d]]", i);
        hear(&subscriber, message);
    }
    say(&publisher, "[0, 1, '$sys.subs', []]");
    hear(&publisher, "[1, 1, null, [{'sid': 3, 'accepted': 5}]]");
    hear_nothing(&subscriber);
    close_two(&publisher, &subscriber);
}

static void unsub_with_a_maximum_ends_by_itself(void **state)
{
    struct raw publisher, subscriber;

    (void)state;
    open_two(&publisher, &subscriber, NULL);
    say(&subscriber, "[0, 1, '$sub', ['a']]");
    hear(&subscriber, "[1, 1, null, 1]");
    say(&publisher, "[2, 'a', [0]]");
    hear(&subscriber, "[2, 'a', [0]]");
    say(&subscriber, "[0, 2, '$unsub', [1, {'max': 3}]]");
    hear(&subscriber, "[1, 2, null, {'delivered': 1}]");
    for (int i = 1; i < 6; i++)
        say(&publisher, "[2, 'a', [%d]]", i);
    hear(&subscriber, "[2, 'a', [1]]");
    hear(&subscriber, "[2, 'a', [2]]");
    say(&publisher, "[0, 2, '$pub', ['a', []]]");
    hear(&publisher, "[1, 2, null, {'m': 0, 'q': 0, 'd': 0}]");
    hear_nothing(&subscriber);
    say(&subscriber, "[0, 3, '$unsub', [1]]");
    hear(&subscriber, "[1, 3, 'E_NOTFOUND *', null]");
    close_two(&publisher, &subscriber);
}

/* Also across subjects, forms and sizes. */
static void one_connections_publishes_arrive_in_order(void **state)
{
    enum { COUNT = 2000 };
    struct raw publisher, subscriber;
    struct ppi_buf all = { 0 };

    (void)state;
    open_two(&publisher, &subscriber, NULL);
    say(&subscriber, "[0, 1, '$sub', ['a.>', {'form': 'rich'}]]");
    hear(&subscriber, "[1, 1, null, 1]");
    say(&subscriber, "[0, 2, '$sub', ['b.*']]");
    hear(&subscriber, "[1, 2, null, 2]");
    for (int i = 0; i < COUNT; i++) {
        char subject[32];

        snprintf(subject, sizeof subject, "%c.%d", i % 3 ? 'a' : 'b', i % 7);
        sample_publish(&all, subject, (size_t)(i * 37 % 1500));
    }
    for (size_t at = 0, piece; at < ppi_buf_size(&all); at += piece) { /* cut anywhere */
        piece = ppi_buf_size(&all) - at < 20011 ? ppi_buf_size(&all) - at : 20011;
        say_bytes(&publisher, ppi_buf_data(&all) + at, piece);
    }
    for (int i = 0; i < COUNT; i++) {
        char expected[64];

        if (i % 3)
            snprintf(expected, sizeof expected, "[2, '$msg', [1, 'a.%d', ['?']]]", i % 7);
        else
            snprintf(expected, sizeof expected, "[2, 'b.%d', ['?']]", i % 7);
        hear(&subscriber, expected);
    }
    ppi_buf_deinit(&all);
    close_two(&publisher, &subscriber);
}

static void large_messages_arrive_whole(void **state)
{
    static const size_t sizes[] = { 65535, 65536, 1024 * 1024, 15 * 1024 * 1024 };
    struct raw publisher, subscriber;

    (void)state;
    open_two(&publisher, &subscriber, NULL);
    say(&subscriber, "[0, 1, '$sub', ['large', {'form': 'rich'}]]");
    hear(&subscriber, "[1, 1, null, 1]");
    for (size_t i = 0; i < PPI_COUNT(sizes); i++) {
        struct ppi_buf frame = { 0 };
        struct runner runner;
        struct transfer transfer;

        sample_publish(&frame, "large", sizes[i]);
        if (bus_is_simulated()) {
            say_bytes(&publisher, ppi_buf_data(&frame), ppi_buf_size(&frame));
            hear(&subscriber, "[2, '$msg', [1, 'large', ['?']]]");
        } else { /* the pipe holds less: write while reading */
            transfer = (struct transfer){ publisher.pipe, (char *)ppi_buf_data(&frame),
                                          ppi_buf_size(&frame), 0, false };
            runner_start(&runner, write_transfer, &transfer);
            hear(&subscriber, "[2, '$msg', [1, 'large', ['?']]]");
            runner_join(&runner);
        }
        ppi_buf_deinit(&frame);
    }
    close_two(&publisher, &subscriber);
}

/* So that no receiver's form can push a message over a limit. */
static void what_nests_too_deep_to_be_routed_is_refused(void **state)
{
    static const char open[] = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
                      close[] = "]]]]]]]]]]]]]]]]]]]]]]]]]]]]";
    struct raw publisher, subscriber;

    (void)state;
    open_two(&publisher, &subscriber, NULL);
    say(&subscriber, "[0, 1, '$sub', ['deep', {'form': 'rich'}]]");
    hear(&subscriber, "[1, 1, null, 1]");
    say(&publisher, "[0, 1, 'deep', [%s%s]]", open, close); /* 29 */
    hear(&publisher, "[1, 1, 'E_LIMIT *', null]");
    say(&publisher, "[2, 'deep', [%s%s]]", open, close);
    say(&publisher, "[2, 'deep', %s%s]", open, close); /* 28 */
    hear(&subscriber, "[2, '$msg', [1, 'deep', '?']]");
    hear_nothing(&subscriber);
    close_two(&publisher, &subscriber);
}

static void subscriptions_have_a_limit(void **state)
{
    struct raw raw, other;

    (void)state;
    open_two(&raw, &other, "subs = 3;\n");
    for (int i = 0; i < 3; i++) {
        say(&raw, "[0, 1, '$sub', ['a']]");
        hear(&raw, "[1, 1, null, '?']");
    }
    say(&raw, "[0, 1, '$sub', ['a']]");
    hear(&raw, "[1, 1, 'E_LIMIT *', null]");
    say(&raw, "[0, 2, '$unsub', [1]]");
    hear(&raw, "[1, 2, null, '?']");
    say(&raw, "[0, 1, '$sub', ['a']]");
    hear(&raw, "[1, 1, null, 4]");
    close_two(&raw, &other);
}

int publish_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_publish_reaches_who_subscribed),
        BUS_TEST(what_is_forwarded_is_equal_byte_for_byte),
        BUS_TEST(nobody_gets_own_publishes_unless_asked_for),
        BUS_TEST(each_form_delivers_as_often_as_it_should),
        BUS_TEST(a_group_deals_messages_to_its_members),
        BUS_TEST(a_confirmed_publish_tells_what_became_of_it),
        BUS_TEST(what_is_not_supported_is_refused_by_name),
        BUS_TEST(a_bad_publish_is_noted_and_harmless),
        BUS_TEST(after_unsub_nothing_arrives),
        BUS_TEST(unsub_with_a_maximum_ends_by_itself),
        BUS_TEST(one_subscription_that_is_over_takes_nothing_from_another),
        BUS_TEST(one_connections_publishes_arrive_in_order),
        BUS_TEST(large_messages_arrive_whole),
        BUS_TEST(what_nests_too_deep_to_be_routed_is_refused),
        BUS_TEST(subscriptions_have_a_limit),
    };
    int failures = 0;

    RUN_GROUP(&failures, "publish and subscribe", tests);
    return failures;
}
