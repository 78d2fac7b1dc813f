/* end_tests.c: how clients end, and what ends with them. */
#include "client/party.h"

static struct bus bus;

/* A client with everything open that can be. */
struct busy {
    pp_client *client;
    struct ending ending;
    struct called call, receive, publish, subscribe, unsubscribe, flush, confirmed;
    struct server server;
    pp_answer answer;
    pp_receipt receipt;
    pp_sub *inbox, *other, *made;
};

/* Everything ends, once, before the last callback; none with PP_OK that was not answered. */
static void assert_all_ended(struct busy *busy, int why)
{
    struct called *const all[] = { &busy->call,       &busy->receive, &busy->publish,
                                   &busy->subscribe,  &busy->flush,   &busy->confirmed,
                                   &busy->unsubscribe };

    EVENTUALLY(busy->ending.times == 1);
    for (size_t i = 0; i < PPI_COUNT(all); i++) {
        assert_int_equal(all[i]->times, 1);
        if (all[i] == &busy->call || all[i] == &busy->receive)
            assert_int_equal(all[i]->status, why);
        else
            assert_true(all[i]->status == why || all[i]->status == PP_OK);
    }
    assert_int_equal(busy->ending.ops_after, 0);
    pp_answer_free(&busy->answer);
}

static void open_busy(struct busy *busy, uint32_t flags)
{
    struct bytes params = bytes_of("[]");
    pp_client_config config;

    memset(busy, 0, sizeof *busy);
    bus_open(&bus, NULL);
    config = config_for(&bus);
    config.context = &busy->ending;
    config.on_closed = on_closed;
    config.flags = flags;
    assert_int_equal(pp_client_open(&busy->client, &config), PP_OK);
    assert_int_equal(pp_subscribe(busy->client, NULL, "in", NULL, &busy->inbox), PP_OK);
    assert_int_equal(pp_subscribe(busy->client, NULL, "in2", NULL, &busy->other), PP_OK);
    busy->server.keeps = true;
    serve(busy->client, "q", &busy->server);
    assert_int_equal(pp_call(busy->client, start_called(&busy->call, &busy->ending), "q",
                             params.data, params.size, NULL, &busy->answer),
                     PP_PENDING);
    assert_int_equal(pp_receive(busy->inbox, start_called(&busy->receive, &busy->ending)),
                     PP_PENDING);
    EVENTUALLY(busy->server.calls == 1);
}

/* What is answered quickly, if the broker is there to do it. */
static void start_the_rest(struct busy *busy)
{
    struct bytes params = bytes_of("[]");

    assert_int_equal(pp_publish_start(busy->client, start_called(&busy->publish, &busy->ending),
                                      "x", params.data, params.size),
                     PP_PENDING);
    assert_int_equal(pp_subscribe(busy->client, start_called(&busy->subscribe, &busy->ending), "s",
                                  NULL, &busy->made),
                     PP_PENDING);
    assert_int_equal(pp_unsubscribe(busy->other, start_called(&busy->unsubscribe, &busy->ending)),
                     PP_PENDING);
    assert_int_equal(pp_client_flush(busy->client, start_called(&busy->flush, &busy->ending)),
                     PP_PENDING);
    assert_int_equal(pp_publish_confirmed(busy->client,
                                          start_called(&busy->confirmed, &busy->ending), "x",
                                          params.data, params.size, &busy->receipt),
                     PP_PENDING);
}

static void when_the_broker_is_killed_everything_ends_then_the_last_callback_comes(void **state)
{
    struct busy busy;
    pp_message message;

    (void)state;
    open_busy(&busy, PP_CLIENT_ONCE);
    start_the_rest(&busy);
    bus_kill(&bus);
    assert_all_ended(&busy, PP_EPEERCLOSED);
    assert_int_equal(busy.ending.why, PP_EPEERCLOSED);
    assert_int_equal(publish(busy.client, "a", "[]"), PP_ECLOSED);
    assert_int_equal(pp_client_flush(busy.client, NULL), PP_ECLOSED);
    assert_int_equal(pp_receive(busy.inbox, NULL), PP_ECLOSED);
    assert_int_equal(pp_next(busy.inbox, &message), 0);
    assert_int_equal(pp_unsubscribe(busy.inbox, NULL), PP_ECLOSED);
    assert_int_equal(pp_client_connect(busy.client, NULL), PP_ECLOSED);
    assert_int_equal(pp_client_close(busy.client), PP_OK);
    assert_int_equal(busy.ending.times, 1);
}

struct flood {
    pp_client *client;
    struct large params;
    atomic_uint published;
    int status; /* of the last one */
};

static void flood(void *context)
{
    struct flood *flood = context;

    while ((flood->status =
                pp_publish(flood->client, "a", flood->params.data, flood->params.size)) == PP_OK)
        flood->published++;
}

/* What it publishes comes back to it, and nobody takes it: it reads no more, not even the end. */
static void who_publishes_and_does_not_read_hears_of_its_brokers_end_too(void **state)
{
    enum { SIZE = 1024, ENOUGH = 1000 };
    struct flood flooder = { .params = large_of(SIZE) };
    pp_sub_config wanted = PP_SUB_CONFIG_INIT;
    struct runner runner;
    pp_sub *inbox;

    (void)state;
    bus_open(&bus, NULL);
    pp_client_config config = config_for(&bus);
    config.inbox_bytes = SIZE;
    config.queue_bytes = config.away_bytes = 64 * SIZE;
    assert_int_equal(pp_client_open(&flooder.client, &config), PP_OK);
    wanted.flags = PP_SUB_ECHO;
    assert_int_equal(pp_subscribe(flooder.client, NULL, "a", &wanted, &inbox), PP_OK);
    runner_start(&runner, flood, &flooder);
    EVENTUALLY(flooder.published >= ENOUGH);
    bus_kill(&bus);
    runner_join(&runner); /* it has room for some more while it is away */
    assert_int_equal(flooder.status, PP_EBUSY);
    assert_int_equal(pp_client_abort(flooder.client), PP_OK);
    free(flooder.params.data);
}

static void an_abort_ends_everything_with_canceled(void **state)
{
    struct busy busy;

    (void)state;
    open_busy(&busy, 0);
    start_the_rest(&busy);
    assert_int_equal(pp_client_abort(busy.client), PP_OK);
    assert_all_ended(&busy, PP_ECANCELED);
    assert_int_equal(busy.ending.why, PP_ECLOSED);
    bus_close(&bus);
}

static void a_close_says_goodbye_first(void **state)
{
    struct busy busy;

    (void)state;
    open_busy(&busy, 0);
    start_the_rest(&busy);
    assert_int_equal(pp_client_close(busy.client), PP_OK);
    assert_all_ended(&busy, PP_ECANCELED);
    assert_int_equal(busy.ending.why, PP_ECLOSED);
    assert_int_equal(busy.publish.status, PP_OK); /* it was asked for before the goodbye */
    assert_int_equal(busy.confirmed.status, PP_OK);
    bus_close(&bus);
}

/* What was published before a close arrives; no flush needed. */
static void a_close_loses_nothing(void **state)
{
    enum { ROUNDS = 20, COUNT = 500 };
    struct listener listener = { 0 };

    (void)state;
    bus_open(&bus, NULL);
    pp_client *reader = open_client(&bus);
    listen_to(reader, "a", &listener);
    for (unsigned round = 0, n = 0; round < ROUNDS; round++) {
        pp_client *client = open_client(&bus);

        for (unsigned i = 0; i < COUNT; i++, n++) {
            struct bytes params = bytes_of("[%u]", n);

            assert_int_equal(pp_publish(client, "a", params.data, params.size), PP_OK);
        }
        assert_int_equal(round % 2 == 0 ? PP_OK : pp_client_drain(client, NULL), PP_OK);
        assert_int_equal(pp_client_close(client), PP_OK);
        EVENTUALLY(listener.count == n);
    }
    assert_int_equal(listener.disorder, 0);
    pp_client_close(reader);
    bus_close(&bus);
}

static char noted[256];

static void on_note(void *context, pp_client *client, const char *name, const char *text)
{
    (void)context;
    (void)client;
    snprintf(noted, sizeof noted, "%s %s", name, text);
}

static void a_broker_that_leaves_says_so(void **state)
{
    struct ending ending = { 0 };
    pp_client_config config;
    pp_client *client;
    char words[256];

    (void)state;
    bus_open(&bus, NULL);
    config = config_for(&bus);
    config.context = &ending;
    config.on_closed = on_closed;
    config.on_note = on_note;
    config.flags = PP_CLIENT_ONCE;
    assert_int_equal(pp_client_open(&client, &config), PP_OK);
    assert_int_equal(publish(client, "$nonsense", "[]"), PP_OK); /* no method: it is told */
    assert_int_equal(pp_client_flush(client, NULL), PP_OK);
    assert_memory_equal(noted, "E_METHOD", 8);
    bus_stop(&bus);
    EVENTUALLY(ending.times == 1);
    assert_int_equal(ending.why, PP_ESHUTDOWN);
    assert_memory_equal(noted, "E_SHUTDOWN", 10);
    assert_memory_equal(pp_client_error(client, words, sizeof words), "E_SHUTDOWN", 10);
    pp_client_close(client);
    bus_await_end(&bus);
}

/* --- on somebody's port ----------------------------------------------------------------------- */

static pp_client *suicidal;
static pp_port *its_port;

static void close_in_callback(void *context, const pp_message *message)
{
    atomic_int *status = context;

    (void)message;
    *status = pp_port_shutdown(its_port, PP_SHUT_FAST, 0, NULL, NULL) == PP_EDEADLOCK
                  ? pp_client_close(suicidal)
                  : PP_EDEADLOCK; /* that one waits */
}

static void on_ones_own_port_a_client_may_be_closed_in_its_callback(void **state)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_sub_config wanted = PP_SUB_CONFIG_INIT;
    struct ending ending = { 0 };
    atomic_int status = 1;
    pp_op op = PP_OP_INIT;
    pp_port *port;
    pp_sub *sub;

    (void)state;
    bus_open(&bus, NULL);
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    config.context = &ending;
    config.on_closed = on_closed;
    its_port = port;
    suicidal = open_on(port, &bus, config);
    wanted.on_message = close_in_callback;
    wanted.context = &status;
    wanted.flags = PP_SUB_ECHO;
    assert_int_equal(pp_subscribe(suicidal, &op, "a", &wanted, &sub), PP_PENDING);
    assert_int_equal(work_until(port, &op), PP_OK);
    assert_int_equal(publish(suicidal, "a", "[]"), PP_OK);
    WORK_UNTIL(port, ending.times == 1);
    assert_int_equal(status, PP_OK);
    close_port(port);
    bus_close(&bus);
}

static void two_clients_can_share_a_port(void **state)
{
    enum { COUNT = 1000 };
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    struct listener listeners[2] = { { 0 }, { 0 } };
    struct ending endings[2] = { { 0 }, { 0 } };
    pp_sub_config wanted = PP_SUB_CONFIG_INIT;
    pp_client *clients[2];
    pp_op op = PP_OP_INIT;
    pp_port *port;
    pp_sub *sub;

    (void)state;
    bus_open(&bus, NULL);
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    wanted.on_message = on_message;
    config.on_closed = on_closed;
    for (int i = 0; i < 2; i++) {
        config.context = &endings[i];
        clients[i] = open_on(port, &bus, config);
        wanted.context = &listeners[i];
        assert_int_equal(pp_subscribe(clients[i], &op, "a", &wanted, &sub), PP_PENDING);
        assert_int_equal(work_until(port, &op), PP_OK);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        struct bytes params = bytes_of("[%u]", i);

        for (int k = 0; k < 2; k++)
            assert_int_equal(pp_publish(clients[k], "a", params.data, params.size), PP_OK);
    }
    WORK_UNTIL(port, listeners[0].count == COUNT && listeners[1].count == COUNT);
    assert_int_equal(listeners[0].disorder + listeners[1].disorder, 0);
    assert_int_equal(pp_client_close(clients[0]), PP_OK);
    WORK_UNTIL(port, endings[0].times == 1);
    assert_int_equal(endings[1].times, 0); /* the other one is not touched by that */
    assert_int_equal(pp_client_flush(clients[1], &op), PP_PENDING);
    assert_int_equal(work_until(port, &op), PP_OK);
    assert_int_equal(pp_client_abort(clients[1]), PP_OK);
    WORK_UNTIL(port, endings[1].times == 1);
    close_port(port);
    bus_close(&bus);
}

static void count_packet(void *context, const pp_packet *packet)
{
    (void)packet;
    ++*(int *)context;
}

static void a_port_may_be_shut_down_before_its_clients_are_closed(void **state)
{
    struct bytes params = bytes_of("[]");
    struct ending ending = { 0 };
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_answer answer = { 0 };
    struct server server = { .keeps = true };
    pp_op op = PP_OP_INIT;
    pp_port *port;
    int discarded = 0;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *other = open_client(&bus);
    serve(other, "q", &server);
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    config.context = &ending;
    config.on_closed = on_closed;
    pp_client *client = open_on(port, &bus, config);
    assert_int_equal(pp_call(client, &op, "q", params.data, params.size, NULL, &answer),
                     PP_PENDING);
    assert_int_equal(
        pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, count_packet, &discarded), PP_OK);
    assert_int_equal(discarded, 1);
    assert_int_equal(op.status, PP_ECANCELED);
    assert_int_equal(ending.times, 1);
    assert_int_equal(ending.why, PP_ECLOSED);
    assert_int_equal(pp_client_flush(client, &op), PP_ECLOSED);
    assert_int_equal(pp_client_close(client), PP_OK);
    pp_port_close(port);
    pp_client_close(other);
    bus_close(&bus);
}

int end_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(when_the_broker_is_killed_everything_ends_then_the_last_callback_comes),
        BUS_TEST(who_publishes_and_does_not_read_hears_of_its_brokers_end_too),
        BUS_TEST(an_abort_ends_everything_with_canceled),
        BUS_TEST(a_close_says_goodbye_first),
        BUS_TEST(a_close_loses_nothing),
        BUS_TEST(a_broker_that_leaves_says_so),
        BUS_TEST(on_ones_own_port_a_client_may_be_closed_in_its_callback),
        BUS_TEST(two_clients_can_share_a_port),
        BUS_TEST(a_port_may_be_shut_down_before_its_clients_are_closed),
    };
    int failures = 0;

    RUN_GROUP(&failures, "ending", tests);
    return failures;
}
