/* filter_tests.c: the words of `panpipe monitor`, and what it shows of a body. */
#include "support/support.h"
#include "unit/unit.h"

#include "error.h"
#include "filter.h"
#include "glimpse.h"
#include "json.h"

/* --- the filter ------------------------------------------------------------------------------ */

static char problem[FILTER_PROBLEM_MAX];

/* The map for the broker as JSON, "" if the words are wrong; static. */
static const char *asked(const char *words)
{
    static char text[600];
    struct filter filter = { .dropped = false };
    struct bytes packed = { 0 }, line = { 0 };

    text[0] = '\0';
    if (!filter_add(&filter, words, problem))
        return text;
    filter_pack(&filter, 0, 0, &packed);
    json_t *params = json_from_value(packed.data, packed.size);
    assert_int_equal(json_array_size(params), 1);
    json_print(json_array_get(params, 0), &line);
    snprintf(text, sizeof text, "%.*s", (int)line.size, line.data);
    json_decref(params);
    bytes_free(&packed);
    bytes_free(&line);
    return text;
}

static void each_word_is_a_field(void **state)
{
    (void)state;
    assert_string_equal(asked(""), "{}");
    assert_string_equal(asked("ui.>"), "{\"subject\":\"ui.>\"}");
    assert_string_equal(asked("subj:a:b"), "{\"subject\":\"a:b\"}");
    assert_string_equal(asked("from:updater"), "{\"from\":\"updater\"}");
    assert_string_equal(asked("from:12"), "{\"from\":12}");
    assert_string_equal(asked("from:18446744073709551615"),
                        "{\"from\":{\"$uint\":\"18446744073709551615\"}}");
    assert_string_equal(asked("from:18446744073709551616"),
                        "{\"from\":\"18446744073709551616\"}"); /* no number any more: a name */
    assert_string_equal(asked("to:pid:812"), "{\"to\":\"pid:812\"}");
    assert_string_equal(asked("kind:pub"), "{\"kind\":\"pub\"}");
    assert_string_equal(asked("kind:req"), "{\"kind\":\"call\"}");
    assert_string_equal(asked("kind:request"), "{\"kind\":\"call\"}");
    assert_string_equal(asked("kind:answer"), "{\"kind\":\"answer\"}");
    assert_string_equal(asked("kind:error"), "{\"kind\":\"error\"}");
    assert_string_equal(asked("drop:yes"), "{\"dropped\":true}");
}

static void words_are_anded(void **state)
{
    (void)state;
    assert_string_equal(asked("  ui.* from:a\tto:b kind:call size:>0 size:<2 drop:yes\n"),
                        "{\"subject\":\"ui.*\",\"from\":\"a\",\"to\":\"b\",\"kind\":\"call\","
                        "\"size_min\":1,\"size_max\":1,\"dropped\":true}");
    assert_string_equal(asked("size:>1k size:>2k size:<9k size:<8k"),
                        "{\"size_min\":2049,\"size_max\":8191}");
}

static void sizes_have_units_and_bounds(void **state)
{
    (void)state;
    assert_string_equal(asked("size:>64k"), "{\"size_min\":65537}");
    assert_string_equal(asked("size:>=64K"), "{\"size_min\":65536}");
    assert_string_equal(asked("size:<1k"), "{\"size_max\":1023}");
    assert_string_equal(asked("size:<=1m"), "{\"size_max\":1048576}");
    assert_string_equal(asked("size:<=1g"), "{\"size_max\":1073741824}");
}

/* The words are wrong, and what is said about them has this in it. */
static void expect_problem(const char *words, const char *said)
{
    assert_string_equal(asked(words), "");
    if (strstr(problem, said) == NULL)
        fail_msg("\"%s\" for \"%s\"", problem, words);
}

static void a_mistake_is_named_and_corrected(void **state)
{
    static char long_word[400];

    (void)state;
    memset(long_word, 'x', sizeof long_word - 1);
    expect_problem("sub:ui.>", "did you mean subj:?");
    expect_problem("form:updater", "did you mean from:?");
    expect_problem("xyzzy:1", "only subj:");
    expect_problem("kind:reqest", "did you mean kind:request?");
    expect_problem("kind:anwser", "did you mean kind:answer?");
    expect_problem("kind:xyzzy", "pub, call, answer or error");
    expect_problem("kind:pub kind:call", "twice");
    expect_problem("ui.> subj:a", "twice");
    expect_problem("from:a from:b", "twice");
    expect_problem("from:", "behind the colon");
    expect_problem("to:pid:me", "no process");
    expect_problem("size:64k", "size:>64k");
    expect_problem("size:>64x", "no size");
    expect_problem("size:>64kk", "no size");
    expect_problem("size:>", "no size");
    expect_problem("size:>99999999999999999999", "no size");
    expect_problem("size:>99999999999g", "no size");
    expect_problem("size:<1", "so small");
    expect_problem("size:>1k size:<1k", "both");
    expect_problem("drop:no", "yes");
    expect_problem(long_word, "too long");
}

static void a_map_is_shown_as_the_words_it_came_from(void **state)
{
    json_t *map = json_loads("{\"subject\":\"ui.>\",\"from\":3,\"to\":\"pid:8\",\"kind\":null,"
                             "\"size_min\":10,\"size_max\":20,\"dropped\":true,\"cut\":512}",
                             0, NULL);
    struct bytes words = { 0 };

    (void)state;
    filter_show(map, &words);
    bytes_add(&words, "", 1);
    assert_string_equal(words.data, "subj:ui.> from:3 to:pid:8 size:>=10 size:<=20 drop:yes");
    bytes_free(&words);
    json_decref(map);
}

/* --- bodies ---------------------------------------------------------------------------------- */

/* What is shown of the first size bytes of a value; static. */
static const char *shown(const char *value, size_t size, bool params)
{
    static char text[400];
    struct bytes line = { 0 };
    char *exact = malloc(size); /* so that a byte too far is seen */

    memcpy(exact, value, size);
    glimpse(exact, size, params, &line);
    snprintf(text, sizeof text, "%.*s", (int)line.size, line.data);
    bytes_free(&line);
    free(exact);
    return text;
}
#define SHOWN(literal, params) shown(literal, sizeof literal - 1, params)

static void a_whole_body_is_shown_as_sub_prints_it(void **state)
{
    (void)state;
    assert_string_equal(SHOWN("\x91\xA2hi", true), "hi");
    assert_string_equal(SHOWN("\x91\x2A", true), "[42]");
    assert_string_equal(SHOWN("\x90", true), "[]");
    assert_string_equal(SHOWN("\x92\xA1x\x81\xA1k\xC3", true), "[\"x\",{\"k\":true}]");
    assert_string_equal(SHOWN("\xA2hi", false), "hi");
    assert_string_equal(SHOWN("\x91\xA2hi", false), "[\"hi\"]");
    assert_string_equal(SHOWN("\xC0", false), "null");
    assert_string_equal(SHOWN("\x91\xC4\x02\xFF\x01", true), "ff01");
    assert_string_equal(SHOWN("\x91\xC4\x02ok", true), "ok");
}

static void a_cut_body_is_shown_as_far_as_it_goes(void **state)
{
    (void)state;
    assert_string_equal(SHOWN("\x91\xA5he", true), "he…");
    assert_string_equal(SHOWN("\x91\xD9\x50h\xC3\xA9\xC3", true), "hé…");
    assert_string_equal(SHOWN("\x91\xC5\x01\x00\xFF", true), "ff…");
    assert_string_equal(SHOWN("\x93\x01\xA3yes\xA9hel", true), "[1,\"yes\",\"hel…");
    assert_string_equal(SHOWN("\x93\x01\xCD\x01", true), "[1,…");
    assert_string_equal(SHOWN("\xDC\x01", true), "…");
    assert_string_equal(SHOWN("\x92\x82\xA1k", true), "[{\"k\":…");
    assert_string_equal(SHOWN("\xDA\x10", false), "…");
    assert_string_equal(SHOWN("", false), "…");
}

static void a_body_does_nothing_to_the_terminal(void **state)
{
    (void)state;
    assert_string_equal(SHOWN("\x91\xA6\x1B[2J\n\t", true), " [2J  ");
    assert_string_equal(SHOWN("\x91\xA3\xC2\x9BJ", true), "  J");
    assert_string_equal(SHOWN("\x92\xA2\xC2\x9B\xA1\x7F", true), "[\"  \",\" \"]");
}

/* Names of clients and subjects come from others, too; tables and errors show them. */
static void a_name_does_nothing_to_the_terminal(void **state)
{
    char name[] = "a\x1B[2J\xC2\x9Bz\xC3\xA9";

    (void)state;
    error_clean(name);
    assert_string_equal(name, "a [2J  z\xC3\xA9");
}

/* An error has room for 511 bytes: the last letter may have been cut. */
static void what_is_no_letter_leaves_the_others_as_they_are(void **state)
{
    char name[] = "gr\xC3\xB6\xC3\x9F\xFF"
                  "er \xE6\x97";

    (void)state;
    error_clean(name);
    assert_string_equal(name, "größ?er ??");
}

/* Whatever was cut where: it ends, and reads nothing behind it. */
static void every_cut_of_a_body_can_be_shown(void **state)
{
    static const char body[] = "\x96\xA2hi\x82\xA1k\x93\x01\xCB\x3F\xF8\x00\x00\x00\x00\x00\x00\xC0"
                               "\xC4\x01\xFF\xD4\x05\x01\xDA\x00\x03xyz\xCF\xFF\xFF\xFF\xFF\xFF\xFF"
                               "\xFF\xFF\xC2\xDE\x00\x01\xA1z\x90";

    (void)state;
    for (size_t size = 0; size < sizeof body - 1; size++) {
        const char *text = shown(body, size, true);

        assert_true(strlen(text) >= 3);
        assert_string_equal(text + strlen(text) - 3, "…");
    }
    assert_null(strstr(shown(body, sizeof body - 1, true), "…"));
}

static void a_line_is_cut_at_letters(void **state)
{
    struct bytes line = { 0 };

    (void)state;
    bytes_add(&line, "a\xC3\xA9xyz", 6);
    glimpse_cut(&line, 5);
    assert_int_equal(line.size, 6);
    glimpse_cut(&line, 3);
    assert_memory_equal(line.data, "aé…", line.size);
    bytes_free(&line);
}

/* Else the line would take two of the terminal. */
static void wide_letters_take_two_columns_of_a_line(void **state)
{
    struct bytes line = { 0 };

    (void)state;
    bytes_add(&line, "日本語", strlen("日本語"));
    glimpse_cut(&line, 6);
    assert_memory_equal(line.data, "日本語", line.size);
    glimpse_cut(&line, 5);
    assert_int_equal(line.size, strlen("日本…"));
    assert_memory_equal(line.data, "日本…", line.size);
    glimpse_cut(&line, 4);
    assert_int_equal(line.size, strlen("日…"));
    glimpse_cut(&line, 1);
    assert_int_equal(line.size, strlen("…"));
    bytes_free(&line);
}

int filter_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_word_is_a_field),
        TEST(words_are_anded),
        TEST(sizes_have_units_and_bounds),
        TEST(a_mistake_is_named_and_corrected),
        TEST(a_map_is_shown_as_the_words_it_came_from),
        TEST(a_whole_body_is_shown_as_sub_prints_it),
        TEST(a_cut_body_is_shown_as_far_as_it_goes),
        TEST(a_body_does_nothing_to_the_terminal),
        TEST(a_name_does_nothing_to_the_terminal),
        TEST(what_is_no_letter_leaves_the_others_as_they_are),
        TEST(every_cut_of_a_body_can_be_shown),
        TEST(a_line_is_cut_at_letters),
        TEST(wide_letters_take_two_columns_of_a_line),
    };
    int failures = 0;

    RUN_GROUP(&failures, "filter", tests);
    return failures;
}
