/* life_tests.c: brokers come and go on a port that lives on. */
#include "embed/host.h"

#include "state.h"

enum { ROUNDS = 1000, VISITORS = 3 };

/* --- brokers come and go ---------------------------------------------------------------------- */

struct visitor {
    const char *path;
    atomic_bool over;
    atomic_uint met;
};

/* Connects whenever there is somebody, says something, and leaves, some after an answer. */
static void visit(void *argument)
{
    struct visitor *visitor = argument;

    for (unsigned turn = 0; !atomic_load(&visitor->over); turn++) {
        pp_op op = PP_OP_INIT;
        pp_handle *pipe;
        char answer[64];

        if (pp_dial(&pipe, visitor->path, NULL) != PP_OK || pp_op_use_wait(&op) != PP_OK)
            return;
        pp_connect(pipe, &op);
        pp_op_wait(&op, -1);
        if (op.status == PP_OK) {
            atomic_fetch_add(&visitor->met, 1);
            pp_op_use_wait(&op);
            pp_write(pipe, &op, "\x94\x00\x01\xA4$sub\x91\xA1x\x94\x00\x02\xA1x\x90", 17);
            pp_op_wait(&op, -1);
        }
        if (op.status == PP_OK && turn % 2 == 0) {
            pp_op_use_wait(&op);
            pp_read(pipe, &op, answer, sizeof answer);
            pp_op_wait(&op, -1);
        }
        pp_close(pipe);
        ppi_yield();
    }
}

static void one_round(const struct host *host, const char *name, unsigned round)
{
    struct ending ending = { .close = round % 3 == 2 };
    uint64_t until_ns = ppi_now_ns() + ppi_random() % 500000;
    pp_broker *broker = open_broker(host, name, &ending);

    while (round % 4 != 0 && ppi_now_ns() < until_ns)
        ppi_yield(); /* somebody may come meanwhile */
    if (round % 3 == 0) {
        pp_broker_close(broker);
    } else {
        pp_broker_stop(broker);
        if (round % 2 == 0 && !ending.close)
            pp_broker_stop(broker);
    }
    EVENTUALLY(atomic_load(&ending.times) == 1);
    assert_true(ending.refused_to_wait);
    if (round % 3 == 1)
        pp_broker_close(broker);
}

static void a_broker_comes_and_goes_a_thousand_times_on_a_living_port(void **state)
{
    struct visitor visitor = { .path = test_path() };
    struct runner visitors[VISITORS];
    struct host host;

    (void)state;
    host_open(&host, 2);
    one_round(&host, visitor.path, 0); /* what is made once is there */
    uint64_t handles = ppi_process_handles();
    for (int i = 0; i < VISITORS; i++)
        runner_start(&visitors[i], visit, &visitor);
    for (unsigned round = 0; round < ROUNDS; round++)
        one_round(&host, visitor.path, round);
    atomic_store(&visitor.over, true);
    for (int i = 0; i < VISITORS; i++)
        runner_join(&visitors[i]);
    EVENTUALLY(outstanding(&host) == 0);
    EVENTUALLY(ppi_process_handles() <= handles);
    assert_true(atomic_load(&visitor.met) > 0);
    host_close(&host);
}

static void a_stop_lets_what_is_queued_go_out(void **state)
{
    const char *name = test_path();
    struct ending ending = { 0 };
    atomic_uint count = 0;
    struct host host;
    char text[64];

    (void)state;
    host_open(&host, 2);
    pp_broker *broker = open_broker(&host, name, &ending);
    pp_client *listener = open_client(name), *speaker = open_client(name);
    subscribe(listener, "news", &count);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pp_publish(speaker, "news", "\x91\x01", 2), PP_OK);
    assert_int_equal(pp_client_flush(speaker, NULL), PP_OK);
    assert_int_equal(pp_broker_stop(broker), PP_OK);
    EVENTUALLY(atomic_load(&ending.times) == 1);
    EVENTUALLY(atomic_load(&count) == 1000);
    EVENTUALLY(strstr(pp_client_error(speaker, text, sizeof text), "E_SHUTDOWN") != NULL);
    EVENTUALLY(pp_publish(speaker, "news", "\x91\x01", 2) == PP_ECLOSED);
    assert_int_equal(pp_broker_stop(broker), PP_OK); /* over already */
    pp_broker_close(broker);
    EVENTUALLY(outstanding(&host) == 0);
    assert_int_equal(atomic_load(&ending.times), 1);
    pp_client_close(listener);
    pp_client_close(speaker);
    host_close(&host);
}

static void answer(void *client, const pp_message *call)
{
    pp_reply(*(pp_client **)client, call->call, "\xC0", 1);
}

struct caller {
    pp_client *client;
    atomic_uint answers;
    int status; /* of the last call */
};

static void call_on(void *argument)
{
    struct caller *caller = argument;
    pp_answer nil = { 0 };

    while ((caller->status = pp_call(caller->client, NULL, "q", "\x90", 1, NULL, &nil)) == PP_OK)
        atomic_fetch_add(&caller->answers, 1);
    pp_answer_free(&nil);
}

static void a_stop_does_not_wait_for_who_goes_on_calling(void **state)
{
    const char *name = test_path();
    struct host host;

    (void)state;
    host_open(&host, 2);
    for (int round = 0; round < 30; round++) {
        struct ending ending = { 0 };
        pp_broker_config config = config_of(name, &ending);
        pp_serve_config serving = PP_SERVE_CONFIG_INIT;
        struct caller caller = { 0 };
        struct runner runner;
        pp_broker *broker;
        pp_sub *service;

        config.drain_ms = 2 * TEST_PATIENCE_MS;
        assert_int_equal(pp_broker_open(&broker, host.port, &config), PP_OK);
        pp_client *server = open_client(name);
        serving.on_call = answer;
        serving.context = &server;
        assert_int_equal(pp_serve(server, NULL, "q", &serving, &service), PP_OK);
        caller.client = open_client(name);
        runner_start(&runner, call_on, &caller);
        EVENTUALLY(atomic_load(&caller.answers) > 0);
        assert_int_equal(pp_broker_stop(broker), PP_OK);
        EVENTUALLY(atomic_load(&ending.times) == 1);
        runner_join(&runner);
        assert_true(caller.status == PP_ESHUTDOWN || caller.status == PP_ECLOSED ||
                    caller.status == PP_EPEERCLOSED); /* it was away while all this was said */
        pp_broker_close(broker);
        pp_client_close(caller.client);
        pp_client_close(server);
    }
    host_close(&host);
}

static void a_broker_may_be_closed_with_clients_that_never_leave(void **state)
{
    const char *name = test_path();
    struct ending ending = { 0 };
    struct host host;

    (void)state;
    host_open(&host, 1);
    pp_broker *broker = open_broker(&host, name, &ending);
    pp_client *client = open_client(name);
    pp_broker_close(broker);
    EVENTUALLY(atomic_load(&ending.times) == 1);
    EVENTUALLY(outstanding(&host) == 0);
    EVENTUALLY(pp_publish(client, "news", "\x90", 1) == PP_ECLOSED);
    pp_client_close(client);
    host_close(&host);
}

static void a_port_that_is_shut_down_ends_its_broker(void **state)
{
    const char *name = test_path();

    (void)state;
    for (int clients = 0; clients < 2; clients++) {
        struct ending ending = { 0 };
        struct host host;
        pp_client *client = NULL;

        host_open(&host, 2);
        pp_broker *broker = open_broker(&host, name, &ending);
        if (clients > 0)
            client = open_client(name);
        host_close(&host);
        assert_int_equal(atomic_load(&ending.times), 1);
        assert_int_equal(pp_broker_stop(broker), PP_OK);
        pp_broker_close(broker);
        pp_client_close(client);
    }
}

/* --- several of them -------------------------------------------------------------------------- */

static void a_name_that_is_taken_is_refused_and_leaves_nothing(void **state)
{
    struct ending first_ending = { 0 }, ending = { 0 };
    pp_broker_config config = config_of(test_path(), &ending);
    pp_broker *second = NULL;
    struct host host;

    (void)state;
    host_open(&host, 1);
    pp_broker *first = open_broker(&host, config.name, &first_ending);
    assert_int_equal(pp_broker_open(&second, host.port, &config), PP_EINUSE);
    uint64_t handles = ppi_process_handles(), before = outstanding(&host);
    for (int i = 0; i < 100; i++)
        assert_int_equal(pp_broker_open(&second, host.port, &config), PP_EINUSE);
    assert_null(second);
    assert_in_range(ppi_process_handles(), 0, handles + 4); /* some are a thread's, or Wine's */
    EVENTUALLY(outstanding(&host) <= before);
    assert_int_equal(atomic_load(&ending.times), 0);
    pp_client_close(open_client(config.name)); /* the first one is as it was */
    pp_broker_close(first);
    EVENTUALLY(atomic_load(&first_ending.times) == 1);
    assert_int_equal(pp_broker_open(&second, host.port, &config), PP_OK);
    pp_broker_close(second);
    host_close(&host);
    assert_int_equal(atomic_load(&ending.times), 1);
}

static void two_brokers_on_one_port_know_nothing_of_each_other(void **state)
{
    struct ending endings[2] = { { 0 }, { 0 } };
    const char *names[2] = { test_path(), test_path() };
    pp_client *listeners[2], *speakers[2];
    atomic_uint counts[2] = { 0, 0 };
    pp_broker *brokers[2];
    struct host host;

    (void)state;
    host_open(&host, 2);
    for (int i = 0; i < 2; i++) {
        brokers[i] = open_broker(&host, names[i], &endings[i]);
        listeners[i] = open_client(names[i]);
        speakers[i] = open_client(names[i]);
        subscribe(listeners[i], "news", &counts[i]);
    }
    for (unsigned turn = 0; turn < 500; turn++)
        for (int i = 0; i < 2; i++) {
            if (turn % 2 == 0 || i == 0)
                assert_int_equal(pp_publish(speakers[i], "news", "\x90", 1), PP_OK);
            assert_int_equal(pp_client_flush(speakers[i], NULL), PP_OK);
        }
    EVENTUALLY(atomic_load(&counts[0]) == 500 && atomic_load(&counts[1]) == 250);
    for (int i = 0; i < 2; i++) { /* the port's two threads, and this one, which opened them */
        const struct broker *inside = (const struct broker *)(const void *)brokers[i];

        assert_in_range(atomic_load(&inside->worker_count), 1, 3);
    }
    pp_broker_close(brokers[0]);
    EVENTUALLY(atomic_load(&endings[0].times) == 1);
    assert_int_equal(pp_client_flush(speakers[1], NULL), PP_OK);
    pp_broker_close(brokers[1]);
    EVENTUALLY(atomic_load(&endings[1].times) == 1);
    for (int i = 0; i < 2; i++) {
        pp_client_close(listeners[i]);
        pp_client_close(speakers[i]);
    }
    host_close(&host);
}

/* --- a port and a thread of its own ------------------------------------------------------------
 */

static void
without_a_port_a_broker_makes_its_own_and_its_close_lets_what_is_queued_go_out(void **state)
{
    struct ending ending = { 0 };
    pp_broker_config config = config_of(test_path(), &ending);
    atomic_uint count = 0;
    pp_broker *broker;

    (void)state;
    assert_int_equal(pp_broker_open(&broker, NULL, &config), PP_OK);
    pp_client *listener = open_client(config.name), *speaker = open_client(config.name);
    subscribe(listener, "news", &count);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pp_publish(speaker, "news", "\x91\x01", 2), PP_OK);
    assert_int_equal(pp_client_flush(speaker, NULL), PP_OK);
    pp_broker_close(broker);
    assert_int_equal(atomic_load(&ending.times), 1); /* it has waited */
    assert_true(ending.refused_to_wait);
    EVENTUALLY(atomic_load(&count) == 1000);
    pp_client_close(listener);
    pp_client_close(speaker);
}

static void a_broker_with_its_own_port_may_be_ended_by_a_client_and_closed_then(void **state)
{
    struct ending ending = { 0 };
    pp_broker_config config = config_of(test_path(), &ending);
    pp_answer answer = { 0 };
    pp_broker *broker;

    (void)state;
    for (int over = 0; over < 2; over++) { /* while it ends, and after */
        assert_int_equal(pp_broker_open(&broker, NULL, &config), PP_OK);
        pp_client *client = open_client(config.name);
        assert_int_equal(pp_call(client, NULL, "$sys.stop", "\x90", 1, NULL, &answer), PP_OK);
        if (over == 1)
            EVENTUALLY(atomic_load(&ending.times) == 2);
        pp_broker_close(broker);
        assert_int_equal(atomic_load(&ending.times), over + 1);
        pp_client_close(client);
    }
    pp_answer_free(&answer);
}

static void a_broker_with_its_own_port_leaves_nothing_also_when_it_is_refused(void **state)
{
    struct ending ending = { 0 };
    pp_broker_config config = config_of(test_path(), &ending);
    pp_broker *first, *second = NULL;

    (void)state;
    assert_int_equal(pp_broker_open(&first, NULL, &config), PP_OK);
    assert_int_equal(pp_broker_open(&second, NULL, &config), PP_EINUSE);
    uint64_t handles = ppi_process_handles();
    for (int i = 0; i < 20; i++)
        assert_int_equal(pp_broker_open(&second, NULL, &config), PP_EINUSE);
    assert_null(second);
    EVENTUALLY(ppi_process_handles() <= handles + 4); /* some are a thread's, or Wine's */
    assert_int_equal(atomic_load(&ending.times), 0);
    pp_broker_close(first);
    assert_int_equal(atomic_load(&ending.times), 1);
}

int life_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_broker_comes_and_goes_a_thousand_times_on_a_living_port),
        TEST(a_stop_lets_what_is_queued_go_out),
        TEST(a_stop_does_not_wait_for_who_goes_on_calling),
        TEST(a_broker_may_be_closed_with_clients_that_never_leave),
        TEST(a_port_that_is_shut_down_ends_its_broker),
        TEST(a_name_that_is_taken_is_refused_and_leaves_nothing),
        TEST(two_brokers_on_one_port_know_nothing_of_each_other),
        TEST(without_a_port_a_broker_makes_its_own_and_its_close_lets_what_is_queued_go_out),
        TEST(a_broker_with_its_own_port_may_be_ended_by_a_client_and_closed_then),
        TEST(a_broker_with_its_own_port_leaves_nothing_also_when_it_is_refused),
    };
    int failures = 0;

    RUN_GROUP(&failures, "brokers come and go", tests);
    return failures;
}
