/* away_tests.c: clients without a broker: started before it, kept from it, closed meanwhile. */
#include "client/party.h"

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
        config.connect_ms = TEST_PATIENCE_MS;
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

/* More of them than can be gathered for one write. */
static void services_with_much_to_say_are_made_all_the_same(void **state)
{
    enum { COUNT = 40, DOC = 4000 };
    static char doc[DOC + 1];
    pp_serve_config config = PP_SERVE_CONFIG_INIT;
    struct watcher watcher;
    struct called served[COUNT];
    pp_sub *services[COUNT];

    (void)state;
    memset(doc, 'x', sizeof doc - 1);
    pp_client *client = start_alone(&bus, &watcher, 0);
    for (int i = 0; i < COUNT; i++) {
        config.doc = doc;
        assert_int_equal(
            pp_serve(client, start_called(&served[i], NULL), "q", &config, &services[i]),
            PP_PENDING);
    }
    bus_open_again(&bus, NULL);
    for (int i = 0; i < COUNT; i++) {
        EVENTUALLY(served[i].times == 1);
        assert_int_equal(served[i].status, PP_OK);
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
    };
    int failures = 0;

    RUN_GROUP(&failures, "being away", tests);
    return failures;
}
