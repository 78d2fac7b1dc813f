/* figures_tests.c: what the broker counts, beside what has happened: broker/SYS.md. */
#include "e2e/watched.h"
#include "e2e/wire.h"
#include "support/count_allocations.h"
#include "support/support.h"
#include "unit/samples.h"

/* --- the broker ------------------------------------------------------------------------------ */

static void the_broker_tells_what_it_is(void **state)
{
    (void)state;
    watched_open("connections = 77;\n");
    ask("$sys.stats", "[]");
    answered("[1, 7, null, {'broker': '?', 'name': 'bus-*', 'scope': 'user', 'path': '*',"
             " 'version': '*', 'pid': '?', 'uptime_ms': '?', 'cpu_ns': '?', 'memory_bytes': '?',"
             " 'handles': '?', 'handles_max': '?', 'workers': '?', 'clients': 3,"
             " 'clients_max': 77, 'denied': 0, 'subs': 0, 'slow': 0, 'held': 0, 'cut': 0,"
             " 'kicked': 0, 'frames_in': 4, 'bytes_in': '?', 'bytes_out': '?', 'queued_bytes': 0,"
             " 'queued_max_bytes': 0, 'published': 0, 'deliveries': 0, 'no_receiver': 0,"
             " 'refused': 0, 'lost': 0, 'calls': 0, 'answers': 0, 'late_answers': 0,"
             " 'calls_open': 0, 'notes': 0, 'errors': 0, 'taps': 0, 'missed': 0,"
             " 'time_p50_us': null, 'time_p99_us': null, 'times': []}]");
    assert_in_range(number("clients_ever"), 3, 4); /* a real one was looked for */
    if (!bus_is_simulated()) {
        assert_true(number("memory_bytes") > 100000 && number("handles") > 3);
        if (ppi_on_linux()) /* elsewhere processor time comes in ticks, and there is no limit */
            assert_true(number("cpu_ns") > 0 && number("handles_max") > number("handles"));
    }
    watched_close();
}

static void messages_and_calls_are_counted(void **state)
{
    (void)state;
    watched_open(NULL);
    say(&bob, "[0, 2, '$sub', ['a']]");
    hear(&bob, "[1, 2, null, 1]");
    say(&bob, "[0, 3, '$serve', ['sum']]");
    hear(&bob, "[1, 3, null, 2]");
    for (int i = 0; i < 5; i++) {
        say(&alice, "[2, 'a', [%d]]", i);
        say(&alice, "[2, 'nobody', []]");
        hear(&bob, "[2, 'a', ['?']]");
    }
    say(&alice, "[0, 2, 'sum', [1]]");
    hear(&bob, "[0, 1, 'sum', [1]]");
    ask("$sys.stats", "[]");
    answered("[1, 7, null, {'published': 10, 'deliveries': 5, 'no_receiver': 5, 'calls': 1,"
             " 'answers': 0, 'calls_open': 1, 'subs': 2}]");
    say(&bob, "[1, 1, null, 3]");
    hear(&alice, "[1, 2, null, 3]");
    say(&bob, "[1, 1, null, 3]"); /* once more is too late */
    settle(&bob);
    ask("$sys.stats", "[]");
    answered("[1, 7, null, {'answers': 1, 'late_answers': 1, 'calls_open': 0, 'clients': 3}]");
    watched_close();
}

/* --- clients and their subscriptions --------------------------------------------------------- */

static void each_client_tells_what_it_does(void **state)
{
    (void)state;
    watched_open(NULL);
    say(&bob, "[0, 2, '$sub', ['a']]");
    hear(&bob, "[1, 2, null, 1]");
    say(&bob, "[0, 3, '$serve', ['sum']]");
    hear(&bob, "[1, 3, null, 2]");
    for (int i = 0; i < 3; i++) {
        say(&alice, "[2, 'a', [%d]]", i);
        hear(&bob, "[2, 'a', ['?']]");
    }
    say(&alice, "[0, 2, 'sum', [1]]");
    hear(&bob, "[0, 1, 'sum', [1]]");
    ask("$sys.clients", "[]");
    int first = (int)number("0/id");
    answered("[1, 7, null, ["
             "{'name': 'alice', 'hello': true, 'who': {'pid': '?', 'exe': '?', 'user': '*'},"
             " 'age_ms': '?', 'subs': 0, 'frames_in': 5, 'published': 3, 'delivered': 0,"
             " 'bytes_in': '?', 'bytes_out': '?', 'queued_bytes': 0, 'oldest_ms': null, 'lost': 0,"
             " 'calls_open': 1, 'serving': 0, 'state': 'ok', 'held_ms': 0, 'held_by': null,"
             " 'holds': 0, 'holding': 0},"
             "{'name': 'bob', 'subs': 2, 'delivered': 4, 'published': 0, 'serving': 1,"
             " 'queued_bytes': 0, 'state': 'ok'},"
             "{'name': 'pid-*', 'hello': false, 'published': 0}]]");
    char one[32];
    snprintf(one, sizeof one, "[%d]", first + 1);
    ask("$sys.clients", one);
    answered("[1, 7, null, [{'name': 'bob', 'subs': 2}]]");
    ask("$sys.subs", one);
    answered("[1, 7, null, [{'name': 'bob', 'pattern': 'a', 'kind': 'sub', 'delivered': 3},"
             " {'pattern': 'sum', 'kind': 'serve', 'delivered': 1, 'in_flight': 1}]]");
    assert_int_equal(number("0/client"), first + 1);
    snprintf(one, sizeof one, "[%d]", first);
    ask("$sys.subs", one);
    answered("[1, 7, null, []]");
    watched_close();
}

static void who_is_not_there_is_not_found(void **state)
{
    (void)state;
    watched_open(NULL);
    for (int i = 0; i < 2; i++) {
        const char *method = i == 0 ? "$sys.clients" : "$sys.subs";

        ask(method, "[4711]");
        answered("[1, 7, 'E_NOTFOUND there is no such client', null]");
        ask(method, "[0]");
        answered("[1, 7, 'E_NOTFOUND there is no such client', null]");
        ask(method, "['alice']");
        answered("[1, 7, 'E_ARG param 1 is the number of a client, a number', null]");
    }
    ask("$sys.subjects", "['a..b']");
    answered("[1, 7, 'E_ARG *', null]");
    ask("$sys.subjects", "[{'least': 1}]");
    answered("[1, 7, 'E_ARG *', null]");
    watched_close();
}

/* --- subjects -------------------------------------------------------------------------------- */

static const char *const sums[] = { "published", "calls", "deliveries", "no_receiver", "refused" };

/* What is told of all subjects, and of the others, comes to what is told of the broker. */
static void the_sums_agree(void)
{
    double of_subjects[PPI_COUNT(sums)];

    for (size_t i = 0; i < PPI_COUNT(sums); i++)
        of_subjects[i] = number("others/%s", sums[i]);
    for (size_t k = 0; k < count("subjects"); k++) {
        double from = number("subjects/%d/from_others", (int)k);
        char path[40];

        for (size_t i = 0; i < PPI_COUNT(sums); i++)
            of_subjects[i] += number("subjects/%d/%s", (int)k, sums[i]);
        snprintf(path, sizeof path, "subjects/%d/from", (int)k);
        for (size_t i = 0; i < count(path); i++)
            from += number("%s/%d/messages", path, (int)i);
        assert_true(from ==
                    number("subjects/%d/published", (int)k) + number("subjects/%d/calls", (int)k));
    }
    for (size_t i = 0; i < PPI_COUNT(sums); i++)
        assert_true(of_subjects[i] == stat_of(sums[i]));
}

static void each_subject_tells_who_sends_and_who_gets_it(void **state)
{
    (void)state;
    watched_open(NULL);
    say(&bob, "[0, 2, '$sub', ['*']]");
    hear(&bob, "[1, 2, null, 1]");
    say(&bob, "[0, 3, '$serve', ['sum']]");
    hear(&bob, "[1, 3, null, 2]");
    for (int i = 0; i < 20; i++) {
        say(&alice, "[2, 'a', [%d]]", i);
        hear(&bob, "[2, 'a', ['?']]");
    }
    say(&carol, "[0, 1, '$pub', ['a', [1]]]");
    hear(&carol, "[1, 1, null, '?']");
    hear(&bob, "[2, 'a', ['?']]");
    say(&alice, "[2, 'b.c', []]");
    say(&alice, "[0, 2, 'sum', []]");
    hear(&bob, "[0, 1, 'sum', []]");
    ask("$sys.subjects", "[]");
    answered("[1, 7, null, {'subjects': ["
             "{'subject': 'a', 'published': 21, 'calls': 0, 'published_bytes': 126,"
             " 'deliveries': 21, 'no_receiver': 0, 'refused': 0, 'from_others': 0,"
             " 'from': [{'client': '?', 'name': 'alice', 'messages': 20},"
             " {'client': '?', 'name': 'pid-*', 'messages': 1}],"
             " 'to': [{'client': '?', 'name': 'bob', 'kind': 'sub', 'group': null, 'lost': 0}],"
             " 'receivers': 1}, '?', '?'],"
             " 'others': {'subjects': 0, 'published': 0, 'calls': 0, 'published_bytes': 0,"
             " 'deliveries': 0, 'no_receiver': 0, 'refused': 0}}]");
    the_sums_agree();
    ask("$sys.subjects", "['sum']");
    answered("[1, 7, null, {'subjects': [{'subject': 'sum', 'published': 0, 'calls': 1,"
             " 'from': [{'name': 'alice', 'messages': 1}], 'receivers': 2,"
             " 'to': [{'name': 'bob', 'kind': 'serve'}, {'name': 'bob', 'kind': 'sub'}]}],"
             " 'others': {'subjects': 2, 'published': 22}}]");
    the_sums_agree();
    ask("$sys.subjects", "['>', {'max': 1}]");
    answered("[1, 7, null, {'subjects': [{'subject': 'a'}], 'others': {'subjects': 2}}]");
    the_sums_agree();
    ask("$sys.subjects", "[{'max': 0}]");
    answered("[1, 7, null, {'subjects': [], 'others': {'subjects': 3}}]");
    the_sums_agree();
    watched_close();
}

/* A burst is one run, cut by its subjects. */
static void who_floods_is_named_first(void **state)
{
    enum { FLOOD = 5000 };
    struct ppi_buf flood = { 0 };

    (void)state;
    watched_open(NULL);
    for (int i = 0; i < FLOOD; i++)
        sample_publish(&flood, i % 10 == 0 ? "rare" : "often", 3);
    say_bytes(&alice, ppi_buf_data(&flood), ppi_buf_size(&flood));
    settle(&alice);
    for (int i = 0; i < 3; i++)
        say(&bob, "[2, 'often', [%d]]", i);
    settle(&bob);
    ask("$sys.subjects", "[]");
    answered("[1, 7, null, {'subjects': [{'subject': 'often', 'published': 4503,"
             " 'no_receiver': 4503, 'from': [{'name': 'alice', 'messages': 4500},"
             " {'name': 'bob', 'messages': 3}], 'to': [], 'receivers': 0},"
             " {'subject': 'rare', 'published': 500}]}]");
    the_sums_agree();
    raw_close(&alice);
    EVENTUALLY(stat_of("clients") == 2);
    ask("$sys.subjects", "[{'max': 1}]"); /* it is gone, and its messages are not */
    answered("[1, 7, null, {'subjects': [{'from': [{'name': null, 'messages': 4500}, '?']}]}]");
    ppi_buf_deinit(&flood);
    raw_open(&alice, &watched);
    watched_close();
}

/* A subject's record has eight places for those who send. */
static void of_many_who_send_the_busiest_are_named(void **state)
{
    enum { MANY = 12, MESSAGES = 40 };
    struct raw many[MANY];

    (void)state;
    watched_open(NULL);
    for (int i = 0; i < MANY; i++) {
        raw_open(&many[i], &watched);
        for (int k = 0; k < 1 + i; k++)
            say(&many[i], "[2, 'a', [%d]]", k);
        settle(&many[i]);
    }
    for (int k = 0; k < MESSAGES; k++) { /* the last one of all */
        say(&alice, "[2, 'a', []]");
        settle(&alice);
    }
    ask("$sys.subjects", "[]");
    assert_int_equal(count("subjects/0/from"), 8);
    assert_int_equal(number("subjects/0/published"), MESSAGES + MANY * (MANY + 1) / 2);
    answered("[1, 7, null, {'subjects': [{'from': [{'name': 'alice'}, '?', '?', '?', '?', '?',"
             " '?', '?']}]}]");
    the_sums_agree();
    for (int i = 0; i < MANY; i++)
        raw_close(&many[i]);
    watched_close();
}

/* What is forgotten is the quietest, and counted all the same. */
static void of_too_many_subjects_the_busy_ones_are_remembered(void **state)
{
    enum { REMEMBERED = 1024, MORE = 3000 };
    struct ppi_buf bytes = { 0 };

    (void)state;
    watched_open(NULL);
    for (int i = 0; i < REMEMBERED + MORE; i++) {
        char subject[16];

        snprintf(subject, sizeof subject, "once.%d", i);
        sample_publish(&bytes, subject, 3);
        if (i % 2 == 0)
            sample_publish(&bytes, "busy", 3);
    }
    say_bytes(&alice, ppi_buf_data(&bytes), ppi_buf_size(&bytes));
    settle(&alice);
    ask("$sys.subjects", "[{'max': 100000}]");
    assert_in_range(count("subjects"), REMEMBERED, REMEMBERED * 5); /* of each worker */
    assert_int_equal(count("subjects") + (size_t)number("others/subjects"), REMEMBERED + MORE + 1);
    assert_true(number("subjects/0/published") == (REMEMBERED + MORE) / 2);
    answered("[1, 7, null, {'subjects': '?', 'others': {'deliveries': 0}}]");
    the_sums_agree();
    ppi_buf_deinit(&bytes);
    watched_close();
}

/* --- what is too much for one answer --------------------------------------------------------- */

static void a_report_that_no_frame_takes_is_refused(void **state)
{
    (void)state;
    watched_open("frame_max = 8192;\n");
    for (int i = 1; i <= 60; i++) {
        say(&bob, "[0, %d, '$sub', ['a.subject.that.is.rather.long.%d']]", i, i);
        hear(&bob, "[1, '?', null, '?']");
    }
    ask("$sys.subs", "[]");
    answered("[1, 7, 'E_LIMIT frame_max*', null]");
    ask("$sys.clients", "[]");
    answered("[1, 7, null, '?']"); /* these are few */
    watched_close();
}

/* --- no memory ------------------------------------------------------------------------------- */

/* Of the broker's allocations for carol's request the one behind n others fails; false: there were
 * not so many. What comes is a whole answer, or an error, or the end of the connection. */
static bool asks_without_memory(const char *method, unsigned n)
{
    enum { ERROR_AT = 3, NIL_BYTE = 0xC0 }; /* in [1, 7, null, ... */

    ask(method, "[]"); /* from now on the simulator has the room for the answer */
    say(&carol, "[0, 7, '%s', []]", method);
    allocations_fail_after(n);
    bus_pass_ms(&watched, 0);
    bool failed = allocations_failed();

    while (raw_frame_size(&carol) == 0 && raw_receive(&carol))
        ;
    if (carol.ended) {
        assert_int_equal(ppi_buf_size(&carol.in), 0);
        raw_close(&carol);
        raw_open(&carol, &watched);
        return failed;
    }
    hear(&carol, ppi_buf_data(&carol.in)[ERROR_AT] == NIL_BYTE
                     ? "[1, 7, null, '?']"
                     : "[1, 7, 'E_LIMIT the broker is out of memory', null]");
    hear_nothing(&carol);
    return failed;
}

/* An answer that lacks what there was no memory for would swallow the next ones. */
static void without_memory_no_answer_is_half_a_one(void **state)
{
    static const char *const methods[] = { "$sys.stats",  "$sys.clients",  "$sys.subs",
                                           "$sys.events", "$sys.subjects", "$sys.settings",
                                           "$describe" };

    (void)state;
    if (!bus_is_simulated())
        skip(); /* the broker's allocations fail, and no others */
    watched_open(NULL);
    say(&bob, "[0, 2, '$sub', ['a']]");
    hear(&bob, "[1, 2, null, 1]");
    for (int i = 0; i < 12; i++) {
        say(&bob, "[0, 3, '$serve', ['a.service.with.a.name.%d']]", i);
        hear(&bob, "[1, 3, null, '?']");
        say(&alice, "[2, 'a.subject.with.a.name.%d', []]", i);
    }
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        for (unsigned n = 0; asks_without_memory(methods[i], n); n++)
            ;
    watched_close();
}

/* Each allocation for bob's $hello fails in turn: that of the event among them, which is then the
 * last one that there is to tell. */
static void an_event_for_which_there_is_no_memory_is_missed(void **state)
{
    bool failed = true;

    (void)state;
    if (!bus_is_simulated())
        skip(); /* the broker's allocations fail, and no others */
    watched_open(NULL);
    say(&alice, "[0, 2, '$sub', ['$sys.events.>']]");
    hear(&alice, "[1, 2, null, 1]");
    for (unsigned n = 0; failed; n++) {
        raw_close(&bob);
        raw_open(&bob, &watched);
        say(&bob, "[0, 1, '$sys.settings', []]"); /* the simulator has the room that it needs */
        hear(&bob, "[1, 1, null, '?']");
        raw_receive(&alice);
        ppi_buf_clear(&alice.in);
        say(&bob, "[0, 2, '$hello', [{'v': 1, 'name': 'bob'}]]");
        allocations_fail_after(n);
        bus_pass_ms(&watched, 0);
        failed = allocations_failed();
    }
    ask("$sys.events", "[]");
    double gone = number("next") - number("first") - (double)count("events");
    assert_true(gone > 0);
    assert_true(stat_of("missed") == gone);
    watched_close();
}

int figures_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(the_broker_tells_what_it_is),
        BUS_TEST(messages_and_calls_are_counted),
        BUS_TEST(each_client_tells_what_it_does),
        BUS_TEST(who_is_not_there_is_not_found),
        BUS_TEST(each_subject_tells_who_sends_and_who_gets_it),
        BUS_TEST(who_floods_is_named_first),
        BUS_TEST(of_many_who_send_the_busiest_are_named),
        BUS_TEST(of_too_many_subjects_the_busy_ones_are_remembered),
        BUS_TEST(a_report_that_no_frame_takes_is_refused),
        BUS_TEST(without_memory_no_answer_is_half_a_one),
        BUS_TEST(an_event_for_which_there_is_no_memory_is_missed),
    };
    int failures = 0;

    RUN_GROUP(&failures, "figures", tests);
    return failures;
}
