/* stop.c: asks the broker to send what is queued and to leave. */
#include "ask.h"
#include "commands.h"
#include "error.h"
#include "json.h"

static struct {
    int drain_ms;
    bool wait;
} given;

const struct option stop_options[] = {
    { 0, "drain", "D", "how long it may take to send what is queued (default: its setting)",
      OPTION_TIME, &given.drain_ms, NULL },
    { 0, "wait", NULL, "end when the broker has gone", OPTION_FLAG, &given.wait, NULL },
    { 0 },
};

static struct session session;
static struct task never;

/* Until the connection ends, which the broker lets live longest. */
static int wait_for_end(void)
{
    session_task(&never);
    return session_wait(&session, &never, UINT64_MAX) == PP_ECANCELED ? EXIT_INTERRUPTED
                                                                      : EXIT_DONE;
}

int stop(const struct cli *cli)
{
    int code = session_open(&session, cli);

    if (code != GO_ON)
        return session_close(&session, code);
    json_t *options = json_must(json_object());
    if (given.drain_ms > 0)
        json_object_set_new(options, "drain_ms", json_must(json_integer(given.drain_ms)));
    if (given.wait)
        json_object_set_new(options, "wait", json_true());
    json_t *answer = ask_here(&session, "$sys.stop", json_pack("[o]", options), &code);
    if (answer != NULL)
        code = given.wait ? wait_for_end() : EXIT_DONE;
    json_decref(answer);
    return session_close(&session, code);
}
