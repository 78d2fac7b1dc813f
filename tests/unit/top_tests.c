/* top_tests.c: `panpipe top` without a broker or a terminal: what it makes of answers, and how that
 * fits on a screen. */
#include <math.h>

#include "support/support.h"
#include "unit/unit.h"

#include "json.h"
#include "top_input.h"
#include "top_report.h"
#include "top_table.h"
#include "units.h"

enum { S = 1000000000 };

/* JSON with ' for ". */
static json_t *json(const char *text)
{
    char buffer[4096];
    json_error_t error;

    snprintf(buffer, sizeof buffer, "%s", text);
    for (char *at = buffer; *at != '\0'; at++)
        if (*at == '\'')
            *at = '"';
    json_t *value = json_loads(buffer, JSON_DECODE_ANY, &error);
    if (value == NULL)
        fail_msg("%s: %s", error.text, text);
    return value;
}

static void take(struct top_model *model, const char *stats, const char *clients,
                 const char *subjects, uint64_t now_ns)
{
    top_model_take(model, json(stats), json(clients), json(subjects), now_ns);
}

/* ui publishes to a logger that is slow, and waited for it for half of the two seconds. */
static void take_scene(struct top_model *model)
{
    take(model, "{'broker':'a','name':'default','scope':'user','published':1000,'deliveries':50}",
         "[{'id':1,'name':'ui','frames_in':1000,'held_ms':500,'state':'ok','who':{'pid':11}},"
         "{'id':2,'name':'logger','delivered':50,'holds':3,'state':'ok','who':{'pid':12}}]",
         "{'subjects':[{'subject':'ui.tick','published':1000,'calls':0}]}", 10ull * S);
    take(model, "{'broker':'a','name':'default','scope':'user','published':3000,'deliveries':60}",
         "[{'id':1,'name':'ui','frames_in':3000,'held_ms':1500,'held_by':2,'state':'ok',"
         "'who':{'pid':11,'exe':'/usr/bin/ui','user':'ann'}},"
         "{'id':2,'name':'logger','delivered':60,'holds':4,'holding':1,'state':'slow',"
         "'queued_bytes':4194304,'oldest_ms':12000,'who':{'pid':12}},"
         "{'id':3,'name':'cli','frames_in':4,'state':'ok','who':{'pid':13}}]",
         "{'subjects':[{'subject':'b.quiet','published':10,'calls':0},"
         "{'subject':'ui.tick','published':3000,'calls':0,"
         "'from':[{'client':1,'name':'ui','messages':3000}],"
         "'to':[{'client':2,'name':'logger','lost':0}],'receivers':1}]}",
         12ull * S);
}

/* --- figures --------------------------------------------------------------------------------- */

static void rates_are_differences(void **state)
{
    struct top_model model = { .known = false };

    (void)state;
    take_scene(&model);
    assert_true(model.compared);
    assert_int_equal(model.broker.in, 1000);
    assert_int_equal(model.broker.out, 5);
    assert_int_equal(model.clients[0].in, 1000);
    assert_int_equal(model.clients[1].out, 5);
    assert_int_equal(model.clients[2].in, 2); /* it was not there before: from 0 */
    assert_string_equal(model.subjects[0].subject, "ui.tick");
    assert_int_equal(model.subjects[0].messages, 1000);
    assert_string_equal(model.subjects[0].from, "ui");
    assert_string_equal(model.subjects[0].to, "logger");
    top_model_free(&model);
}

/* A broker that was started again counts from 0: the difference of two brokers is nothing. */
static void two_brokers_are_not_compared(void **state)
{
    struct top_model model = { .known = false };

    (void)state;
    take_scene(&model);
    take(&model, "{'broker':'b','published':7}", "[{'id':1,'frames_in':5}]", "{}", 13ull * S);
    assert_false(model.compared);
    assert_true(isnan(model.broker.in));
    assert_true(isnan(model.clients[0].in));
    assert_int_equal(model.history_count, 1); /* of before */
    top_model_free(&model);
}

static void what_is_not_told_is_not_known(void **state)
{
    struct top_model model = { .known = false };
    char text[UNITS_MAX];

    (void)state;
    take(&model, "{'broker':'a'}", "[{'id':1}]", "null", 1ull * S);
    take(&model, "{'broker':'a'}", "[{'id':1}]", "null", 2ull * S);
    assert_true(isnan(model.broker.in) && isnan(model.broker.memory_bytes));
    assert_true(isnan(model.broker.p50_ns) && isnan(model.clients[0].pid));
    assert_false(model.clients[0].slow || model.clients[0].blocked);
    units_count(text, model.clients[0].in);
    assert_string_equal(text, "-");
    top_model_free(&model);
}

static void who_waits_and_for_whom_is_told(void **state)
{
    struct top_model model = { .known = false };

    (void)state;
    take_scene(&model);
    assert_true(model.clients[0].blocked && !model.clients[0].slow);
    assert_string_equal(model.clients[0].held_name, "logger");
    assert_true(model.clients[1].slow && !model.clients[1].blocked);
    assert_false(model.clients[2].blocked || model.clients[2].slow);
    top_model_free(&model);
}

/* 9 ms in 100 are less than a tenth of the interval. */
static void a_short_wait_is_no_block(void **state)
{
    struct top_model model = { .known = false };

    (void)state;
    take(&model, "{'broker':'a'}", "[{'id':1,'held_ms':0}]", "{}", 1000000000);
    take(&model, "{'broker':'a'}", "[{'id':1,'held_ms':9}]", "{}", 1100000000);
    assert_false(model.clients[0].blocked);
    take(&model, "{'broker':'a'}", "[{'id':1,'held_ms':20}]", "{}", 1200000000);
    assert_true(model.clients[0].blocked);
    top_model_free(&model);
}

static void quantiles_are_of_the_interval(void **state)
{
    json_t *before = json("[[100,50],[200,1000]]");
    json_t *now = json("[[100,149],[200,1000],[5000,1]]");

    (void)state;
    assert_int_equal(top_quantile(now, NULL, 0.5), 200);
    assert_int_equal(top_quantile(now, before, 0.5), 100);
    assert_int_equal(top_quantile(now, before, 0.99), 100);
    assert_int_equal(top_quantile(now, before, 0.995), 5000);
    assert_true(isnan(top_quantile(now, now, 0.5)));
    assert_true(isnan(top_quantile(NULL, NULL, 0.5)));
    json_decref(before);
    json_decref(now);
}

static void a_report_has_the_answers_and_the_rates(void **state)
{
    struct top_model model = { .known = false };

    (void)state;
    take_scene(&model);
    json_t *report = top_report(&model);
    json_t *ui = json_array_get(json_object_get(report, "clients"), 0);
    assert_int_equal(json_number_value(json_object_get(report, "interval_ms")), 2000);
    assert_string_equal(json_string_value(json_object_get(ui, "name")), "ui");
    assert_int_equal(json_number_value(json_object_get(ui, "in_per_s")), 1000);
    assert_true(json_is_true(json_object_get(ui, "blocked")));
    assert_string_equal(json_string_value(json_object_get(ui, "held_by_name")), "logger");
    json_decref(report);
    top_model_free(&model);
}

/* --- lists ----------------------------------------------------------------------------------- */

static void lists_are_sorted_and_filtered(void **state)
{
    struct top_model model = { .known = false };
    const struct top_client *rows[3];
    const struct top_subject *subjects[2];

    (void)state;
    take_scene(&model);
    assert_int_equal(top_list_clients(&model, "", TOP_BY_STATE, false, rows), 3);
    assert_string_equal(rows[0]->name, "logger"); /* who is the reason stands first */
    assert_string_equal(rows[1]->name, "ui");
    top_list_clients(&model, "", TOP_BY_NAME, false, rows);
    assert_string_equal(rows[0]->name, "cli");
    top_list_clients(&model, "", TOP_BY_IN, true, rows);
    assert_string_equal(rows[2]->name, "ui");
    assert_int_equal(top_list_clients(&model, "LOG", TOP_BY_ID, false, rows), 1);
    assert_int_equal(top_list_clients(&model, "13", TOP_BY_ID, false, rows), 1);
    assert_string_equal(rows[0]->name, "cli");
    assert_int_equal(top_list_clients(&model, "ann", TOP_BY_ID, false, rows), 1);
    assert_int_equal(top_list_subjects(&model, "logger", subjects), 1);
    assert_string_equal(subjects[0]->subject, "ui.tick");
    top_model_free(&model);
}

/* --- the screen ------------------------------------------------------------------------------ */

static const struct top_column columns[] = {
    { "A", 5, 20, 0, false, -1 },
    { "B", 5, 5, 2, true, -1 },
    { "C", 5, 9, 1, false, -1 },
};

static void columns_that_matter_least_go_first(void **state)
{
    const int wanted[] = { 30, 5, 8 };
    int widths[3];

    (void)state;
    top_table_fit(columns, 3, wanted, 17, 1, widths);
    assert_int_equal(widths[0] + widths[1] + widths[2], 15);
    top_table_fit(columns, 3, wanted, 16, 1, widths); /* one too few for all three */
    assert_int_equal(widths[0], 10);
    assert_int_equal(widths[1], 0);
    assert_int_equal(widths[2], 5);
    top_table_fit(columns, 3, wanted, 100, 1, widths); /* none gets more than it can use */
    assert_int_equal(widths[0], 20);
    assert_int_equal(widths[2], 8);
    top_table_fit(columns, 3, wanted, 0, 1, widths);
    assert_int_equal(widths[0] + widths[1] + widths[2], 0);
}

/* What is on a canvas; static. */
static const char *text_of(const struct canvas *canvas)
{
    static char text[16384];
    struct bytes out = { 0 };

    canvas_text(canvas, &out);
    snprintf(text, sizeof text, "%.*s", (int)out.size, out.data != NULL ? out.data : "");
    bytes_free(&out);
    return text;
}

static void a_screen_fits_whatever_its_size(void **state)
{
    static const int sizes[][2] = { { 80, 24 }, { 160, 50 }, { 40, 10 }, { 20, 5 }, { 1, 1 } };
    struct top_ui ui = { .interactive = true, .interval_ms = 1000 };
    struct top_model model = { .known = false };
    struct canvas canvas = { .utf8 = true };

    (void)state;
    take_scene(&model);
    for (size_t i = 0; i < PPI_COUNT(sizes); i++) {
        canvas_clear(&canvas, sizes[i][0], sizes[i][1]);
        top_view(&canvas, &model, &ui); /* the sanitizers see what is outside */
        if (sizes[i][0] < 80)
            continue;
        const char *text = text_of(&canvas);
        assert_non_null(strstr(text, "!! logger (pid 12) is SLOW: queue 4.0 MiB, oldest 12s; "
                                     "blocks ui"));
        assert_non_null(strstr(text, "BLOCKED by logger"));
        assert_non_null(strstr(text, "ui.tick"));
        assert_non_null(strstr(text, "q quit"));
    }
    canvas_free(&canvas);
    top_model_free(&model);
}

/* The last minute is there in any width; the greatest reaches the top. */
static void a_minute_fits_a_few_columns(void **state)
{
    struct top_ui ui = { .interval_ms = 1000 };
    struct top_model model = { .known = true };
    struct canvas canvas = { .utf8 = false };
    const char *text;

    (void)state;
    for (int i = 0; i < TOP_HISTORY; i++)
        model.history_in[i] = i == 10 ? 70 : i == 59 ? 10 : 0;
    canvas_clear(&canvas, 80, 24);
    top_view(&canvas, &model, &ui);
    text = strstr(text_of(&canvas), "\nin ");
    assert_non_null(strstr(text, "@"));
    assert_non_null(strstr(text, ": max 70"));
    canvas_free(&canvas);
}

/* What others call themselves does nothing to the terminal, and takes one column a letter. */
static void letters_are_harmless_and_narrow(void **state)
{
    struct canvas canvas = { .utf8 = true };

    (void)state;
    canvas_clear(&canvas, 12, 1);
    canvas_put(&canvas, 0, 0, 12, STYLE_PLAIN,
               "a\033[2J\n\xFF\xC3\xA4\xE4\xB8\xAD\xF0\x9F\x98\x80\xE2");
    assert_string_equal(text_of(&canvas), "a?[2J??\xC3\xA4???\n");
    canvas_clear(&canvas, 12, 1);
    canvas_put(&canvas, 0, 0, 12, STYLE_PLAIN,
               "\xC0\xAF\xE0\x80\xAF.\xED\xA0\x80"); /* hidden '/' */
    assert_string_equal(text_of(&canvas), "?????.???\n");
    canvas_clear(&canvas, 12, 1);
    assert_int_equal(canvas_put(&canvas, 0, 2, 5, STYLE_PLAIN, "too long"), 7);
    assert_string_equal(text_of(&canvas), "  too \xE2\x80\xA6\n");
    canvas.utf8 = false;
    canvas_clear(&canvas, 4, 1);
    canvas_put(&canvas, 0, 0, 9, STYLE_PLAIN, "\xC3\xA4 too long");
    assert_string_equal(text_of(&canvas), "? t~\n");
    canvas_free(&canvas);
}

static void only_what_changed_is_written(void **state)
{
    struct canvas one = { .utf8 = true }, other = { .utf8 = true };
    struct bytes frame = { 0 };

    (void)state;
    canvas_clear(&one, 10, 3);
    canvas_clear(&other, 10, 3);
    canvas_frame(&one, &other, true, &frame);
    assert_int_equal(frame.size, 0);
    canvas_put(&one, 1, 4, 6, STYLE_ALARM, "x");
    canvas_frame(&one, &other, true, &frame);
    bytes_add(&frame, "", 1);
    assert_string_equal(frame.data, "\033[2;5H\033[0;1;31mx\033[0m");
    frame.size = 0;
    canvas_frame(&one, &other, false, &frame); /* without color */
    bytes_add(&frame, "", 1);
    assert_string_equal(frame.data, "\033[2;5H\033[0;1mx\033[0m");
    bytes_free(&frame);
    canvas_free(&one);
    canvas_free(&other);
}

static void numbers_fit_their_columns(void **state)
{
    static const struct {
        double value;
        const char *count, *bytes, *time;
    } rows[] = {
        { 0, "0", "0 B", "0us" },
        { 0.25, "0.2", "0 B", "0.0us" },
        { 12, "12", "12 B", "0.0us" },
        { 999.6, "1.0k", "1000 B", "1.0us" },
        { 48240, "48.2k", "47 KiB", "48us" },
        { 131072, "131k", "128 KiB", "131us" },
        { 1234567, "1.2M", "1.2 MiB", "1.2ms" },
        { 12e9, "12.0G", "11 GiB", "12s" },
        { 842e9, "842G", "784 GiB", "14m02s" },
        { 273600e9, "274T", "249 TiB", "3d04h" },
    };
    char text[UNITS_MAX];

    (void)state;
    for (size_t i = 0; i < PPI_COUNT(rows); i++) {
        units_count(text, rows[i].value);
        assert_string_equal(text, rows[i].count);
        units_bytes(text, rows[i].value);
        assert_string_equal(text, rows[i].bytes);
        units_time(text, rows[i].value);
        assert_string_equal(text, rows[i].time);
    }
}

/* --- keys ------------------------------------------------------------------------------------ */

static enum top_wish press(struct top_ui *ui, const struct top_model *model, const char *letters)
{
    enum top_wish wish = TOP_DRAW;

    for (; *letters != '\0'; letters++) {
        struct ppi_key_press one = { .key = *letters == '^'   ? PPI_KEY_ESCAPE
                                            : *letters == 'v' ? PPI_KEY_DOWN
                                            : *letters == '<' ? PPI_KEY_BACKSPACE
                                                              : PPI_KEY_TEXT,
                                     .text = { *letters } };

        wish = top_input(ui, model, &one);
    }
    return wish;
}

static void keys_do_what_help_says(void **state)
{
    struct top_ui ui = { .interactive = true, .interval_ms = 1000 };
    struct top_model model = { .known = false };

    (void)state;
    take_scene(&model);
    assert_int_equal(press(&ui, &model, "k"), TOP_DRAW); /* whom? */
    assert_false(ui.asks_kick);
    press(&ui, &model, "v");
    assert_int_equal(ui.selected, 2); /* the first: the slow one */
    assert_int_equal(press(&ui, &model, "kn"), TOP_DRAW);
    assert_int_equal(press(&ui, &model, "ky"), TOP_KICK);
    press(&ui, &model, "vvvvv");
    assert_int_equal(ui.selected, 3);
    press(&ui, &model, "^");
    assert_int_equal(ui.selected, 0);
    press(&ui, &model, "/qx<");
    assert_string_equal(ui.filter, "q"); /* typed, not obeyed */
    press(&ui, &model, "^");
    assert_string_equal(ui.filter, "");
    press(&ui, &model, "ssS-");
    assert_int_equal(ui.sort, TOP_BY_NAME);
    assert_true(ui.reverse);
    assert_int_equal(ui.interval_ms, 2000);
    assert_int_equal(press(&ui, &model, "?q"), TOP_DRAW); /* any key leaves help */
    assert_int_equal(press(&ui, &model, "p"), TOP_DRAW);
    assert_true(ui.paused);
    assert_int_equal(press(&ui, &model, "q"), TOP_QUIT);
    top_model_free(&model);
}

int top_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rates_are_differences),
        TEST(two_brokers_are_not_compared),
        TEST(what_is_not_told_is_not_known),
        TEST(who_waits_and_for_whom_is_told),
        TEST(a_short_wait_is_no_block),
        TEST(quantiles_are_of_the_interval),
        TEST(a_report_has_the_answers_and_the_rates),
        TEST(lists_are_sorted_and_filtered),
        TEST(columns_that_matter_least_go_first),
        TEST(a_screen_fits_whatever_its_size),
        TEST(a_minute_fits_a_few_columns),
        TEST(letters_are_harmless_and_narrow),
        TEST(only_what_changed_is_written),
        TEST(numbers_fit_their_columns),
        TEST(keys_do_what_help_says),
    };
    int failures = 0;

    RUN_GROUP(&failures, "top", tests);
    return failures;
}
