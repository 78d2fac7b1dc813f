#include "ask.h"

#include "error.h"
#include "json.h"
#include "session.h"

json_t *ask_with(const char *operand)
{
    json_t *params = json_must(json_array());

    if (operand != NULL)
        json_array_append_new(params, json_must(json_string_nocheck(operand)));
    return params;
}

int ask_packed(struct session *session, const char *method, const struct bytes *params,
               json_t **answer)
{
    int status = session_call(session, method, params->data, params->size, 0, 0);

    *answer = status == PP_OK ? json_from_value(session->answer.data, session->answer.size) : NULL;
    return status;
}

int ask_quietly(struct session *session, const char *method, json_t *params, json_t **answer)
{
    struct bytes packed = { 0 };

    if (params == NULL)
        params = json_must(json_array());
    json_to_value(params, &packed);
    json_decref(params);
    int status = ask_packed(session, method, &packed, answer);
    bytes_free(&packed);
    return status;
}

json_t *ask_here(struct session *session, const char *method, json_t *params, int *code)
{
    json_t *answer;
    int status = ask_quietly(session, method, params, &answer);

    if (status != PP_OK)
        *code = session_fail(session, status);
    return answer;
}

int ask(const struct cli *cli, const char *method, json_t *params,
        void (*print)(const struct cli *cli, const json_t *answer))
{
    static struct session session;
    int code = session_open(&session, cli);

    if (code == GO_ON) {
        json_t *answer = ask_here(&session, method, params, &code);

        if (answer != NULL) {
            print(cli, answer);
            code = EXIT_DONE;
        }
        json_decref(answer);
    } else {
        json_decref(params);
    }
    return session_close(&session, code);
}
