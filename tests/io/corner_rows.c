/* corner_rows.c: rows of every kind, in corners that no other test had looked into: most were found
 * by planting faults (tests/mutants). */
#include "io/rows.h"
#include "support/support.h"

static const pp_port_config defaults = PP_PORT_CONFIG_INIT;

static void port_end(pp_port *port)
{
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    pp_port_close(port);
}

/* A client connects to the listener; its end is to be closed. */
static pp_handle *connect_to(const char *path)
{
    pp_handle *client;
    pp_op op = PP_OP_INIT;

    assert_int_equal(pp_dial(&client, path, NULL), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_connect(client, &op), PP_PENDING);
    assert_int_equal(wait_for(&op), PP_OK);
    return client;
}

/* --- ports and their handles ----------------------------------------------------------------- */

/* The port's only thread waits for streams; listeners are not far. */
static void row_04_a_single_consumer_hears_of_clients_too(void **state)
{
    pp_port_config config = defaults;
    const char *path = test_path();
    pp_handle *listener, *connection;
    pp_op accept = PP_OP_INIT, read = PP_OP_INIT;
    struct pair pair;
    char byte;

    (void)state;
    config.flags = PP_PORT_SINGLE_CONSUMER;
    pair_open(&pair, &config);
    assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
    assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
    assert_int_equal(pp_port_attach(pair.port, listener, 3), PP_OK);
    assert_int_equal(pp_accept(listener, &accept, &connection), PP_PENDING);
    pp_packet packet;
    assert_int_equal(pp_port_get(pair.port, &packet, 0), 0);
    pp_handle *client = connect_to(path);
    assert_ptr_equal(next_packet(pair.port).op, &accept);
    assert_int_equal(accept.status, PP_OK);
    pp_close(connection);
    pp_close(client);
    pp_close(listener);
    pair_close(&pair);
}

static void row_05_an_accepted_stream_may_have_another_port_than_its_listener(void **state)
{
    const char *path = test_path();
    pp_handle *listener, *connection;
    pp_op accept = PP_OP_INIT, read = PP_OP_INIT;
    pp_port *ports[2];
    char byte = 0;

    (void)state;
    exempt_on_wine("Wine 8 cannot move a pipe from port to port");
    for (int i = 0; i < 2; i++)
        assert_int_equal(pp_port_open(&ports[i], NULL), PP_OK);
    assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
    assert_int_equal(pp_port_attach(ports[0], listener, 1), PP_OK);
    assert_int_equal(pp_accept(listener, &accept, &connection), PP_PENDING);
    pp_handle *client = connect_to(path);
    assert_ptr_equal(next_packet(ports[0]).op, &accept);
    assert_int_equal(pp_port_attach(ports[1], connection, 2), PP_OK);
    assert_int_equal(pp_read(connection, &read, &byte, 1), PP_PENDING);
    write_all(client, "x", 1);
    assert_ptr_equal(next_packet(ports[1]).op, &read);
    assert_int_equal(byte, 'x');
    pp_close(connection);
    pp_close(client);
    pp_close(listener);
    for (int i = 0; i < 2; i++)
        port_end(ports[i]);
}

/* What is left of a stream with the system must not meet those that come after it. */
static void row_08_streams_that_come_later_get_what_is_theirs(void **state)
{
    enum { ROUNDS = 30, LATER = 3 };

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct streams later[LATER];
        struct pair pair;
        pp_op reads[LATER] = { PP_OP_INIT }, pooled = PP_OP_INIT;
        char bytes[LATER];
        pp_packet packet;

        pair_open(&pair, NULL);
        assert_int_equal(pp_read_pooled(pair.server, &pooled, 0), PP_PENDING);
        assert_int_equal(pp_port_get(pair.port, &packet, round % 2), 0);
        pp_close(pair.server);
        pair.server = NULL;
        assert_int_equal(next_packet(pair.port).status, PP_ECANCELED);
        assert_int_equal(pp_port_get(pair.port, &packet, round % 2), 0);
        for (int i = 0; i < LATER; i++) {
            streams_open(&later[i]);
            assert_int_equal(pp_port_attach(pair.port, later[i].server, (uintptr_t)i), PP_OK);
            assert_int_equal(pp_read(later[i].server, &reads[i], &bytes[i], 1), PP_PENDING);
        }
        assert_int_equal(pp_port_get(pair.port, &packet, round % 2), 0);
        for (int i = 0; i < LATER; i++) {
            write_all(later[i].client, "x", 1);
            packet = next_packet(pair.port);
            assert_int_equal(packet.key, i);
            assert_ptr_equal(packet.op, &reads[i]);
        }
        for (int i = 0; i < LATER; i++)
            streams_close(&later[i]);
        pair_close(&pair);
    }
}

/* --- who waits, and for what ------------------------------------------------------------------ */

static void wait_in_vain(void *argument)
{
    pp_packet packet;

    pp_port_get(argument, &packet, 50);
}

/* A worker that waits for the slot of another gives up in time, and is waited for no more. */
static void row_14_a_worker_without_a_slot_waits_as_long_as_it_was_told(void **state)
{
    pp_port_config config = defaults;
    pp_op first = PP_OP_INIT, second = PP_OP_INIT;
    struct runner runner;
    pp_port *port;

    (void)state;
    config.concurrency = 1;
    assert_int_equal(pp_port_open(&port, &config), PP_OK);
    assert_int_equal(pp_port_post(port, 0, 0, &first), PP_OK);
    assert_ptr_equal(next_packet(port).op, &first); /* whose slot this thread keeps */
    runner_start(&runner, wait_in_vain, port);
    runner_join(&runner);
    assert_int_equal(pp_port_post(port, 0, 0, &second), PP_OK);
    pp_thread_detach();
    assert_ptr_equal(next_packet(port).op, &second);
    port_end(port);
}

static void row_19_packets_that_always_wait_hide_no_others(void **state)
{
    struct pair pair;
    pp_op read = PP_OP_INIT, post = PP_OP_INIT;
    uint64_t end_ns = ppi_deadline_ns(TEST_PATIENCE_MS);
    bool heard = false;
    char byte;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
    write_all(pair.client, "x", 1);
    assert_int_equal(pp_port_post(pair.port, 3, 0, &post), PP_OK);
    while (!heard && ppi_now_ns() < end_ns) {
        heard = next_packet(pair.port).op == &read;
        if (!heard)
            assert_int_equal(pp_port_post(pair.port, 3, 0, &post), PP_OK);
    }
    assert_true(heard);
    pair_close(&pair);
}

/* Two workers, each of which needs the other to go on. */
static struct {
    pp_port *port;
    atomic_int came, went;
} meeting;

static void meet(void *argument)
{
    pp_packet packet;

    (void)argument;
    while (pp_port_get(meeting.port, &packet, -1) == 1) {
        uint64_t end_ns = ppi_deadline_ns(TEST_PATIENCE_MS);
        int both = (++meeting.came + 1) / 2 * 2;

        while (meeting.came < both && ppi_now_ns() < end_ns)
            ppi_yield();
        meeting.went += meeting.came >= both;
    }
}

static uint32_t waiting(pp_port *port)
{
    pp_port_stats stats = { .size = sizeof stats };

    assert_int_equal(pp_port_info(port, &stats), PP_OK);
    return stats.waiting;
}

static void row_30_packets_that_come_together_are_handled_together(void **state)
{
    enum { ROUNDS = 50 };
    pp_port_config config = defaults;
    pp_op ops[2] = { PP_OP_INIT };
    struct runner runners[2];

    (void)state;
    meeting.came = meeting.went = 0;
    config.concurrency = 2;
    assert_int_equal(pp_port_open(&meeting.port, &config), PP_OK);
    for (int i = 0; i < 2; i++)
        runner_start(&runners[i], meet, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        EVENTUALLY(waiting(meeting.port) == 2);
        for (int i = 0; i < 2; i++)
            assert_int_equal(pp_port_post(meeting.port, 0, 0, &ops[i]), PP_OK);
        EVENTUALLY(meeting.went == 2 * round + 2);
    }
    assert_int_equal(pp_port_shutdown(meeting.port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    for (int i = 0; i < 2; i++)
        runner_join(&runners[i]);
    pp_port_close(meeting.port);
}

/* --- operations ------------------------------------------------------------------------------ */

enum { MANY = 300 }; /* more than the system is asked for in one batch, or in two */

/* One byte of each stream; one that was asked for before must not take it. */
static void read_each(pp_port *port, struct streams *streams, pp_op *reads, char *bytes)
{
    bool ended[MANY] = { false };
    pp_packet packet;

    for (int i = 0; i < MANY; i++)
        assert_int_equal(pp_read(streams[i].server, &reads[i], &bytes[i], 1), PP_PENDING);
    assert_int_equal(pp_port_get(port, &packet, 0), 0);
    for (int i = 0; i < MANY; i++)
        write_all(streams[i].client, "x", 1);
    for (int i = 0; i < MANY; i++) {
        packet = next_packet(port);
        assert_ptr_equal(packet.op, &reads[packet.key]);
        assert_int_equal(packet.status, PP_OK);
        assert_int_equal(bytes[packet.key], 'x');
        assert_false(ended[packet.key]);
        ended[packet.key] = true;
    }
}

static void row_43_three_hundred_reads_that_begin_at_once_end(void **state)
{
    static struct streams streams[MANY];
    static pp_op reads[MANY];
    static char bytes[2][MANY];
    pp_port_config config = defaults;
    pp_port *port;

    (void)state;
    ppi_raise_handle_limit();
    config.flags = PP_PORT_SINGLE_CONSUMER;
    assert_int_equal(pp_port_open(&port, &config), PP_OK);
    for (int i = 0; i < MANY; i++) {
        streams_open(&streams[i]);
        assert_int_equal(pp_port_attach(port, streams[i].server, (uintptr_t)i), PP_OK);
    }
    for (int round = 0; round < 2; round++)
        read_each(port, streams, reads, bytes[round]);
    for (int i = 0; i < MANY; i++)
        streams_close(&streams[i]);
    port_end(port);
}

static void row_47_in_skip_mode_a_failure_makes_a_packet(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_set_skip(pair.server), PP_OK);
    pp_close(pair.client);
    pair.client = NULL;
    assert_int_equal(pp_write(pair.server, &op, "x", 1), PP_PENDING);
    pp_packet packet = next_packet(pair.port);
    assert_ptr_equal(packet.op, &op);
    assert_int_equal(packet.status, PP_EPEERCLOSED);
    pair_close(&pair);
}

static void row_54_canceling_the_last_loses_none_that_comes_after(void **state)
{
    enum { READS = 4, CANCELED = 2 }; /* one begins, one waits, one is the last */
    struct pair pair;
    pp_op reads[READS] = { PP_OP_INIT };
    char bytes[READS];

    (void)state;
    pair_open(&pair, NULL);
    for (int i = 0; i <= CANCELED; i++)
        assert_int_equal(pp_read(pair.server, &reads[i], &bytes[i], 1), PP_PENDING);
    assert_int_equal(pp_cancel(pair.server, &reads[CANCELED]), PP_OK);
    assert_int_equal(next_packet(pair.port).status, PP_ECANCELED);
    assert_int_equal(pp_read(pair.server, &reads[3], &bytes[3], 1), PP_PENDING);
    for (int i = 0; i < READS; i++) {
        if (i == CANCELED)
            continue;
        write_all(pair.client, "x", 1);
        assert_ptr_equal(next_packet(pair.port).op, &reads[i]);
    }
    pair_close(&pair);
}

static void row_55_the_peer_sees_a_close_though_nobody_takes(void **state)
{
    pp_port_config config = defaults;
    struct streams streams;
    pp_op pooled = PP_OP_INIT;
    pp_packet packet;
    pp_port *port;
    char byte;

    (void)state;
    only_on_linux("on Windows the wait for data ends first, in a worker");
    config.flags = PP_PORT_SINGLE_CONSUMER;
    streams_open(&streams);
    assert_int_equal(pp_port_open(&port, &config), PP_OK);
    assert_int_equal(pp_port_attach(port, streams.server, 1), PP_OK);
    assert_int_equal(pp_read_pooled(streams.server, &pooled, 0), PP_PENDING);
    assert_int_equal(pp_port_get(port, &packet, 0), 0);
    pp_close(streams.server);
    streams.server = NULL;
    assert_false(read_all(streams.client, &byte, 1));
    assert_int_equal(next_packet(port).status, PP_ECANCELED);
    streams_close(&streams);
    port_end(port);
}

static void row_55_a_write_under_way_ends_with_its_stream(void **state)
{
    enum { SIZE = 4 * 1024 * 1024 };
    char *large = calloc(1, SIZE);
    pp_op write = PP_OP_INIT;
    struct pair pair;
    pp_packet packet;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_write(pair.server, &write, large, SIZE), PP_PENDING);
    assert_int_equal(pp_port_get(pair.port, &packet, 20), 0); /* the system has it */
    pp_close(pair.server);
    pair.server = NULL;
    packet = next_packet(pair.port);
    assert_ptr_equal(packet.op, &write);
    assert_int_equal(packet.status, PP_ECANCELED);
    pair_close(&pair);
    free(large);
}

/* The last operation may end after the shutdown has begun to wait. */
static void row_59_a_shutdown_hears_of_the_last_end_at_once(void **state)
{
    enum { ROUNDS = 20 };

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct pair pair;
        pp_op read = PP_OP_INIT;
        pp_packet packet;
        char byte;

        pair_open(&pair, NULL);
        assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
        assert_int_equal(pp_port_get(pair.port, &packet, 5), 0); /* the system has it */
        uint64_t begin_ns = ppi_now_ns();
        assert_int_equal(pp_port_shutdown(pair.port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                         PP_OK);
        assert_true(took_no_time(begin_ns));
        assert_int_equal(read.status, PP_ECANCELED);
        pair_close(&pair);
    }
}

static void row_64_a_pooled_read_is_no_longer_than_its_buffer(void **state)
{
    enum { BUFFER = 16 };
    pp_port_config config = defaults;
    const char text[3 * BUFFER] = "0123456789abcdef0123456789abcdef0123456789abcde";
    pp_op read = PP_OP_INIT;
    struct pair pair;

    (void)state;
    config.pool_bytes = BUFFER;
    pair_open(&pair, &config);
    write_all(pair.client, text, sizeof text);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pp_read_pooled(pair.server, &read, sizeof text), PP_PENDING);
        pp_packet packet = next_packet(pair.port);
        assert_int_equal(packet.bytes, BUFFER);
        assert_memory_equal(read.buffer, text + i * BUFFER, BUFFER);
        pp_buffer_release(read.buffer);
    }
    pair_close(&pair);
}

static void row_85_a_client_that_reads_late_gets_all_and_holds_nobody_up(void **state)
{
    struct pair pair;
    pp_op write = PP_OP_INIT, post = PP_OP_INIT;
    char text[4];

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_write(pair.server, &write, "late", 4), PP_PENDING);
    assert_int_equal(next_packet(pair.port).status, PP_OK);
    /* a close that waited for the client would wait for ever: this thread is the client, too */
    assert_int_equal(pp_close(pair.server), PP_OK);
    pair.server = NULL;
    assert_int_equal(pp_port_post(pair.port, 0, 0, &post), PP_OK);
    assert_ptr_equal(next_packet(pair.port).op, &post);
    assert_true(read_all(pair.client, text, sizeof text));
    assert_memory_equal(text, "late", sizeof text);
    assert_false(read_all(pair.client, text, 1));
    pair_close(&pair);
}

static void note_status(pp_op *op)
{
    *(int *)op->user = op->status;
    op->user = NULL;
}

static void row_59_a_shutdown_calls_the_functions_of_operations(void **state)
{
    struct pair pair;
    pp_op read = PP_OP_INIT;
    int status = PP_OK;
    char byte;

    (void)state;
    pair_open(&pair, NULL);
    read.user = &status;
    assert_int_equal(pp_op_use_call(&read, note_status), PP_OK);
    assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
    pair_close(&pair);
    assert_int_equal(status, PP_ECANCELED);
    assert_null(read.user); /* once */
}

int corner_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_04_a_single_consumer_hears_of_clients_too),
        TEST(row_05_an_accepted_stream_may_have_another_port_than_its_listener),
        TEST(row_08_streams_that_come_later_get_what_is_theirs),
        TEST(row_14_a_worker_without_a_slot_waits_as_long_as_it_was_told),
        TEST(row_19_packets_that_always_wait_hide_no_others),
        TEST(row_30_packets_that_come_together_are_handled_together),
        TEST(row_43_three_hundred_reads_that_begin_at_once_end),
        TEST(row_47_in_skip_mode_a_failure_makes_a_packet),
        TEST(row_54_canceling_the_last_loses_none_that_comes_after),
        TEST(row_55_the_peer_sees_a_close_though_nobody_takes),
        TEST(row_55_a_write_under_way_ends_with_its_stream),
        TEST(row_59_a_shutdown_hears_of_the_last_end_at_once),
        TEST(row_59_a_shutdown_calls_the_functions_of_operations),
        TEST(row_64_a_pooled_read_is_no_longer_than_its_buffer),
        TEST(row_85_a_client_that_reads_late_gets_all_and_holds_nobody_up),
    };

    return test_group_run("corners", tests, PPI_COUNT(tests));
}
