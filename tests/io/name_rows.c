/* name_rows.c: taking a name, connecting to it, and leaving. */
#include "io/rows.h"
#include "support/support.h"

static void row_79_a_name_has_one_server(void **state)
{
    const char *path = test_path();
    pp_handle *first, *second;

    (void)state;
    assert_int_equal(pp_listen(&first, path, NULL), PP_OK);
    assert_int_equal(pp_listen(&second, path, NULL), PP_EINUSE);
    pp_close(first);
    assert_int_equal(pp_listen(&second, path, NULL), PP_OK);
    pp_close(second);
}

static bool somebody_listens(const char *path)
{
    pp_handle *client;
    pp_op op = PP_OP_INIT;

    assert_int_equal(pp_dial(&client, path, NULL), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_connect(client, &op), PP_PENDING);
    bool taken = wait_for(&op) == PP_OK;
    pp_close(client);
    return taken;
}

/* Another process listens at path; it is to be killed. */
static void start_holder(struct ppi_process *other, const char *path)
{
    const char *arguments[] = { ppi_program_path(), "hold", path, NULL };
    int begun = 0, code;
    bool ended;

    do {
        int started = ppi_process_start(other, arguments, NULL);

        needs_processes(started);
        assert_int_equal(started, PP_OK);
        EVENTUALLY((ended = ppi_process_wait(other, 0, &code) == 1) || somebody_listens(path));
    } while (ended && was_not_begun(code, false) && ++begun < 2);
    assert_false(ended);
}

/* A server that is killed leaves its socket; the next one takes the name, and only then. */
static void row_79_a_killed_server_leaves_the_name_free(void **state)
{
    const char *path = test_path();
    struct ppi_process other;
    pp_handle *listener = NULL;
    int code;

    (void)state;
    start_holder(&other, path);
    assert_int_equal(pp_listen(&listener, path, NULL), PP_EINUSE);
    assert_int_equal(ppi_process_signal(&other, PPI_KILL), PP_OK);
    assert_int_equal(ppi_process_wait(&other, TEST_PATIENCE_MS, &code), 1);
    uint64_t begin_ns = ppi_now_ns();
    EVENTUALLY(pp_listen(&listener, path, NULL) == PP_OK);
    assert_true(took_no_time(begin_ns));
    pp_close(listener);
}

static void row_80_many_clients_at_once_are_all_served(void **state)
{
    enum { ACCEPTS = 4, CLIENTS = 50 };
    const char *path = test_path();
    pp_op accepts[ACCEPTS] = { PP_OP_INIT }, connects[CLIENTS] = { PP_OP_INIT };
    pp_handle *listener, *clients[CLIENTS], *accepted[ACCEPTS], *servers[CLIENTS];
    pp_dial_config config = PP_DIAL_CONFIG_INIT;
    int served = 0, connected = 0;
    pp_port *port;

    (void)state;
    config.timeout_ms = TEST_PATIENCE_MS;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
    assert_int_equal(pp_port_attach(port, listener, 0), PP_OK);
    for (int i = 0; i < ACCEPTS; i++)
        assert_int_equal(pp_accept(listener, &accepts[i], &accepted[i]), PP_PENDING);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pp_dial(&clients[i], path, &config), PP_OK);
        assert_int_equal(pp_port_attach(port, clients[i], 1), PP_OK);
        assert_int_equal(pp_connect(clients[i], &connects[i]), PP_PENDING);
    }
    while (served < CLIENTS || connected < CLIENTS) {
        pp_packet packet = next_packet(port);

        assert_int_equal(packet.status, PP_OK);
        if (packet.key == 1) {
            connected++;
            continue;
        }
        long i = packet.op - accepts;
        servers[served++] = accepted[i];
        assert_int_equal(pp_accept(listener, &accepts[i], &accepted[i]), PP_PENDING);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pp_close(servers[i]);
        pp_close(clients[i]);
    }
    pp_close(listener);
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    pp_port_close(port);
}

struct dialer {
    const char *path;
    int count;
    const char *message; /* sent by each, then closed; NULL: only closed */
    atomic_int connected;
};

static void dial_repeatedly(void *argument)
{
    struct dialer *dialer = argument;
    pp_dial_config config = PP_DIAL_CONFIG_INIT;
    pp_op op = PP_OP_INIT;
    pp_handle *client;

    config.timeout_ms = TEST_PATIENCE_MS;
    for (int i = 0; i < dialer->count; i++) {
        if (pp_dial(&client, dialer->path, &config) != PP_OK)
            return;
        pp_op_use_wait(&op);
        pp_connect(client, &op);
        if (pp_op_wait(&op, -1) == 1 && op.status == PP_OK)
            dialer->connected++;
        if (dialer->message != NULL) {
            pp_op_use_wait(&op);
            pp_write(client, &op, dialer->message, strlen(dialer->message));
            pp_op_wait(&op, -1);
        }
        pp_close(client);
    }
}

/* The client may be there before the accept, at any moment: the counts agree. */
static void row_81_clients_that_come_before_the_accept_are_accepted(void **state)
{
    enum { COUNT = 1000 };
    const char *path = test_path();
    struct dialer dialer = { path, COUNT, NULL, 0 };
    struct runner runner;
    pp_handle *listener, *server;
    pp_op op = PP_OP_INIT;

    (void)state;
    assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
    runner_start(&runner, dial_repeatedly, &dialer);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(pp_op_use_wait(&op), PP_OK);
        assert_int_equal(pp_accept(listener, &op, &server), PP_PENDING);
        assert_int_equal(wait_for(&op), PP_OK);
        pp_close(server);
    }
    runner_join(&runner);
    assert_int_equal(dialer.connected, COUNT);
    pp_close(listener);
}

static void row_82_a_client_that_left_already_is_still_heard(void **state)
{
    const char *path = test_path();
    struct dialer dialer = { path, 1, "hi", 0 };
    pp_handle *listener, *server;
    pp_op op = PP_OP_INIT;
    char text[8];

    (void)state;
    assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
    for (int i = 0; i < 3; i++) { /* and the listener still works */
        dial_repeatedly(&dialer);
        assert_int_equal(dialer.connected, i + 1);
        assert_int_equal(pp_op_use_wait(&op), PP_OK);
        assert_int_equal(pp_accept(listener, &op, &server), PP_PENDING);
        assert_int_equal(wait_for(&op), PP_OK);
        assert_true(read_all(server, text, 2));
        assert_memory_equal(text, "hi", 2);
        assert_false(read_all(server, text, 1));
        pp_close(server);
    }
    pp_close(listener);
}

static void row_83_nobody_there_is_told_at_once(void **state)
{
    pp_handle *client;
    pp_op op = PP_OP_INIT;

    (void)state;
    assert_int_equal(pp_dial(&client, test_path(), NULL), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_connect(client, &op), PP_PENDING);
    assert_int_equal(wait_for(&op), PP_ENOSERVER);
    pp_close(client);
}

/* With PP_DIAL_WAIT_SERVER the server may start second; the wait can be canceled and ends. */
static void row_83_a_dial_can_wait_for_its_server(void **state)
{
    pp_dial_config config = PP_DIAL_CONFIG_INIT;
    const char *path = test_path();
    pp_handle *client, *listener, *server = NULL;
    pp_op connect = PP_OP_INIT, accept = PP_OP_INIT;
    pp_packet packet;
    pp_port *port;

    (void)state;
    config.flags = PP_DIAL_WAIT_SERVER;
    config.timeout_ms = 60;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    assert_int_equal(pp_dial(&client, path, &config), PP_OK);
    assert_int_equal(pp_port_attach(port, client, 1), PP_OK);
    assert_int_equal(pp_connect(client, &connect), PP_PENDING);
    assert_int_equal(next_packet(port).status, PP_ETIMEDOUT);
    assert_int_equal(pp_connect(client, &connect), PP_PENDING); /* once more */
    assert_int_equal(pp_connect(client, &accept), PP_ESTATE);
    assert_int_equal(pp_cancel(client, &connect), PP_OK);
    assert_int_equal(next_packet(port).status, PP_ECANCELED);
    assert_int_equal(pp_close(client), PP_OK);

    config.timeout_ms = TEST_PATIENCE_MS;
    assert_int_equal(pp_dial(&client, path, &config), PP_OK);
    assert_int_equal(pp_port_attach(port, client, 1), PP_OK);
    assert_int_equal(pp_connect(client, &connect), PP_PENDING);
    assert_int_equal(pp_port_get(port, &packet, 30), 0);
    assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
    assert_int_equal(pp_op_use_wait(&accept), PP_OK);
    assert_int_equal(pp_accept(listener, &accept, &server), PP_PENDING);
    assert_int_equal(next_packet(port).status, PP_OK);
    assert_int_equal(wait_for(&accept), PP_OK);
    pp_close(server);
    pp_close(client);
    pp_close(listener);
    pp_port_close(port);
}

/* Its handle is attached, but nobody takes packets from the port: the waiter does it all. */
static void row_83_an_attached_dial_can_be_waited_for(void **state)
{
    pp_dial_config config = PP_DIAL_CONFIG_INIT;
    pp_handle *client;
    pp_op connect = PP_OP_INIT;
    pp_packet packet;
    pp_port *port;

    (void)state;
    config.flags = PP_DIAL_WAIT_SERVER;
    config.timeout_ms = 100;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    assert_int_equal(pp_dial(&client, test_path(), &config), PP_OK);
    assert_int_equal(pp_port_attach(port, client, 1), PP_OK);
    assert_int_equal(pp_op_use_wait(&connect), PP_OK);
    assert_int_equal(pp_connect(client, &connect), PP_PENDING);
    assert_int_equal(wait_for(&connect), PP_ETIMEDOUT);
    assert_int_equal(pp_port_get(port, &packet, 0), 0);
    pp_close(client);
    pp_port_close(port);
}

/* The pause before the next try is over, but nobody has taken notice yet. */
static void row_83_a_canceled_dial_can_be_repeated_at_once(void **state)
{
    pp_dial_config config = PP_DIAL_CONFIG_INIT;
    pp_handle *client;
    pp_op first = PP_OP_INIT, second = PP_OP_INIT;
    pp_port *port;

    (void)state;
    config.flags = PP_DIAL_WAIT_SERVER;
    config.timeout_ms = 200;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    assert_int_equal(pp_dial(&client, test_path(), &config), PP_OK);
    assert_int_equal(pp_port_attach(port, client, 1), PP_OK);
    assert_int_equal(pp_connect(client, &first), PP_PENDING);
    ppi_sleep_ms(50);
    assert_int_equal(pp_cancel(client, &first), PP_OK);
    assert_int_equal(pp_connect(client, &second), PP_PENDING);
    assert_int_equal(next_packet(port).status, PP_ECANCELED);
    assert_int_equal(next_packet(port).status, PP_ETIMEDOUT);
    pp_close(client);
    pp_port_close(port);
}

static void row_83_more_clients_than_room_are_all_served(void **state)
{
    enum { DIALERS = 8, EACH = 25 };
    const char *path = test_path();
    struct dialer dialers[DIALERS];
    struct runner runners[DIALERS];
    pp_listen_config config = PP_LISTEN_CONFIG_INIT;
    pp_handle *listener, *server;
    pp_op op = PP_OP_INIT;

    (void)state;
    config.backlog = 1;
    assert_int_equal(pp_listen(&listener, path, &config), PP_OK);
    for (int i = 0; i < DIALERS; i++) {
        dialers[i] = (struct dialer){ path, EACH, NULL, 0 };
        runner_start(&runners[i], dial_repeatedly, &dialers[i]);
    }
    for (int i = 0; i < DIALERS * EACH; i++) {
        assert_int_equal(pp_op_use_wait(&op), PP_OK);
        assert_int_equal(pp_accept(listener, &op, &server), PP_PENDING);
        assert_int_equal(wait_for(&op), PP_OK);
        pp_close(server);
    }
    for (int i = 0; i < DIALERS; i++) {
        runner_join(&runners[i]);
        assert_int_equal(dialers[i].connected, EACH);
    }
    pp_close(listener);
}

static void row_84_abort_breaks_the_connection_at_once(void **state)
{
    struct pair pair;
    pp_op read = PP_OP_INIT, again = PP_OP_INIT, other = PP_OP_INIT;
    char text[16];

    (void)state;
    pair_open(&pair, NULL);
    write_all(pair.server, "maybe", 5);
    assert_int_equal(pp_read(pair.server, &read, text, 1), PP_PENDING);
    assert_int_equal(pp_abort(pair.server), PP_OK);
    assert_int_equal(next_packet(pair.port).status, PP_ECANCELED);
    assert_int_equal(pp_read(pair.server, &again, text, 1), PP_ECLOSED);
    assert_int_equal(pp_read(pair.client, &other, text, sizeof text), PP_PENDING);
    pp_packet packet = next_packet(pair.port);
    if (packet.status == PP_OK) { /* unread data may be lost, or not */
        assert_int_equal(packet.bytes, 5);
        assert_int_equal(pp_read(pair.client, &other, text, sizeof text), PP_PENDING);
        packet = next_packet(pair.port);
    }
    assert_int_equal(packet.status, PP_EPEERCLOSED);
    pair_close(&pair);
}

static void row_85_what_was_written_before_close_is_delivered(void **state)
{
    enum { SIZE = 100 * 1024 };
    struct pair pair;
    pp_op write = PP_OP_INIT;
    char *sent = malloc(SIZE), *got = malloc(SIZE + 1);
    struct runner runner;
    struct transfer transfer;

    (void)state;
    for (int i = 0; i < SIZE; i++)
        sent[i] = (char)(i % 251);
    pair_open(&pair, NULL);
    transfer = (struct transfer){ pair.client, got, SIZE + 1, 0, false };
    runner_start(&runner, read_transfer, &transfer); /* ends with the stream */
    assert_int_equal(pp_write(pair.server, &write, sent, SIZE), PP_PENDING);
    assert_int_equal(next_packet(pair.port).status, PP_OK);
    assert_int_equal(pp_close(pair.server), PP_OK);
    pair.server = NULL;
    runner_join(&runner);
    assert_int_equal(transfer.done, SIZE);
    assert_memory_equal(got, sent, SIZE);
    pair_close(&pair);
    free(sent);
    free(got);
}

struct squatter {
    const char *path;
    atomic_bool stop;
    atomic_int tries, taken;
};

static void try_to_take_the_name(void *argument)
{
    struct squatter *squatter = argument;
    pp_handle *listener;

    while (!squatter->stop) {
        squatter->tries++;
        if (pp_listen(&listener, squatter->path, NULL) == PP_OK) {
            squatter->taken++;
            pp_close(listener);
        }
    }
}

static void row_86_the_name_is_never_free_between_two_connections(void **state)
{
    enum { COUNT = 200 };
    const char *path = test_path();
    struct squatter squatter = { path, false, 0, 0 };
    struct dialer dialer = { path, COUNT, NULL, 0 };
    struct runner squatting, dialing;
    pp_handle *listener, *server;
    pp_op op = PP_OP_INIT;

    (void)state;
    assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
    runner_start(&squatting, try_to_take_the_name, &squatter);
    EVENTUALLY(squatter.tries > 0);
    runner_start(&dialing, dial_repeatedly, &dialer);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(pp_op_use_wait(&op), PP_OK);
        assert_int_equal(pp_accept(listener, &op, &server), PP_PENDING);
        assert_int_equal(wait_for(&op), PP_OK);
        pp_close(server);
    }
    squatter.stop = true;
    runner_join(&squatting);
    runner_join(&dialing);
    assert_int_equal(squatter.taken, 0);
    assert_int_equal(dialer.connected, COUNT);
    pp_close(listener);
}

static void row_88_bad_names_are_refused_before_anything_is_done(void **state)
{
    char long_name[66] = "", path[PP_PATH_MAX], full[PP_PATH_MAX];
    const char *const bad[] = { "", "UPPER", "a b", ".hidden", "back\\slash", long_name };
    pp_handle *handle;

    (void)state;
    memset(long_name, 'n', sizeof long_name - 1);
    memcpy(long_name + 1, "a.b_c-9", 7);
    for (size_t i = 0; i < PPI_COUNT(bad); i++) {
        assert_int_equal(pp_pipe_path(bad[i], PP_SCOPE_USER, path, sizeof path), PP_EINVAL);
        assert_int_equal(pp_listen(&handle, bad[i], NULL), PP_EINVAL);
        assert_int_equal(pp_dial(&handle, bad[i], NULL), PP_EINVAL);
        assert_string_not_equal(pp_detail(), "");
    }
    assert_int_equal(pp_pipe_path(long_name + 1, PP_SCOPE_SYSTEM, path, sizeof path), PP_OK);
    assert_int_equal(pp_pipe_path("a.b_c-9", PP_SCOPE_SYSTEM, path, 5), PP_EINVAL);
    /* a full path is taken as it is, if it is not too long */
    assert_int_equal(pp_pipe_path(test_path(), PP_SCOPE_USER, full, sizeof full), PP_OK);
    assert_non_null(strstr(full, "test-"));
    memset(path, 'x', sizeof path - 1);
    memcpy(path, full, strlen(full));
    path[sizeof path - 1] = '\0';
    assert_int_equal(pp_listen(&handle, path, NULL), PP_EINVAL);
    assert_string_not_equal(pp_detail(), "");
}

int name_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_79_a_name_has_one_server),
        TEST(row_79_a_killed_server_leaves_the_name_free),
        TEST(row_80_many_clients_at_once_are_all_served),
        TEST(row_81_clients_that_come_before_the_accept_are_accepted),
        TEST(row_82_a_client_that_left_already_is_still_heard),
        TEST(row_83_nobody_there_is_told_at_once),
        TEST(row_83_a_dial_can_wait_for_its_server),
        TEST(row_83_an_attached_dial_can_be_waited_for),
        TEST(row_83_a_canceled_dial_can_be_repeated_at_once),
        TEST(row_83_more_clients_than_room_are_all_served),
        TEST(row_84_abort_breaks_the_connection_at_once),
        TEST(row_85_what_was_written_before_close_is_delivered),
        TEST(row_86_the_name_is_never_free_between_two_connections),
        TEST(row_88_bad_names_are_refused_before_anything_is_done),
    };
    int failures = 0;

    RUN_GROUP(&failures, "names and connecting", tests);
    return failures;
}
