/* connect_tests.c: ways to work with a client, and to become one. */
#include <string.h>

#include "client/party.h"

static struct bus bus;

static atomic_uintptr_t callback_thread;

static void note_thread(void *context, const pp_message *message)
{
    callback_thread = (uintptr_t)ppi_thread_event(); /* each thread has its own */
    on_message(context, message);
}

static void without_a_port_callbacks_run_on_a_thread_of_the_clients(void **state)
{
    struct listener listener = { 0 };
    pp_sub_config config = PP_SUB_CONFIG_INIT;
    pp_sub *sub;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_client(&bus), *other = open_client(&bus);
    config.on_message = note_thread;
    config.context = &listener;
    assert_int_equal(pp_subscribe(client, NULL, "a.*", &config, &sub), PP_OK);
    assert_int_equal(publish(other, "a.b", "[0]"), PP_OK);
    assert_int_equal(publish(other, "b", "['another subject']"), PP_OK);
    assert_int_equal(publish(other, "a.c", "[1]"), PP_OK);
    EVENTUALLY(listener.count == 2);
    assert_int_equal(listener.disorder, 0);
    assert_true(callback_thread != (uintptr_t)ppi_thread_event());
    assert_int_equal(pp_client_close(client), PP_OK);
    assert_int_equal(pp_client_close(other), PP_OK);
    bus_close(&bus);
}

static void on_a_port_of_ones_own_everything_is_a_packet(void **state)
{
    struct listener listener = { 0 };
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_sub_config wanted = PP_SUB_CONFIG_INIT;
    pp_op op = PP_OP_INIT;
    pp_receipt receipt;
    pp_port *port;
    pp_sub *sub;
    struct bytes params = bytes_of("[0]");

    (void)state;
    bus_open(&bus, NULL);
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    config.key = 77;
    pp_client *client = open_on(port, &bus, config);
    wanted.on_message = on_message;
    wanted.context = &listener;
    wanted.flags = PP_SUB_ECHO;
    assert_int_equal(pp_subscribe(client, &op, "a", &wanted, &sub), PP_PENDING);
    pp_packet packet = next_packet(port);
    assert_ptr_equal(packet.op, &op);
    assert_int_equal(packet.key, 77);
    assert_int_equal(packet.status, PP_OK);
    assert_int_equal(pp_publish_start(client, &op, "a", params.data, params.size), PP_PENDING);
    assert_int_equal(work_until(port, &op), PP_OK);
    WORK_UNTIL(port, listener.count == 1); /* in this thread */
    assert_int_equal(pp_publish_confirmed(client, &op, "a", params.data, params.size, &receipt),
                     PP_PENDING);
    assert_int_equal(work_until(port, &op), PP_OK);
    assert_int_equal(receipt.matched, 1);
    assert_int_equal(pp_unsubscribe(sub, &op), PP_PENDING);
    assert_int_equal(work_until(port, &op), PP_OK);
    assert_int_equal(pp_client_drain(client, &op), PP_PENDING);
    assert_int_equal(work_until(port, &op), PP_OK);
    assert_int_equal(pp_client_close(client), PP_OK);
    close_port(port);
    bus_close(&bus);
}

static void an_operation_can_call_a_function_or_be_waited_for(void **state)
{
    struct called called;
    pp_op op = PP_OP_INIT;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_client(&bus);
    assert_int_equal(pp_client_flush(client, start_called(&called, NULL)), PP_PENDING);
    EVENTUALLY(called.times == 1);
    assert_int_equal(called.status, PP_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pp_op_use_wait(&op), PP_OK);
        assert_int_equal(pp_client_flush(client, &op), PP_PENDING);
        assert_int_equal(wait_for(&op), PP_OK);
    }
    pp_client_close(client);
    bus_close(&bus);
}

/* Starts a broker without a look whether it is there. */
static void start_broker(struct ppi_process *process, const char *name)
{
    const char *const arguments[] = { bus_program(), "-b", name, NULL };

    assert_int_equal(ppi_process_start(process, arguments, NULL), PP_OK);
}

static void end_broker(struct ppi_process *process)
{
    int code;

    assert_int_equal(ppi_process_signal(process, PPI_TERMINATE), PP_OK);
    assert_int_equal(ppi_process_wait(process, TEST_PATIENCE_MS, &code), 1);
}

static void a_client_may_come_before_its_broker(void **state)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    struct ppi_process process;
    pp_client *client;
    pp_op op = PP_OP_INIT;

    (void)state;
    config.broker = test_path();
    config.connect_ms = -1;
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_client_connect(client, &op), PP_PENDING);
    assert_int_equal(pp_op_wait(&op, 100), 0);
    start_broker(&process, config.broker);
    assert_int_equal(wait_for(&op), PP_OK);
    assert_int_equal(pp_client_flush(client, NULL), PP_OK);
    assert_int_equal(pp_client_connect(client, NULL), PP_OK); /* it is */
    pp_client_close(client);
    end_broker(&process);
}

static void if_no_broker_comes_that_is_told_and_one_may_try_again(void **state)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    struct ppi_process process;
    pp_client *client;
    char words[256];

    (void)state;
    config.broker = test_path();
    config.connect_ms = 60;
    assert_int_equal(pp_client_open(&client, &config), PP_ETIMEDOUT);
    assert_non_null(strstr(pp_detail(), config.broker));
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    assert_int_equal(pp_client_connect(client, NULL), PP_ETIMEDOUT);
    assert_non_null(strstr(pp_client_error(client, words, sizeof words), "is panpiped running?"));
    assert_int_equal(pp_client_flush(client, NULL), PP_ECLOSED);
    start_broker(&process, config.broker);
    EVENTUALLY(pp_client_connect(client, NULL) == PP_OK);
    assert_int_equal(pp_client_flush(client, NULL), PP_OK);
    pp_client_close(client);
    end_broker(&process);
}

static void closing_ends_a_connect_that_waits(void **state)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_client *client;
    pp_op op = PP_OP_INIT;
    struct called called;

    (void)state;
    config.broker = test_path();
    config.connect_ms = -1;
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    assert_int_equal(pp_client_connect(client, start_called(&called, NULL)), PP_PENDING);
    assert_int_equal(pp_client_close(client), PP_OK);
    assert_int_equal(called.times, 1); /* before close has returned */
    assert_int_equal(called.status, PP_ECANCELED);
    assert_int_equal(pp_port_open(&config.port, NULL), PP_OK);
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    assert_int_equal(pp_client_connect(client, &op), PP_PENDING);
    assert_int_equal(pp_client_close(client), PP_OK); /* and the client frees itself */
    assert_int_equal(work_until(config.port, &op), PP_ECANCELED);
    close_port(config.port);
}

/* Whatever the connect is doing just then. */
static void closing_is_possible_at_any_time_of_a_connect(void **state)
{
    enum { TIMES = 200 };

    (void)state;
    bus_open(&bus, NULL);
    for (int i = 0; i < TIMES; i++) {
        struct ending ending = { 0 };
        pp_client_config config = config_for(&bus);
        pp_op op = PP_OP_INIT;
        pp_client *client;

        config.context = &ending;
        config.on_closed = on_closed;
        assert_int_equal(pp_client_new(&client, &config), PP_OK);
        assert_int_equal(pp_op_use_wait(&op), PP_OK);
        assert_int_equal(pp_client_connect(client, &op), PP_PENDING);
        for (uint64_t end_ns = ppi_now_ns() + (uint64_t)i * 2000; ppi_now_ns() < end_ns;)
            ppi_yield();
        assert_int_equal(i % 2 == 0 ? pp_client_abort(client) : pp_client_close(client), PP_OK);
        int status = wait_for(&op);
        assert_true(status == PP_OK || status == PP_ECANCELED);
        assert_true(status == PP_OK ? ending.times == 1 : ending.times <= 1);
    }
    bus_close(&bus);
}

static void the_broker_must_belong_to_whom_one_trusts(void **state)
{
    pp_client_config config;
    pp_client *client;

    (void)state;
    only_on_linux("users are SIDs there");
    bus_open(&bus, NULL);
    config = config_for(&bus);
    config.server = "4294967294"; /* nobody's */
    config.connect_ms = 2000;
    assert_int_equal(pp_client_open(&client, &config), PP_EUNTRUSTED);
    bus_close(&bus);
}

/* A broker that says one thing: whatever the client says, this is the answer. */
static int meet(const void *bytes, size_t size, bool close_first)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_op accepted = PP_OP_INIT, connected = PP_OP_INIT;
    pp_handle *listener, *server;
    pp_client *client;
    char hello[12];

    config.broker = test_path();
    config.connect_ms = close_first ? 300 : TEST_PATIENCE_MS;
    assert_int_equal(pp_listen(&listener, config.broker, NULL), PP_OK);
    assert_int_equal(pp_op_use_wait(&accepted), PP_OK);
    assert_int_equal(pp_op_use_wait(&connected), PP_OK);
    assert_int_equal(pp_accept(listener, &accepted, &server), PP_PENDING);
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    assert_int_equal(pp_client_connect(client, &connected), PP_PENDING);
    assert_int_equal(wait_for(&accepted), PP_OK);
    assert_true(read_all(server, hello, sizeof hello));
    if (!close_first)
        write_all(server, bytes, size);
    else
        pp_close(server); /* and again, until its time is over */
    int status = wait_for(&connected);
    if (!close_first)
        pp_close(server);
    pp_close(listener);
    assert_int_equal(pp_client_close(client), PP_OK);
    return status;
}

static void a_broker_that_is_none_is_told_from_one_that_refuses(void **state)
{
    struct bytes refusal = bytes_of("[1, 1, 'E_VERSION speak 2', null]");
    struct bytes busy = bytes_of("[1, 1, 'E_BUSY later', null]");

    (void)state;
    assert_int_equal(meet(refusal.data, refusal.size, false), PP_EVERSION);
    assert_int_equal(meet(busy.data, busy.size, false), PP_EBUSY);
    assert_int_equal(meet("HTTP/1.1 400 Bad Request\r\n", 26, false), PP_EPROTO);
    int status = meet(NULL, 0, true);
    assert_true(status == PP_EPEERCLOSED || status == PP_ETIMEDOUT);
}

/* A broker for all users, or one at a path, is somebody else's to start. */
static void only_a_name_in_the_users_scope_can_be_started(void **state)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_dial_config dial = PP_DIAL_CONFIG_INIT;
    char path[PP_PATH_MAX];
    pp_client *client;
    pp_handle *pipe;

    (void)state;
    config.flags = PP_CLIENT_START;
    dial.flags = PP_DIAL_START;
    assert_int_equal(pp_pipe_path("test-path", PP_SCOPE_USER, path, sizeof path), PP_OK);
    config.broker = path;
    assert_int_equal(pp_client_open(&client, &config), PP_EINVAL);
    assert_int_equal(pp_dial(&pipe, path, &dial), PP_EINVAL);
    assert_non_null(strstr(pp_detail(), "only a broker with a name"));
    config.broker = "test-name";
    config.scope = dial.scope = PP_SCOPE_SYSTEM;
    assert_int_equal(pp_client_open(&client, &config), PP_EINVAL);
    assert_int_equal(pp_dial(&pipe, "test-name", &dial), PP_EINVAL);
    assert_non_null(strstr(pp_detail(), "not started by one of them"));
}

int connect_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(without_a_port_callbacks_run_on_a_thread_of_the_clients),
        BUS_TEST(on_a_port_of_ones_own_everything_is_a_packet),
        BUS_TEST(an_operation_can_call_a_function_or_be_waited_for),
        BUS_TEST(a_client_may_come_before_its_broker),
        BUS_TEST(if_no_broker_comes_that_is_told_and_one_may_try_again),
        BUS_TEST(closing_ends_a_connect_that_waits),
        BUS_TEST(closing_is_possible_at_any_time_of_a_connect),
        BUS_TEST(the_broker_must_belong_to_whom_one_trusts),
        BUS_TEST(a_broker_that_is_none_is_told_from_one_that_refuses),
        BUS_TEST(only_a_name_in_the_users_scope_can_be_started),
    };
    int failures = 0;

    RUN_GROUP(&failures, "connecting", tests);
    return failures;
}
