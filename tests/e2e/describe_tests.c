/* describe_tests.c: services say what they do, and who asks is told. */
#include "e2e/bus.h"
#include "e2e/wire.h"
#include "support/support.h"
#include "support/text.h"

static struct bus bus;
static struct raw client, server;

static void open_two(const char *settings)
{
    bus_open(&bus, settings);
    raw_open(&client, &bus);
    raw_open(&server, &bus);
    say(&server, "[0, 1, '$hello', [{'v': 1, 'name': 'adder'}]]");
    hear(&server, "[1, 1, null, '?']");
}

static void close_two(void)
{
    raw_close(&client);
    raw_close(&server);
    bus_close(&bus);
}

static void serve(const char *params, const char *answer)
{
    say(&server, "[0, 9, '$serve', %s]", params);
    hear(&server, answer);
}

static void what_is_served_is_told_with_its_doc(void **state)
{
    (void)state;
    open_two(NULL);
    say(&client, "[0, 1, '$describe', []]");
    hear(&client, "[1, 1, null, []]");
    serve("['svc.sum', {'doc': {'text': 'adds', 'params': [['a', 'int'], ['b', 'int', 'or more']],"
          " 'result': 'int', 'errors': ['E_ARG not a number'], 'x-unit': {'m': 1}},"
          " 'exclusive': true, 'max_inflight': 3}]",
          "[1, 9, null, 1]");
    serve("['svc.plain', {'doc': 'a text'}]", "[1, 9, null, 2]");
    serve("['svc.silent']", "[1, 9, null, 3]");
    say(&server, "[0, 2, '$sub', ['svc.news']]"); /* no service */
    hear(&server, "[1, 2, null, 4]");
    say(&client, "[0, 2, '$describe', []]");
    hear(&client,
         "[1, 2, null, [{'pattern': 'svc.sum', 'client': '?', 'name': 'adder', 'exclusive': true,"
         " 'max_inflight': 3, 'doc': {'text': 'adds', 'params': [['a', 'int'], ['b', 'int',"
         " 'or more']], 'result': 'int', 'errors': ['E_ARG not a number'], 'x-unit': {'m': 1}}},"
         " {'pattern': 'svc.plain', 'exclusive': false, 'max_inflight': 0, 'doc': 'a text'},"
         " {'pattern': 'svc.silent', 'doc': null}]]");
    say(&server, "[0, 3, '$unsub', [1]]");
    hear(&server, "[1, 3, null, '?']");
    say(&client, "[0, 3, '$describe', ['svc.sum']]");
    hear(&client, "[1, 3, null, []]");
    close_two();
}

/* Not a byte is written anew: numbers that are longer than need be, the order of keys. */
static void a_doc_keeps_its_bytes(void **state)
{
    static const char doc[] = "\xDF\x00\x00\x00\x02\xD9\x03x-a\xCD\x00\x07\xA4text\xDA\x00\x01t";
    static const char serve_head[] = "\x94\x00\x09\xA6$serve\x92\xA1s\x82\xA4"
                                     "form\xA5plain\xA3"
                                     "doc";
    struct ppi_buf expected = { 0 };

    (void)state;
    open_two(NULL);
    say_bytes(&server, serve_head, sizeof serve_head - 1);
    say_bytes(&server, doc, sizeof doc - 1);
    hear(&server, "[1, 9, null, 1]");
    say(&client, "[0, 1, '$describe', ['s']]");
    text_pack(&expected, "[1, 1, null, [{'pattern': 's', 'client': 2, 'name': 'adder',"
                         " 'exclusive': false, 'max_inflight': 0, 'doc': null}]]");
    hear_bytes(&client, ppi_buf_data(&expected), ppi_buf_size(&expected) - 1);
    hear_bytes(&client, doc, sizeof doc - 1);
    ppi_buf_deinit(&expected);
    close_two();
}

static void a_pattern_narrows_to_what_it_may_call(void **state)
{
    static const struct {
        const char *asked, *told;
    } cases[] = {
        { "svc.sum", "[{'pattern': 'svc.sum'}, {'pattern': 'svc.*'}]" },
        { "svc.other", "[{'pattern': 'svc.*'}]" },
        { "*.sum", "[{'pattern': 'svc.sum'}, {'pattern': 'svc.*'}]" },
        { "db.>", "[{'pattern': 'db.get'}]" },
        { ">", "[{'pattern': 'svc.sum'}, {'pattern': 'svc.*'}, {'pattern': 'db.get'}]" },
        { "@me.x", "[{'pattern': '@me.*'}]" },
        { "svc", "[]" },
    };

    (void)state;
    open_two(NULL);
    serve("['svc.sum']", "[1, 9, null, 1]");
    serve("['svc.*']", "[1, 9, null, 2]");
    serve("['db.get']", "[1, 9, null, 3]");
    serve("['@me.*']", "[1, 9, null, 4]");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[160];

        say(&client, "[0, 1, '$describe', ['%s']]", cases[i].asked);
        snprintf(expected, sizeof expected, "[1, 1, null, %s]", cases[i].told);
        hear(&client, expected);
    }
    say(&client, "[0, 2, '$describe', ['a..b']]");
    hear(&client, "[1, 2, 'E_ARG *', null]");
    say(&client, "[0, 3, '$describe', [7]]");
    hear(&client, "[1, 3, 'E_ARG *', null]");
    close_two();
}

static void a_doc_that_is_none_is_refused_with_what_is_wrong(void **state)
{
    static const struct {
        const char *doc, *told;
    } cases[] = {
        { "7", "E_ARG doc: it is a text*" },
        { "['a']", "E_ARG doc: it is a text*" },
        { "{'texts': 'a'}", "E_ARG doc: the keys are *" },
        { "{'text': 7}", "E_ARG doc: \\u0027text\\u0027 *" },
        { "{'result': []}", "E_ARG doc: *" },
        { "{'params': {'a': 'int'}}", "E_ARG doc: \\u0027params\\u0027 is an array*" },
        { "{'params': [['a', 'int'], ['b']]}", "E_ARG doc: param 2 is *" },
        { "{'params': [['a', 'int', 'what', 'more']]}", "E_ARG doc: param 1 is *" },
        { "{'params': [['a', 7]]}", "E_ARG doc: param 1 is *" },
        { "{'errors': 'E_ARG'}", "E_ARG doc: \\u0027errors\\u0027 *" },
        { "{'errors': ['E_ARG', 7]}", "E_ARG doc: \\u0027errors\\u0027 *" },
    };

    (void)state;
    open_two(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[80];

        say(&server, "[0, 9, '$serve', ['s', {'doc': %s}]]", cases[i].doc);
        snprintf(expected, sizeof expected, "[1, 9, '%s', null]", cases[i].told);
        hear(&server, expected);
    }
    SAY_BYTES(&server, "\x94\x00\x09\xA6$serve\x92\xA1s\x81\xA3"
                       "doc\xA2\xFF\xFE"); /* not UTF-8 */
    hear(&server, "[1, 9, 'E_ARG doc: it is a text*', null]");
    say(&client, "[0, 1, '$describe', []]");
    hear(&client, "[1, 1, null, []]");
    close_two();
}

/* Serves s with a doc of size bytes in all. */
static void serve_large(unsigned size)
{
    static const uint8_t head[] = "\x94\x00\x09\xA6$serve\x92\xA1s\x81\xA3"
                                  "doc\xDA";
    struct ppi_buf frame = { 0 };

    size -= 3;
    ppi_buf_append(&frame, head, sizeof head - 1);
    uint8_t *at = ppi_buf_room(&frame, size + 2);
    at[0] = (uint8_t)(size >> 8);
    at[1] = (uint8_t)size;
    memset(at + 2, 'x', size);
    ppi_buf_added(&frame, size + 2);
    say_bytes(&server, ppi_buf_data(&frame), ppi_buf_size(&frame));
    ppi_buf_deinit(&frame);
}

static void docs_and_answers_are_bounded(void **state)
{
    (void)state;
    open_two("subs = 300;\n");
    serve_large(4097);
    hear(&server, "[1, 9, 'E_ARG doc: it has at most 4096 bytes', null]");
    for (int i = 1; i <= 260; i++) {
        char expected[40];

        serve_large(4096);
        snprintf(expected, sizeof expected, "[1, 9, null, %d]", i);
        hear(&server, expected);
    }
    serve("['other', {'doc': 'o'}]", "[1, 9, null, 261]");
    say(&client, "[0, 1, '$describe', []]");
    hear(&client, "[1, 1, 'E_LIMIT *', null]");
    say(&client, "[0, 2, '$describe', ['other']]");
    hear(&client, "[1, 2, null, [{'doc': 'o'}]]");
    close_two();
}

int describe_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(what_is_served_is_told_with_its_doc),
        BUS_TEST(a_doc_keeps_its_bytes),
        BUS_TEST(a_pattern_narrows_to_what_it_may_call),
        BUS_TEST(a_doc_that_is_none_is_refused_with_what_is_wrong),
        BUS_TEST(docs_and_answers_are_bounded),
    };
    int failures = 0;

    RUN_GROUP(&failures, "what is served", tests);
    return failures;
}
