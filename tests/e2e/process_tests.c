/* process_tests.c: panpiped as a program: its arguments, its name, its end. */
#include "e2e/bus.h"
#include "e2e/wire.h"
#include "support/support.h"

static int run_once(const char *const *arguments, char *errors, size_t size)
{
    char path[PP_PATH_MAX], folder[PP_PATH_MAX];
    const struct ppi_stdio stdio = { NULL, path, path };
    struct ppi_process process;
    int code = -1;
    FILE *file;

    ppi_temporary_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%.200s/run-%llu", folder, (unsigned long long)ppi_process_id());
    assert_int_equal(ppi_process_start(&process, arguments, &stdio), PP_OK);
    assert_int_equal(ppi_process_wait(&process, TEST_PATIENCE_MS, &code), 1);
    file = fopen(path, "rb");
    assert_non_null(file);
    errors[fread(errors, 1, size - 1, file)] = '\0';
    fclose(file);
    remove(path);
    return code;
}

/* Runs panpiped with arguments to its end; its exit code, and what it wrote to standard error. */
static int run_broker(const char *const *arguments, char *errors, size_t size)
{
    int code = run_once(arguments, errors, size);

    if (was_not_begun(code, errors[0] != '\0'))
        code = run_once(arguments, errors, size);
    return code;
}

static void wrong_usage_is_told_with_what_would_be_right(void **state)
{
    static const char long_name[] =
        "0123456789012345678901234567890123456789012345678901234567890123"
        "45";
    const char *const cases[][5] = {
        { bus_program(), "--nonsense", NULL },
        { bus_program(), "extra", NULL },
        { bus_program(), "-b", NULL },
        { bus_program(), "--workers", "none", NULL },
        { bus_program(), "--workers=0", NULL },
        { bus_program(), "--log-level", "loud", NULL },
        { bus_program(), "--config", "/no/such/file", NULL },
    };
    const char *const bad_names[][4] = {
        { bus_program(), "-b", "Upper Case", NULL },
        { bus_program(), "-b", long_name, NULL },
    };
    char errors[1024];

    (void)state;
    for (size_t i = 0; i < PPI_COUNT(cases); i++) {
        assert_int_equal(run_broker(cases[i], errors, sizeof errors), 2);
        assert_non_null(strstr(errors, "panpiped: "));
        assert_non_null(strstr(errors, "--help"));
    }
    for (size_t i = 0; i < PPI_COUNT(bad_names); i++) {
        assert_int_equal(run_broker(bad_names[i], errors, sizeof errors), 2);
        assert_non_null(strstr(errors, "use 1 to 64 of a-z"));
    }
    const char *const help[] = { bus_program(), "--help", NULL };
    assert_int_equal(run_broker(help, errors, sizeof errors), 0);
    assert_non_null(strstr(errors, "usage: panpiped"));
}

static void bad_settings_are_told_with_their_line(void **state)
{
    static const struct {
        const char *text, *told;
    } cases[] = {
        { "workers = 1;\nnonsense = 1;\n", ":2: there is no setting nonsense" },
        { "frame_max = 7;\n", ":1: frame_max is a number from 8192 to 16777216" },
        { "log_level = 3;\n", ":1: log_level is one of" },
        { "workers = \n", ":" },
        { "queue_high = 1048576;\nqueue_low = 2097152;\n", "queue_low < queue_high < queue_hard" },
        /* libconfig alone would take 1, and 8388608 */
        { "workers = 4294967297;\n", ":1: a number above 2147483647 has an L behind it" },
        { "/* \"\n# */ name = \"9999999999\\\" #\"; # 9999999999\nqueue_hard = 0x100800000;\n",
          ":3: a number above 2147483647 has an L behind it: 0x100800000L" },
        { "queue_hard = 2147483648L;\nqueue_low = 8388608;\n", "queue_low < queue_high" },
    };
    char path[PP_PATH_MAX], folder[PP_PATH_MAX], errors[1024];
    const char *const arguments[] = { bus_program(), "--config", path, NULL };

    (void)state;
    ppi_temporary_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%.200s/settings-%llu", folder,
             (unsigned long long)ppi_process_id());
    for (size_t i = 0; i < PPI_COUNT(cases); i++) {
        FILE *file = fopen(path, "wb");

        assert_non_null(file);
        fputs(cases[i].text, file);
        fclose(file);
        assert_int_equal(run_broker(arguments, errors, sizeof errors), 2);
        assert_non_null(strstr(errors, cases[i].told));
    }
    remove(path);
}

static void a_second_broker_on_the_name_is_refused(void **state)
{
    struct bus bus;
    char errors[1024];

    (void)state;
    bus_open(&bus, NULL);
    const char *const arguments[] = { bus_program(), "-b", bus.name, NULL };
    assert_int_equal(run_broker(arguments, errors, sizeof errors), 1);
    assert_non_null(strstr(errors, "is served by"));
    struct raw raw;
    raw_open(&raw, &bus); /* the first one is still there */
    hear_nothing(&raw);
    raw_close(&raw);
    bus_close(&bus);
}

static void after_a_kill_the_next_broker_takes_the_name(void **state)
{
    struct bus bus;
    struct raw raw;

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&raw, &bus);
    bus_kill(&bus);
    skip_to_end(&raw);
    raw_close(&raw);
    bus_open_again(&bus, NULL);
    raw_open(&raw, &bus);
    hear_nothing(&raw);
    raw_close(&raw);
    bus_close(&bus);
}

static void a_path_that_is_too_long_is_told(void **state)
{
    char path[400], errors[2048];
    const char *const arguments[] = { bus_program(), "-b", path, NULL };

    (void)state;
    only_on_linux("the limit is that of socket addresses");
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[150] = '\0';
    assert_int_equal(run_broker(arguments, errors, sizeof errors), 2);
    assert_non_null(strstr(errors, "the path is 150 bytes long, a socket's path has at most 107"));
    const char *const folder[] = { bus_program(), "-b", "/no/such/folder/x.sock", NULL };
    assert_int_equal(run_broker(folder, errors, sizeof errors), 1);
    assert_non_null(strstr(errors, "there is no folder /no/such/folder"));
    const char *const taken[] = { bus_program(), "-b", "/etc/passwd", NULL };
    assert_int_equal(run_broker(taken, errors, sizeof errors), 1);
    assert_non_null(strstr(errors, "/etc/passwd exists and is not a socket"));
    assert_null(fopen("/etc/passwd.lock", "rb")); /* nothing appears beside it */
}

/* What is queued goes out before the broker ends, also to a reader that is slow. */
static void a_stop_sends_what_is_queued(void **state)
{
    enum { SIZE = 1000 * 1000 };
    struct bus bus;
    struct raw publisher, reader;
    char *payload = calloc(1, SIZE + 16);

    (void)state;
    bus_open(&bus, NULL);
    raw_open(&publisher, &bus);
    raw_open(&reader, &bus);
    say(&reader, "[0, 1, '$sub', ['data']]");
    hear(&reader, "[1, 1, null, 1]");
    static const uint8_t head[] = { 0x93,
                                    0x02,
                                    0xA4,
                                    'd',
                                    'a',
                                    't',
                                    'a',
                                    0x91,
                                    0xC6,
                                    SIZE >> 24,
                                    SIZE >> 16 & 255,
                                    SIZE >> 8 & 255,
                                    SIZE & 255 };
    memcpy(payload, head, sizeof head);
    say_bytes(&publisher, payload, SIZE + sizeof head);
    say(&publisher, "[0, 1, '$ping', []]");
    hear(&publisher, "[1, 1, null, null]"); /* now it is queued */
    bus_stop(&bus);
    hear_end(&publisher);
    size_t got = 0;
    while (raw_receive(&reader)) {
        got += ppi_buf_size(&reader.in);
        ppi_buf_clear(&reader.in);
    }
    assert_int_equal(got, SIZE + sizeof head);
    bus_await_end(&bus);
    raw_close(&publisher);
    raw_close(&reader);
    free(payload);
}

static void a_second_wish_to_stop_waits_for_nothing(void **state)
{
    struct bus bus;
    struct raw publisher, reader;
    char *payload = calloc(1, 1000 * 1000 + 16);
    static const uint8_t head[] = {
        0x93, 0x02, 0xA4, 'd', 'a', 't', 'a', 0x91, 0xC6, 0, 15, 66, 64
    };
    int code = -1;

    (void)state;
    bus_open(&bus, "drain_ms = 60000;\n");
    raw_open(&publisher, &bus);
    raw_open(&reader, &bus);
    say(&reader, "[0, 1, '$sub', ['data']]");
    hear(&reader, "[1, 1, null, 1]");
    memcpy(payload, head, sizeof head);
    say_bytes(&publisher, payload, 1000 * 1000 + sizeof head);
    say(&publisher, "[0, 1, '$ping', []]");
    hear(&publisher, "[1, 1, null, null]");
    bus_stop(&bus);
    EVENTUALLY(bus_log_has(&bus, " stop "));
    assert_int_equal(ppi_process_wait(&bus.process, 300, &code), 0); /* it waits for the reader */
    bus_stop(&bus);
    bus_await_end(&bus);
    raw_close(&publisher);
    raw_close(&reader);
    free(payload);
}

int process_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(wrong_usage_is_told_with_what_would_be_right),
        BUS_TEST(bad_settings_are_told_with_their_line),
        BUS_TEST(a_second_broker_on_the_name_is_refused),
        BUS_TEST(after_a_kill_the_next_broker_takes_the_name),
        BUS_TEST(a_path_that_is_too_long_is_told),
        BUS_TEST(a_stop_sends_what_is_queued),
        BUS_TEST(a_second_wish_to_stop_waits_for_nothing),
    };
    int failures = 0;

    RUN_GROUP(&failures, "the program panpiped", tests);
    return failures;
}
