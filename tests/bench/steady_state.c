/* steady_state.c: what a message costs when everything is warm: no allocation anywhere, and no lock
 * but its publisher's own.
 *
 * Publisher, broker and subscriber are the product's code in this process. On simulated pipes
 * there is one thread, so the counts are exact and the same in every run; over real pipes, with
 * threads, they are bounds. Lines that begin with # tell the counts. */
#include "sim/sim.h"
#include "support/count_allocations.h"
#include "support/count_locks.h"
#include "support/support.h"

#include <panpipe/client.h>
#include <panpipe/sys.h>

#include "base/check.h"
#include "broker.h"

enum { PARAMS_BYTES = 3 + 128, BURST = 100, BURSTS = 50, CALLS = 500, PATIENCE_MS = 20000 };

/* --- brokers and clients on simulated pipes --------------------------------------------------- */

static struct {
    pp_port *port;
    struct broker *broker;
    bool stopped;
} bus;

/* Two clients, each on a port of its own. */
struct flow {
    pp_port *ports[2];
    pp_client *publisher, *subscriber;
    pp_sub *sub;
    char subject[8];
    uint64_t received;
};

static void on_stopped(void *context, pp_broker *broker)
{
    (void)broker;
    *(bool *)context = true;
}

static void bus_open(const struct sim_script *script)
{
    const struct broker_events events = { &bus.stopped, NULL, on_stopped };
    struct settings settings;

    sim_begin(script);
    settings_defaults(&settings);
    snprintf(settings.name, sizeof settings.name, "steady");
    bus.stopped = false;
    assert_int_equal(pp_port_open(&bus.port, NULL), PP_OK);
    assert_int_equal(broker_open(&bus.broker, &settings, bus.port, &events), PP_OK);
}

static void shut(pp_port *port)
{
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, PATIENCE_MS, NULL, NULL), PP_OK);
}

static void bus_close(void)
{
    broker_stop(bus.broker);
    while (!bus.stopped && sim_step())
        ;
    assert_true(bus.stopped);
    shut(bus.port);
    broker_close(bus.broker);
    pp_port_close(bus.port);
    sim_end();
}

/* An operation, and whether it has ended. */
struct step {
    pp_op op;
    bool ended;
};

static void on_ended(pp_op *op)
{
    PP_CONTAINER(op, struct step, op)->ended = true;
}

static pp_op *step_begin(struct step *step)
{
    *step = (struct step){ .op = PP_OP_INIT };
    assert_int_equal(pp_op_use_call(&step->op, on_ended), PP_OK);
    return &step->op;
}

/* Lets everything happen until it has ended. */
static void step_end(const struct step *step)
{
    while (!step->ended)
        assert_true(sim_step());
    assert_int_equal(step->op.status, PP_OK);
}

/* Lets everything happen that can without time passing. */
static void settle(void)
{
    sim_pass_ms(0);
}

static pp_client *client_open(pp_port **port)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    struct step step;
    pp_client *client;

    assert_int_equal(pp_port_open(port, NULL), PP_OK);
    config.broker = "steady";
    config.port = *port;
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    assert_int_equal(pp_client_connect(client, step_begin(&step)), PP_PENDING);
    step_end(&step);
    return client;
}

static void client_close(pp_client *client, pp_port *port)
{
    pp_client_close(client);
    sim_pass_ms(100);
    shut(port);
    pp_port_close(port);
}

static void on_message(void *context, const pp_message *message)
{
    struct flow *flow = context;

    assert_int_equal(message->params_size, PARAMS_BYTES);
    flow->received++;
}

static void flow_open(struct flow *flow, const char *subject)
{
    pp_sub_config config = PP_SUB_CONFIG_INIT;
    struct step step;

    *flow = (struct flow){ .received = 0 };
    snprintf(flow->subject, sizeof flow->subject, "%s", subject);
    flow->publisher = client_open(&flow->ports[0]);
    flow->subscriber = client_open(&flow->ports[1]);
    config.on_message = on_message;
    config.context = flow;
    assert_int_equal(
        pp_subscribe(flow->subscriber, step_begin(&step), subject, &config, &flow->sub),
        PP_PENDING);
    step_end(&step);
}

static void flow_close(struct flow *flow)
{
    client_close(flow->publisher, flow->ports[0]);
    client_close(flow->subscriber, flow->ports[1]);
}

/* --- publishing: from a handler, as a server does, so that a burst leaves in one write -------- */

struct burst {
    pp_op op;
    struct flow *flow;
    int count;
};

static void on_burst(pp_op *op)
{
    static uint8_t params[PARAMS_BYTES] = { 0x91, 0xC4, 128 };
    const struct burst *burst = PP_CONTAINER(op, struct burst, op);

    for (int i = 0; i < burst->count; i++)
        assert_int_equal(
            pp_publish(burst->flow->publisher, burst->flow->subject, params, sizeof params), PP_OK);
}

/* Publishes count messages, and lets them arrive. */
static void publish_burst(struct flow *flow, int count)
{
    struct burst burst = { .op = PP_OP_INIT, .flow = flow, .count = count };
    uint64_t before = flow->received;

    pp_op_use_call(&burst.op, on_burst);
    assert_int_equal(pp_port_post(flow->ports[0], 0, 0, &burst.op), PP_OK);
    settle();
    assert_int_equal(flow->received, before + (unsigned)count);
}

/* --- allocations ------------------------------------------------------------------------------ */

/* However the bytes are cut on their way, and also when a pipe is full again and again. */
static void a_message_allocates_nothing(void **state)
{
    static const struct sim_script scripts[] = {
        { 0 },                 /* as they were written */
        { .read_max = 5000 },  /* every batch ends in the middle of a frame */
        { .read_max = 100 },   /* every frame comes in pieces */
        { .write_max = 3000 }, /* the pipe takes a part of each write */
        { .capacity = 4000 },  /* the pipe is small, and full */
        { .read_max = 1000, .write_max = 700, .capacity = 2000 }, /* all of it */
    };

    (void)state;
    for (size_t s = 0; s < PPI_COUNT(scripts); s++) {
        struct flow flow;

        bus_open(&scripts[s]);
        flow_open(&flow, "ui.a");
        for (int i = 0; i < BURSTS; i++)
            publish_burst(&flow, BURST);
        uint64_t before = allocations_counted();
        for (int i = 0; i < BURSTS; i++)
            publish_burst(&flow, BURST);
        assert_int_equal(allocations_counted() - before, 0);
        flow_close(&flow);
        bus_close();
    }
}

static void on_call(void *context, const pp_message *message)
{
    const struct flow *flow = context;

    assert_int_equal(
        pp_reply(flow->subscriber, message->call, message->params, message->params_size), PP_OK);
}

static void call(struct flow *flow, pp_answer *answer)
{
    static const uint8_t params[] = { 0x91, 0xC4, 4, 'a', 'b', 'c', 'd' };
    struct step step;

    assert_int_equal(
        pp_call(flow->publisher, step_begin(&step), "service", params, sizeof params, NULL, answer),
        PP_PENDING);
    settle();
    step_end(&step);
    assert_int_equal(answer->size, sizeof params);
}

static void a_call_allocates_nothing(void **state)
{
    static const struct sim_script script = { 0 };
    pp_serve_config config = PP_SERVE_CONFIG_INIT;
    pp_answer answer = { 0 };
    struct flow flow;
    struct step step;
    pp_sub *service;

    (void)state;
    bus_open(&script);
    flow_open(&flow, "ui.a");
    config.on_call = on_call;
    config.context = &flow;
    assert_int_equal(pp_serve(flow.subscriber, step_begin(&step), "service", &config, &service),
                     PP_PENDING);
    step_end(&step);
    for (int i = 0; i < CALLS; i++)
        call(&flow, &answer);
    uint64_t before = allocations_counted();
    locks_forget();
    for (int i = 0; i < CALLS; i++)
        call(&flow, &answer);
    assert_int_equal(allocations_counted() - before, 0);
    print_message("# a call and its answer: %.1f locks in caller, broker and server\n",
                  (double)locks_counted() / CALLS);
    pp_answer_free(&answer);
    flow_close(&flow);
    bus_close();
}

/* --- locks ------------------------------------------------------------------------------------ */

/* How often a burst locks, once it is warm. */
static uint64_t locks_of_burst(struct flow *flow, int count)
{
    publish_burst(flow, count);
    locks_forget();
    publish_burst(flow, count);
    return locks_counted();
}

/* In a batch a message more is one lock more: its publisher takes the client's own. Broker and
 * subscriber lock once for the batch, whatever its size. */
static void a_message_takes_its_publishers_lock_and_no_other(void **state)
{
    static const struct sim_script script = { 0 };
    struct flow first, second;

    (void)state;
    bus_open(&script);
    flow_open(&first, "ui.a");
    flow_open(&second, "ui.b");
    uint64_t one = locks_of_burst(&first, 1);
    uint64_t many = locks_of_burst(&first, 1 + BURST);
    const void *own = locks_most();
    assert_int_equal(many, one + BURST);
    assert_in_range(locks_on(own), 1 + BURST, many);
    locks_of_burst(&second, 1 + BURST);
    assert_ptr_not_equal(locks_most(), own);
    assert_int_equal(locks_on(own), 0); /* it is no concern of the others */
    print_message("# a batch: %u locks in publisher, broker and subscriber, and 1 a message\n",
                  (unsigned)(one - 1));
    flow_close(&second);
    flow_close(&first);
    bus_close();
}

/* --- real pipes ------------------------------------------------------------------------------- */

enum { WORKERS = 2, WARM = 400000, STREAM = 1000000 };

static void work(void *port)
{
    pp_packet packet;

    while (pp_port_get(port, &packet, -1) == 1)
        ;
}

static atomic_uint_fast64_t arrived;

static void on_arrival(void *context, const pp_message *message)
{
    (void)context;
    (void)message;
    atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
}

static void stream(pp_client *publisher, uint64_t count)
{
    static uint8_t params[PARAMS_BYTES] = { 0x91, 0xC4, 128 };
    uint64_t end = atomic_load(&arrived) + count;

    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(pp_publish(publisher, "ui.a", params, sizeof params), PP_OK);
    EVENTUALLY(atomic_load(&arrived) == end);
}

/* The same with threads, at full speed: batches are of any size, and what a queue that is longer
 * than ever before still asks for is nothing beside the messages. */
static void a_stream_over_real_pipes_hardly_allocates_or_locks(void **state)
{
    pp_client_config client_config = PP_CLIENT_CONFIG_INIT;
    pp_sub_config sub_config = PP_SUB_CONFIG_INIT;
    const struct broker_events events = { &bus.stopped, NULL, on_stopped };
    struct settings settings;
    struct ppi_thread workers[WORKERS];
    pp_client *publisher, *subscriber;
    pp_sub *sub;

    (void)state;
    settings_defaults(&settings);
    snprintf(settings.name, sizeof settings.name, "%s", test_path());
    bus.stopped = false;
    assert_int_equal(pp_port_open(&bus.port, NULL), PP_OK);
    assert_int_equal(broker_open(&bus.broker, &settings, bus.port, &events), PP_OK);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(ppi_thread_start(&workers[i], work, bus.port), PP_OK);
    client_config.broker = settings.name;
    sub_config.on_message = on_arrival;
    assert_int_equal(pp_client_open(&publisher, &client_config), PP_OK);
    assert_int_equal(pp_client_open(&subscriber, &client_config), PP_OK);
    assert_int_equal(pp_subscribe(subscriber, NULL, "ui.a", &sub_config, &sub), PP_OK);

    stream(publisher, WARM);
    uint64_t before = allocations_counted(), locks_before = locks_counted();
    stream(publisher, STREAM);
    uint64_t allocations = allocations_counted() - before, locks = locks_counted() - locks_before;
    print_message("# real pipes: %llu allocations, %.3f locks a message, in all threads\n",
                  (unsigned long long)allocations, (double)locks / STREAM);
    assert_in_range(allocations, 0, STREAM / 1000);
    assert_in_range(locks, STREAM, 3 * STREAM); /* one each; the others are for batches */

    pp_client_close(publisher);
    pp_client_close(subscriber);
    shut(bus.port);
    for (int i = 0; i < WORKERS; i++)
        ppi_thread_join(&workers[i]);
    broker_close(bus.broker);
    pp_port_close(bus.port);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_allocates_nothing),
        TEST(a_call_allocates_nothing),
        TEST(a_message_takes_its_publishers_lock_and_no_other),
        TEST(a_stream_over_real_pipes_hardly_allocates_or_locks),
    };
    int failures = 0;

    ppi_check_set_hook(ppi_check_abort);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    RUN_GROUP(&failures, "steady state", tests);
    return failures == 0 ? 0 : 1;
}
