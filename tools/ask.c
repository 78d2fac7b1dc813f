#include "ask.h"

#include "error.h"
#include "json.h"
#include "session.h"

int ask(const struct cli *cli, const char *method, const struct bytes *params,
        void (*print)(const struct cli *cli, const json_t *answer))
{
    static struct session session;
    int code = session_open(&session, cli);

    if (code == GO_ON) {
        int status = session_call(&session, method, params != NULL ? params->data : "\x90",
                                  params != NULL ? params->size : 1, 0, 0);

        code = status == PP_OK ? EXIT_DONE : session_fail(&session, status);
    }
    if (code == EXIT_DONE && print != NULL) {
        json_t *answer = json_from_value(session.answer.data, session.answer.size);

        print(cli, answer);
        json_decref(answer);
    }
    return session_close(&session, code);
}

int ask_quietly(struct session *session, const char *method, json_t *params, json_t **answer)
{
    struct bytes packed = { 0 };

    if (params == NULL)
        params = json_must(json_array());
    json_to_value(params, &packed);
    json_decref(params);
    int status = session_call(session, method, packed.data, packed.size, 0, 0);
    bytes_free(&packed);
    *answer = status == PP_OK ? json_from_value(session->answer.data, session->answer.size) : NULL;
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
