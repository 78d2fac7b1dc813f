/* tap_filter_tests.c: what a tap shows, and what not: SYS.md. */
#include "e2e/tapper.h"
#include "e2e/wire.h"
#include "support/support.h"

/* Of the same few messages each filter lets by so many. %a: the number of a; %p: that of its
 * process. */
static const struct {
    const char *filter;
    int count;
} filters[] = {
    { "{}", 8 },
    { "{'subject': '>'}", 8 },
    { "{'subject': '*'}", 8 },
    { "{'subject': 'x.>'}", 2 },
    { "{'subject': 'x.1'}", 1 },
    { "{'subject': '@at'}", 1 },
    { "{'kind': 'pub'}", 4 },
    { "{'kind': 'call'}", 2 },
    { "{'kind': 'answer'}", 1 },
    { "{'kind': 'error'}", 1 },
    { "{'from': 'a'}", 6 },
    { "{'from': 'b'}", 1 },
    { "{'from': 'nobody'}", 0 },
    { "{'from': %a}", 6 },
    { "{'from': 0}", 1 },
    { "{'from': 999}", 0 },
    { "{'from': 'pid:%p'}", 7 },
    { "{'from': 'pid:7'}", 0 },
    { "{'to': 'b'}", 3 },
    { "{'to': %a}", 2 },
    { "{'to': 'pid:%p'}", 5 },
    { "{'size_min': 100}", 1 },
    { "{'size_max': 1, 'kind': 'pub'}", 2 },
    { "{'size_min': 2, 'size_max': 99, 'kind': 'pub'}", 1 },
    { "{'dropped': true}", 3 },
    { "{'dropped': false}", 8 },
    { "{'from': 'a', 'to': 'b', 'subject': 'x.>', 'kind': 'pub'}", 2 },
    { "{'from': 'b', 'to': 'b'}", 0 },
    { "{'max': 3}", 3 },
};

/* A filter as it is said. */
static void fill_in(char *out, size_t size, const char *filter)
{
    uint64_t pid = bus_is_simulated() ? 1 : ppi_process_id();
    size_t used = 0;

    for (; *filter != '\0'; filter++)
        if (*filter != '%')
            used += (size_t)snprintf(out + used, size - used, "%c", *filter);
        else
            used += (size_t)snprintf(out + used, size - used, "%llu",
                                     *++filter == 'p' ? (unsigned long long)pid
                                                      : (unsigned long long)number_of(2));
}

/* The messages: four, a call with its answer, and a call with an error. */
static void say_them(int round)
{
    say(&a, "[2, 'x.1', []]");
    say(&a, "[2, 'x.2', ['%0100d']]", 0);
    say(&a, "[2, '@at', []]");
    say(&a, "[2, 'y', [1]]");
    say(&a, "[0, 9, 'q', []]");
    hear(&b, "[2, 'x.1', '?']");
    hear(&b, "[2, 'x.2', '?']");
    hear(&b, "[0, '?', 'q', []]");
    say(&b, "[1, %d, null, null]", round);
    hear(&a, "[1, 9, null, null]");
    say(&a, "[0, 10, 'none', []]");
    hear(&a, "[1, 10, 'E_NORESP *', null]");
}

static void a_tap_shows_what_its_filter_lets_by(void **state)
{
    char filter[200];

    (void)state;
    tappers_open(NULL);
    say(&b, "[0, 2, '$sub', ['x.>']]");
    hear(&b, "[1, 2, null, 1]");
    say(&b, "[0, 3, '$serve', ['q']]");
    hear(&b, "[1, 3, null, 2]");
    for (int row = 0; row < (int)PPI_COUNT(filters); row++) {
        fill_in(filter, sizeof filter, filters[row].filter);
        tap(row + 1, filter);
        say_them(row + 1);
        for (int i = 0; i < filters[row].count; i++) {
            struct record record = next_record();

            assert_int_equal(record_figure(&record, "n"), i + 1);
            record_done(&record);
        }
        hear_nothing(&tapper);
        say(&tapper, "[0, 12, '$unsub', [%d]]", row + 1);
        hear(&tapper, "[1, 12, '?', '?']");
    }
    tappers_close();
}

static void a_filter_is_told_as_it_was_understood(void **state)
{
    (void)state;
    tappers_open(NULL);
    say(&tapper, "[0, 2, '$sys.tap', []]");
    hear(&tapper, "[1, 2, null, {'subject': '$sys.tap.1', 'filter': {'cut': 512}}]");
    say(&tapper, "[0, 3, '$sys.tap', [{'subject': 'a.>', 'from': 'ui', 'to': 'pid:7',"
                 " 'kind': 'call', 'size_min': 1, 'size_max': 9, 'dropped': true, 'cut': 65536,"
                 " 'max': 5, 'x-own': 1}]]");
    hear(&tapper, "[1, 3, null, {'subject': '$sys.tap.2', 'filter': {'subject': 'a.>',"
                  " 'from': 'ui', 'to': 'pid:7', 'kind': 'call', 'size_min': 1, 'size_max': 9,"
                  " 'dropped': true, 'cut': 65536, 'max': 5}}]");
    say(&tapper, "[0, 4, '$sys.tap', [{'from': 7}]]");
    hear(&tapper, "[1, 4, null, {'filter': {'from': 7}}]");
    tappers_close();
}

static void a_filter_that_makes_no_sense_is_refused(void **state)
{
    static const char *const rows[] = {
        "{'subject': 'a..b'}",
        "{'subject': ''}",
        "{'subject': 1}",
        "{'from': ''}",
        "{'from': -1}",
        "{'to': [1]}",
        "{'kind': 'msg'}",
        "{'cut': 65537}",
        "{'size_min': 'x'}",
        "{'dropped': 1}",
        "{'max': -1}",
        "{'since': 1}",
        "7",
    };

    (void)state;
    tappers_open(NULL);
    for (size_t i = 0; i < PPI_COUNT(rows); i++) {
        say(&tapper, "[0, %d, '$sys.tap', [%s]]", (int)i, rows[i]);
        hear(&tapper, "[1, '?', 'E_ARG *', null]");
    }
    say(&tapper, "[0, 90, '$sys.stats', []]");
    hear(&tapper, "[1, 90, null, {'taps': 0}]");
    tappers_close();
}

int tap_filter_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_tap_shows_what_its_filter_lets_by),
        BUS_TEST(a_filter_is_told_as_it_was_understood),
        BUS_TEST(a_filter_that_makes_no_sense_is_refused),
    };
    int failures = 0;

    RUN_GROUP(&failures, "filters of taps", tests);
    return failures;
}
