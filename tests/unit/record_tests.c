/* record_tests.c: what `panpipe monitor` makes of the records of a tap. */
#include "support/support.h"
#include "unit/unit.h"

#include "json.h"
#include "record.h"

/* A record as JSON, with ' for ", becomes what the broker would send. */
static struct bytes packed(const char *text)
{
    struct bytes out = { 0 };
    char copy[600];

    snprintf(copy, sizeof copy, "%s", text);
    for (char *at = copy; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    json_t *json = json_loads(copy, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    assert_true(json_to_value(json, &out));
    json_decref(json);
    return out;
}

/* Its line; static. */
static const char *line_of(const char *text)
{
    static char shown[400];
    struct bytes params = packed(text), line = { 0 };
    struct record record;

    assert_true(record_read(&record, params.data, params.size));
    record_show(&record, &line);
    snprintf(shown, sizeof shown, "%.*s", (int)line.size, line.data);
    record_free(&record);
    bytes_free(&params);
    bytes_free(&line);
    return shown;
}

/* The record as JSON on a line; static. */
static const char *object_of(const char *text, bool with_text)
{
    static char shown[400];
    struct bytes params = packed(text), line = { 0 };
    struct record record;

    assert_true(record_read(&record, params.data, params.size));
    json_t *object = record_as_json(&record, with_text);
    json_print(object, &line);
    snprintf(shown, sizeof shown, "%.*s", (int)line.size, line.data);
    json_decref(object);
    record_free(&record);
    bytes_free(&params);
    bytes_free(&line);
    return shown;
}

#define PUB                                                                                        \
    "[{'n':1,'missed':0,'ts':1000,'kind':'pub','subject':'ui.tick','from':3,'name':'ui',"          \
    "'pid':42,'size_bytes':3,'to':2,'refused':0,'receivers':[[7,'logger'],[8,'overlay']],"         \
    "'whole':true,'body':{'$bin':'kaJoaQ=='}}]" /* ["hi"] */

static void a_message_is_a_line(void **state)
{
    (void)state;
    assert_string_equal(line_of(PUB), "00:00:01.000Z pub    ui[42]            ui.tick             "
                                      "     3 B  -> 2 logger, overlay  hi");
}

static void columns_are_counted_as_the_terminal_shows_them(void **state)
{
    (void)state;
    const char *line = line_of("[{'ts':1000,'kind':'pub','subject':'größe','name':'日本','pid':42,"
                               "'size_bytes':3,'to':0,'refused':0,'whole':true,"
                               "'body':{'$bin':'kaJoaQ=='}}]");
    assert_string_equal(line, "00:00:01.000Z pub    日本[42]          größe               "
                              "     3 B  -> nobody  hi");
}

static void an_answer_tells_its_time_and_its_result(void **state)
{
    (void)state;
    const char *line =
        line_of("[{'ts':0,'kind':'answer','subject':'svc.sum','name':'adder','pid':1,"
                "'size_bytes':1,'to':1,'refused':0,'receivers':[[2,'ui']],'whole':true,"
                "'body':{'$bin':'Aw=='},'time_us':1900}]");
    assert_non_null(strstr(line, "1 B  -> 1 ui  after 1.9 ms  3"));
}

static void nobody_and_who_was_refused_are_told(void **state)
{
    (void)state;
    assert_non_null(strstr(line_of("[{'kind':'pub','to':0,'refused':0,'body':{'$bin':'kA=='}}]"),
                           "-> nobody  []"));
    assert_non_null(strstr(line_of("[{'kind':'pub','to':17,'refused':2,'receivers':[[1,'a']],"
                                   "'body':{'$bin':'kA=='}}]"),
                           "-> 17, 2 refused  []"));
}

static void names_do_nothing_to_the_terminal(void **state)
{
    (void)state;
    const char *line =
        line_of("[{'kind':'pub','name':'\\u001b[2J','subject':'a\\u009bb','body':{'$bin':''}}]");
    assert_null(strchr(line, '\x1B'));
    assert_null(strstr(line, "\xC2\x9B"));
}

static void as_json_a_whole_body_is_decoded(void **state)
{
    (void)state;
    assert_string_equal(object_of(PUB, false),
                        "{\"n\":1,\"ts\":1000,\"kind\":\"pub\",\"subject\":\"ui.tick\",\"from\":3,"
                        "\"name\":\"ui\",\"pid\":42,\"size_bytes\":3,\"to\":2,\"refused\":0,"
                        "\"receivers\":[[7,\"logger\"],[8,\"overlay\"]],\"whole\":true,"
                        "\"params\":[\"hi\"]}");
    assert_string_equal(object_of("[{'kind':'answer','whole':true,'body':{'$bin':'Aw=='}}]", false),
                        "{\"kind\":\"answer\",\"whole\":true,\"result\":3}");
    assert_string_equal(object_of("[{'kind':'error','whole':true,'body':{'$bin':'oXg='}}]", false),
                        "{\"kind\":\"error\",\"whole\":true,\"error\":\"x\"}");
}

static void as_json_a_cut_body_is_base64(void **state)
{
    (void)state;
    assert_string_equal(
        object_of("[{'kind':'pub','whole':false,'body':{'$bin':'kaVoaQ=='}}]", true),
        "{\"kind\":\"pub\",\"whole\":false,\"body\":\"kaVoaQ==\","
        "\"text\":\"hi…\"}");
}

static void what_is_no_record_is_refused(void **state)
{
    static const char *const others[] = { "[]", "[1]", "{}", "null" };
    struct record record;

    (void)state;
    for (size_t i = 0; i < PPI_COUNT(others); i++) {
        struct bytes params = packed(others[i]);

        assert_false(record_read(&record, params.data, params.size));
        record_free(&record);
        bytes_free(&params);
    }
}

int record_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_a_line),
        TEST(columns_are_counted_as_the_terminal_shows_them),
        TEST(an_answer_tells_its_time_and_its_result),
        TEST(nobody_and_who_was_refused_are_told),
        TEST(names_do_nothing_to_the_terminal),
        TEST(as_json_a_whole_body_is_decoded),
        TEST(as_json_a_cut_body_is_base64),
        TEST(what_is_no_record_is_refused),
    };
    int failures = 0;

    RUN_GROUP(&failures, "records", tests);
    return failures;
}
