/* flighty_tests.c: brokers that are good for nothing: they leave, or do not answer. */
#include "client/party.h"

static struct bus bus;

/* Listens, and serves one connection after the other: says welcome to every `welcomes`th, takes a
 * little more, and leaves. */
struct flighty {
    struct runner runner;
    pp_handle *listener;
    unsigned welcomes;
    atomic_uint served;
    atomic_bool over;
};

static bool take(pp_handle *pipe, uint8_t *data, size_t size)
{
    pp_op op = PP_OP_INIT;

    return pp_op_use_wait(&op) == PP_OK && pp_read(pipe, &op, data, size) == PP_PENDING &&
           pp_op_wait(&op, -1) == 1 && op.status == PP_OK;
}

static void serve_one(struct flighty *broker, pp_handle *pipe)
{
    uint8_t hello[256], welcome[16] = { 0x94, 0x01 };
    pp_op op = PP_OP_INIT;
    size_t id = 1;

    if (!take(pipe, hello, sizeof hello))
        return;
    if (broker->served++ % broker->welcomes != 0)
        return;
    if (hello[2] >= 0xCC && hello[2] <= 0xCE)
        id += (size_t)1 << (hello[2] - 0xCC);
    memcpy(welcome + 2, hello + 2, id);
    welcome[2 + id] = 0xC0;
    welcome[3 + id] = 0x80;
    pp_op_use_wait(&op);
    if (pp_write(pipe, &op, welcome, 4 + id) == PP_PENDING && pp_op_wait(&op, -1) == 1)
        take(pipe, hello, sizeof hello);
}

static void be_flighty(void *context)
{
    struct flighty *broker = context;
    pp_op op = PP_OP_INIT;

    while (!broker->over) {
        pp_handle *pipe = NULL;

        if (pp_op_use_wait(&op) != PP_OK || pp_accept(broker->listener, &op, &pipe) != PP_PENDING)
            return;
        while (pp_op_wait(&op, 10) != 1)
            if (broker->over)
                pp_cancel(broker->listener, &op);
        if (op.status == PP_OK) {
            serve_one(broker, pipe);
            pp_close(pipe);
        }
    }
}

static void flighty_open(struct flighty *broker, unsigned welcomes)
{
    memset(broker, 0, sizeof *broker);
    broker->welcomes = welcomes;
    snprintf(bus.name, sizeof bus.name, "%s", test_path());
    assert_int_equal(pp_listen(&broker->listener, bus.name, NULL), PP_OK);
    runner_start(&broker->runner, be_flighty, broker);
}

static void flighty_close(struct flighty *broker)
{
    broker->over = true;
    runner_join(&broker->runner);
    pp_close(broker->listener);
}

static void who_leaves_before_the_welcome_is_tried_again(void **state)
{
    struct flighty broker;
    pp_client_config config;
    pp_client *client;

    (void)state;
    flighty_open(&broker, 3);
    config = config_for(&bus);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pp_client_open(&client, &config), PP_OK);
        pp_client_abort(client);
    }
    flighty_close(&broker);
}

static void who_does_not_answer_is_given_up_in_time(void **state)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    struct watcher watcher;
    pp_handle *listener;
    pp_client *client;

    (void)state;
    snprintf(bus.name, sizeof bus.name, "%s", test_path());
    pp_listen_config listening = PP_LISTEN_CONFIG_INIT;
    assert_int_equal(pp_listen(&listener, bus.name, &listening), PP_OK);
    pp_op op = PP_OP_INIT;
    pp_handle *pipe = NULL;
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_accept(listener, &op, &pipe), PP_PENDING);
    config = config_watched(&bus, &watcher);
    config.connect_ms = 1000;
    assert_int_equal(pp_client_open(&client, &config), PP_ETIMEDOUT);
    assert_non_null(strstr(pp_detail(), "does not answer"));
    assert_int_equal(wait_for(&op), PP_OK);
    pp_close(pipe);
    pp_close(listener);
    assert_int_equal(watcher.away + watcher.connected + watcher.ended, 0); /* it never was one */
}

static void losing_the_broker_again_and_again_leaves_nothing_behind(void **state)
{
    enum { TIMES = 200, WARM = 20 };
    struct flighty broker;
    struct watcher watcher;
    pp_client_config config;
    pp_client *client;

    (void)state;
    flighty_open(&broker, 1);
    config = config_watched(&bus, &watcher);
    assert_int_equal(pp_client_open(&client, &config), PP_OK);
    uint64_t handles = 0;
    unsigned published = 0;
    while (watcher.connected < TIMES) {
        unsigned before = watcher.connected;
        published += publish(client, "a", "[]") == PP_OK; /* then it leaves */
        EVENTUALLY(watcher.connected > before || watcher.connected >= TIMES);
        if (watcher.connected >= WARM && handles == 0)
            handles = ppi_process_handles();
    }
    assert_in_range(ppi_process_handles(), 0, handles + 4); /* some come and go */
    pp_client_abort(client);
    flighty_close(&broker);
    assert_int_equal(watcher.repeated, 0);
    assert_true(watcher.unconfirmed + watcher.unsent >= published / 2);
}

static void work(void *port)
{
    pp_packet packet;

    while (pp_port_get(port, &packet, -1) == 1)
        ;
}

/* One life of a client whose broker is flighty, ended after a while. */
static void lose_and_end(pp_port *port, bool abort)
{
    struct called called, subscribed;
    struct watcher watcher;
    pp_client_config config = config_watched(&bus, &watcher);
    pp_answer answer = { 0 };
    pp_client *client;
    pp_sub *sub;

    config.drain_ms = 20;
    config.port = port;
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    assert_int_equal(pp_client_start(client), PP_OK);
    pp_subscribe(client, start_called(&subscribed, NULL), "a", NULL, &sub);
    for (uint64_t end_ns = ppi_now_ns() + ppi_random() % (4 * PPI_NS_PER_MS);
         ppi_now_ns() < end_ns;) {
        publish(client, "a", "[]");
        ppi_yield();
    }
    int status = pp_call(client, start_called(&called, NULL), "q", "\x90", 1, NULL, &answer);
    assert_true(status == PP_PENDING || status == PP_EBUSY);
    assert_int_equal(abort ? pp_client_abort(client) : pp_client_close(client), PP_OK);
    if (port != NULL) /* where several workers may be at it at the same time */
        EVENTUALLY(watcher.ended == 1 && subscribed.times == 1 &&
                   called.times == (status == PP_PENDING));
    assert_int_equal(called.times, status == PP_PENDING);
    assert_int_equal(subscribed.times, 1);
    assert_int_equal(watcher.ended, 1);
    assert_int_equal(watcher.last, PP_CLIENT_ENDED);
    pp_answer_free(&answer);
}

/* Whatever it is doing just then; on a thread of its own, and on somebody's. */
static void a_client_that_loses_its_broker_may_be_closed_at_any_time(void **state)
{
    enum { TIMES = 200, WORKERS = 3 };
    pp_port_config several = PP_PORT_CONFIG_INIT;
    struct runner workers[WORKERS];
    struct flighty broker;
    pp_port *port;

    (void)state;
    flighty_open(&broker, 2);
    for (int i = 0; i < TIMES; i++)
        lose_and_end(NULL, i % 2 == 0);
    several.concurrency = WORKERS;
    assert_int_equal(pp_port_open(&port, &several), PP_OK);
    for (int i = 0; i < WORKERS; i++)
        runner_start(&workers[i], work, port);
    for (int i = 0; i < TIMES; i++)
        lose_and_end(port, i % 2 == 0);
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    for (int i = 0; i < WORKERS; i++)
        runner_join(&workers[i]);
    pp_port_close(port);
    flighty_close(&broker);
}

int flighty_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(who_leaves_before_the_welcome_is_tried_again),
        BUS_TEST(who_does_not_answer_is_given_up_in_time),
        BUS_TEST(losing_the_broker_again_and_again_leaves_nothing_behind),
        BUS_TEST(a_client_that_loses_its_broker_may_be_closed_at_any_time),
    };
    int failures = 0;

    RUN_GROUP(&failures, "flighty brokers", tests);
    return failures;
}
