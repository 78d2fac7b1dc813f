/* monitor.c: every message as it is routed, as far as a filter lets it pass, which the broker
 * evaluates.
 *
 * Nobody waits for a monitor: while this one waits in a write to a slow reader (stream.h), the
 * broker misses out what has no room, and the next record tells how much that was. */
#include <stdio.h>
#include <string.h>

#include <panpipe/sys.h>

#include "ask.h"
#include "commands.h"
#include "error.h"
#include "filter.h"
#include "glimpse.h"
#include "json.h"
#include "out.h"
#include "print.h"
#include "record.h"
#include "session.h"
#include "stream.h"

enum { BODY_MOST = 65536 };

static struct {
    uint64_t count, body;
    int for_ms;
    const char *ready;
} given;

const struct option monitor_options[] = {
    { 'n', "count", "N", "end after N messages", OPTION_COUNT, &given.count, NULL },
    { 0, "for", "D", "end after a time, like 500ms, 2s or 1m", OPTION_TIME, &given.for_ms, NULL },
    { 0, "body", "N", "at most so many bytes of each body (default: 512)", OPTION_COUNT,
      &given.body, NULL },
    { 0, "ready", "FILE", "make an empty file when it begins to see messages", OPTION_TEXT,
      &given.ready, NULL },
    { 0 },
};

static struct session session;
static struct stream messages;
static int width; /* of the terminal; 0: there is none */

/* --- records --------------------------------------------------------------------------------- */

/* 1234567 as "1,234,567"; static. */
static const char *with_commas(uint64_t number)
{
    static char text[32];
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number), at = 0;

    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

static void print_gap(uint64_t missed)
{
    json_t *gap = json_must(json_pack("{s:I}", "missed", (json_int_t)missed));

    if (print_is_text())
        out_format("... %s %s not shown: this output is too slow\n", with_commas(missed),
                   missed == 1 ? "message" : "messages");
    else
        print_event(gap);
    json_decref(gap);
}

static void print_as_object(const struct record *record)
{
    json_t *object = record_as_json(record, print_uses("text"));

    print_event(object);
    json_decref(object);
}

static void print_as_text(const struct record *record)
{
    static struct bytes line;

    line.size = 0;
    record_show(record, &line);
    if (width > 0)
        glimpse_cut(&line, width);
    bytes_add(&line, "\n", 1);
    out_bytes(line.data, line.size);
}

static void on_message(void *context, const pp_message *message)
{
    struct record record;

    (void)context;
    if (messages.over)
        return;
    if (out_size() == 0)
        width = out_width(); /* it may have been resized since the last batch */
    if (record_read(&record, message->params, message->params_size)) {
        if (record.missed > 0)
            print_gap(record.missed);
        print_is_text() ? print_as_text(&record) : print_as_object(&record);
        stream_printed(&messages);
    }
    record_free(&record);
}

/* --- the tap --------------------------------------------------------------------------------- */

static void echo_json(const json_t *filter)
{
    json_t *object = json_must(json_pack("{s:O}", "filter", filter));
    struct bytes line = { 0 };

    json_print(object, &line);
    fprintf(stderr, "%.*s\n", (int)line.size, line.data);
    bytes_free(&line);
    json_decref(object);
}

/* What the broker understood. It is no message: with --json or --format it goes to standard error,
 * so that every line of standard output is a message, or a gap. */
static void echo(const json_t *filter)
{
    struct bytes words = { 0 };

    filter_show(filter, &words);
    if (words.size == 0)
        bytes_add(&words, "everything", strlen("everything"));
    bytes_add(&words, "", 1);
    if (print_is_text())
        out_format("# %s\n", words.data);
    else if (session.cli->json)
        echo_json(filter);
    else
        fprintf(stderr, "# %s\n", words.data);
    bytes_free(&words);
}

static int tap(const struct filter *filter)
{
    pp_sub_config config = PP_SUB_CONFIG_INIT;
    struct bytes params = { 0 };
    json_t *answer;

    filter_pack(filter, given.body, given.count, &params);
    int status = ask_packed(&session, "$sys.tap", &params, &answer);
    bytes_free(&params);
    if (status != PP_OK)
        return session_fail(&session, status);
    const json_t *subject = json_object_get(answer, "subject");
    int code = GO_ON;
    if (json_is_string(subject)) {
        echo(json_object_get(answer, "filter"));
        config.on_message = on_message;
        code = session_subscribe(&session, json_string_value(subject), &config);
    } else {
        code = error_status(PP_EPROTO, "E_PROTO the broker made no tap that can be read");
    }
    json_decref(answer);
    return code;
}

/* --- the command ----------------------------------------------------------------------------- */

int monitor(const struct cli *cli)
{
    struct filter filter = { .dropped = false };
    char problem[FILTER_PROBLEM_MAX];

    for (int i = 0; i < cli->operand_count; i++)
        if (!filter_add(&filter, cli->operands[i], problem))
            return error_use("%s", problem);
    if (given.body > BODY_MOST)
        return error_use("--body is at most %d", BODY_MOST);
    stream_begin(&messages, &session, given.count);
    int code = session_open(&session, cli);
    if (code == GO_ON)
        code = tap(&filter);
    if (code == GO_ON)
        code = session_ready(&session, given.ready);
    if (code == GO_ON)
        code = stream_run(&messages, given.for_ms, "messages");
    return session_close(&session, code);
}
