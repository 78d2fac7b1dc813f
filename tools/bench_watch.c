/* bench_watch.c: counts what others publish. */
#include <panpipe/sys.h>

#include "bench.h"
#include "progress.h"

static struct {
    struct session *session;
    uint64_t wanted, received, bytes;
    struct task over;
} watch;

/* Waits for the last message, or until the time is over; shows how far it is. */
static int wait_for_end(struct session *session, uint64_t end_ns)
{
    int status = PP_ETIMEDOUT;

    while (status == PP_ETIMEDOUT && pp_now_ns() < end_ns) {
        uint64_t due_ns = progress_due_ns();

        status = session_wait(session, &watch.over, due_ns < end_ns ? due_ns : end_ns);
        progress_show(pp_now_ns(), watch.received);
    }
    return status;
}

static void on_message(void *context, const pp_message *message)
{
    (void)context;
    watch.received++;
    watch.bytes += message->params_size;
    if (watch.received == watch.wanted)
        pp_port_post(watch.session->port, 0, 0, &watch.over.op);
}

int bench_watch(struct session *session, const struct bench_plan *plan, struct bench_result *result)
{
    pp_sub_config config = PP_SUB_CONFIG_INIT;

    watch.session = session;
    watch.wanted = plan->count;
    session_task(&watch.over);
    config.on_message = on_message;
    int code = bench_begin(session, result);
    if (code == GO_ON)
        code = session_subscribe(session, plan->subject, &config);
    if (code != GO_ON)
        return code;
    int status =
        wait_for_end(session, plan->count > 0 ? UINT64_MAX : session_deadline_ns(plan->for_ms));
    if (status != PP_OK && status != PP_ETIMEDOUT)
        return session_fail(session, status);
    result->received = watch.received;
    result->bytes = watch.bytes;
    return bench_end(session, result);
}
