/* op_rows.c: an operation and its one packet. */
#include "io/rows.h"
#include "support/support.h"

static void row_38_starting_an_operation_twice_is_refused(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT;
    char first[1], second[1];

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_read(pair.server, &op, first, 1), PP_PENDING);
    assert_int_equal(pp_read(pair.server, &op, second, 1), PP_ESTATE);
    assert_int_equal(pp_write(pair.server, &op, "x", 1), PP_ESTATE);
    assert_int_equal(pp_port_post(pair.port, 0, 0, &op), PP_ESTATE);
    write_all(pair.client, "y", 1);
    pp_packet packet = next_packet(pair.port);
    assert_ptr_equal(packet.op, &op);
    assert_int_equal(packet.status, PP_OK);
    assert_int_equal(first[0], 'y');
    pair_close(&pair);
}

struct request {
    int number;
    pp_op op; /* not the first member */
    char byte;
};

static void row_39_the_operation_may_lie_anywhere_in_a_struct(void **state)
{
    struct pair pair;
    struct request request = { 7, PP_OP_INIT, 0 };

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_read(pair.server, &request.op, &request.byte, 1), PP_PENDING);
    write_all(pair.client, "z", 1);
    pp_packet packet = next_packet(pair.port);
    struct request *found = PP_CONTAINER(packet.op, struct request, op);
    assert_ptr_equal(found, &request);
    assert_int_equal(found->byte, 'z');
    pair_close(&pair);
}

static void row_41_operations_may_be_freed_in_their_handler(void **state)
{
    enum { COUNT = 100000 };
    struct pair pair;
    int written = 0, read = 0;

    (void)state;
    pair_open(&pair, NULL);
    for (int started = 0; read < COUNT; started++) {
        struct request *sent = calloc(1, sizeof *sent), *got = calloc(1, sizeof *got);

        assert_int_equal(pp_write(pair.client, &sent->op, &sent->byte, 1), PP_PENDING);
        assert_int_equal(pp_read(pair.server, &got->op, &got->byte, 1), PP_PENDING);
        for (int i = 0; i < 2; i++) {
            pp_packet packet = next_packet(pair.port);

            assert_int_equal(packet.status, PP_OK);
            *(packet.key == 1 ? &read : &written) += 1;
            free(PP_CONTAINER(packet.op, struct request, op));
        }
    }
    assert_int_equal(written, COUNT);
    pair_close(&pair);
}

static void row_42_the_pointer_returned_is_the_pointer_passed(void **state)
{
    struct pair pair;
    pp_op ops[3] = { PP_OP_INIT };
    char bytes[3];

    (void)state;
    pair_open(&pair, NULL);
    for (int i = 0; i < 3; i++) {
        ops[i].user = &bytes[i];
        assert_int_equal(pp_read(pair.server, &ops[i], &bytes[i], 1), PP_PENDING);
    }
    write_all(pair.client, "abc", 3);
    for (int i = 0; i < 3; i++) {
        pp_packet packet = next_packet(pair.port);

        assert_ptr_equal(packet.op, &ops[i]);
        assert_ptr_equal(packet.op->user, &bytes[i]);
    }
    pair_close(&pair);
}

/* A small generator, so that a failing run can be repeated. */
static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Every start that returns PP_PENDING gives one packet, though reads, writes, cancels and a close
 * come in any order. */
static void row_43_every_started_operation_delivers_exactly_one_packet(void **state)
{
    enum { ROUNDS = 200, OPS = 16 };
    uint32_t seed = 1;
    static char buffer[OPS][3000];

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct pair pair;
        pp_op ops[OPS] = { PP_OP_INIT };
        int started = 0, packets[OPS] = { 0 };
        pp_packet packet;

        pair_open(&pair, NULL);
        for (int i = 0; i < OPS; i++) {
            pp_handle *end = next_random(&seed) % 2 ? pair.server : pair.client;
            size_t size = 1 + next_random(&seed) % sizeof buffer[i];
            int result = next_random(&seed) % 2 ? pp_read(end, &ops[i], buffer[i], size)
                                                : pp_write(end, &ops[i], buffer[i], size);
            assert_int_equal(result, PP_PENDING);
            started++;
            if (next_random(&seed) % 4 == 0)
                pp_cancel(end, &ops[next_random(&seed) % (unsigned)(i + 1)]);
        }
        pp_close(pair.server);
        pair.server = NULL;
        pp_close(pair.client);
        pair.client = NULL;
        while (started > 0 && pp_port_get(pair.port, &packet, TEST_PATIENCE_MS) == 1) {
            assert_int_equal(packets[packet.op - ops]++, 0);
            started--;
        }
        assert_int_equal(started, 0);
        assert_int_equal(pp_port_get(pair.port, &packet, 0), 0);
        pair_close(&pair);
    }
}

static void row_44_a_write_to_a_closed_peer_fails_once(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT;
    pp_packet packet;

    (void)state;
    pair_open(&pair, NULL);
    pp_close(pair.client);
    pair.client = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pp_write(pair.server, &op, "x", 1), PP_PENDING);
        packet = next_packet(pair.port);
        assert_int_equal(packet.status, PP_EPEERCLOSED);
        assert_int_equal(pp_port_get(pair.port, &packet, 0), 0);
    }
    pair_close(&pair);
}

static void free_requests(void *argument)
{
    pp_packet packet;

    while (pp_port_get(argument, &packet, -1) == 1)
        free(PP_CONTAINER(packet.op, struct request, op));
}

/* The other worker may free the operation before the start function has returned. */
static void row_45_a_packet_may_be_handled_before_the_start_returns(void **state)
{
    enum { COUNT = 20000 };
    struct pair pair;
    struct runner runner;
    pp_port_stats stats = { .size = sizeof stats };

    (void)state;
    pair_open(&pair, NULL);
    runner_start(&runner, free_requests, pair.port);
    for (int i = 0; i < COUNT; i++) {
        struct request *sent = calloc(1, sizeof *sent), *got = calloc(1, sizeof *got);

        assert_int_equal(pp_write(pair.client, &sent->op, "x", 1), PP_PENDING);
        assert_int_equal(pp_read(pair.server, &got->op, &got->byte, 1), PP_PENDING);
    }
    EVENTUALLY((pp_port_info(pair.port, &stats), stats.outstanding == 0));
    assert_int_equal(pp_port_shutdown(pair.port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    runner_join(&runner);
    pair_close(&pair);
}

/* Takes one packet, and then the port and its streams have served. */
static void close_after_a_packet(void *argument)
{
    struct pair *pair = argument;
    pp_packet packet;

    if (pp_port_get(pair->port, &packet, TEST_PATIENCE_MS) != 1)
        return; /* the sanitizers tell of what is left */
    pp_port_close(pair->port);
    streams_close(&pair->streams);
}

static void row_45_a_start_may_return_when_its_port_is_gone(void **state)
{
    enum { TIMES = 300 };

    (void)state;
    for (int i = 0; i < TIMES; i++) {
        struct runner runner;
        struct pair pair;
        pp_op op = PP_OP_INIT;

        pair_open(&pair, NULL);
        runner_start(&runner, close_after_a_packet, &pair);
        assert_int_equal(pp_write(pair.client, &op, "x", 1), PP_PENDING);
        runner_join(&runner);
        assert_int_equal(op.status, PP_OK);
    }
}

static void row_47_skip_mode_delivers_no_packet_for_what_is_done_at_once(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT, read = PP_OP_INIT;
    pp_packet packet;
    char byte;
    int done = 0;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_write(pair.server, &op, "x", 1), PP_PENDING); /* without it: never DONE */
    next_packet(pair.port);
    assert_int_equal(pp_set_skip(pair.client), PP_OK);
    for (int i = 0; i < 40; i++) {
        int result = pp_write(pair.client, &op, "x", 1);

        if (result == PP_DONE) {
            assert_int_equal(op.status, PP_OK);
            assert_int_equal(op.bytes, 1);
            assert_int_equal(pp_port_get(pair.port, &packet, 0), 0);
            done++;
        } else { /* its turn to go through the port: others must not starve */
            assert_int_equal(result, PP_PENDING);
            assert_int_equal(next_packet(pair.port).status, PP_OK);
        }
    }
    assert_in_range(done, ppi_on_linux() ? 30 : 10, 39); /* Windows may end any of them later */
    assert_true(read_all(pair.client, &byte, 1));
    assert_int_equal(pp_read(pair.client, &read, &byte, 1), PP_PENDING); /* nothing there yet */
    assert_int_equal(pp_set_skip(pair.client), PP_ESTATE);
    write_all(pair.server, "y", 1);
    assert_int_equal(next_packet(pair.port).status, PP_OK);
    pair_close(&pair);
}

/* What is always ready goes through the port from time to time; the other's turn comes then. */
static void row_48_a_stream_that_always_has_data_starves_nobody(void **state)
{
    enum { STREAK_MAX = 16, DATA = 100 };
    struct pair pair;
    struct streams quiet;
    pp_op busy = PP_OP_INIT, other = PP_OP_INIT;
    char data[DATA] = { 0 }, byte, byte_of_other;
    int in_a_row = 0;

    (void)state;
    pair_open(&pair, NULL);
    streams_open(&quiet);
    assert_int_equal(pp_port_attach(pair.port, quiet.server, 3), PP_OK);
    assert_int_equal(pp_set_skip(pair.server), PP_OK);
    write_all(pair.client, data, DATA);
    assert_int_equal(pp_read(quiet.server, &other, &byte_of_other, 1), PP_PENDING);
    write_all(quiet.client, "q", 1);
    while (pp_read(pair.server, &busy, &byte, 1) == PP_DONE)
        assert_true(++in_a_row <= STREAK_MAX);
    pp_packet first = next_packet(pair.port), second = next_packet(pair.port);
    assert_true((first.op == &other && second.op == &busy) ||
                (first.op == &busy && second.op == &other));
    streams_close(&quiet);
    pair_close(&pair);
}

struct reader {
    pp_op op;
    char byte;
};

static void take_all(void *port)
{
    pp_packet packet;

    while (pp_port_get(port, &packet, -1) == 1)
        ;
}

/* Handlers may overtake each other; what each read got is in the order of the starts. */
static void row_49_reads_get_their_bytes_in_the_order_of_the_starts(void **state)
{
    enum { READS = 8, ROUNDS = 200, WORKERS = 3 };
    struct streams streams;
    struct reader readers[READS] = { 0 };
    struct runner workers[WORKERS];
    pp_port *port;

    (void)state;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    streams_open(&streams);
    assert_int_equal(pp_port_attach(port, streams.server, 1), PP_OK);
    for (int i = 0; i < WORKERS; i++)
        runner_start(&workers[i], take_all, port);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < READS; i++)
            assert_int_equal(pp_read(streams.server, &readers[i].op, &readers[i].byte, 1),
                             PP_PENDING);
        write_all(streams.client, "01234567", READS);
        EVENTUALLY(pp_handle_outstanding(streams.server) == 0);
        for (int i = 0; i < READS; i++)
            assert_int_equal(readers[i].byte, '0' + i);
    }
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    for (int i = 0; i < WORKERS; i++)
        runner_join(&workers[i]);
    streams_close(&streams);
    pp_port_close(port);
}

static void row_51_an_operation_can_be_waited_for_without_a_packet(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT;
    pp_packet packet;
    char byte = 0;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_op_wait(&op, 0), PP_ESTATE); /* was not started so */
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_op_wait(&op, 0), PP_ESTATE); /* is not started */
    assert_int_equal(pp_read(pair.server, &op, &byte, 1), PP_PENDING);
    assert_int_equal(pp_op_wait(&op, 20), 0);
    assert_int_equal(pp_cancel(pair.server, &op), PP_OK);
    assert_int_equal(wait_for(&op), PP_ECANCELED);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_read(pair.server, &op, &byte, 1), PP_PENDING);
    write_all(pair.client, "w", 1);
    assert_int_equal(wait_for(&op), PP_OK);
    assert_int_equal(byte, 'w');
    assert_int_equal(pp_port_get(pair.port, &packet, 0), 0);
    /* and without the call it is an ordinary operation again */
    assert_int_equal(pp_write(pair.server, &op, "x", 1), PP_PENDING);
    assert_ptr_equal(next_packet(pair.port).op, &op);
    pair_close(&pair);
}

struct slow_writer {
    pp_handle *stream;
    pp_op *first; /* waited for before the second byte is sent */
};

static void write_a_then_b(void *argument)
{
    struct slow_writer *writer = argument;

    ppi_sleep_ms(30); /* the other thread most likely waits by now; the test holds either way */
    write_all(writer->stream, "a", 1);
    pp_op_wait(writer->first, TEST_PATIENCE_MS);
    write_all(writer->stream, "b", 1);
}

/* Whoever ends the operation before it is another thread: it must tell the waiter. */
static void row_51_an_operation_can_be_waited_for_while_it_is_queued(void **state)
{
    struct streams streams;
    struct runner runner;
    pp_op first = PP_OP_INIT, second = PP_OP_INIT;
    char bytes[2] = { 0 };

    (void)state;
    streams_open(&streams);
    struct slow_writer writer = { streams.client, &first };
    assert_int_equal(pp_op_use_wait(&first), PP_OK);
    assert_int_equal(pp_op_use_wait(&second), PP_OK);
    assert_int_equal(pp_read(streams.server, &first, &bytes[0], 1), PP_PENDING);
    assert_int_equal(pp_read(streams.server, &second, &bytes[1], 1), PP_PENDING);
    runner_start(&runner, write_a_then_b, &writer);
    assert_int_equal(wait_for(&second), PP_OK);
    runner_join(&runner);
    assert_memory_equal(bytes, "ab", 2);
    streams_close(&streams);
}

struct starter {
    struct pair pair;
    pp_op read;
    char byte;
};

static void start_a_read(void *argument)
{
    struct starter *starter = argument;

    pp_read(starter->pair.server, &starter->read, &starter->byte, 1);
}

static void row_52_an_operation_outlives_the_thread_that_started_it(void **state)
{
    struct starter starter = { .read = PP_OP_INIT };
    struct runner runner;
    pp_packet packet;

    (void)state;
    pair_open(&starter.pair, NULL);
    for (int i = 0; i < 20; i++) {
        runner_start(&runner, start_a_read, &starter);
        runner_join(&runner);
        assert_int_equal(pp_port_get(starter.pair.port, &packet, i % 2), 0);
        write_all(starter.pair.client, "x", 1);
        assert_ptr_equal(next_packet(starter.pair.port).op, &starter.read);
        assert_int_equal(starter.byte, 'x');
        starter.byte = 0;
    }
    pair_close(&starter.pair);
}

struct leaver {
    pp_handle *stream;
    pp_op op;
    char byte;
    int result;
};

static void start_and_leave(void *argument)
{
    struct leaver *leaver = argument;

    leaver->result = pp_op_use_wait(&leaver->op);
    if (leaver->result == PP_OK)
        leaver->result = pp_read(leaver->stream, &leaver->op, &leaver->byte, 1);
}

/* The system may cancel what a thread has started and makes no packet. */
static void row_52_a_waited_operation_outlives_the_thread_that_started_it(void **state)
{
    (void)state;
    for (int attached = 0; attached < 2; attached++) {
        struct leaver leaver = { .op = PP_OP_INIT };
        struct runner runner;
        struct pair pair;
        struct streams *streams = &pair.streams;

        if (attached)
            pair_open(&pair, NULL);
        else
            streams_open(streams);
        leaver.stream = streams->server;
        runner_start(&runner, start_and_leave, &leaver);
        runner_join(&runner);
        assert_int_equal(leaver.result, PP_PENDING);
        assert_int_equal(pp_op_wait(&leaver.op, 20), 0);
        write_all(streams->client, "x", 1);
        assert_int_equal(wait_for(&leaver.op), PP_OK);
        assert_int_equal(leaver.byte, 'x');
        if (attached)
            pair_close(&pair);
        else
            streams_close(streams);
    }
}

int op_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_38_starting_an_operation_twice_is_refused),
        TEST(row_39_the_operation_may_lie_anywhere_in_a_struct),
        TEST(row_41_operations_may_be_freed_in_their_handler),
        TEST(row_42_the_pointer_returned_is_the_pointer_passed),
        TEST(row_43_every_started_operation_delivers_exactly_one_packet),
        TEST(row_44_a_write_to_a_closed_peer_fails_once),
        TEST(row_45_a_packet_may_be_handled_before_the_start_returns),
        TEST(row_45_a_start_may_return_when_its_port_is_gone),
        TEST(row_47_skip_mode_delivers_no_packet_for_what_is_done_at_once),
        TEST(row_48_a_stream_that_always_has_data_starves_nobody),
        TEST(row_49_reads_get_their_bytes_in_the_order_of_the_starts),
        TEST(row_52_a_waited_operation_outlives_the_thread_that_started_it),
        TEST(row_51_an_operation_can_be_waited_for_without_a_packet),
        TEST(row_51_an_operation_can_be_waited_for_while_it_is_queued),
        TEST(row_52_an_operation_outlives_the_thread_that_started_it),
    };
    int failures = 0;

    RUN_GROUP(&failures, "operations", tests);
    return failures;
}
