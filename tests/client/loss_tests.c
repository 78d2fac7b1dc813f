/* loss_tests.c: what could be said at the wrong moment, or again and again. */
#include "client/party.h"

static struct bus bus;

/* It would be said anew on each connection, which would end with it each time. */
static void a_doc_that_would_end_the_connection_is_refused_at_once(void **state)
{
    pp_serve_config config = PP_SERVE_CONFIG_INIT;
    struct watcher watcher;
    struct called served;
    static char doc[20000];
    pp_sub *service;

    (void)state;
    bus_open(&bus, "frame_max = 8192\n");
    pp_client *client = open_watched(&bus, &watcher, 0);
    memset(doc, 'x', sizeof doc - 1);
    config.doc = doc;
    assert_int_equal(pp_serve(client, start_called(&served, NULL), "q", &config, &service),
                     PP_ELIMIT);
    config.doc = doc + (sizeof doc - 1 - 4096);
    assert_int_equal(pp_serve(client, NULL, "q", &config, &service), PP_EARG); /* and its head */
    config.doc = doc + (sizeof doc - 1 - 4000);
    assert_int_equal(pp_serve(client, NULL, "q", &config, &service), PP_OK);
    assert_int_equal(watcher.away, 0);
    pp_client_close(client);
    bus_close(&bus);
}

/* Cancels a call as soon as a publish that was kept behind it has gone out. */
struct canceler {
    pp_op sent;
    pp_client *client;
    struct called call;
    atomic_int times, status;
};

static void cancel_now(pp_op *op)
{
    struct canceler *canceler = PP_CONTAINER(op, struct canceler, sent);

    canceler->status = pp_call_cancel(canceler->client, &canceler->call.op);
    canceler->times++;
}

static void work(void *port)
{
    pp_packet packet;

    while (pp_port_get(port, &packet, -1) == 1)
        ;
}

static void a_call_can_be_canceled_while_others_are_still_being_sent(void **state)
{
    enum { WORKERS = 2, BYTES = 4000 };
    struct large params = large_of(BYTES);
    static struct canceler canceler;
    pp_port_config several = PP_PORT_CONFIG_INIT;
    struct runner workers[WORKERS];
    struct watcher watcher;
    pp_client *client;
    pp_port *port;

    (void)state;
    memset(&canceler, 0, sizeof canceler);
    several.concurrency = WORKERS;
    assert_int_equal(pp_port_open(&port, &several), PP_OK);
    bus_name(&bus);
    pp_client_config config = config_watched(&bus, &watcher);
    config.port = port;
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    canceler.client = client;
    assert_int_equal(pp_client_start(client), PP_OK);
    assert_int_equal(pp_wait_subs(client, start_called(&canceler.call, NULL), "nobody", 1, -1),
                     PP_PENDING);
    assert_int_equal(pp_op_use_call(&canceler.sent, cancel_now), PP_OK);
    assert_int_equal(pp_publish_start(client, &canceler.sent, "n", params.data, params.size),
                     PP_PENDING);
    while (pp_publish(client, "n", params.data, params.size) == PP_OK)
        ; /* until no more is kept */
    for (int i = 0; i < WORKERS; i++)
        runner_start(&workers[i], work, port);
    bus_open_again(&bus, NULL);
    EVENTUALLY(canceler.times == 1);
    assert_int_equal(canceler.status, PP_OK);
    EVENTUALLY(canceler.call.times == 1);
    assert_int_equal(canceler.call.status, PP_ECANCELED);
    pp_client_close(client);
    EVENTUALLY(watcher.ended == 1);
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    for (int i = 0; i < WORKERS; i++)
        runner_join(&workers[i]);
    pp_port_close(port);
    free(params.data);
    bus_close(&bus);
}

int loss_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_doc_that_would_end_the_connection_is_refused_at_once),
        BUS_TEST(a_call_can_be_canceled_while_others_are_still_being_sent),
    };
    int failures = 0;

    RUN_GROUP(&failures, "losses", tests);
    return failures;
}
