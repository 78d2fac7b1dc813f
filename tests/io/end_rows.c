/* end_rows.c: cancel, close, shutdown: every operation is accounted for, nothing leaks. */
#include "io/rows.h"
#include "support/support.h"

struct cancel_race {
    struct pair *pair;
    atomic_int go, done; /* rounds */
    pp_op *op;
};
enum { RACES = 100000, RACES_END = -1 };

static void cancel_each(void *argument)
{
    struct cancel_race *race = argument;

    for (int round = 1;; round++) {
        while (race->go < round && race->go != RACES_END)
            ppi_yield();
        if (race->go == RACES_END)
            return;
        int result = pp_cancel(race->pair->server, race->op);
        if (result != PP_OK && result != PP_ENOTFOUND)
            abort();
        race->done = round;
    }
}

static void row_53_cancel_racing_with_data_ends_each_operation_once(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT;
    struct cancel_race race = { &pair, 0, 0, &op };
    struct runner runner;
    int read = 0, canceled = 0, written = 0;
    char byte;

    (void)state;
    pair_open(&pair, NULL);
    runner_start(&runner, cancel_each, &race);
    for (int round = 1; round <= RACES; round++) {
        bool cancel_first = round % 100 == 0, data_first = round % 100 == 50;

        assert_int_equal(pp_read(pair.server, &op, &byte, 1), PP_PENDING);
        if (!data_first)
            race.go = round;
        while (cancel_first && race.done < round)
            ppi_yield();
        if (written == read) { /* the last one was consumed: send another */
            write_all(pair.client, "x", 1);
            written++;
        }
        pp_packet packet = next_packet(pair.port);
        assert_ptr_equal(packet.op, &op);
        assert_true(packet.status == PP_OK || packet.status == PP_ECANCELED);
        *(packet.status == PP_OK ? &read : &canceled) += 1;
        race.go = round;
        while (race.done < round)
            ppi_yield();
        assert_int_equal(pp_port_get(pair.port, &packet, 0), 0);
    }
    race.go = RACES_END;
    runner_join(&runner);
    assert_int_equal(read + canceled, RACES);
    assert_true(read >= RACES / 200 && canceled >= RACES / 200);
    assert_in_range(written, read, read + 1);
    pair_close(&pair);
}

static void row_54_cancel_of_nothing_is_harmless_and_null_means_all(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT, more[4] = { PP_OP_INIT };
    char bytes[4];

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_cancel(pair.server, &op), PP_ENOTFOUND);
    assert_int_equal(pp_cancel(pair.server, NULL), PP_ENOTFOUND);
    assert_int_equal(pp_cancel(NULL, NULL), PP_EINVAL);
    assert_int_equal(pp_read(pair.server, &op, bytes, 1), PP_PENDING);
    assert_int_equal(pp_cancel(pair.server, &op), PP_OK);
    assert_int_equal(next_packet(pair.port).status, PP_ECANCELED);
    assert_int_equal(pp_cancel(pair.server, &op), PP_ENOTFOUND);

    for (int i = 0; i < 4; i++) /* one current, three queued */
        assert_int_equal(pp_read(pair.server, &more[i], &bytes[i], 1), PP_PENDING);
    assert_int_equal(pp_cancel(pair.server, &more[2]), PP_OK); /* out of the middle */
    assert_ptr_equal(next_packet(pair.port).op, &more[2]);
    assert_int_equal(pp_cancel(pair.server, NULL), PP_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(next_packet(pair.port).status, PP_ECANCELED);
    write_all(pair.client, "a", 1); /* the stream still works */
    assert_true(read_all(pair.server, bytes, 1));
    pair_close(&pair);
}

/* Canceling the read at the head lets the one behind it go on. */
static void row_54_canceling_the_first_lets_the_next_begin(void **state)
{
    struct pair pair;
    pp_op first = PP_OP_INIT, second = PP_OP_INIT;
    char bytes[2];

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_read(pair.server, &first, &bytes[0], 1), PP_PENDING);
    assert_int_equal(pp_read(pair.server, &second, &bytes[1], 1), PP_PENDING);
    assert_int_equal(pp_cancel(pair.server, &first), PP_OK);
    assert_ptr_equal(next_packet(pair.port).op, &first);
    write_all(pair.client, "s", 1);
    pp_packet packet = next_packet(pair.port);
    assert_ptr_equal(packet.op, &second);
    assert_int_equal(packet.status, PP_OK);
    pair_close(&pair);
}

/* That an operation was canceled is forgotten with it. */
static void row_53_after_a_cancel_the_next_operation_is_its_own(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT;
    pp_packet packet;
    char byte;

    (void)state;
    pair_open(&pair, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pp_read(pair.server, &op, &byte, 1), PP_PENDING);
        assert_int_equal(pp_port_get(pair.port, &packet, 20), 0); /* the system has it */
        assert_int_equal(pp_cancel(pair.server, &op), PP_OK);
        assert_int_equal(next_packet(pair.port).status, PP_ECANCELED);
        assert_int_equal(pp_read_pooled(pair.server, &op, 0), PP_PENDING);
        if (i == 0) {
            write_all(pair.client, "x", 1);
            assert_int_equal(next_packet(pair.port).status, PP_OK);
            pp_buffer_release(op.buffer);
        }
    }
    pp_close(pair.client);
    pair.client = NULL;
    assert_int_equal(next_packet(pair.port).status, PP_EPEERCLOSED);
    pair_close(&pair);
}

static void close_with_operations(void)
{
    enum { SIZE = 4 * 1024 * 1024 };
    struct pair pair;
    pp_op read = PP_OP_INIT, write = PP_OP_INIT, accept = PP_OP_INIT, peer = PP_OP_INIT;
    pp_handle *connection = NULL;
    char *large = calloc(1, SIZE), byte;

    pair_open(&pair, NULL);
    assert_int_equal(pp_port_attach(pair.port, pair.streams.listener, 3), PP_OK);
    assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
    assert_int_equal(pp_write(pair.server, &write, large, SIZE), PP_PENDING);
    assert_int_equal(pp_accept(pair.streams.listener, &accept, &connection), PP_PENDING);
    assert_int_equal(pp_handle_outstanding(pair.server), 2);
    assert_int_equal(pp_close(pair.server), PP_OK);
    assert_int_equal(pp_close(pair.streams.listener), PP_OK);
    pair.server = pair.streams.listener = NULL;
    for (int i = 0; i < 3; i++) {
        pp_packet packet = next_packet(pair.port);

        assert_true(packet.op == &read || packet.op == &write || packet.op == &accept);
        assert_int_equal(packet.status, PP_ECANCELED);
    }
    assert_null(connection);
    uint64_t begin_ns = ppi_now_ns();
    do { /* what fitted into the pipe may still come */
        assert_int_equal(pp_read(pair.client, &peer, large, SIZE), PP_PENDING);
    } while (next_packet(pair.port).status == PP_OK);
    assert_int_equal(peer.status, PP_EPEERCLOSED);
    assert_true(took_no_time(begin_ns));
    pair_close(&pair);
    free(large);
}

static void row_55_close_ends_every_operation_and_the_peer_sees_it(void **state)
{
    (void)state;
    close_with_operations(); /* what the process opens once is open then */
    uint64_t before = ppi_process_handles();
    close_with_operations();
    /* who gives a stream back to the system does so after its last packet */
    EVENTUALLY(ppi_process_handles() == before);
}

/* What the dial had, others may have by then. */
static void row_83_closing_a_dial_that_failed_closes_nothing_else(void **state)
{
    pp_handle *client;
    pp_op op = PP_OP_INIT;
    struct streams others;
    char byte = 0;

    (void)state;
    assert_int_equal(pp_dial(&client, test_path(), NULL), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_connect(client, &op), PP_PENDING);
    assert_int_equal(wait_for(&op), PP_ENOSERVER);
    streams_open(&others);
    uint64_t before = ppi_process_handles();
    pp_close(client);
    assert_true(ppi_process_handles() == before || !ppi_on_linux()); /* there it had events */
    write_all(others.client, "x", 1);
    assert_true(read_all(others.server, &byte, 1));
    assert_int_equal(byte, 'x');
    streams_close(&others);
}

static void row_56_nothing_starts_on_a_closed_handle(void **state)
{
    struct pair pair;
    pp_op held = PP_OP_INIT, op = PP_OP_INIT;
    char byte;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_read(pair.server, &held, &byte, 1), PP_PENDING);
    assert_int_equal(pp_close(pair.server), PP_OK);
    for (int i = 0; i < 100; i++) {             /* the handle lives until held's packet is taken */
        uint64_t other = ppi_process_handles(); /* opens and closes a descriptor of its own */

        assert_true(other > 0);
        assert_int_equal(pp_read(pair.server, &op, &byte, 1), PP_ECLOSED);
        assert_int_equal(pp_write(pair.server, &op, "x", 1), PP_ECLOSED);
    }
    assert_int_equal(pp_close(pair.server), PP_ESTATE);
    assert_int_equal(pp_abort(pair.server), PP_ECLOSED);
    assert_int_equal(pp_cancel(pair.server, &op), PP_ENOTFOUND);
    assert_ptr_equal(next_packet(pair.port).op, &held);
    pair.server = NULL;
    pair_close(&pair);
}

static void row_57_operations_that_ended_before_the_close_keep_their_result(void **state)
{
    struct pair pair;
    pp_op ended = PP_OP_INIT, pending = PP_OP_INIT;
    char bytes[2];

    (void)state;
    pair_open(&pair, NULL);
    write_all(pair.client, "x", 1);
    assert_int_equal(pp_read(pair.server, &ended, &bytes[0], 1), PP_PENDING);
    EVENTUALLY(bytes[0] == 'x' || ppi_on_wine() || !ppi_on_linux());
    assert_int_equal(pp_read(pair.server, &pending, &bytes[1], 1), PP_PENDING);
    assert_int_equal(pp_close(pair.server), PP_OK);
    pair.server = NULL;
    for (int i = 0; i < 2; i++) {
        pp_packet packet = next_packet(pair.port);

        assert_int_equal(packet.status, packet.op == &ended ? PP_OK : PP_ECANCELED);
    }
    pair_close(&pair);
}

static void row_58_a_canceled_write_breaks_the_stream_for_writing(void **state)
{
    enum { SIZE = 1024 * 1024, TAKEN = 10000 };
    struct pair pair;
    pp_op write = PP_OP_INIT, more = PP_OP_INIT, read = PP_OP_INIT;
    char *large = calloc(1, SIZE), byte;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_write(pair.server, &write, large, SIZE), PP_PENDING);
    assert_true(read_all(pair.client, large, TAKEN));
    assert_int_equal(pp_cancel(pair.server, &write), PP_OK);
    assert_int_equal(next_packet(pair.port).status, PP_ECANCELED);
    assert_int_equal(pp_write(pair.server, &more, "x", 1), PP_PENDING);
    assert_int_equal(next_packet(pair.port).status, PP_EPEERCLOSED);
    write_all(pair.client, "r", 1); /* reading is not touched */
    assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
    assert_int_equal(next_packet(pair.port).status, PP_OK);
    pair_close(&pair);
    free(large);
}

static void count_discarded(void *context, const pp_packet *packet)
{
    *(int *)context += packet->status == PP_ECANCELED;
}

static void row_59_fast_shutdown_discards_a_thousand_pending_reads(void **state)
{
    enum { COUNT = 1000 };
    static struct streams streams[COUNT];
    static pp_op reads[COUNT];
    static char bytes[COUNT];
    pp_port *port;
    pp_op post = PP_OP_INIT;
    int discarded = 0;

    (void)state;
    ppi_raise_handle_limit();
    streams_open(&streams[0]); /* what this thread waits with stays */
    streams_close(&streams[0]);
    uint64_t before = ppi_process_handles();
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    for (int i = 0; i < COUNT; i++) {
        streams_open(&streams[i]);
        assert_int_equal(pp_port_attach(port, streams[i].server, 1), PP_OK);
        assert_int_equal(pp_read(streams[i].server, &reads[i], &bytes[i], 1), PP_PENDING);
    }
    uint64_t begin_ns = ppi_now_ns();
    assert_int_equal(
        pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, count_discarded, &discarded), PP_OK);
    assert_true(took_no_time(begin_ns));
    assert_int_equal(discarded, COUNT);
    assert_int_equal(pp_read(streams[0].server, &reads[0], bytes, 1), PP_ECLOSED);
    assert_int_equal(pp_port_post(port, 0, 0, &post), PP_ECLOSED);
    for (int i = 0; i < COUNT; i++)
        streams_close(&streams[i]);
    pp_port_close(port);
    EVENTUALLY(ppi_process_handles() == before); /* a ring's thread may be the last to leave it */
}

/* What the key points to lives as long as packets can come: the account is settled before the
 * close, for the handle itself goes with its last packet. */
static void row_08_what_a_key_points_to_is_freed_with_the_last_packet(void **state)
{
    enum { OPS = 3 };
    uint32_t *account = malloc(sizeof *account);
    struct streams streams;
    pp_op ops[OPS] = { PP_OP_INIT };
    char bytes[OPS];
    pp_packet packet;
    pp_port *port;

    (void)state;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    streams_open(&streams);
    assert_int_equal(pp_port_attach(port, streams.server, (uintptr_t)account), PP_OK);
    for (int i = 0; i < OPS; i++)
        assert_int_equal(pp_read(streams.server, &ops[i], &bytes[i], 1), PP_PENDING);
    *account = pp_handle_outstanding(streams.server);
    assert_int_equal(*account, OPS);
    assert_int_equal(pp_close(streams.server), PP_OK);
    streams.server = NULL;
    for (bool freed = false; !freed;) {
        uint32_t *found = (uint32_t *)next_packet(port).key;

        assert_ptr_equal(found, account);
        if (--*found == 0) {
            free(found);
            freed = true;
        }
    }
    assert_int_equal(pp_port_get(port, &packet, 0), 0);
    streams_close(&streams);
    pp_port_close(port);
}

/* An operation that is waited for is none of the port's packets: it ends though the port is gone
 * for its owner. */
static void row_62_operations_end_though_the_port_was_closed(void **state)
{
    uint64_t before = 0;

    (void)state;
    for (int round = 0; round < 2; round++) {
        struct pair pair;
        pp_op read = PP_OP_INIT;
        char byte = 0;

        if (round == 1) /* the first may leave something of the thread's own */
            before = ppi_process_handles();
        pair_open(&pair, NULL);
        assert_int_equal(pp_op_use_wait(&read), PP_OK);
        assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
        pp_port_close(pair.port);
        write_all(pair.client, "e", 1);
        assert_int_equal(wait_for(&read), PP_OK);
        assert_int_equal(byte, 'e');
        streams_close(&pair.streams);
    }
    EVENTUALLY(ppi_process_handles() == before); /* a ring's thread may be the last to leave it */
}

struct drain {
    struct streams *streams;
    int count;
    atomic_int complete;
};
enum { OWED = 512 * 1024, DEBTORS = 100, PIECES = 8 };

static void read_what_is_owed(void *argument)
{
    struct drain *drain = argument;
    char *bytes = malloc(OWED);

    for (int i = 0; i < drain->count; i++) {
        struct transfer transfer = { drain->streams[i].client, bytes, OWED, 0, false };

        read_transfer(&transfer);
        drain->complete += transfer.done == OWED;
    }
    free(bytes);
}

static void take_all(void *argument)
{
    pp_packet packet;

    while (pp_port_get(argument, &packet, -1) == 1)
        ;
}

static void row_60_draining_shutdown_delivers_what_is_owed(void **state)
{
    static struct streams streams[DEBTORS];
    static pp_op writes[DEBTORS][PIECES];
    struct drain drain = { streams, DEBTORS, 0 };
    struct runner reader, worker;
    char *bytes = calloc(1, OWED);
    pp_port *port;

    (void)state;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    for (int i = 0; i < DEBTORS; i++) {
        streams_open(&streams[i]);
        assert_int_equal(pp_port_attach(port, streams[i].server, 1), PP_OK);
        for (int k = 0; k < PIECES; k++)
            assert_int_equal(pp_write(streams[i].server, &writes[i][k], bytes, OWED / PIECES),
                             PP_PENDING);
    }
    runner_start(&worker, take_all, port);
    runner_start(&reader, read_what_is_owed, &drain);
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_DRAIN, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    runner_join(&worker);
    runner_join(&reader);
    assert_int_equal(drain.complete, DEBTORS);
    for (int i = 0; i < DEBTORS; i++)
        streams_close(&streams[i]);
    pp_port_close(port);
    free(bytes);
}

static void count_ended(void *context, const pp_packet *packet)
{
    *(int *)context += packet->status == PP_OK;
}

/* A packet is owed, too: where nobody takes it, the time is over, and it is discarded. */
static void row_60_draining_shutdown_waits_for_packets_to_be_taken(void **state)
{
    struct pair pair;
    pp_op write = PP_OP_INIT;
    int discarded = 0;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_write(pair.server, &write, "x", 1), PP_PENDING);
    uint64_t begin_ns = ppi_now_ns();
    assert_int_equal(pp_port_shutdown(pair.port, PP_SHUT_DRAIN, 20, count_ended, &discarded),
                     PP_OK);
    assert_true(ppi_now_ns() - begin_ns >= 20 * PPI_NS_PER_MS);
    assert_int_equal(discarded, 1);
    pair_close(&pair);
}

int end_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_08_what_a_key_points_to_is_freed_with_the_last_packet),
        TEST(row_53_cancel_racing_with_data_ends_each_operation_once),
        TEST(row_54_cancel_of_nothing_is_harmless_and_null_means_all),
        TEST(row_54_canceling_the_first_lets_the_next_begin),
        TEST(row_53_after_a_cancel_the_next_operation_is_its_own),
        TEST(row_55_close_ends_every_operation_and_the_peer_sees_it),
        TEST(row_83_closing_a_dial_that_failed_closes_nothing_else),
        TEST(row_56_nothing_starts_on_a_closed_handle),
        TEST(row_57_operations_that_ended_before_the_close_keep_their_result),
        TEST(row_58_a_canceled_write_breaks_the_stream_for_writing),
        TEST(row_59_fast_shutdown_discards_a_thousand_pending_reads),
        TEST(row_60_draining_shutdown_delivers_what_is_owed),
        TEST(row_60_draining_shutdown_waits_for_packets_to_be_taken),
        TEST(row_62_operations_end_though_the_port_was_closed),
    };
    int failures = 0;

    RUN_GROUP(&failures, "cancel, close, shutdown", tests);
    return failures;
}
