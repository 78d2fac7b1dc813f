/* req.c: calls a service and prints its result. */

#include "body.h"
#include "commands.h"
#include "error.h"
#include "json.h"
#include "out.h"
#include "print.h"
#include "session.h"

enum { WAIT_MS_MAX = 60 * 60 * 1000 };

static struct {
    int form, wait_ms;
} given;

const struct option req_options[] = {
    { 0, "in", "FORM", "raw, json, hex or msgpack: what the body is", OPTION_WORD, &given.form,
      body_forms },
    { 0, "wait", "D", "wait so long for a server that takes the call, 1h at most", OPTION_TIME,
      &given.wait_ms, NULL },
    { 0 },
};

static struct session session;

static void print_result(const pp_answer *answer)
{
    struct bytes line = { 0 };

    if (!print_is_text()) {
        json_t *object = json_must(json_object());

        json_object_set_new(object, "result", json_from_value(answer->data, answer->size));
        print_event(object);
        json_decref(object);
        return;
    }
    body_show_value(answer->data, answer->size, &line);
    out_bytes(line.data, line.size);
    out_text("\n");
    bytes_free(&line);
}

/* The server's own error, which need not be a text. */
static int remote_error(const pp_answer *answer)
{
    struct bytes words = { 0 };

    body_show_value(answer->data, answer->size, &words);
    bytes_add(&words, "", 1);
    int code = error_status(PP_EREMOTE, words.data);
    bytes_free(&words);
    return code;
}

/* Names that only the server can have given: of a call that it passes on the broker says others. */
static bool is_remote(const char *subject, int status)
{
    bool broker = subject[0] == '$';

    return status == PP_EREMOTE ||
           (!broker && (status == PP_EARG || status == PP_EMETHOD || status == PP_ENOTFOUND ||
                        status == PP_ENAME || status == PP_EVERSION));
}

static int call(const char *subject, const struct bytes *params)
{
    int status = session_call(&session, subject, params->data, params->size,
                              session.cli->timeout_ms, given.wait_ms);

    if (is_remote(subject, status) && session.answer.data != NULL)
        return remote_error(&session.answer);
    if (status != PP_OK)
        return session_fail(&session, status);
    print_result(&session.answer);
    return EXIT_DONE;
}

int req(const struct cli *cli)
{
    const char *operand = cli_operand(cli, 1);
    struct bytes body = { 0 }, params = { 0 };
    char problem[BODY_PROBLEM_MAX];
    int code = GO_ON;

    session.cli = cli;
    if (given.wait_ms > WAIT_MS_MAX)
        return error_use("--wait is at most 1h");
    if (operand == NULL)
        bytes_add(&params, "\x90", 1); /* no params */
    else if ((code = body_given(operand, true, &body)) == GO_ON &&
             !body_params((enum body_form)given.form, body.data, body.size, &params, problem))
        code = error_use("%s", problem);
    if (code == GO_ON)
        code = session_open(&session, cli);
    if (code == GO_ON)
        code = call(cli->operands[0], &params);
    bytes_free(&body);
    bytes_free(&params);
    return session_close(&session, code);
}
