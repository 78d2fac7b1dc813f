/* serve.c: answers calls, one after the other: with a body, with what they bring, or with what a
 * command makes of it. */
#include <stdio.h>
#include <stdlib.h>

#include <panpipe/sys.h>

#include "body.h"
#include "commands.h"
#include "error.h"
#include "session.h"
#include "value.h"

static struct {
    uint64_t count, max_inflight;
    bool echo, exclusive;
    const char *command, *ready, *doc, *doc_json;
    int form;
} given;

const struct option serve_options[] = {
    { 0, "echo", NULL, "answer with the first param of the call", OPTION_FLAG, &given.echo, NULL },
    { 0, "exec", "CMD", "answer with what a shell command prints; it reads the body", OPTION_TEXT,
      &given.command, NULL },
    { 0, "in", "FORM", "raw, json, hex or msgpack: what the answer is given as", OPTION_WORD,
      &given.form, body_forms },
    { 'n', "count", "N", "end after N calls", OPTION_COUNT, &given.count, NULL },
    { 0, "exclusive", NULL, "nobody else may serve the subject", OPTION_FLAG, &given.exclusive,
      NULL },
    { 0, "max-inflight", "N", "let the broker refuse more than N calls at once", OPTION_COUNT,
      &given.max_inflight, NULL },
    { 0, "doc", "TEXT", "what it does, for panpipe describe", OPTION_TEXT, &given.doc, NULL },
    { 0, "doc-json", "JSON", "the same with text, params, result, errors; or @FILE", OPTION_TEXT,
      &given.doc_json, NULL },
    { 0, "ready", "FILE", "make an empty file when the service is active", OPTION_TEXT,
      &given.ready, NULL },
    { 0 },
};

static struct session session;
static struct task finished; /* the last call is answered */
static struct bytes doc;     /* of --doc-json */
static struct bytes fixed;   /* the answer, if it is always the same */
static uint64_t answered;

static void answer_with_first(const pp_message *call)
{
    size_t size;
    const void *first = value_first(call->params, call->params_size, &size);

    if (first != NULL)
        pp_reply(session.client, call->call, first, size);
    else
        pp_reply(session.client, call->call, "\xC0", 1); /* nil */
}

/* What a command printed, without its last newline, as the answer. */
static void answer_with_output(const pp_message *call, const char *output, size_t size)
{
    struct bytes value = { 0 };
    char problem[BODY_PROBLEM_MAX], text[BODY_PROBLEM_MAX + 20];

    if (given.form == BODY_RAW && size > 0 && output[size - 1] == '\n')
        size--;
    if (body_value((enum body_form)given.form, output, size, &value, problem)) {
        pp_reply(session.client, call->call, value.data, value.size);
    } else {
        snprintf(text, sizeof text, "E_FAILED %s", problem);
        pp_reply_error(session.client, call->call, text);
    }
    bytes_free(&value);
}

static void answer_with_command(const pp_message *call)
{
    enum { BY_SIGNAL = 256 };
    struct bytes body = { 0 };
    char text[200];
    void *output = NULL;
    size_t size = 0;
    int ended = 0;

    body_show_params(call->params, call->params_size, &body);
    int status = pp_run(given.command, body.data, body.size, BODY_MAX, &output, &size, &ended);
    bytes_free(&body);
    if (status == PP_OK && ended == 0) {
        answer_with_output(call, output, size);
    } else {
        if (status != PP_OK)
            snprintf(text, sizeof text, "E_FAILED %s", pp_detail());
        else
            snprintf(text, sizeof text, "E_FAILED the command ended with %s %d",
                     ended >= BY_SIGNAL ? "signal" : "exit code",
                     ended >= BY_SIGNAL ? ended - BY_SIGNAL : ended);
        pp_reply_error(session.client, call->call, text);
    }
    pp_free(output);
}

static void on_call(void *context, const pp_message *call)
{
    (void)context;
    if ((given.count > 0 && answered == given.count) ||
        (session.leave_by_ns != 0 && pp_now_ns() > session.leave_by_ns))
        return; /* it will find another server, or hear that this one is gone */
    if (session.cli->verbose)
        fprintf(stderr, "panpipe: serve: a call of %.*s\n", (int)call->subject_length,
                call->subject);
    if (given.command != NULL)
        answer_with_command(call);
    else if (given.echo)
        answer_with_first(call);
    else
        pp_reply(session.client, call->call, fixed.data, fixed.size);
    if (++answered == given.count)
        pp_port_post(session.port, 0, 0, session_task(&finished));
}

static int serve_on(const char *subject)
{
    pp_serve_config config = PP_SERVE_CONFIG_INIT;

    config.flags = given.exclusive ? PP_SERVE_EXCLUSIVE : 0;
    config.max_inflight = (uint32_t)given.max_inflight;
    config.on_call = on_call;
    config.doc = given.doc;
    config.doc_data = doc.data;
    config.doc_size = doc.size;
    int status = session_await(
        &session,
        pp_serve(session.client, session_op(&session), subject, &config, &session.service),
        session_patience(session.cli));
    return status == PP_OK ? GO_ON : session_fail(&session, status);
}

/* What the answer is to be. */
static int decide(const char *operand)
{
    struct bytes body = { 0 };
    char problem[BODY_PROBLEM_MAX];

    if ((operand != NULL) + given.echo + (given.command != NULL) != 1)
        return error_use("say what to answer: BODY, --echo or --exec, one of them");
    if (operand == NULL)
        return GO_ON;
    int code = body_given(operand, false, &body);
    if (code == GO_ON &&
        !body_value((enum body_form)given.form, body.data, body.size, &fixed, problem))
        code = error_use("%s", problem);
    bytes_free(&body);
    return code;
}

/* What it says about itself. */
static int take_doc(void)
{
    struct bytes json = { 0 };
    char problem[BODY_PROBLEM_MAX];

    if (given.doc != NULL && given.doc_json != NULL)
        return error_use("--doc or --doc-json, one of them");
    if (given.doc_json == NULL)
        return GO_ON;
    int code = body_given(given.doc_json, false, &json);
    if (code == GO_ON && !body_value(BODY_JSON, json.data, json.size, &doc, problem))
        code = error_use("--doc-json: %s", problem);
    bytes_free(&json);
    return code;
}

int serve(const struct cli *cli)
{
    if (given.max_inflight > UINT32_MAX)
        return error_use("--max-inflight is below 2^32");
    int code = decide(cli_operand(cli, 1));
    if (code == GO_ON)
        code = take_doc();
    if (code == GO_ON)
        code = session_open(&session, cli);
    if (code == GO_ON)
        code = serve_on(cli->operands[0]);
    if (code == GO_ON)
        code = session_ready(&session, given.ready);
    if (code == GO_ON) {
        int status = session_wait(&session, &finished, UINT64_MAX);

        code = status == PP_OK ? EXIT_DONE : session_fail(&session, status);
    }
    code = session_close(&session, code); /* which may still have to answer */
    bytes_free(&fixed);
    bytes_free(&doc);
    return code;
}
