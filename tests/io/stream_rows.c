/* stream_rows.c: the message pump with its buffers, and what a stream does with bytes. */
#include "io/handle.h"
#include "io/rows.h"
#include "support/support.h"

#include "support/count_allocations.h"

static pp_port_stats info_of(pp_port *port)
{
    pp_port_stats stats = { .size = sizeof stats };

    assert_int_equal(pp_port_info(port, &stats), PP_OK);
    return stats;
}

/* One standing read is recycled; nothing is allocated once the pump runs. */
static void row_63_ten_thousand_messages_use_one_read_and_no_memory(void **state)
{
    enum { WARM_UP = 10, COUNT = 10000 };
    struct pair pair;
    pp_op read = PP_OP_INIT, write = PP_OP_INIT;
    uint64_t before = 0;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_read_pooled(pair.server, &read, 0), PP_PENDING);
    for (int i = 0; i < COUNT; i++) {
        if (i == WARM_UP)
            before = allocations_counted();
        assert_int_equal(pp_write(pair.client, &write, &i, sizeof i), PP_PENDING);
        for (int k = 0; k < 2; k++) {
            pp_packet packet = next_packet(pair.port);
            int number;

            assert_int_equal(packet.status, PP_OK);
            if (packet.op == &write)
                continue;
            assert_int_equal(packet.bytes, sizeof number);
            memcpy(&number, read.buffer, sizeof number);
            assert_int_equal(number, i);
            pp_buffer_release(read.buffer);
            assert_int_equal(pp_read_pooled(pair.server, &read, 0), PP_PENDING);
        }
    }
    assert_int_equal(allocations_counted(), before);
    pair_close(&pair);
    if (before == 0) {
        print_message("# row 63: this linker cannot wrap malloc: nothing was counted\n");
        skip();
    }
}

static void release_discarded(void *context, const pp_packet *packet)
{
    (void)context;
    pp_buffer_release(packet->op->buffer);
}

static void row_64_every_buffer_is_back_after_shutdown(void **state)
{
    enum { STREAMS = 20 };
    pp_port_config config = PP_PORT_CONFIG_INIT;
    struct streams streams[STREAMS];
    pp_op reads[STREAMS] = { PP_OP_INIT };
    pp_port *port;

    (void)state;
    config.pool_count = 4;
    config.pool_bytes = 100;
    assert_int_equal(pp_port_open(&port, &config), PP_OK);
    for (int i = 0; i < STREAMS; i++) {
        streams_open(&streams[i]);
        assert_int_equal(pp_port_attach(port, streams[i].server, (uintptr_t)i), PP_OK);
        assert_int_equal(pp_read_pooled(streams[i].server, &reads[i], 0), PP_PENDING);
    }
    assert_int_equal(info_of(port).pool_count - info_of(port).pool_free, 0); /* idle: holds none */
    for (int i = 0; i < STREAMS; i++)
        write_all(streams[i].client, "data", 4);
    for (int i = 0; i < STREAMS / 2; i++) { /* half are handled, half are still to come */
        pp_packet packet = next_packet(port);

        assert_int_equal(packet.bytes, 4);
        pp_buffer_release(packet.op->buffer);
    }
    assert_in_range(info_of(port).pool_count, 1, 4);
    assert_int_equal(
        pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, release_discarded, NULL), PP_OK);
    assert_int_equal(info_of(port).pool_free, info_of(port).pool_count);
    for (int i = 0; i < STREAMS; i++)
        streams_close(&streams[i]);
    pp_port_close(port);
}

static void row_65_reads_wait_for_a_buffer_in_order_and_none_fails(void **state)
{
    enum { STREAMS = 6, CANCELED = 3 };
    static const int served_later[] = { 2, 4, 5 };
    pp_port_config config = PP_PORT_CONFIG_INIT;
    struct streams streams[STREAMS];
    pp_op reads[STREAMS] = { PP_OP_INIT };
    pp_packet packet;
    pp_port *port;
    void *buffers[5];

    (void)state;
    config.pool_count = 2;
    assert_int_equal(pp_port_open(&port, &config), PP_OK);
    for (int i = 0; i < STREAMS; i++) {
        streams_open(&streams[i]);
        assert_int_equal(pp_port_attach(port, streams[i].server, (uintptr_t)i), PP_OK);
        write_all(streams[i].client, "data", 4);
        assert_int_equal(pp_read_pooled(streams[i].server, &reads[i], 0), PP_PENDING);
    }
    for (int i = 0; i < 2; i++) {
        packet = next_packet(port);
        assert_int_equal(packet.key, i);
        buffers[i] = packet.op->buffer;
    }
    assert_int_equal(pp_port_get(port, &packet, 0), 0); /* the others wait */
    assert_int_equal(pp_cancel(streams[CANCELED].server, &reads[CANCELED]), PP_OK);
    assert_int_equal(next_packet(port).status, PP_ECANCELED);
    for (int i = 0; i < 3; i++) {
        pp_buffer_release(buffers[i]);
        packet = next_packet(port);
        assert_int_equal(packet.key, served_later[i]);
        assert_int_equal(packet.bytes, 4);
        buffers[i + 2] = packet.op->buffer;
    }
    pp_buffer_release(buffers[3]);
    pp_buffer_release(buffers[4]);
    for (int i = 0; i < STREAMS; i++)
        streams_close(&streams[i]);
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    pp_port_close(port);
}

static void release_later(void *buffer)
{
    ppi_sleep_ms(30); /* the other thread most likely waits by now; the test holds either way */
    pp_buffer_release(buffer);
}

static void row_65_a_read_that_is_waited_for_gets_its_buffer_too(void **state)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;
    struct pair pair;
    struct runner runner;
    pp_op first = PP_OP_INIT, second = PP_OP_INIT;

    (void)state;
    config.pool_count = 1;
    pair_open(&pair, &config);
    write_all(pair.client, "one", 3);
    assert_int_equal(pp_read_pooled(pair.server, &first, 0), PP_PENDING);
    assert_ptr_equal(next_packet(pair.port).op, &first);
    write_all(pair.client, "two", 3);
    assert_int_equal(pp_op_use_wait(&second), PP_OK);
    assert_int_equal(pp_read_pooled(pair.server, &second, 0), PP_PENDING);
    assert_int_equal(pp_op_wait(&second, 10), 0);
    runner_start(&runner, release_later, first.buffer);
    assert_int_equal(wait_for(&second), PP_OK);
    runner_join(&runner);
    assert_memory_equal(second.buffer, "two", 3);
    pp_buffer_release(second.buffer);
    pair_close(&pair);
}

static void row_65_canceling_a_write_leaves_a_read_waiting_for_its_buffer(void **state)
{
    enum { SIZE = 4 * 1024 * 1024 };
    pp_port_config config = PP_PORT_CONFIG_INIT;
    struct pair pair;
    pp_op first = PP_OP_INIT, second = PP_OP_INIT, write = PP_OP_INIT;
    pp_packet packet;
    char *large = calloc(1, SIZE);

    (void)state;
    config.pool_count = 1;
    pair_open(&pair, &config);
    write_all(pair.client, "one", 3);
    assert_int_equal(pp_read_pooled(pair.server, &first, 0), PP_PENDING);
    assert_ptr_equal(next_packet(pair.port).op, &first);
    write_all(pair.client, "two", 3);
    assert_int_equal(pp_read_pooled(pair.server, &second, 0), PP_PENDING);
    assert_int_equal(pp_write(pair.server, &write, large, SIZE), PP_PENDING);
    assert_int_equal(pp_port_get(pair.port, &packet, 0), 0); /* it is known to be there: no event */
    assert_int_equal(pp_cancel(pair.server, &write), PP_OK);
    packet = next_packet(pair.port);
    assert_ptr_equal(packet.op, &write);
    assert_int_equal(packet.status, PP_ECANCELED);
    pp_buffer_release(first.buffer);
    packet = next_packet(pair.port);
    assert_ptr_equal(packet.op, &second);
    assert_int_equal(packet.bytes, 3);
    pp_buffer_release(second.buffer);
    pair_close(&pair);
    free(large);
}

/* A large write ends as one packet with the full count, and not before its rest fits. */
static void row_66_a_large_write_is_one_packet_at_its_end(void **state)
{
    enum { SIZE = 16 * 1024 * 1024, SLACK = 1024 * 1024 };
    struct pair pair;
    pp_op write = PP_OP_INIT;
    pp_packet packet;
    char *sent = malloc(SIZE), *got = malloc(SIZE);

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (char)(i * 31 >> 3);
    pair_open(&pair, NULL);
    assert_int_equal(pp_write(pair.server, &write, sent, SIZE), PP_PENDING);
    struct runner runner;
    struct transfer transfer = { pair.client, got, SIZE - SLACK, 0, false };
    runner_start(&runner, read_transfer, &transfer);
    while (!transfer.over)
        assert_int_equal(pp_port_get(pair.port, &packet, 5), 0);
    runner_join(&runner);
    transfer = (struct transfer){ pair.client, got + SIZE - SLACK, SLACK, 0, false };
    runner_start(&runner, read_transfer, &transfer);
    packet = next_packet(pair.port);
    runner_join(&runner);
    assert_ptr_equal(packet.op, &write);
    assert_int_equal(packet.status, PP_OK);
    assert_int_equal(packet.bytes, SIZE);
    assert_int_equal(transfer.done, SLACK);
    assert_memory_equal(got, sent, SIZE);
    assert_int_equal(pp_port_get(pair.port, &packet, 0), 0);
    pair_close(&pair);
    free(sent);
    free(got);
}

static void row_67_reads_end_as_soon_as_a_byte_is_there(void **state)
{
    enum { SIZE = 1024 * 1024, PIECE = 4096, SLOW = 300 };
    struct pair pair;
    pp_op read = PP_OP_INIT;
    char *sent = malloc(SIZE), *got = malloc(SIZE);
    size_t done = 0;

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (char)(i ^ i >> 8);
    pair_open(&pair, NULL);
    struct runner runner;
    struct transfer transfer = { pair.client, sent, SIZE, 0, false };
    runner_start(&runner, write_transfer, &transfer);
    while (done < SIZE) {
        assert_int_equal(pp_read(pair.server, &read, got + done, PIECE), PP_PENDING);
        pp_packet packet = next_packet(pair.port);
        assert_in_range(packet.bytes, 1, PIECE);
        done += (size_t)packet.bytes;
    }
    runner_join(&runner);
    assert_memory_equal(got, sent, SIZE);
    for (int i = 0; i < SLOW; i++) { /* byte by byte */
        write_all(pair.client, sent + i, 1);
        assert_int_equal(pp_read(pair.server, &read, got, PIECE), PP_PENDING);
        assert_int_equal(next_packet(pair.port).bytes, 1);
        assert_int_equal(got[0], sent[i]);
    }
    pair_close(&pair);
    free(sent);
    free(got);
}

static void row_68_a_write_ends_though_nobody_reads(void **state)
{
    struct pair pair;
    pp_op write = PP_OP_INIT;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_write(pair.server, &write, "never read", 10), PP_PENDING);
    assert_int_equal(next_packet(pair.port).status, PP_OK);
    pair_close(&pair);
}

static void row_69_many_small_writes_queue_and_none_is_lost(void **state)
{
    enum { COUNT = 1000 };
    static pp_op writes[COUNT];
    static char sent[COUNT], got[COUNT];
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL);
    for (int i = 0; i < COUNT; i++) {
        sent[i] = (char)i;
        assert_int_equal(pp_write(pair.server, &writes[i], &sent[i], 1), PP_PENDING);
    }
    for (int done = 0, read = 0; done < COUNT;) {
        pp_packet packet;

        while (pp_port_get(pair.port, &packet, 0) == 1) {
            assert_ptr_equal(packet.op, &writes[done]);
            assert_int_equal(packet.status, PP_OK);
            done++;
        }
        for (; read < done; read++)
            assert_true(read_all(pair.client, &got[read], 1));
    }
    assert_memory_equal(got, sent, COUNT);
    pair_close(&pair);
}

static void row_70_queued_writes_neither_interleave_nor_overtake(void **state)
{
    enum { COUNT = 64, SIZE = 300 * 1024 };
    static pp_op writes[COUNT];
    struct pair pair;
    char *sent = malloc((size_t)COUNT * SIZE), *got = malloc((size_t)COUNT * SIZE);

    (void)state;
    pair_open(&pair, NULL);
    for (int i = 0; i < COUNT; i++) {
        memset(sent + (size_t)i * SIZE, i, SIZE);
        assert_int_equal(pp_write(pair.server, &writes[i], sent + (size_t)i * SIZE, SIZE),
                         PP_PENDING);
    }
    struct runner runner;
    struct transfer transfer = { pair.client, got, (size_t)COUNT * SIZE, 0, false };
    runner_start(&runner, read_transfer, &transfer);
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(next_packet(pair.port).op, &writes[i]);
    runner_join(&runner);
    assert_int_equal(transfer.done, (size_t)COUNT * SIZE);
    assert_int_equal(memcmp(got, sent, (size_t)COUNT * SIZE), 0);
    pair_close(&pair);
    free(sent);
    free(got);
}

/* Writes three pieces, of which the second has size bytes. */
static void gather(size_t size)
{
    struct pair pair;
    pp_op write = PP_OP_INIT;
    char *middle = malloc(size), *got = malloc(size + 8);

    memset(middle, 'M', size);
    const pp_piece pieces[] = { { "head", 4 }, { middle, size }, { "tail", 4 } };
    pair_open(&pair, NULL);
    assert_int_equal(pp_write_gather(pair.server, &write, pieces, 0), PP_EINVAL);
    assert_int_equal(pp_write_gather(pair.server, &write, NULL, 1), PP_EINVAL);
    assert_int_equal(pp_write_gather(pair.server, &write, pieces, 3), PP_PENDING);
    struct runner runner;
    struct transfer transfer = { pair.client, got, size + 8, 0, false };
    runner_start(&runner, read_transfer, &transfer);
    assert_int_equal(next_packet(pair.port).bytes, size + 8);
    runner_join(&runner);
    assert_memory_equal(got, "head", 4);
    assert_memory_equal(got + 4, middle, size);
    assert_memory_equal(got + 4 + size, "tail", 4);
    pair_close(&pair);
    free(middle);
    free(got);
}

static void row_70_a_gathered_write_is_one_write(void **state)
{
    (void)state;
    gather(700 * 1024);
}

static void row_70_a_gathered_write_of_a_few_bytes_is_one_write(void **state)
{
    (void)state;
    gather(3);
}

static void row_76_77_empty_transfers_are_refused(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT;
    char byte;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_read(pair.server, &op, &byte, 0), PP_EINVAL);
    assert_int_equal(pp_read(pair.server, &op, NULL, 1), PP_EINVAL);
    assert_int_equal(pp_write(pair.server, &op, &byte, 0), PP_EINVAL);
    assert_int_equal(pp_write(pair.server, &op, NULL, 1), PP_EINVAL);
    assert_int_equal(pp_accept(pair.server, &op, &pair.server), PP_ESTATE);
    assert_int_equal(pp_read(pair.streams.listener, &op, &byte, 1), PP_ESTATE);
    pair_close(&pair);
}

static void row_78_the_end_comes_after_the_data_and_stays(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT;
    char text[16];

    (void)state;
    pair_open(&pair, NULL);
    write_all(pair.server, "unread", 6); /* the peer closes with this unread */
    write_all(pair.client, "12345", 5);
    pp_close(pair.client);
    pair.client = NULL;
    assert_int_equal(pp_read(pair.server, &op, text, sizeof text), PP_PENDING);
    assert_int_equal(next_packet(pair.port).status, PP_OK);
    assert_int_equal(op.bytes, 5);
    assert_memory_equal(text, "12345", 5);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pp_read(pair.server, &op, text, sizeof text), PP_PENDING);
        assert_int_equal(next_packet(pair.port).status, PP_EPEERCLOSED);
        assert_int_equal(op.bytes, 0);
    }
    pair_close(&pair);
}

/* Of both a port hears at once, and a second time of none. */
static void row_78_the_end_may_come_with_the_last_bytes(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT;
    char text[16];

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_read(pair.server, &op, text, sizeof text), PP_PENDING);
    write_all(pair.client, "12345", 5);
    pp_close(pair.client);
    pair.client = NULL;
    assert_int_equal(next_packet(pair.port).status, PP_OK);
    assert_int_equal(op.bytes, 5);
    assert_int_equal(pp_read(pair.server, &op, text, sizeof text), PP_PENDING);
    assert_int_equal(next_packet(pair.port).status, PP_EPEERCLOSED);
    assert_int_equal(op.bytes, 0);
    pair_close(&pair);
}

static void row_87_each_end_knows_who_is_at_the_other(void **state)
{
    struct streams streams;
    pp_handle *ends[2];
    pp_peer peer = { 0 };
    char byte;

    (void)state;
    streams_open(&streams);
    ends[0] = streams.client;
    ends[1] = streams.server;
    write_all(streams.client, "x", 1); /* on Windows a client is known after its first byte */
    assert_true(read_all(streams.server, &byte, 1));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pp_peer_get(ends[i], &peer), PP_EINVAL); /* no size */
        peer.size = sizeof peer;
        assert_int_equal(pp_peer_get(ends[i], &peer), PP_OK);
        assert_true(peer.flags & (PP_PEER_UID | PP_PEER_SID));
        if (peer.flags & PP_PEER_PID)
            assert_int_equal(peer.pid, ppi_process_id());
        peer.size = 0;
    }
    peer.size = sizeof peer;
    assert_int_equal(pp_peer_get(streams.listener, &peer), PP_ESTATE);
    streams_close(&streams);
}

static void row_83_a_connected_stream_keeps_nothing_of_its_dial(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL);
    assert_null(pair.client->dial);
    pair_close(&pair);
}

int stream_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_63_ten_thousand_messages_use_one_read_and_no_memory),
        TEST(row_64_every_buffer_is_back_after_shutdown),
        TEST(row_65_reads_wait_for_a_buffer_in_order_and_none_fails),
        TEST(row_65_a_read_that_is_waited_for_gets_its_buffer_too),
        TEST(row_65_canceling_a_write_leaves_a_read_waiting_for_its_buffer),
        TEST(row_66_a_large_write_is_one_packet_at_its_end),
        TEST(row_67_reads_end_as_soon_as_a_byte_is_there),
        TEST(row_68_a_write_ends_though_nobody_reads),
        TEST(row_69_many_small_writes_queue_and_none_is_lost),
        TEST(row_70_queued_writes_neither_interleave_nor_overtake),
        TEST(row_70_a_gathered_write_is_one_write),
        TEST(row_70_a_gathered_write_of_a_few_bytes_is_one_write),
        TEST(row_76_77_empty_transfers_are_refused),
        TEST(row_87_each_end_knows_who_is_at_the_other),
        TEST(row_78_the_end_comes_after_the_data_and_stays),
        TEST(row_78_the_end_may_come_with_the_last_bytes),
        TEST(row_83_a_connected_stream_keeps_nothing_of_its_dial),
    };
    int failures = 0;

    RUN_GROUP(&failures, "streams", tests);
    return failures;
}
