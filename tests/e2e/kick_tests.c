/* kick_tests.c: what an operator may do, and nobody else: SYS.md. */
#include "e2e/operator.h"
#include "e2e/wire.h"
#include "support/support.h"

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
    operator_open(NULL, "$sys.events.none");
    say(&ear, "[0, 3, '$sys.tap', [{}]]");
    hear(&ear, "[1, 3, null, {'subject': '$sys.tap.1'}]");
    sim_become(4242);
    raw_open(&client, &operated);
    for (size_t i = 0; i < PPI_COUNT(refused); i++) {
        say(&client, "[0, %d, %s]", (int)i, refused[i]);
        hear(&client, "[1, '?', 'E_PERM *', null]");
    }
    say(&client, "[0, 50, '$sub', ['>']]"); /* is not meant, and gets nothing */
    hear(&client, "[1, 50, null, 1]");
    hear_nothing(&ear);
    hear_nothing(&client);
    raw_close(&client);
    operator_close();
}

static void what_concerns_the_broker_is_of_the_lowest_class(void **state)
{
    (void)state;
    operator_open(NULL, "$sys.events.none");
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

        say(&ear, "[0, %d, '$sub', %s]", (int)i, rows[i][0]);
        snprintf(expected, sizeof expected, "[1, %d, '%s', null]", (int)i, rows[i][1]);
        hear(&ear, expected);
    }
    say(&ear, "[0, 20, '$serve', ['$sys.events.connect']]");
    hear(&ear, "[1, 20, 'E_PERM *', null]");
    say(&ear, "[0, 21, '$sub', ['$sys.events.connect', {'policy': 'drop'}]]");
    hear(&ear, "[1, 21, null, '?']");
    say(&ear, "[0, 22, '$pub', ['$sys.events.connect', ['made up']]]"); /* nobody can */
    hear(&ear, "[1, 22, null, {'m': 0}]");
    hear_nothing(&ear);
    operator_close();
}

/* --- kicks ----------------------------------------------------------------------------------- */

static uint64_t connect_client(void)
{
    raw_open(&client, &operated);
    uint64_t id = next_number(&ear, "client");
    hear_event("connect", "");
    return id;
}

static void who_is_kicked_is_told_by_whom_and_why(void **state)
{
    (void)state;
    operator_open(NULL, "$sys.events.>");
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
    operator_close();
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
    operator_open(NULL, "$sys.events.kick");
    for (size_t i = 0; i < PPI_COUNT(rows); i++) {
        say(&hand, "[0, %d, '$sys.kick', %s]", (int)i, rows[i]);
        hear(&hand, "[1, '?', 'E_ARG *', null]");
    }
    say(&hand, "[2, '$sys.kick', [1]]"); /* only as a request */
    hear(&hand, "[2, '$note', ['E_ARG', '*', {}]]");
    operator_close();
}

static void one_may_kick_oneself(void **state)
{
    (void)state;
    operator_open(NULL, "$sys.events.>");
    say(&hand, "[0, 3, '$sys.kick', [%d]]", bus_is_simulated() ? 1 : 2);
    hear(&hand, "[1, 3, null, null]");
    hear(&hand, "[2, '$bye', ['E_PERM', 'kicked by op[*', 0]]");
    hear_end(&hand);
    hear_event("kick", "'name': 'op', 'by': 'op[*'");
    operator_close();
}

static void who_is_kicked_for_a_while_is_kept_away_so_long(void **state)
{
    (void)state;
    if (!bus_is_simulated())
        skip(); /* a real clock goes on meanwhile */
    operator_open(NULL, "$sys.events.>");
    uint64_t id = connect_client();
    say(&client, "[0, 1, '$hello', [{'v': 1}]]");
    hear(&client, "[1, 1, null, '?']");
    say(&hand, "[0, 3, '$sys.kick', [%d, {'for_ms': 1500, 'text': 'later'}]]", (int)id);
    hear(&client, "[2, '$bye', ['E_PERM', 'kicked by op[*', 1500]]");
    hear_end(&client);
    raw_close(&client);
    hear_event("hello", "");
    hear(&hand, "[1, 3, null, null]");
    hear_event("kick", "'for_ms': 1500");
    hear_event("close", "");
    raw_open(&client, &operated);
    HEAR_BYTES(&client, "E_PERM kicked: later; again in 2 s\n");
    hear_end(&client);
    raw_close(&client);
    hear_event("denied", "'client': null, 'pid': '?', 'why': 'E_PERM',"
                         " 'text': 'kicked: later; again in 2 s'");
    say(&hand, "[0, 4, '$sys.stats', []]");
    hear(&hand, "[1, 4, null, {'denied': 1, 'clients': 2}]");
    bus_pass_ms(&operated, 1600);
    connect_client();
    hear_nothing(&client);
    raw_close(&client);
    operator_close();
}

/* A real one, whatever the time. */
static void who_is_kicked_for_a_while_is_kept_away(void **state)
{
    (void)state;
    operator_open(NULL, "$sys.events.>");
    uint64_t id = connect_client();
    say(&hand, "[0, 3, '$sys.kick', [%d, {'for_ms': 86400000, 'text': 'later'}]]", (int)id);
    hear(&hand, "[1, 3, null, null]");
    hear_end(&client);
    raw_close(&client);
    hear_event("kick", "'for_ms': 86400000");
    hear_event("close", "");
    raw_open(&client, &operated);
    HEAR_BYTES(&client, "E_PERM kicked: later; again in ");
    skip_to_end(&client);
    raw_close(&client);
    hear_event("denied", "'client': null, 'pid': '?', 'why': 'E_PERM',"
                         " 'text': 'kicked: later; again in *'");
    say(&hand, "[0, 4, '$sys.stats', []]");
    hear(&hand, "[1, 4, null, {'denied': 1, 'clients': 2}]");
    operator_close();
}

static void a_thousand_kicks_leave_nothing(void **state)
{
    enum { COUNT = 1000 };

    (void)state;
    operator_open(NULL, "$sys.events.>");
    for (int i = 0; i < COUNT; i++) {
        uint64_t id = connect_client();

        say(&client, "[0, 1, '$sub', ['a.%d']]", i);
        hear(&client, "[1, 1, null, 1]");
        say(&hand, "[0, 3, '$sys.kick', [%d]]", (int)id);
        hear(&hand, "[1, 3, null, null]");
        hear_end(&client);
        raw_close(&client);
        hear_event("kick", "");
        hear_event("close", "");
    }
    say(&hand, "[0, 4, '$sys.stats', []]");
    hear(&hand, "[1, 4, null, {'kicked': 1000, 'clients': 2, 'subs': 1, 'missed': 0}]");
    operator_close();
}

int kick_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(only_an_operator_may_watch_and_intervene),
        BUS_TEST(what_concerns_the_broker_is_of_the_lowest_class),
        BUS_TEST(who_is_kicked_is_told_by_whom_and_why),
        BUS_TEST(a_kick_that_makes_no_sense_is_refused),
        BUS_TEST(one_may_kick_oneself),
        BUS_TEST(who_is_kicked_for_a_while_is_kept_away_so_long),
        BUS_TEST(who_is_kicked_for_a_while_is_kept_away),
        BUS_TEST(a_thousand_kicks_leave_nothing),
    };
    int failures = 0;

    RUN_GROUP(&failures, "what an operator may do", tests);
    return failures;
}
