/* call_tests.c: exactly one answer each. */
#include "e2e/bus.h"
#include "e2e/wire.h"
#include "support/support.h"
#include "wire/scan.h"
#include "wire/subject.h"

static struct bus bus;
static struct raw caller, server;

static void open_service(const char *settings, const char *options)
{
    bus_open(&bus, settings);
    raw_open(&caller, &bus);
    raw_open(&server, &bus);
    say(&server, "[0, 1, '$hello', [{'v': 1, 'name': 'service'}]]");
    hear(&server, "[1, 1, null, '?']");
    say(&server, "[0, 2, '$serve', ['svc.*', %s]]", options);
    hear(&server, "[1, 2, null, 1]");
}

static void close_service(void)
{
    raw_close(&caller);
    raw_close(&server);
    bus_close(&bus);
}

static void a_call_is_passed_on_and_its_answer_back(void **state)
{
    (void)state;
    open_service(NULL, "{}");
    say(&caller, "[0, 77, 'svc.sum', [1, 2]]");
    hear(&server, "[0, 1, 'svc.sum', [1, 2]]"); /* with the broker's own id */
    say(&server, "[1, 1, null, 3]");
    hear(&caller, "[1, 77, null, 3]");
    say(&caller, "[0, 78, 'svc.sum', []]");
    hear(&server, "[0, 2, 'svc.sum', []]");
    say(&server, "[1, 2, {'code': 5}, null]"); /* errors too, byte for byte */
    hear(&caller, "[1, 78, {'code': 5}, null]");
    say(&caller, "[0, 79, '$sys.subs', []]");
    hear(&caller, "[1, 79, null, [{'kind': 'serve', 'accepted': 2, 'delivered': 2, 'queued': 0,"
                  " 'lost': 0, 'in_flight': 0}]]");
    close_service();
}

static void answers_are_equal_byte_for_byte(void **state)
{
    (void)state;
    open_service(NULL, "{}");
    SAY_BYTES(&caller, "\x94\x00\xCD\x00\x07\xD9\x05svc.x\xDC\x00\x01\xCE\x00\x00\x00\x01");
    HEAR_BYTES(&server, "\x94\x00\x01\xD9\x05svc.x\xDC\x00\x01\xCE\x00\x00\x00\x01");
    SAY_BYTES(&server, "\x94\x01\x01\xC0\xDF\x00\x00\x00\x01\xD9\x01k\xD4\x07x");
    HEAR_BYTES(&caller, "\x94\x01\x07\xC0\xDF\x00\x00\x00\x01\xD9\x01k\xD4\x07x");
    close_service();
}

static void a_rich_service_learns_the_subject(void **state)
{
    (void)state;
    open_service(NULL, "{'form': 'rich'}");
    say(&caller, "[0, 5, 'svc.sum', [1, 2]]");
    hear(&server, "[0, 1, '$call', [1, 'svc.sum', [1, 2]]]");
    say(&server, "[1, 1, null, 'ok']");
    hear(&caller, "[1, 5, null, 'ok']");
    close_service();
}

static void the_call_method_is_a_call_with_options(void **state)
{
    (void)state;
    open_service(NULL, "{}");
    say(&caller, "[0, 5, '$call', ['svc.sum', [1, 2]]]");
    hear(&server, "[0, 1, 'svc.sum', [1, 2]]");
    say(&server, "[1, 1, null, 'ok']");
    hear(&caller, "[1, 5, null, 'ok']");
    say(&caller, "[0, 6, '$call', ['svc.sum', [1, 2], {'deadline': 0}]]");
    hear(&server, "[0, 2, 'svc.sum', [1, 2]]");
    say(&server, "[1, 2, null, 'ok']");
    hear(&caller, "[1, 6, null, 'ok']");
    close_service();
}

static void answers_may_come_in_any_order_and_from_many(void **state)
{
    enum { CALLS = 100 };
    bool answered[CALLS] = { false };

    (void)state;
    open_service(NULL, "{}");
    for (int i = 0; i < CALLS; i++)
        say(&caller, "[0, %d, 'svc.n', [%d]]", i, i);
    for (int i = 1; i <= CALLS; i++) {
        char expected[64];

        snprintf(expected, sizeof expected, "[0, %d, 'svc.n', [%d]]", i, i - 1);
        hear(&server, expected);
    }
    for (int i = CALLS; i >= 1; i--)
        say(&server, "[1, %d, null, %d]", i, i - 1);
    for (int i = CALLS - 1; i >= 0; i--) {
        char expected[64];

        snprintf(expected, sizeof expected, "[1, %d, null, %d]", i, i);
        hear(&caller, expected);
        answered[i] = true;
    }
    for (int i = 0; i < CALLS; i++)
        assert_true(answered[i]);
    close_service();
}

static void nobody_there_is_answered_at_once(void **state)
{
    (void)state;
    open_service(NULL, "{}");
    say(&caller, "[0, 1, 'other', []]");
    hear(&caller, "[1, 1, 'E_NORESP nobody serves *', null]");
    say(&server, "[0, 3, '$unsub', [1]]");
    hear(&server, "[1, 3, null, '?']");
    say(&caller, "[0, 2, 'svc.a', []]");
    hear(&caller, "[1, 2, 'E_NORESP *', null]");
    close_service();
}

/* What was called is quoted as text whatever it is, and cut between two characters. */
static void an_error_is_text_whatever_was_called(void **state)
{
    enum { LONG = 200 };
    char name[2 * LONG + 1] = "";
    struct ppi_slice parts[4];

    (void)state;
    open_service(NULL, "{}");
    SAY_BYTES(&caller, "\x94\x00\x01\xA2\xC3(\x90");
    hear(&caller, "[1, 1, 'E_ARG a subject is UTF-8 without spaces and control bytes:"
                  " \\u0022\\u005CxC3(\\u0022', null]");
    for (int i = 0; i < LONG; i++)
        memcpy(name + 2 * i, "\xC3\xA9", 2);
    say(&caller, "[0, 2, '%s', []]", name);
    while (raw_frame_size(&caller) == 0)
        assert_true(raw_receive(&caller));
    assert_int_equal(ppi_slices(ppi_buf_data(&caller.in), ppi_buf_size(&caller.in), parts, 4), 4);
    struct ppi_value error = ppi_value_at(parts[2].data, parts[2].size);
    assert_true(error.text_length > LONG && ppi_utf8(error.text, error.text_length));
    close_service();
}

static void a_server_that_goes_is_named_to_its_callers(void **state)
{
    (void)state;
    open_service(NULL, "{}");
    say(&caller, "[0, 1, 'svc.a', []]");
    say(&caller, "[0, 2, 'svc.b', []]");
    hear(&server, "[0, 1, 'svc.a', []]");
    hear(&server, "[0, 2, 'svc.b', []]");
    say(&server, "[1, 2, null, 'done']");
    hear(&caller, "[1, 2, null, 'done']");
    raw_close(&server);
    hear(&caller, "[1, 1, 'E_GONE *', null]");
    say(&caller, "[0, 3, 'svc.a', []]");
    hear(&caller, "[1, 3, 'E_NORESP *', null]");
    raw_open(&server, &bus);
    close_service();
}

static void a_deadline_ends_a_call_and_the_late_answer_is_ignored(void **state)
{
    (void)state;
    open_service(NULL, "{}");
    say(&caller, "[0, 1, '$call', ['svc.slow', [], {'deadline': 150}]]");
    hear(&server, "[0, 1, 'svc.slow', []]");
    bus_pass_ms(&bus, 0);
    hear(&caller, "[1, 1, 'E_TIMEOUT *', null]");
    hear(&server, "[2, '$cancel', [1]]");
    say(&server, "[1, 1, null, 'late']");
    hear_nothing(&caller);
    say(&caller, "[0, 1, 'svc.a', []]"); /* its id is free again */
    hear(&server, "[0, 2, 'svc.a', []]");
    say(&server, "[1, 2, null, 'in time']");
    hear(&caller, "[1, 1, null, 'in time']");
    close_service();
}

static void the_brokers_own_deadline_holds_for_every_call(void **state)
{
    (void)state;
    open_service("call_deadline_ms = 150;\n", "{}");
    say(&caller, "[0, 1, 'svc.slow', []]");
    hear(&caller, "[1, 1, 'E_TIMEOUT *', null]");
    close_service();
}

static void a_canceled_call_ends_at_once_and_the_server_is_told(void **state)
{
    (void)state;
    open_service(NULL, "{}");
    say(&caller, "[0, 9, 'svc.slow', []]");
    hear(&server, "[0, 1, 'svc.slow', []]");
    say(&caller, "[0, 10, '$cancel', [9]]");
    hear(&caller, "[1, 9, 'E_CANCELED *', null]");
    hear(&caller, "[1, 10, null, null]");
    hear(&server, "[2, '$cancel', [1]]");
    say(&server, "[1, 1, null, 'late']");
    say(&caller, "[2, '$cancel', [9]]"); /* there is none any more */
    hear_nothing(&caller);
    close_service();
}

static void an_id_that_is_still_open_breaks_the_protocol(void **state)
{
    struct raw other;

    (void)state;
    open_service(NULL, "{}");
    raw_open(&other, &bus);
    say(&caller, "[0, 8, '$hello', [{'v': 1}]]"); /* so that it can be told */
    hear(&caller, "[1, 8, null, '?']");
    say(&caller, "[0, 9, 'svc.a', []]");
    hear(&server, "[0, 1, 'svc.a', []]");
    say(&caller, "[0, 9, 'svc.a', []]");
    hear(&caller, "[2, '$bye', ['E_PROTO', '?', '?']]");
    hear_end(&caller);
    hear(&server, "[2, '$cancel', [1]]"); /* its caller is gone */
    say(&other, "[0, 9, 'svc.a', []]");   /* nobody else is touched */
    hear(&server, "[0, 2, 'svc.a', []]");
    raw_close(&other);
    hear(&server, "[2, '$cancel', [2]]");
    close_service();
}

/* An answer goes on under the caller's id, which may take more bytes than the broker's. */
static void an_answer_may_not_become_too_large_on_its_way(void **state)
{
    enum { FRAME_MAX = 8192 };
    struct ppi_buf answer = { 0 };
    const uint8_t head[] = { 0x94, 0x01, 0x01, 0xC0, 0xC5, 0, 0 };

    (void)state;
    open_service("frame_max = 8192;\n", "{}");
    for (unsigned over = 0; over < 2; over++) { /* 4 bytes more in front are just right, and not */
        unsigned filling = FRAME_MAX - (unsigned)sizeof head - 4 + over;

        say(&caller, "[0, 4000000000, 'svc.a', []]");
        hear(&server, over ? "[0, 2, 'svc.a', []]" : "[0, 1, 'svc.a', []]");
        ppi_buf_clear(&answer);
        ppi_buf_append(&answer, head, sizeof head);
        memset(ppi_buf_room(&answer, filling), 0, filling);
        ppi_buf_added(&answer, filling);
        ppi_buf_data(&answer)[2] = (uint8_t)(1 + over);
        ppi_buf_data(&answer)[5] = (uint8_t)(filling >> 8);
        ppi_buf_data(&answer)[6] = (uint8_t)filling;
        say_bytes(&server, ppi_buf_data(&answer), ppi_buf_size(&answer));
        hear(&caller, over ? "[1, 4000000000, 'E_LIMIT *', null]" : "[1, 4000000000, null, '?']");
    }
    ppi_buf_deinit(&answer);
    close_service();
}

static void open_calls_have_a_limit(void **state)
{
    (void)state;
    open_service("calls_open = 2;\n", "{}");
    say(&caller, "[0, 1, 'svc.a', []]");
    say(&caller, "[0, 2, 'svc.a', []]");
    say(&caller, "[0, 3, 'svc.a', []]");
    hear(&caller, "[1, 3, 'E_LIMIT calls_open*', null]");
    hear(&server, "[0, 1, 'svc.a', []]");
    say(&server, "[1, 1, null, 0]");
    hear(&caller, "[1, 1, null, 0]");
    say(&caller, "[0, 3, 'svc.a', []]");
    hear(&server, "[0, 2, 'svc.a', []]");
    hear(&server, "[0, 3, 'svc.a', []]");
    close_service();
}

static void a_server_takes_as_many_calls_as_it_says(void **state)
{
    (void)state;
    open_service(NULL, "{'max_inflight': 1}");
    say(&caller, "[0, 1, 'svc.a', []]");
    hear(&server, "[0, 1, 'svc.a', []]");
    say(&caller, "[0, 2, 'svc.a', []]");
    hear(&caller, "[1, 2, 'E_BUSY *', null]");
    say(&server, "[1, 1, null, 0]");
    hear(&caller, "[1, 1, null, 0]");
    say(&caller, "[0, 3, 'svc.a', []]");
    hear(&server, "[0, 2, 'svc.a', []]");
    close_service();
}

static void an_exclusive_service_has_no_rival(void **state)
{
    (void)state;
    open_service(NULL, "{'exclusive': true}");
    say(&caller, "[0, 1, '$serve', ['svc.*']]");
    hear(&caller, "[1, 1, 'E_NAMETAKEN *', null]");
    say(&caller, "[0, 2, '$serve', ['svc.a', {'exclusive': true}]]"); /* another pattern */
    hear(&caller, "[1, 2, null, 1]");
    say(&server, "[0, 3, '$serve', ['svc.a']]");
    hear(&server, "[1, 3, 'E_NAMETAKEN *', null]");
    close_service();
}

static void the_server_with_the_fewest_calls_gets_the_next(void **state)
{
    struct raw second;

    (void)state;
    open_service(NULL, "{}");
    raw_open(&second, &bus);
    say(&second, "[0, 1, '$serve', ['svc.*']]");
    hear(&second, "[1, 1, null, 1]");
    for (int i = 1; i <= 6; i++)
        say(&caller, "[0, %d, 'svc.a', []]", i);
    for (int i = 1; i <= 3; i++) {
        char expected[64];

        snprintf(expected, sizeof expected, "[0, %d, 'svc.a', []]", i);
        hear(&server, expected);
        hear(&second, expected);
    }
    for (int i = 1; i <= 3; i++) /* the second is done; all go to it until it has as many */
        say(&second, "[1, %d, null, 0]", i);
    for (int i = 0; i < 3; i++)
        hear(&caller, "[1, '?', null, 0]");
    for (int i = 7; i <= 9; i++)
        say(&caller, "[0, %d, 'svc.a', []]", i);
    for (int i = 4; i <= 6; i++) {
        char expected[64];

        snprintf(expected, sizeof expected, "[0, %d, 'svc.a', []]", i);
        hear(&second, expected);
    }
    raw_close(&second);
    close_service();
}

static void answers_nobody_asked_for_are_ignored(void **state)
{
    (void)state;
    open_service(NULL, "{}");
    say(&server, "[1, 1, null, 'nothing was asked']");
    hear_nothing(&server);
    say(&caller, "[1, 1, null, 'nor here']");
    say(&caller, "[0, 1, 'svc.a', []]");
    hear(&server, "[0, 1, 'svc.a', []]");
    say(&server, "[1, 1, null, 'first']");
    say(&server, "[1, 1, null, 'second']");
    hear(&caller, "[1, 1, null, 'first']");
    hear_nothing(&caller);
    hear_nothing(&server);
    close_service();
}

static void a_client_may_call_itself(void **state)
{
    (void)state;
    open_service(NULL, "{}");
    say(&server, "[0, 5, 'svc.me', []]");
    hear(&server, "[0, 1, 'svc.me', []]");
    say(&server, "[1, 1, null, 'me']");
    hear(&server, "[1, 5, null, 'me']");
    say(&server, "[0, 6, 'svc.me', []]"); /* and leave with it open */
    hear(&server, "[0, 2, 'svc.me', []]");
    close_service();
}

static void bye_ends_ones_own_calls(void **state)
{
    (void)state;
    open_service(NULL, "{}");
    say(&caller, "[0, 1, 'svc.a', []]");
    hear(&server, "[0, 1, 'svc.a', []]");
    say(&caller, "[0, 2, '$bye', []]");
    hear(&caller, "[1, 1, 'E_CANCELED *', null]");
    hear(&caller, "[1, 2, null, null]");
    hear(&server, "[2, '$cancel', [1]]");
    hear_end(&caller);
    close_service();
}

enum { MANY = 80, LARGE = 40 * 1024 };

/* [0, id, "svc.large", [bin of LARGE bytes, the first of which is the id]] */
static void say_large(struct raw *raw, uint8_t id)
{
    const uint8_t head[] = { 0x94, 0x00, id };
    static const uint8_t call[] = "\xA9svc.large\x91\xC5\xA0\x00";
    uint8_t body[LARGE] = { id };

    say_bytes(raw, head, sizeof head);
    say_bytes(raw, call, sizeof call - 1);
    say_bytes(raw, body, sizeof body);
}

/* Takes one that a server gets, and answers it with its first byte; that is returned. */
static uint8_t answer_large(struct raw *raw)
{
    struct ppi_slice parts[4];
    size_t size;

    while ((size = raw_frame_size(raw)) == 0)
        assert_true(raw_receive(raw));
    assert_int_equal(ppi_slices(ppi_buf_data(&raw->in), size, parts, 4), 4);
    uint32_t id = (uint32_t)ppi_value_at(parts[1].data, parts[1].size).number;
    struct ppi_value subject = ppi_value_at(parts[2].data, parts[2].size);
    assert_memory_equal(subject.text, "svc.large", 9);
    assert_int_equal(parts[3].size, 4 + LARGE);
    uint8_t first = parts[3].data[4];
    ppi_buf_consume(&raw->in, size);
    say(raw, "[1, %u, null, %u]", (unsigned)id, (unsigned)first);
    return first;
}

/* A server that reads nothing goes. Calls of which it was sent nothing go to another one, whole and
 * in their order, also if that takes three at a time only; of the others nobody knows whether they
 * were served. */
static void what_a_server_was_not_sent_goes_to_another(void **state)
{
    static const char *const forms[] = { "{}", "{'form': 'rich'}" };
    struct raw second;
    char expected[40];

    (void)state;
    for (size_t i = 0; i < PPI_COUNT(forms); i++) {
        int next = 0;

        open_service("queue_high = 8388608;\n", forms[i]);
        for (int id = 0; id < MANY; id++)
            say_large(&caller, (uint8_t)id);
        hear_nothing(&caller); /* all of them are with the first */
        raw_open(&second, &bus);
        say(&second, "[0, 1, '$serve', ['svc.large', {'max_inflight': 3}]]");
        hear(&second, "[1, 1, null, 1]");
        raw_close(&server);
        EVENTUALLY(bus_log_has(&bus, "name=\"service\" why="));
        say(&caller, "[0, 999, '$ping', []]");
        for (bool more = true; more; next += more) { /* those that were sent, or begun */
            size_t size;

            while ((size = raw_frame_size(&caller)) == 0)
                assert_true(raw_receive(&caller));
            more = ppi_buf_data(&caller.in)[2] != 0xCD; /* the ping's */
            ppi_buf_consume(&caller.in, size);
        }
        assert_in_range(next, 1, MANY / 2);
        for (; next < MANY; next++) {
            assert_int_equal(answer_large(&second), next);
            snprintf(expected, sizeof expected, "[1, %d, null, %d]", next, next);
            hear(&caller, expected);
        }
        hear_nothing(&second);
        hear_nothing(&caller);
        raw_close(&second);
        raw_open(&server, &bus);
        close_service();
    }
}

int call_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_call_is_passed_on_and_its_answer_back),
        BUS_TEST(answers_are_equal_byte_for_byte),
        BUS_TEST(a_rich_service_learns_the_subject),
        BUS_TEST(the_call_method_is_a_call_with_options),
        BUS_TEST(answers_may_come_in_any_order_and_from_many),
        BUS_TEST(nobody_there_is_answered_at_once),
        BUS_TEST(an_error_is_text_whatever_was_called),
        BUS_TEST(a_server_that_goes_is_named_to_its_callers),
        BUS_TEST(what_a_server_was_not_sent_goes_to_another),
        BUS_TEST(a_deadline_ends_a_call_and_the_late_answer_is_ignored),
        BUS_TEST(the_brokers_own_deadline_holds_for_every_call),
        BUS_TEST(a_canceled_call_ends_at_once_and_the_server_is_told),
        BUS_TEST(an_id_that_is_still_open_breaks_the_protocol),
        BUS_TEST(an_answer_may_not_become_too_large_on_its_way),
        BUS_TEST(open_calls_have_a_limit),
        BUS_TEST(a_server_takes_as_many_calls_as_it_says),
        BUS_TEST(an_exclusive_service_has_no_rival),
        BUS_TEST(the_server_with_the_fewest_calls_gets_the_next),
        BUS_TEST(answers_nobody_asked_for_are_ignored),
        BUS_TEST(a_client_may_call_itself),
        BUS_TEST(bye_ends_ones_own_calls),
    };
    int failures = 0;

    RUN_GROUP(&failures, "calls", tests);
    return failures;
}
