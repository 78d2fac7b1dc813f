/* hello_tests.c: saying hello and goodbye, and asking the broker about itself. */
#include "e2e/bus.h"
#include "e2e/wire.h"
#include "support/support.h"
#include "support/text.h"

static struct bus bus;

static void hello_tells_who_one_is_and_what_the_limits_are(void **state)
{
    struct raw raw;

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&raw, &bus);
    say(&raw, "[0, 1, '$hello', [{'v': 1, 'name': 'ui', 'caps': ['x']}]]");
    hear(&raw, "[1, 1, null, {'v': 1, 'id': '?', 'broker': '*', 'you': {'pid': '?'},"
               " 'limits': {'frame_max': 16777216, 'calls_open': 1024}, 'caps': []}]");
    say(&raw, "[0, 2, '$hello', [{'v': 1}]]");
    hear(&raw, "[1, 2, 'E_ARG *', null]");
    raw_close(&raw);
    bus_close(&bus);
}

static void hello_refuses_what_it_cannot_keep(void **state)
{
    struct raw raw;

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&raw, &bus);
    say(&raw, "[0, 1, '$hello', [{'v': 2}]]");
    hear(&raw, "[1, 1, 'E_VERSION *', null]");
    say(&raw, "[0, 2, '$hello', []]");
    hear(&raw, "[1, 2, 'E_VERSION *', null]");
    say(&raw, "[0, 3, '$hello', [{'v': 1, 'will': ['a', []]}]]");
    hear(&raw, "[1, 3, 'E_ARG option \\u0027will\\u0027 is not supported', null]");
    say(&raw, "[0, 4, '$hello', [{'v': 1, 'name': ''}]]");
    hear(&raw, "[1, 4, 'E_ARG *', null]");
    say(&raw, "[0, 5, '$hello', [{'v': 'one'}]]");
    hear(&raw, "[1, 5, 'E_ARG *', null]");
    say(&raw, "[0, 6, '$hello', ['ui']]");
    hear(&raw, "[1, 6, 'E_ARG options are a map', null]");
    say(&raw, "[0, 7, '$hello', [{'v': 1, 'x-anything': [1]}]]"); /* ignored */
    hear(&raw, "[1, 7, null, {'v': 1}]");
    raw_close(&raw);
    bus_close(&bus);
}

static void unknown_methods_are_told_and_unknown_notifications_ignored(void **state)
{
    struct raw raw;

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&raw, &bus);
    say(&raw, "[0, 1, '$nonsense', []]");
    hear(&raw, "[1, 1, 'E_METHOD *', null]");
    say(&raw, "[0, 2, '$', []]");
    hear(&raw, "[1, 2, 'E_METHOD *', null]");
    say(&raw, "[2, '$nonsense', []]");
    hear_nothing(&raw);
    say(&raw, "[0, 3, '$hello', [{'v': 1}]]");
    hear(&raw, "[1, 3, null, '?']");
    say(&raw, "[2, '$nonsense', []]"); /* now it can be told */
    hear(&raw, "[2, '$note', ['E_METHOD', '?', {}]]");
    raw_close(&raw);
    bus_close(&bus);
}

static void ping_is_answered(void **state)
{
    struct raw raw;

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&raw, &bus);
    say(&raw, "[0, 4294967295, '$ping', []]");
    hear(&raw, "[1, 4294967295, null, null]");
    raw_close(&raw);
    bus_close(&bus);
}

/* What was published and queued before goes out; then the answer; then the broker closes. */
static void bye_sends_what_is_queued_and_closes(void **state)
{
    struct ppi_buf last = { 0 };
    struct raw leaving, other;

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&leaving, &bus);
    raw_open(&other, &bus);
    say(&other, "[0, 1, '$sub', ['a']]");
    hear(&other, "[1, 1, null, 1]");
    say(&leaving, "[0, 1, '$sub', ['b']]");
    hear(&leaving, "[1, 1, null, 1]");
    say(&other, "[0, 2, '$pub', ['b', [1]]]");
    hear(&other, "[1, 2, null, {'m': 1, 'q': 1, 'd': 0}]");
    say(&leaving, "[2, 'a', [1]]");
    text_pack(&last, "[0, 2, '$bye', []]");
    text_pack(&last, "[2, 'a', [2]]"); /* it had promised to say no more */
    say_bytes(&leaving, ppi_buf_data(&last), ppi_buf_size(&last));
    hear(&leaving, "[2, 'b', [1]]");
    hear(&leaving, "[1, 2, null, null]");
    hear(&other, "[2, 'a', [1]]");
    say(&other, "[0, 3, '$pub', ['b', [2]]]"); /* its subscription is over */
    hear(&other, "[1, 3, null, {'m': 0, 'q': 0, 'd': 0}]");
    hear_nothing(&other);
    hear_end(&leaving);
    ppi_buf_deinit(&last);
    raw_close(&leaving);
    raw_close(&other);
    bus_close(&bus);
}

/* Those that need no answer may be said without asking for one. */
static void some_methods_may_be_notifications(void **state)
{
    struct raw raw, other;

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&raw, &bus);
    raw_open(&other, &bus);
    say(&raw, "[0, 1, '$sub', ['a']]");
    hear(&raw, "[1, 1, null, 1]");
    say(&raw, "[2, '$ping', []]");
    say(&raw, "[2, '$unsub', [1]]");
    hear_nothing(&raw);
    say(&other, "[0, 1, '$pub', ['a', []]]");
    hear(&other, "[1, 1, null, {'m': 0, 'q': 0, 'd': 0}]");
    say(&raw, "[2, '$bye', []]");
    hear_end(&raw);
    say(&other, "[0, 2, '$hello', [{'v': 1}]]");
    hear(&other, "[1, 2, null, '?']");
    say(&other, "[2, '$cancel', [7]]");
    hear(&other, "[2, '$note', ['E_NOTFOUND', '?', {}]]");
    raw_close(&raw);
    raw_close(&other);
    bus_close(&bus);
}

/* They would say nothing but their answer, and there is nobody to answer: that is told, or at least
 * counted, and closes nothing. */
static void what_needs_an_answer_is_refused_as_a_notification(void **state)
{
    static const char *const methods[] = { "$sub",      "$serve",       "$call",
                                           "$hello",    "$sys.stats",   "$sys.clients",
                                           "$sys.subs", "$sys.settings" };
    struct raw raw;

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&raw, &bus);
    say(&raw, "[2, '$hello', [{'v': 1}]]"); /* not said: it can be told nothing yet */
    hear_nothing(&raw);
    say(&raw, "[0, 1, '$hello', [{'v': 1}]]");
    hear(&raw, "[1, 1, null, '?']");
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char expected[80];

        say(&raw, "[2, '%s', ['a']]", methods[i]);
        snprintf(expected, sizeof expected, "[2, '$note', ['E_ARG', '%s: only as a request', {}]]",
                 methods[i]);
        hear(&raw, expected);
    }
    say(&raw, "[0, 2, '$sys.stats', []]");
    hear(&raw, "[1, 2, null, {'notes': 9, 'subs': 0}]");
    raw_close(&raw);
    bus_close(&bus);
}

static void the_broker_tells_what_it_knows(void **state)
{
    struct raw raw, other;

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&raw, &bus);
    raw_open(&other, &bus);
    say(&raw, "[0, 1, '$sub', ['a.>', {'form': 'rich', 'group': 'g'}]]");
    hear(&raw, "[1, 1, null, 1]");
    say(&other, "[2, 'a.b', [1]]");
    hear(&raw, "[2, '$msg', [1, 'a.b', [1]]]");
    say(&raw, "[0, 2, '$sys.stats', []]");
    hear(&raw, "[1, 2, null, {'clients': 2, 'subs': 1, 'published': 1, 'deliveries': 1,"
               " 'lost': 0, 'frames_in': 3}]");
    say(&raw, "[0, 3, '$sys.subs', []]");
    hear(&raw, "[1, 3, null, [{'sid': 1, 'pattern': 'a.>', 'kind': 'sub',"
               " 'form': 'rich', 'group': 'g', 'policy': 'block', 'accepted': 1,"
               " 'delivered': 1, 'queued': 0, 'merged': 0, 'lost': 0}]]");
    say(&raw, "[0, 4, '$sys.clients', []]");
    hear(&raw, "[1, 4, null, [{'hello': false, 'state': 'ok'}, {'who': {'pid': '?'}}]]");
    raw_close(&raw);
    raw_close(&other);
    bus_close(&bus);
}

static void stopping_tells_everybody_and_answers_calls(void **state)
{
    struct raw caller, server, plain;

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&caller, &bus);
    raw_open(&server, &bus);
    raw_open(&plain, &bus);
    say(&caller, "[0, 1, '$hello', [{'v': 1}]]");
    hear(&caller, "[1, 1, null, '?']");
    say(&server, "[0, 1, '$serve', ['q']]");
    hear(&server, "[1, 1, null, 1]");
    say(&caller, "[0, 2, 'q', []]");
    hear(&server, "[0, 1, 'q', []]");
    say(&plain, "[2, '$sys.stop', []]");
    hear(&caller, "[1, 2, 'E_SHUTDOWN *', null]");
    hear(&caller, "[2, '$bye', ['E_SHUTDOWN', '?', '?']]");
    hear_end(&caller);
    hear_end(&server);
    hear_end(&plain);
    raw_close(&caller);
    raw_close(&server);
    raw_close(&plain);
    bus_await_end(&bus);
}

int hello_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(hello_tells_who_one_is_and_what_the_limits_are),
        BUS_TEST(hello_refuses_what_it_cannot_keep),
        BUS_TEST(unknown_methods_are_told_and_unknown_notifications_ignored),
        BUS_TEST(ping_is_answered),
        BUS_TEST(bye_sends_what_is_queued_and_closes),
        BUS_TEST(some_methods_may_be_notifications),
        BUS_TEST(what_needs_an_answer_is_refused_as_a_notification),
        BUS_TEST(the_broker_tells_what_it_knows),
        BUS_TEST(stopping_tells_everybody_and_answers_calls),
    };
    int failures = 0;

    RUN_GROUP(&failures, "hello and goodbye", tests);
    return failures;
}
