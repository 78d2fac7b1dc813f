/* away_tests.c: clients without a broker: started before it, kept from it, closed meanwhile; and
 * brokers that are good for nothing. */
#include "client/party.h"

#include <panpipe/sys.h>

static struct bus bus;

/* A client that has found nobody. */
static pp_client *start_alone(struct bus *nobody, struct watcher *watcher, uint32_t away_bytes)
{
    pp_client_config config;
    pp_client *client;

    bus_name(nobody);
    config = config_watched(nobody, watcher);
    config.away_bytes = away_bytes;
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    assert_int_equal(pp_client_state(client), PP_CLIENT_NEW);
    assert_int_equal(pp_client_start(client), PP_OK);
    EVENTUALLY(watcher->away == 1);
    return client;
}

/* Publishes 0 .. count - 1, one of them as an operation, in its place among the others. */
static void publish_numbers(pp_client *client, unsigned count, struct called *called)
{
    for (unsigned i = 0; i < count; i++) {
        struct bytes number = bytes_of("[%u]", i);

        if (i == count / 2)
            assert_int_equal(
                pp_publish_start(client, start_called(called, NULL), "n", number.data, number.size),
                PP_PENDING);
        else
            assert_int_equal(pp_publish(client, "n", number.data, number.size), PP_OK);
    }
}

static void a_client_is_started_before_its_broker_and_works_at_once(void **state)
{
    enum { COUNT = 100 };
    struct bytes params = bytes_of("[7]");
    struct listener listener = { 0 };
    struct watcher watcher;
    struct server server = { 0 };
    struct called flushed, called, published, subscribed, served;
    pp_sub_config wanted = PP_SUB_CONFIG_INIT;
    pp_serve_config offered = PP_SERVE_CONFIG_INIT;
    pp_answer answer = { 0 };
    pp_sub *sub = NULL, *service = NULL;
    char words[256];

    (void)state;
    pp_client *client = server.client = start_alone(&bus, &watcher, 0);
    assert_int_equal(watcher.status, PP_ENOSERVER);
    assert_non_null(strstr(pp_client_error(client, words, sizeof words), "is panpiped running?"));
    publish_numbers(client, COUNT, &published);
    offered.on_call = on_call;
    offered.context = &server;
    wanted.on_message = on_message;
    wanted.context = &listener;
    wanted.flags = PP_SUB_ECHO;
    pp_subscribe(client, start_called(&subscribed, NULL), "n", &wanted, &sub);
    pp_serve(client, start_called(&served, NULL), "q", &offered, &service);
    pp_call(client, start_called(&called, NULL), "q", params.data, params.size, NULL, &answer);
    pp_client_flush(client, start_called(&flushed, NULL));
    assert_int_equal(pp_client_state(client), PP_CLIENT_AWAY);
    struct called *const all[] = { &published, &subscribed, &served, &called, &flushed };
    for (size_t i = 0; i < PPI_COUNT(all); i++)
        assert_int_equal(all[i]->times, 0);
    bus_open_again(&bus, NULL);
    for (size_t i = 0; i < PPI_COUNT(all); i++) {
        EVENTUALLY(all[i]->times == 1);
        assert_int_equal(all[i]->status, PP_OK);
    }
    EVENTUALLY(listener.count == COUNT);
    assert_int_equal(listener.disorder, 0);
    assert_int_equal(answer.size, params.size);
    assert_int_equal(pp_client_connect(client, NULL), PP_OK);
    assert_int_equal(pp_client_start(client), PP_OK); /* it is */
    assert_int_equal(watcher.away + watcher.connected, 2);
    pp_client_close(client);
    assert_int_equal(watcher.repeated + watcher.unconfirmed + watcher.unsent, 0);
    pp_answer_free(&answer);
    bus_close(&bus);
}

/* Who waits for the connection is told why there is none; the client does not give up. */
static void a_started_client_goes_on_though_nobody_waits_any_more(void **state)
{
    struct watcher watcher;
    pp_client_config config;
    pp_client *client;

    (void)state;
    bus_name(&bus);
    config = config_watched(&bus, &watcher);
    config.connect_ms = 50;
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    assert_int_equal(pp_client_start(client), PP_OK);
    assert_int_equal(pp_client_connect(client, NULL), PP_ETIMEDOUT);
    assert_int_equal(pp_client_state(client), PP_CLIENT_AWAY);
    bus_open_again(&bus, NULL);
    EVENTUALLY(watcher.connected == 1);
    pp_client_close(client);
    if (ppi_on_linux()) {             /* users are SIDs elsewhere */
        config.server = "4294967294"; /* nobody's */
        memset(&watcher, 0, sizeof watcher);
        assert_int_equal(pp_client_new(&client, &config), PP_OK);
        assert_int_equal(pp_client_start(client), PP_OK);
        EVENTUALLY(watcher.away == 1);
        assert_int_equal(watcher.status, PP_EUNTRUSTED);
        assert_int_equal(pp_client_connect(client, NULL), PP_EUNTRUSTED); /* at the next attempt */
        assert_int_equal(pp_client_state(client), PP_CLIENT_AWAY);
        pp_client_close(client);
        assert_int_equal(watcher.away, 1); /* it is not told again and again */
    }
    bus_close(&bus);
}

static void what_does_not_fit_is_refused_and_what_does_arrives(void **state)
{
    struct listener listener = { 0 };
    struct watcher watcher;
    struct called called;
    pp_answer answer = { 0 };
    pp_sub *sub;
    pp_sub_config wanted = PP_SUB_CONFIG_INIT;
    unsigned count = 0;

    (void)state;
    pp_client *client = start_alone(&bus, &watcher, 4096);
    wanted.on_message = on_message;
    wanted.context = &listener;
    wanted.flags = PP_SUB_ECHO;
    pp_op op = PP_OP_INIT;
    pp_op_use_wait(&op);
    assert_int_equal(pp_subscribe(client, &op, "n", &wanted, &sub), PP_PENDING);
    assert_int_equal(pp_call(client, start_called(&called, NULL), "q", "\x90", 1, NULL, &answer),
                     PP_PENDING);
    for (int status = PP_OK; status == PP_OK; count += status == PP_OK) {
        struct bytes params = bytes_of("[%u]", count);

        status = pp_publish(client, "n", params.data, params.size);
        assert_true(status == PP_OK || status == PP_EBUSY);
    }
    assert_true(count > 20 && count < 4096);
    assert_non_null(strstr(pp_detail(), "away_bytes"));
    assert_int_equal(pp_client_flush(client, NULL), PP_EBUSY);
    assert_int_equal(pp_call_cancel(client, &called.op), PP_OK); /* that makes room */
    EVENTUALLY(called.times == 1);
    assert_int_equal(called.status, PP_ECANCELED);
    struct bytes params = bytes_of("[%u]", count);
    assert_int_equal(pp_publish(client, "n", params.data, params.size), PP_OK);
    bus_open_again(&bus, NULL);
    assert_int_equal(wait_for(&op), PP_OK);
    EVENTUALLY(listener.count == count + 1);
    assert_int_equal(listener.disorder, 0);
    pp_client_close(client);
    pp_answer_free(&answer);
    bus_close(&bus);
}

static void a_call_waits_no_longer_than_it_said(void **state)
{
    struct watcher watcher;
    struct called called;
    pp_call_config config = PP_CALL_CONFIG_INIT;
    pp_answer answer = { 0 };

    (void)state;
    pp_client *client = start_alone(&bus, &watcher, 0);
    config.deadline_ms = 20;
    assert_int_equal(pp_call(client, start_called(&called, NULL), "q", "\x90", 1, &config, &answer),
                     PP_PENDING);
    EVENTUALLY(called.times == 1);
    assert_int_equal(called.status, PP_ETIMEDOUT);
    assert_int_equal(pp_call_cancel(client, &called.op), PP_ENOTFOUND);
    assert_int_equal(pp_wait_subs(client, start_called(&called, NULL), "n", 1, 20), PP_PENDING);
    EVENTUALLY(called.times == 1);
    assert_int_equal(called.status, PP_ETIMEDOUT);
    pp_client_close(client);
}

/* More of them than can be gathered for one write, and larger ones. */
static void services_with_much_to_say_are_made_all_the_same(void **state)
{
    enum { COUNT = 6, DOC_BYTES = 20000 };
    static char doc[COUNT * DOC_BYTES];
    pp_serve_config config = PP_SERVE_CONFIG_INIT;
    struct watcher watcher;
    struct called served[COUNT];
    pp_sub *services[COUNT];

    (void)state;
    memset(doc, 'x', sizeof doc - 1);
    pp_client *client = start_alone(&bus, &watcher, 0);
    for (int i = 0; i < COUNT; i++) {
        config.doc = doc + (size_t)i * DOC_BYTES; /* ever shorter */
        assert_int_equal(
            pp_serve(client, start_called(&served[i], NULL), "q", &config, &services[i]),
            PP_PENDING);
    }
    bus_open_again(&bus, NULL);
    for (int i = 0; i < COUNT; i++) {
        EVENTUALLY(served[i].times == 1);
        assert_int_equal(served[i].status, PP_EARG); /* the broker wants no more than 4 KiB */
    }
    EVENTUALLY(watcher.connected == 1);
    pp_client_close(client);
    bus_close(&bus);
}

static void a_subscription_can_be_ended_while_away(void **state)
{
    struct listener listener = { 0 };
    struct watcher watcher;
    pp_sub *sub;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_watched(&bus, &watcher, 0);
    sub = listen_to(client, "a", &listener);
    bus_kill(&bus);
    EVENTUALLY(watcher.away == 1);
    assert_int_equal(pp_unsubscribe(sub, NULL), PP_OK);
    bus_open_again(&bus, NULL);
    EVENTUALLY(watcher.connected == 2);
    pp_client *other = open_client(&bus);
    pp_receipt receipt;
    assert_int_equal(pp_publish_confirmed(other, NULL, "a", "\x90", 1, &receipt), PP_OK);
    assert_int_equal(receipt.matched, 0);
    pp_client_close(other);
    pp_client_close(client);
    bus_close(&bus);
}

static void a_close_while_away_ends_what_is_kept_and_counts_it(void **state)
{
    struct watcher watcher;
    struct called called, flushed, published, subscribed, drained;
    pp_answer answer = { 0 };
    pp_sub *sub;

    (void)state;
    for (int drains = 0; drains < 2; drains++) {
        struct called *const all[] = { &called, &flushed, &published, &subscribed, &drained };
        pp_client *client = start_alone(&bus, &watcher, 0);

        for (int i = 0; i < 5; i++)
            assert_int_equal(publish(client, "n", "[]"), PP_OK);
        pp_call(client, start_called(&called, NULL), "q", "\x90", 1, NULL, &answer);
        pp_client_flush(client, start_called(&flushed, NULL));
        pp_publish_start(client, start_called(&published, NULL), "n", "\x90", 1);
        pp_subscribe(client, start_called(&subscribed, NULL), "n", NULL, &sub);
        if (drains) {
            assert_int_equal(pp_client_drain(client, start_called(&drained, NULL)), PP_PENDING);
            assert_int_equal(publish(client, "n", "[]"), PP_ECLOSED);
            assert_int_equal(pp_client_start(client), PP_ECLOSED);
        }
        assert_int_equal(pp_client_close(client), PP_OK);
        for (int i = 0; i < 4 + drains; i++) {
            assert_int_equal(all[i]->times, 1);
            assert_int_equal(all[i]->status, PP_ECANCELED);
        }
        assert_int_equal(watcher.unsent, 6);
        assert_int_equal(watcher.ended, 1);
        assert_int_equal(watcher.last, PP_CLIENT_ENDED);
    }
}

static void a_drain_while_away_waits_until_all_of_it_is_sent(void **state)
{
    struct listener listener = { 0 };
    struct watcher watcher, others;
    struct called drained;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_watched(&bus, &watcher, 0), *other = open_watched(&bus, &others, 0);
    listen_to(other, "n", &listener);
    bus_kill(&bus);
    EVENTUALLY(watcher.away == 1 && others.away == 1);
    assert_int_equal(publish(client, "m", "[0]"), PP_OK);
    assert_int_equal(pp_client_drain(client, start_called(&drained, NULL)), PP_PENDING);
    bus_open_again(&bus, NULL);
    EVENTUALLY(drained.times == 1);
    assert_int_equal(drained.status, PP_OK);
    EVENTUALLY(watcher.ended == 1);
    assert_int_equal(watcher.unsent + watcher.unconfirmed, 0);
    pp_client_close(client);
    pp_client_close(other);
    bus_close(&bus);
}

/* --- brokers that are good for nothing -------------------------------------------------------- */

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
    config.connect_ms = 200;
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
        published += publish(client, "a", "[]") == PP_OK; /* then it leaves */
        unsigned before = watcher.connected;
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

int away_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_client_is_started_before_its_broker_and_works_at_once),
        BUS_TEST(a_started_client_goes_on_though_nobody_waits_any_more),
        BUS_TEST(what_does_not_fit_is_refused_and_what_does_arrives),
        BUS_TEST(a_call_waits_no_longer_than_it_said),
        BUS_TEST(services_with_much_to_say_are_made_all_the_same),
        BUS_TEST(a_subscription_can_be_ended_while_away),
        BUS_TEST(a_close_while_away_ends_what_is_kept_and_counts_it),
        BUS_TEST(a_drain_while_away_waits_until_all_of_it_is_sent),
        BUS_TEST(who_leaves_before_the_welcome_is_tried_again),
        BUS_TEST(who_does_not_answer_is_given_up_in_time),
        BUS_TEST(losing_the_broker_again_and_again_leaves_nothing_behind),
        BUS_TEST(a_client_that_loses_its_broker_may_be_closed_at_any_time),
    };
    int failures = 0;

    RUN_GROUP(&failures, "being away", tests);
    return failures;
}
