/* top.c: who is there and what is going on, on a screen that is drawn anew each second.
 *
 * The screen is one loop around one port: keys, the broker's answers, the end of an interval. It
 * asks one question after the other and waits for none of them, so that a broker that does not
 * answer keeps nobody from quitting. When the broker goes, the last figures stay until one is back.
 * Without a screen it prints the same once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/sys.h>

#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "json.h"
#include "keys.h"
#include "out.h"
#include "print.h"
#include "session.h"
#include "top_input.h"
#include "top_report.h"
#include "top_view.h"
#include "units.h"

enum {
    INTERVAL_MS = 1000,
    INTERVAL_LEAST_MS = 50,
    PATIENCE_MS = 2000, /* then it is said that there is no answer */
    LOOK_MS = 250,      /* is a broker back? */
    AGAIN_MS = 1000,    /* after a failure */
    EVENTS_SHOWN = 100,
    PLAIN_COLUMNS = 160,
    NS_PER_MS = 1000000
};

/* The questions of one round, in this order. */
enum question { STATS, CLIENTS, SUBJECTS, EVENTS, QUESTIONS, IDLE };

static struct {
    int interval_ms, sort;
    uint64_t count;
    const char *filter;
} given;

const struct option top_options[] = {
    { 0, "interval", "D", "look so often: 500ms, 2s (default: 1s, at least: 50ms)", OPTION_TIME,
      &given.interval_ms, NULL },
    { 0, "sort", "KEY", "state, id, name, pid, in, out, queue, oldest or drop", OPTION_WORD,
      &given.sort, top_sorts },
    { 0, "filter", "TEXT", "only what has TEXT in its name, subject, program, user or pid",
      OPTION_TEXT, &given.filter, NULL },
    { 'n', "count", "N", "end after N intervals (default without a screen: 1)", OPTION_COUNT,
      &given.count, NULL },
    { 0 },
};

static struct session session;
static struct top_model model;
static struct top_ui ui;
static struct canvas canvas, shown;
static struct keys *keys;

static struct {
    enum question question; /* that waits for its answer */
    struct task task;
    pp_answer answer;
    json_t *answers[QUESTIONS];
    int status; /* why the last round failed; PP_OK: it did not */
    uint64_t begun_ns, next_ns;
    uint64_t gone_ns; /* no answer since; 0: there are answers */
} asking = { .question = IDLE };

static struct {
    struct task task;
    pp_answer answer;
    bool asked;
    char whom[80];
} kicking;

static uint64_t intervals; /* so many were shown */
static bool color, changed, redraw;

/* --- asking ---------------------------------------------------------------------------------- */

/* params are taken. */
static int call(const char *method, json_t *params, struct task *task, pp_answer *answer)
{
    struct bytes bytes = { 0 };

    json_to_value(params, &bytes);
    json_decref(params);
    int status =
        pp_call(session.client, session_task(task), method, bytes.data, bytes.size, NULL, answer);
    bytes_free(&bytes);
    return status;
}

/* After a failure it tries again soon. */
static void end_round(int status)
{
    uint64_t again_ns = pp_now_ns() + (uint64_t)AGAIN_MS * NS_PER_MS;

    asking.question = IDLE;
    asking.status = status;
    if (status == PP_OK)
        asking.gone_ns = 0;
    else if (asking.next_ns > again_ns)
        asking.next_ns = again_ns;
    for (int i = 0; i < QUESTIONS; i++) {
        json_decref(asking.answers[i]);
        asking.answers[i] = NULL;
    }
}

static void ask(enum question question)
{
    static const char *const methods[] = { "$sys.stats", "$sys.clients", "$sys.subjects",
                                           "$sys.events" };
    json_t *params =
        json_must(question == EVENTS ? json_pack("[{s:i}]", "max", EVENTS_SHOWN) : json_array());

    asking.question = question;
    int status = call(methods[question], params, &asking.task, &asking.answer);
    if (status != PP_PENDING)
        end_round(status);
}

static void begin_round(uint64_t now_ns)
{
    asking.begun_ns = now_ns;
    asking.next_ns = now_ns + (uint64_t)ui.interval_ms * NS_PER_MS;
    ask(STATS);
}

static void take_events(json_t *answer)
{
    static json_t *kept;

    json_decref(kept);
    kept = json_incref(answer);
    ui.events = json_object_get(kept, "events");
}

/* All was answered: these are the figures now. */
static void finish_round(void)
{
    json_t **answers = asking.answers;

    if (answers[EVENTS] != NULL)
        take_events(answers[EVENTS]);
    if (answers[STATS] == NULL) {
        end_round(asking.status);
        return;
    }
    if (!json_is_object(answers[STATS]) || !json_is_array(answers[CLIENTS])) {
        end_round(PP_EPROTO);
        return;
    }
    top_model_take(&model, answers[STATS], answers[CLIENTS], answers[SUBJECTS], pp_now_ns());
    answers[STATS] = answers[CLIENTS] = answers[SUBJECTS] = NULL;
    end_round(PP_OK);
    intervals += model.compared;
}

/* The answer is here: the next question. An older broker need not know all of them. */
static void take_answer(void)
{
    enum question question = asking.question, next = question + 1;
    int status = asking.task.op.status;

    if (status == PP_OK)
        asking.answers[question] = json_from_value(asking.answer.data, asking.answer.size);
    else
        pp_client_error(session.client, session.words, sizeof session.words);
    pp_answer_free(&asking.answer);
    if (status != PP_OK && (status != PP_EMETHOD || question < SUBJECTS)) {
        end_round(status);
        return;
    }
    if (next == EVENTS && !ui.shows_events)
        next = QUESTIONS;
    if (next < QUESTIONS)
        ask(next);
    else
        finish_round();
}

/* --- a broker that is gone ------------------------------------------------------------------- */

static void tell_gone(uint64_t now_ns)
{
    char path[PP_PATH_MAX], since[UNITS_MAX];
    bool away = pp_client_state(session.client) != PP_CLIENT_CONNECTED;

    units_time(since, (double)((now_ns - asking.gone_ns) / 1000000000 * 1000000000));
    session_place(session.cli, path);
    if (away)
        snprintf(ui.gone, sizeof ui.gone, "the broker is gone since %s; waiting for one at %.120s",
                 since, path);
    else if (asking.question != IDLE)
        snprintf(ui.gone, sizeof ui.gone, "the broker has not answered since %s", since);
    else
        snprintf(ui.gone, sizeof ui.gone, "no figures since %s: %.120s", since,
                 session.words[0] != '\0' ? session.words : pp_strerror(asking.status));
}

/* Notes whether there are answers, and says so when not. */
static void watch_broker(uint64_t now_ns)
{
    bool late =
        asking.question != IDLE && now_ns > asking.begun_ns + (uint64_t)PATIENCE_MS * NS_PER_MS;
    bool bad = late || pp_client_state(session.client) != PP_CLIENT_CONNECTED ||
               (asking.question == IDLE && asking.status != PP_OK);

    if (bad && asking.gone_ns == 0)
        asking.gone_ns = late ? asking.begun_ns : now_ns;
    if (asking.gone_ns != 0)
        tell_gone(now_ns);
    changed = changed || asking.gone_ns != 0 || ui.gone[0] != '\0';
    if (asking.gone_ns == 0)
        ui.gone[0] = '\0';
}

/* --- kicking --------------------------------------------------------------------------------- */

static void begin_kick(void)
{
    const char *name = NULL;

    for (size_t i = 0; i < model.client_count; i++)
        if (model.clients[i].id == ui.selected)
            name = model.clients[i].name;
    if (kicking.asked)
        return;
    snprintf(kicking.whom, sizeof kicking.whom, "%.64s", name != NULL ? name : "the client");
    int status = call("$sys.kick",
                      json_must(json_pack("[I,{s:s}]", (json_int_t)ui.selected, "text",
                                          "kicked with panpipe top")),
                      &kicking.task, &kicking.answer);
    kicking.asked = status == PP_PENDING;
    if (!kicking.asked)
        snprintf(ui.message, sizeof ui.message, "%s", pp_strerror(status));
}

static void end_kick(void)
{
    char words[SESSION_WORDS_MAX] = "";
    int status = kicking.task.op.status;

    kicking.asked = false;
    pp_answer_free(&kicking.answer);
    if (status != PP_OK)
        pp_client_error(session.client, words, sizeof words);
    if (status == PP_OK)
        snprintf(ui.message, sizeof ui.message, "%s was kicked", kicking.whom);
    else
        snprintf(ui.message, sizeof ui.message, "%s was not kicked: %.100s", kicking.whom,
                 words[0] != '\0' ? words : pp_strerror(status));
    changed = true;
}

/* --- the screen ------------------------------------------------------------------------------ */

/* GO_ON, or the exit code: the terminal is gone. */
static int draw(void)
{
    struct canvas other = shown;
    struct bytes frame = { 0 };
    int columns = canvas.columns, lines = canvas.lines;

    ppi_console_size(PPI_STREAM_OUTPUT, &columns, &lines);
    canvas_clear(&canvas, columns, lines);
    top_view(&canvas, &model, &ui);
    canvas_frame(&canvas, redraw ? NULL : &shown, color, &frame);
    int status = ppi_console_write(frame.data, frame.size);
    bytes_free(&frame);
    shown = canvas;
    canvas = other;
    changed = redraw = false;
    return status == PP_OK ? GO_ON : EXIT_DONE;
}

/* GO_ON, or the exit code. */
static int take_key(void)
{
    enum top_wish wish = top_input(&ui, &model, &keys->press);

    keys_next();
    changed = true;
    switch (wish) {
    case TOP_QUIT: return EXIT_DONE;
    case TOP_KICK: begin_kick(); break;
    case TOP_REDRAW: redraw = true; break;
    case TOP_LOOK: asking.next_ns = asking.begun_ns + (uint64_t)ui.interval_ms * NS_PER_MS; break;
    case TOP_EVENTS:
        if (asking.question == IDLE && pp_client_state(session.client) == PP_CLIENT_CONNECTED)
            ask(EVENTS); /* a round of its own */
        break;
    case TOP_DRAW: break;
    }
    return GO_ON;
}

static void advance(uint64_t now_ns)
{
    bool connected = pp_client_state(session.client) == PP_CLIENT_CONNECTED;

    if (asking.question != IDLE && asking.task.ended) {
        take_answer();
        changed = changed || asking.question == IDLE;
    }
    if (kicking.asked && kicking.task.ended)
        end_kick();
    if (asking.question == IDLE && connected && !ui.paused && now_ns >= asking.next_ns)
        begin_round(now_ns);
    watch_broker(now_ns);
}

/* When to look again, if nothing comes. */
static uint64_t wake_ns(uint64_t now_ns)
{
    uint64_t soon_ns = now_ns + (uint64_t)LOOK_MS * NS_PER_MS;

    if (asking.gone_ns != 0 || asking.question != IDLE)
        return soon_ns;
    return ui.paused ? now_ns + (uint64_t)PATIENCE_MS * NS_PER_MS : asking.next_ns;
}

static int loop(void)
{
    int code = GO_ON;

    changed = redraw = true;
    while (code == GO_ON) {
        uint64_t now_ns = pp_now_ns();

        advance(now_ns);
        if (changed)
            code = draw();
        if (given.count > 0 && intervals >= given.count)
            return EXIT_DONE;
        int status = session_take(&session, wake_ns(now_ns));
        if (status != PP_OK && status != PP_ETIMEDOUT)
            return GO_ON; /* the session says why */
        if (code == GO_ON && keys->task.ended)
            code = take_key();
    }
    return code;
}

/* Without a screen: the answers of one round. GO_ON, or the exit code. */
static int look(void)
{
    begin_round(pp_now_ns());
    while (asking.question != IDLE) {
        int status = session_wait(&session, &asking.task,
                                  session_deadline_ns(session_patience(session.cli)));

        if (status != PP_OK)
            return session_fail(&session, status);
        take_answer();
    }
    return asking.status == PP_OK ? GO_ON : session_fail(&session, asking.status);
}

static int show_screen(void)
{
    const char *no_color = getenv("NO_COLOR");

    color = no_color == NULL || no_color[0] == '\0';
    canvas.utf8 = shown.utf8 = ppi_console_is_utf8();
    interrupt_last(ppi_console_restore);
    keys = keys_open(&session);
    int code = keys != NULL ? loop() : GO_ON;
    ppi_console_leave();
    interrupt_last(NULL);
    if (keys == NULL)
        code = session_fail_here(&session, PP_EIO);
    keys_close();
    return code == GO_ON ? session_fail(&session, PP_OK) : code;
}

/* --- without a screen ------------------------------------------------------------------------ */

static void print_plain(void)
{
    int columns = out_width() > 0 ? out_width() : PLAIN_COLUMNS;
    struct bytes text = { 0 };

    canvas.utf8 = ppi_console_is_utf8();
    canvas_clear(&canvas, columns, top_view_lines(&model));
    top_view(&canvas, &model, &ui);
    canvas_text(&canvas, &text);
    out_bytes(text.data, text.size);
    bytes_free(&text);
}

static void print_object(void)
{
    json_t *report = top_report(&model);

    print_event(report);
    json_decref(report);
}

static int print_all(void)
{
    uint64_t count = given.count > 0 ? given.count : 1;
    int code = GO_ON;

    while (intervals < count && code == GO_ON) {
        uint64_t before = intervals;

        code = session_sleep(&session, asking.next_ns);
        if (code == GO_ON)
            code = look();
        if (code != GO_ON || intervals == before)
            continue;
        if (intervals > 1 && print_is_text())
            out_text("\n");
        print_is_text() ? print_plain() : print_object();
        code = out_flush();
    }
    return code == GO_ON ? EXIT_DONE : code;
}

/* --- the command ----------------------------------------------------------------------------- */

int top(const struct cli *cli)
{
    bool screen = print_is_text() && !cli->quiet && ppi_console_is(PPI_STREAM_INPUT) &&
                  ppi_console_is(PPI_STREAM_OUTPUT);

    ui.interval_ms = given.interval_ms == 0                  ? INTERVAL_MS
                     : given.interval_ms < INTERVAL_LEAST_MS ? INTERVAL_LEAST_MS
                                                             : given.interval_ms;
    ui.sort = (enum top_sort)given.sort;
    snprintf(ui.filter, sizeof ui.filter, "%s", given.filter != NULL ? given.filter : "");
    session.reconnects = screen;
    int code = session_open(&session, cli);
    if (code == GO_ON)
        code = look();
    if (code == GO_ON && screen && ppi_console_enter() == PP_OK) {
        ui.interactive = true;
        code = show_screen();
    } else if (code == GO_ON) {
        code = print_all();
    }
    code = session_close(&session, code);
    end_round(PP_OK);
    pp_answer_free(&asking.answer);
    top_model_free(&model);
    canvas_free(&canvas);
    canvas_free(&shown);
    return code;
}
