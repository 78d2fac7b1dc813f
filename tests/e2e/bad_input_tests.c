/* bad_input_tests.c: whatever comes closes at most its own connection. */
#include "e2e/bus.h"
#include "e2e/wire.h"
#include "support/random.h"
#include "support/support.h"

static struct bus bus;
static struct raw good, watcher;

/* Two clients that must never notice anything. */
static void open_watched(const char *settings)
{
    bus_open(&bus, settings);
    raw_open(&good, &bus);
    hear_nothing(&good); /* in before the others: workers accept side by side */
    raw_open(&watcher, &bus);
    say(&watcher, "[0, 1, '$sub', ['fine']]");
    hear(&watcher, "[1, 1, null, 1]");
}

static void assert_nobody_noticed(void)
{
    say(&good, "[2, 'fine', []]");
    hear(&watcher, "[2, 'fine', []]");
}

static void close_watched(void)
{
    assert_nobody_noticed();
    raw_close(&good);
    raw_close(&watcher);
    bus_close(&bus);
}

static void a_human_on_netcat_is_told_what_this_is(void **state)
{
    static const char *const words[] = { "hello?\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\n",
                                         "{\"jsonrpc\": \"2.0\"}" };

    (void)state;
    open_watched(NULL);
    for (size_t i = 0; i < PPI_COUNT(words); i++) {
        struct raw raw;

        raw_open(&raw, &bus);
        say_bytes(&raw, words[i], strlen(words[i]));
        HEAR_BYTES(&raw, "This is panpiped, which speaks MessagePack-RPC");
        while (raw_receive(&raw))
            ;
        const char *rest = (const char *)ppi_buf_data(&raw.in);
        assert_int_equal(rest[ppi_buf_size(&raw.in) - 1], '\n'); /* one readable line */
        assert_null(memchr(rest, '\n', ppi_buf_size(&raw.in) - 1));
        raw_close(&raw);
    }
    close_watched();
}

static void malformed_messages_close_their_connection_only(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *bye; /* what a client that said hello is told */
    } cases[] = {
#define CASE(literal, bye) { literal, sizeof literal - 1, bye }
        CASE("\x93\x02\x01\x90", "E_PROTO"),
        CASE("\x93\x07", "E_PROTO"),
        CASE("\x94\x00\xFF", "E_PROTO"),
        CASE("\x93\x02\xA1s\xC0", "E_PROTO"),
        CASE("\x93\x02\xA1s\x91\xC1", "E_PROTO"),
        CASE("\x93\x02\xA1s\x91\xDD\xFF\xFF\xFF\xFF", "E_LIMIT"),
        CASE("\x93\x02\xA1s\x91\xC6\xFF\xFF\xFF\xFF", "E_LIMIT"),
        CASE("\x93\x02\xA1s\x91\xC9\xFF\xFF\xFF\xFF", "E_PROTO"),
        CASE("\x93\x02\xA1s\x91\xDB\x01\x00\x00\x00", "E_LIMIT"),
        CASE("\x93\x02\xA1s\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
             "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91",
             "E_PROTO"),
        CASE("\xDC\x00\x03\x02\xA1s\x90", NULL),
#undef CASE
    };
    char expected[64];

    (void)state;
    open_watched(NULL);
    for (size_t i = 0; i < PPI_COUNT(cases); i++) {
        struct raw plain, told;

        raw_open(&plain, &bus);
        SAY_BYTES(&plain, "\x93\x02\xA4"
                          "fine\x90"); /* what came before counts */
        hear(&watcher, "[2, 'fine', []]");
        say_bytes(&plain, cases[i].bytes, cases[i].size);
        hear_end(&plain);
        raw_close(&plain);

        raw_open(&told, &bus);
        say(&told, "[0, 1, '$hello', [{'v': 1}]]");
        hear(&told, "[1, 1, null, '?']");
        say_bytes(&told, cases[i].bytes, cases[i].size);
        snprintf(expected, sizeof expected, "[2, '$bye', ['%s', '?', '?']]",
                 cases[i].bye != NULL ? cases[i].bye : "");
        if (cases[i].bye != NULL)
            hear(&told, expected);
        hear_end(&told);
        raw_close(&told);
        assert_nobody_noticed();
    }
    close_watched();
}

static void garbage_is_survived(void **state)
{
    uint64_t seed = 8;

    (void)state;
    open_watched(NULL);
    for (int round = 0; round < 200; round++) {
        uint8_t bytes[300];
        size_t size = 1 + random_below(&seed, sizeof bytes - 1);
        struct raw raw;

        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)random_below(&seed, 256);
        if (round % 2) { /* begins like a message */
            static const uint8_t begins[] = { 0x93, 0x02, 0xA1, 's' };

            memcpy(bytes, begins, size < sizeof begins ? size : sizeof begins);
        }
        raw_open(&raw, &bus);
        say_bytes(&raw, bytes, size);
        raw_close(&raw);
    }
    close_watched();
}

static void a_message_over_the_limit_is_refused_before_it_has_come(void **state)
{
    struct raw raw;

    (void)state;
    open_watched("frame_max = 65536;\n");
    raw_open(&raw, &bus);
    say(&raw, "[0, 1, '$hello', [{'v': 1}]]");
    hear(&raw, "[1, 1, null, {'limits': {'frame_max': 65536}}]");
    SAY_BYTES(&raw, "\x93\x02\xA4"
                    "fine\x91\xC6\x00\x01\x00\x00"); /* 64 KiB to come */
    hear(&raw, "[2, '$bye', ['E_LIMIT', '?', '?']]");
    hear_end(&raw);
    raw_close(&raw);
    close_watched();
}

static void who_connects_and_leaves_at_once_is_no_trouble(void **state)
{
    (void)state;
    open_watched(NULL);
    for (int i = 0; i < 300; i++) {
        struct raw raw;

        raw_open(&raw, &bus);
        if (i % 3 == 1)
            SAY_BYTES(&raw, "\x93\x02\xA4"
                            "fine\x90");
        if (i % 3 == 2)
            SAY_BYTES(&raw, "\x93\x02");
        raw_close(&raw);
        if (i % 3 == 1)
            hear(&watcher, "[2, 'fine', []]");
    }
    close_watched();
}

static void a_thousand_who_say_nothing_are_no_trouble(void **state)
{
    enum { COUNT = 1000 };
    static struct raw silent[COUNT];

    (void)state;
    ppi_raise_handle_limit();
    open_watched(NULL);
    for (int i = 0; i < COUNT; i++)
        raw_open(&silent[i], &bus);
    assert_nobody_noticed();
    for (int i = 0; i < COUNT; i++) {
        if (i % 100 == 0) {
            say(&silent[i], "[0, 1, '$ping', []]"); /* and now one speaks */
            hear(&silent[i], "[1, 1, null, null]");
        }
        raw_close(&silent[i]);
    }
    close_watched();
}

static void there_is_a_limit_of_connections_and_a_line_that_says_so(void **state)
{
    struct raw third;

    (void)state;
    open_watched("connections = 2;\n");
    raw_open(&third, &bus);
    HEAR_BYTES(&third, "E_QUOTA connections:");
    skip_to_end(&third);
    raw_close(&third);
    raw_close(&good);
    EVENTUALLY(bus_log_has(&bus, "disconnect client=2") ||
               bus_log_has(&bus, "disconnect client=3"));
    raw_open(&good, &bus);
    hear_nothing(&good);
    close_watched();
}

/* It may be known only after a message, as in the simulator; or be refused before. */
static void there_is_a_limit_of_connections_for_each_user(void **state)
{
    static const char ping[] = "\x94\x00\x01\xA5$ping\x90";
    struct raw third;
    pp_op op = PP_OP_INIT;

    (void)state;
    open_watched("connections_user = 2;\n");
    assert_nobody_noticed(); /* both have spoken */
    raw_open(&third, &bus);
    pp_op_use_wait(&op);
    if (pp_write(third.pipe, &op, ping, sizeof ping - 1) == PP_PENDING)
        wait_for(&op);
    HEAR_BYTES(&third, "E_QUOTA connections_user");
    skip_to_end(&third);
    raw_close(&third);
    close_watched();
}

int bad_input_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_human_on_netcat_is_told_what_this_is),
        BUS_TEST(malformed_messages_close_their_connection_only),
        BUS_TEST(garbage_is_survived),
        BUS_TEST(a_message_over_the_limit_is_refused_before_it_has_come),
        BUS_TEST(who_connects_and_leaves_at_once_is_no_trouble),
        BUS_TEST(a_thousand_who_say_nothing_are_no_trouble),
        BUS_TEST(there_is_a_limit_of_connections_and_a_line_that_says_so),
        BUS_TEST(there_is_a_limit_of_connections_for_each_user),
    };
    int failures = 0;

    RUN_GROUP(&failures, "bad input", tests);
    return failures;
}
