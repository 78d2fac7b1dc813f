/* events.c: what happened at the broker, as far as it is kept; with --follow also what happens from
 * then on.
 *
 * No hole, and nothing twice: it subscribes first and asks for what is kept then, so what happens
 * in between comes both ways. Every event has the number behind the last one's: one that came
 * before is dropped; before a larger one the broker is asked for those between, and what it has
 * forgotten meanwhile is told. What it had forgotten before anybody asked is not: of the usual ones
 * it keeps fewer than of the others. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <panpipe/sys.h>

#include "ask.h"
#include "commands.h"
#include "error.h"
#include "glimpse.h"
#include "json.h"
#include "out.h"
#include "print.h"
#include "session.h"
#include "text.h"

static const char *const kinds[] = { "connect", "hello", "close", "slow", "easy", "cut",
                                     "denied",  "lost",  "kick",  "stop", NULL };

static struct {
    bool follow;
    uint64_t count;
    int for_ms;
    const char *since, *kind, *ready;
} given;

const struct option events_options[] = {
    { 'f', "follow", NULL, "go on with what happens from now on", OPTION_FLAG, &given.follow,
      NULL },
    { 0, "since", "D|N", "only the last time, like 10m or 2h; or from the event with number N",
      OPTION_TEXT, &given.since, NULL },
    { 0, "kind", "K,...", "only events of these kinds: connect, close, slow, cut, ...", OPTION_TEXT,
      &given.kind, NULL },
    { 'n', "count", "N", "only the last N; with --follow, end after N", OPTION_COUNT, &given.count,
      NULL },
    { 0, "for", "D", "with --follow, end after a time", OPTION_TIME, &given.for_ms, NULL },
    { 0, "ready", "FILE", "with --follow, make an empty file when nothing can be missed any more",
      OPTION_TEXT, &given.ready, NULL },
    { 0 },
};

static struct session session;
static struct task arrived;
static bool posted;
static json_t *queue;     /* events that came, not yet looked at */
static json_t *last;      /* without --follow: those to print, the last ones */
static uint64_t next;     /* the number of the event that comes next; 0: the first there is */
static uint64_t whole;    /* from this number on all should be there */
static uint64_t since_ms; /* older ones are not shown; 0: all are */
static uint64_t printed;

/* --- printing -------------------------------------------------------------------------------- */

static uint64_t number(const json_t *event, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(event, name));
}

/* The text with that name and what stands in front of and behind it; nothing if there is none. */
static void add_text(struct bytes *line, const json_t *event, const char *before, const char *name,
                     const char *behind)
{
    const json_t *text = json_object_get(event, name);

    if (!json_is_string(text) || json_string_length(text) == 0)
        return;
    bytes_add(line, before, strlen(before));
    glimpse_text(json_string_value(text), json_string_length(text), line);
    bytes_add(line, behind, strlen(behind));
}

/* The fields that only some kinds have: "  queued_bytes 4194304". */
static void add_more(struct bytes *line, const json_t *event)
{
    static const char *const names[] = { "queued_bytes", "slow_ms",   "count", "age_ms",
                                         "published",    "delivered", "lost",  "drain_ms" };
    char text[64];

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!json_is_integer(json_object_get(event, names[i])))
            continue;
        snprintf(text, sizeof text, "  %s %llu", names[i],
                 (unsigned long long)number(event, names[i]));
        bytes_add(line, text, strlen(text));
    }
    add_text(line, event, "  by ", "by", "");
    add_text(line, event, "  ", "exe", "");
}

/* "2026-11-22T03:15:57.120Z close   ui[4242] ann  E_SLOW: 4 MiB wait" and what else it has. */
static void print_line(const json_t *event)
{
    static struct bytes line;
    char text[PP_TIME_TEXT + 32], time[PP_TIME_TEXT];
    const char *kind = json_string_value(json_object_get(event, "event"));

    line.size = 0;
    pp_time_text(number(event, "ts"), time);
    snprintf(text, sizeof text, "%s %-8.20s", time, kind != NULL ? kind : "?");
    glimpse_text(text, strlen(text), &line);
    add_text(&line, event, "", "name", "");
    if (json_is_integer(json_object_get(event, "pid"))) {
        snprintf(text, sizeof text, "[%llu]", (unsigned long long)number(event, "pid"));
        bytes_add(&line, text, strlen(text));
    }
    add_text(&line, event, " ", "user", "");
    add_text(&line, event, "  ", "why", "");
    add_text(&line, event, "  ", "text", "");
    add_more(&line, event);
    bytes_add(&line, "\n", 1);
    out_bytes(line.data, line.size);
}

static void print(const json_t *event)
{
    print_is_text() ? print_line(event) : print_event(event);
}

static void print_gap(uint64_t missed)
{
    json_t *gap = json_must(json_pack("{s:I}", "missed", (json_int_t)missed));

    if (!print_is_text())
        print_event(gap);
    else
        out_format("... %llu events not shown: the broker has forgotten them\n",
                   (unsigned long long)missed);
    json_decref(gap);
}

/* --- which ----------------------------------------------------------------------------------- */

/* Is word one of the words that commas separate? */
static bool among(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (; *words != '\0'; words += strcspn(words, ","), words += *words == ',')
        if (strcspn(words, ",") == length && memcmp(words, word, length) == 0)
            return true;
    return false;
}

static bool wanted(const json_t *event)
{
    const char *kind = json_string_value(json_object_get(event, "event"));

    return number(event, "ts") >= since_ms &&
           (given.kind == NULL || (kind != NULL && among(given.kind, kind)));
}

static int check_kinds(void)
{
    const char *at = given.kind != NULL ? given.kind : "";
    char word[32], all[100];

    for (; *at != '\0'; at += strcspn(at, ","), at += *at == ',') {
        bool known = false;

        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ","), at);
        for (size_t i = 0; kinds[i] != NULL; i++)
            known = known || strcmp(word, kinds[i]) == 0;
        if (known)
            continue;
        const char *meant = options_meant(word, kinds);
        if (meant != NULL)
            return error_use("there are no events %.30s; did you mean %s?", word, meant);
        options_join(kinds, all, sizeof all);
        return error_use("there are no events %.30s: %s", word, all);
    }
    return GO_ON;
}

/* --since is a time, to the second, or the number of an event. */
static int take_since(void)
{
    if (given.since == NULL)
        return GO_ON;
    int time_ms = options_time(given.since);
    if (time_ms > 0) {
        since_ms = (uint64_t)time(NULL) * 1000 - (uint64_t)time_ms;
        return GO_ON;
    }
    if (!text_to_number(given.since, &next) || next > INT64_MAX)
        return error_use("--since is a time, like 10m, or an event's number, not \"%.60s\"",
                         given.since);
    return GO_ON;
}

/* Have as many been printed as were asked for? */
static bool enough(void)
{
    return given.follow && given.count > 0 && printed >= given.count;
}

static void keep_last(json_t *event)
{
    json_array_append(last, event);
    if (given.count > 0 && json_array_size(last) > given.count)
        json_array_remove(last, 0);
}

/* An event that is known, in the order of their numbers; one that was before is dropped. */
static void take(json_t *event)
{
    uint64_t n = number(event, "n"), expected = next > whole ? next : whole;

    if (n < next || enough())
        return;
    if (n > expected)
        print_gap(n - expected);
    next = n + 1;
    if (!wanted(event))
        return;
    printed++;
    given.follow ? print(event) : keep_last(event);
}

/* --- what is kept ---------------------------------------------------------------------------- */

/* Everything there is from the next one on; an answer has as many as fit into it. */
static int catch_up(void)
{
    size_t count = 1;

    while (count > 0 && !enough()) {
        int code = GO_ON;
        json_t *answer = ask_here(
            &session, "$sys.events",
            json_must(json_pack("[{s:I}]", "since", (json_int_t)(next > 0 ? next : 1))), &code);

        if (answer == NULL)
            return code;
        if (whole == 0) /* older ones are not all kept, which is no gap */
            whole = number(answer, "first");
        const json_t *events = json_object_get(answer, "events");
        count = json_array_size(events);
        for (size_t i = 0; i < count; i++)
            take(json_array_get(events, i));
        json_decref(answer);
    }
    return GO_ON;
}

/* --- what happens from now on ---------------------------------------------------------------- */

static void on_message(void *context, const pp_message *message)
{
    json_t *params = json_from_value(message->params, message->params_size);

    (void)context;
    json_array_append(queue, json_array_get(params, 0));
    json_decref(params);
    if (!posted)
        posted = pp_port_post(session.port, 0, 0, session_task(&arrived)) == PP_OK;
}

static int subscribe(void)
{
    pp_sub_config config = PP_SUB_CONFIG_INIT;

    config.on_message = on_message;
    return session_subscribe(&session, "$sys.events.>", &config);
}

/* Before one that comes too early lies what was missed: that is kept, most likely. */
static int take_new(json_t *event)
{
    int code = number(event, "n") > next ? catch_up() : GO_ON;

    if (code == GO_ON)
        take(event);
    return code;
}

/* Everything that has come, also while the broker is asked. */
static int take_all(void)
{
    int code = GO_ON;

    while (code == GO_ON && json_array_size(queue) > 0 && !enough()) {
        json_t *events = queue;

        queue = json_must(json_array());
        for (size_t i = 0; i < json_array_size(events) && code == GO_ON; i++)
            code = take_new(json_array_get(events, i));
        json_decref(events);
    }
    return code;
}

static int follow(void)
{
    uint64_t deadline_ns = session_deadline_ns(given.for_ms > 0 ? given.for_ms : -1);
    int code = out_flush();

    if (code == GO_ON)
        code = session_ready(&session, given.ready);
    while (code == GO_ON && !enough()) {
        int status = session_wait(&session, &arrived, deadline_ns);

        if (arrived.ended)
            posted = arrived.ended = false;
        code = take_all();
        if (code == GO_ON)
            code = out_flush();
        if (code == GO_ON && status == PP_ETIMEDOUT)
            return session_late(printed, given.count, "events");
        if (code == GO_ON && status != PP_OK)
            code = session_fail(&session, status);
    }
    return code == GO_ON ? EXIT_DONE : code;
}

/* --- the command ----------------------------------------------------------------------------- */

static void print_last(void)
{
    for (size_t i = 0; i < json_array_size(last); i++)
        print(json_array_get(last, i));
}

int events(const struct cli *cli)
{
    int code = check_kinds();

    if (code == GO_ON)
        code = take_since();
    if (code == GO_ON && !given.follow && (given.for_ms > 0 || given.ready != NULL))
        code = error_use("--for and --ready go with --follow");
    if (code != GO_ON)
        return code;
    queue = json_must(json_array());
    last = json_must(json_array());
    code = session_open(&session, cli);
    if (code == GO_ON && given.follow)
        code = subscribe();
    if (code == GO_ON)
        code = catch_up();
    if (code == GO_ON)
        code = given.follow ? follow() : EXIT_DONE;
    if (code == EXIT_DONE)
        print_last();
    code = session_close(&session, code);
    json_decref(queue);
    json_decref(last);
    return code;
}
