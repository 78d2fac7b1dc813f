/* bench_calls.c: calls to a service of its own, on another connection and thread: so many at once,
 * each followed by the next. */
#include <stdlib.h>

#include <panpipe/sys.h>

#include "bench.h"
#include "bytes.h"
#include "value.h"

/* One call after the other. */
struct lane {
    pp_op op;
    pp_answer answer;
    uint64_t begin_ns;
};

static struct {
    struct session *session;
    const struct bench_plan *plan;
    struct bench_result *result;
    struct bench_body body;
    struct meter meter;
    size_t open;
    struct task over;
    int status; /* of the first call that failed */
} calls;

static void on_call(void *context, const pp_message *message)
{
    pp_client *const *server = context;
    size_t size;
    const void *first = value_first(message->params, message->params_size, &size);

    if (first != NULL)
        pp_reply(*server, message->call, first, size);
}

static void close_lane(int status)
{
    if (status != PP_OK && calls.status == PP_OK)
        calls.status = status;
    if (--calls.open == 0)
        pp_port_post(calls.session->port, 0, 0, &calls.over.op);
}

static void call(struct lane *lane)
{
    lane->begin_ns = pp_now_ns();
    if (!bench_goes_on(calls.plan, calls.result, lane->begin_ns)) {
        close_lane(PP_OK);
        return;
    }
    int status = pp_call(calls.session->client, &lane->op, calls.plan->subject,
                         calls.body.params.data, calls.body.params.size, NULL, &lane->answer);
    if (status == PP_PENDING)
        calls.result->sent++;
    else
        close_lane(status);
}

static void on_answer(pp_op *op)
{
    struct lane *lane = PP_CONTAINER(op, struct lane, op);

    if (op->status != PP_OK) {
        calls.result->lost++;
        close_lane(op->status);
        return;
    }
    meter_add(&calls.meter, pp_now_ns() - lane->begin_ns);
    calls.result->received++;
    calls.result->bytes += calls.plan->size;
    call(lane);
}

static int measure(struct session *session, struct lane *lanes)
{
    int code = bench_begin(session, calls.result);

    calls.open = (size_t)calls.plan->outstanding;
    session_task(&calls.over);
    for (size_t i = 0; i < calls.plan->outstanding && code == GO_ON; i++) {
        pp_op_use_call(&lanes[i].op, on_answer);
        call(&lanes[i]);
    }
    if (code == GO_ON) {
        int status = session_wait(session, &calls.over, UINT64_MAX);

        if (status == PP_OK)
            status = calls.status;
        if (status != PP_OK)
            code = session_fail(session, status);
    }
    return code == GO_ON ? bench_end(session, calls.result) : code;
}

int bench_calls(struct session *session, const struct bench_plan *plan, struct bench_result *result)
{
    static struct lane *lanes; /* calls may be open until the session is closed */
    struct bench_side side = { NULL, NULL };
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_serve_config wanted = PP_SERVE_CONFIG_INIT;
    pp_client *server = NULL;
    pp_sub *service;

    calls.session = session;
    calls.plan = plan;
    calls.result = result;
    result->meter = &calls.meter;
    bench_body_init(&calls.body, (size_t)plan->size);
    lanes = bytes_must(calloc((size_t)plan->outstanding, sizeof *lanes));
    wanted.on_call = on_call;
    wanted.context = &server;
    int code = bench_side_open(session, &side);
    if (code == GO_ON)
        code = bench_side_client(session, &side, &config, &server);
    int status = code == GO_ON ? pp_serve(server, NULL, plan->subject, &wanted, &service) : PP_OK;
    if (status != PP_OK)
        code = session_fail_here(session, status);
    if (code == GO_ON)
        code = measure(session, lanes);
    pp_client_abort(server);
    bench_side_close(&side);
    bytes_free(&calls.body.params);
    for (size_t i = 0; i < plan->outstanding && code == GO_ON; i++)
        pp_answer_free(&lanes[i].answer);
    if (code == GO_ON)
        free(lanes);
    return code;
}
