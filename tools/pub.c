/* pub.c: publishes a body, or each line of standard input. */
#include <stdio.h>
#include <string.h>

#include <panpipe/sys.h>

#include "body.h"
#include "commands.h"
#include "error.h"
#include "input.h"
#include "io/console.h"
#include "json.h"
#include "out.h"
#include "print.h"
#include "progress.h"
#include "session.h"
#include "splitter.h"
#include "text.h"

enum { POLL_EVERY = 1024 }; /* messages */

static struct {
    uint64_t count, wait_subs;
    double rate; /* a second; 0: as fast as it goes */
    bool confirm, need_receiver;
    int form;
} given;

const struct option pub_options[] = {
    { 'n', "count", "N", "publish the body N times", OPTION_COUNT, &given.count, NULL },
    { 0, "rate", "R", "at most R messages a second", OPTION_RATE, &given.rate, NULL },
    { 0, "confirm", NULL, "ask for a receipt for each message, and print it", OPTION_FLAG,
      &given.confirm, NULL },
    { 0, "need-receiver", NULL, "end with exit code 5 at a message that nobody gets", OPTION_FLAG,
      &given.need_receiver, NULL },
    { 0, "wait-subs", "N", "wait for N subscriptions first, as long as --timeout says",
      OPTION_COUNT, &given.wait_subs, NULL },
    { 0, "in", "FORM", "raw, json, hex or msgpack: what a body is", OPTION_WORD, &given.form,
      body_forms },
    { 0 },
};

static struct session session;
static const char *subject;
static uint64_t published, started_ns;

/* --- one message ----------------------------------------------------------------------------- */

static void print_receipt(const pp_receipt *receipt)
{
    json_t *event =
        json_must(json_pack("{s:I,s:I,s:I}", "matched", (json_int_t)receipt->matched, "queued",
                            (json_int_t)receipt->queued, "refused", (json_int_t)receipt->refused));

    print_event(event);
    json_decref(event);
}

static int take_receipt(const pp_receipt *receipt)
{
    char why[80];

    if (given.confirm)
        print_receipt(receipt);
    if (given.need_receiver && receipt->queued == 0) {
        snprintf(why, sizeof why, "nobody got message %llu", (unsigned long long)published + 1);
        out_flush();
        return error_say(EXIT_NOBODY, "E_NORECEIVER", why,
                         "panpipe ls subs shows who subscribed to what");
    }
    return given.confirm ? out_flush() : GO_ON;
}

static int publish_confirmed(const void *params, size_t size)
{
    static pp_receipt receipt;
    int status = session_await(
        &session,
        pp_publish_confirmed(session.client, session_op(&session), subject, params, size, &receipt),
        -1);

    return status == PP_OK ? take_receipt(&receipt) : session_fail(&session, status);
}

/* Waits until the message's time has come. */
static int pace(void)
{
    uint64_t due_ns = started_ns + (uint64_t)((double)published * 1e9 / given.rate);
    uint64_t now_ns = pp_now_ns();

    progress_show(now_ns, published);
    if (due_ns <= now_ns)
        return GO_ON;
    pp_client_push(session.client);
    return session_sleep(&session, due_ns);
}

/* From time to time: a publisher in a hurry must hear the broker too. */
static int look_around(void)
{
    progress_show(pp_now_ns(), published);
    return session_poll(&session);
}

static int publish(const void *params, size_t size)
{
    int code = GO_ON;

    if (given.rate > 0)
        code = pace();
    else if (published % POLL_EVERY == 0)
        code = look_around();
    if (code == GO_ON && session.note[0] != '\0')
        code = error_note(session.note);
    if (code == GO_ON)
        code = given.confirm || given.need_receiver
                   ? publish_confirmed(params, size)
                   : session_publish(&session, subject, params, size);
    published += code == GO_ON;
    return code;
}

/* --- many ------------------------------------------------------------------------------------ */

/* Connects, and waits for those who are to get the messages. */
static int open_session(void)
{
    int code = session_open(&session, session.cli);

    if (code != GO_ON || given.wait_subs == 0)
        return code;
    int status =
        session_await(&session,
                      pp_wait_subs(session.client, session_op(&session), subject,
                                   (uint32_t)given.wait_subs, session_patience(session.cli)),
                      -1);
    return status == PP_OK ? GO_ON : session_fail(&session, status);
}

/* The first message comes next. total: how many will; 0: not known. Receipts, and a person who
 * types, show by themselves how far it is. */
static void begin(uint64_t total)
{
    started_ns = pp_now_ns();
    if (!given.confirm && (total > 0 || !ppi_console_is(PPI_STREAM_INPUT)))
        progress_begin(session.cli, total, 0);
}

static int publish_body(const char *operand)
{
    struct bytes body = { 0 }, params = { 0 };
    char problem[BODY_PROBLEM_MAX];
    int code = body_given(operand, false, &body);

    if (code == GO_ON &&
        !body_params((enum body_form)given.form, body.data, body.size, &params, problem))
        code = error_use("%s", problem);
    if (code == GO_ON)
        code = open_session();
    uint64_t total = given.count > 0 ? given.count : 1;
    begin(total);
    for (uint64_t i = 0; i < total && code == GO_ON; i++)
        code = publish(params.data, params.size);
    bytes_free(&body);
    bytes_free(&params);
    return code;
}

/* A raw line becomes params where it lies: their head goes in front of it. */
static int take_raw(char *line, size_t size)
{
    uint8_t head[VALUE_HEAD_MAX];
    size_t head_size = value_head(head, size, text_is_utf8(line, size));
    char *params = line - head_size - 1;

    memcpy(params + 1, head, head_size);
    *params = (char)0x91; /* an array of one */
    return publish(params, size + head_size + 1);
}

static int take_other(char *body, size_t size)
{
    static struct bytes params;
    char problem[BODY_PROBLEM_MAX];

    params.size = 0;
    if (!body_params((enum body_form)given.form, body, size, &params, problem))
        return error_use("message %llu: %s", (unsigned long long)published + 1, problem);
    return publish(params.data, params.size);
}

static int publish_input(void)
{
    struct splitter splitter = { .values = given.form == BODY_MSGPACK };
    splitter_take *take = given.form == BODY_RAW ? take_raw : take_other;
    int code = open_session();
    int status = code == GO_ON ? input_open(&session) : PP_OK;

    if (status != PP_OK)
        code = session_fail_here(&session, status);
    begin(0);
    for (bool over = false; code == GO_ON && !over;) {
        struct input_block *block = input_next();

        status = session_wait(&session, &block->task, UINT64_MAX);
        over = status == PP_OK && block->size <= 0;
        progress_show(pp_now_ns(), published);
        if (status != PP_OK)
            code = session_fail(&session, status);
        else if (block->size < 0)
            code = error_status((int)block->size, block->detail);
        else if (over)
            code = splitter_end(&splitter, take);
        else if ((code = splitter_feed(&splitter, block->data, (size_t)block->size, take)) == GO_ON)
            input_return(block);
    }
    splitter_free(&splitter);
    input_close();
    return code;
}

int pub(const struct cli *cli)
{
    const char *body = cli_operand(cli, 1);
    bool reads = body == NULL || strcmp(body, "-") == 0;

    session.cli = cli;
    subject = cli->operands[0];
    if (reads && given.count > 0)
        return error_use("--count repeats a body, and there is none: standard input is read");
    if (given.wait_subs > UINT32_MAX)
        return error_use("--wait-subs is below 2^32");
    int code = reads ? publish_input() : publish_body(body);
    progress_end();
    if (code == GO_ON) {
        int status =
            session_await(&session, pp_client_flush(session.client, session_op(&session)), -1);

        code = status != PP_OK           ? session_fail(&session, status)
               : session.note[0] != '\0' ? error_note(session.note)
                                         : EXIT_DONE;
    }
    return session_close(&session, code);
}
