/* bench_flow.c: one publisher, in this thread; one subscriber or many, on a thread of their own,
 * each with its own connection. The bodies carry numbers, so that whatever is lost or overtaken is
 * seen, and times. */
#include <stdlib.h>

#include <panpipe/sys.h>

#include "bench.h"
#include "bytes.h"

enum { POLL_EVERY = 256, LAST_WAIT_MS = 30000 };
#define LAST_NUMBER UINT64_MAX /* the message that ends it; its time is how many came before */

/* The subscribers' thread alone uses this until that is joined. */
static struct flow {
    struct session *session;
    struct meter meter;
    uint64_t received, reordered, lost, bytes, end_ns;
    size_t open; /* subscribers that have not got the last message */
    struct task over;
} flow;

struct receiver {
    pp_client *client;
    pp_sub *sub;
    uint64_t next, received;
    bool over;
};

static void end_receiver(struct receiver *receiver)
{
    if (receiver->over)
        return;
    receiver->over = true;
    flow.end_ns = pp_now_ns();
    if (--flow.open == 0)
        pp_port_post(flow.session->port, 0, 0, &flow.over.op);
}

static void on_message(void *context, const pp_message *message)
{
    struct receiver *receiver = context;
    uint64_t number, time_ns;
    size_t size;

    if (!bench_body_get(message, &number, &time_ns, &size))
        return; /* somebody else's */
    if (number == LAST_NUMBER) {
        flow.lost += time_ns - receiver->received;
        end_receiver(receiver);
        return;
    }
    flow.reordered += number < receiver->next;
    receiver->next = number + 1;
    receiver->received++;
    flow.received++;
    flow.bytes += size;
    meter_add(&flow.meter, pp_now_ns() - time_ns);
}

static void on_closed(void *context, pp_client *client, int why)
{
    (void)client;
    (void)why;
    end_receiver(context);
}

static int open_receivers(struct session *session, const struct bench_plan *plan,
                          const struct bench_side *side, struct receiver *receivers, size_t count)
{
    int code = GO_ON;

    for (size_t i = 0; i < count && code == GO_ON; i++) {
        pp_client_config config = PP_CLIENT_CONFIG_INIT;
        pp_sub_config wanted = PP_SUB_CONFIG_INIT;

        wanted.context = config.context = &receivers[i];
        wanted.on_message = on_message;
        config.on_closed = on_closed;
        code = bench_side_client(session, side, &config, &receivers[i].client);
        if (code != GO_ON)
            break;
        int status =
            pp_subscribe(receivers[i].client, NULL, plan->subject, &wanted, &receivers[i].sub);
        if (status != PP_OK)
            code = session_fail_here(session, status);
    }
    return code;
}

static int publish(struct session *session, const struct bench_plan *plan,
                   struct bench_result *result)
{
    struct bench_body body = { 0 };
    uint64_t now_ns = result->begin_ns;
    int code = GO_ON;

    bench_body_init(&body, (size_t)plan->size);
    while (code == GO_ON && bench_goes_on(plan, result, now_ns)) {
        if (plan->rate > 0)
            code = session_sleep(session, result->begin_ns +
                                              (uint64_t)((double)result->sent * 1e9 / plan->rate));
        else if (result->sent % POLL_EVERY == 0)
            code = session_poll(session);
        now_ns = pp_now_ns();
        bench_body_set(&body, result->sent, now_ns);
        if (code == GO_ON)
            code = session_publish(session, plan->subject, body.params.data, body.params.size);
        result->sent += code == GO_ON;
    }
    bench_body_set(&body, LAST_NUMBER, result->sent);
    if (code == GO_ON)
        code = session_publish(session, plan->subject, body.params.data, body.params.size);
    bytes_free(&body.params);
    return code;
}

static int measure(struct session *session, const struct bench_plan *plan,
                   struct bench_result *result)
{
    int code = bench_begin(session, result);

    if (code == GO_ON)
        code = publish(session, plan, result);
    if (code == GO_ON) {
        int status = session_wait(session, &flow.over, session_deadline_ns(LAST_WAIT_MS));

        if (status != PP_OK && status != PP_ETIMEDOUT) /* then something is lost, and reported */
            code = session_fail(session, status);
    }
    return code == GO_ON ? bench_end(session, result) : code;
}

int bench_flow(struct session *session, const struct bench_plan *plan, struct bench_result *result)
{
    size_t count = plan->clients > 0 ? (size_t)plan->clients : 1;
    struct receiver *receivers = bytes_must(calloc(count, sizeof *receivers));
    struct bench_side side = { NULL, NULL };

    flow.session = session;
    flow.open = count;
    session_task(&flow.over);
    int code = bench_side_open(session, &side);
    if (code == GO_ON)
        code = open_receivers(session, plan, &side, receivers, count);
    if (code == GO_ON)
        code = measure(session, plan, result);
    for (size_t i = 0; i < count; i++)
        pp_client_abort(receivers[i].client);
    bench_side_close(&side);
    for (size_t i = 0; i < count; i++) /* whoever did not get the last message lost the rest */
        flow.lost += receivers[i].next < result->sent ? result->sent - receivers[i].received : 0;
    free(receivers);
    result->received = flow.received;
    result->lost = flow.lost;
    result->reordered = flow.reordered;
    result->bytes = flow.bytes;
    result->end_ns = flow.end_ns;
    result->meter = &flow.meter;
    return code;
}
