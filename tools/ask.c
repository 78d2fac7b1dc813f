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
