/* buffer_rows.c: the pool of buffers: who holds one, and how reads wait when there is none. */
#include "io/rows.h"
#include "support/support.h"

enum { STREAMS_MAX = 20 };

/* Some streams whose servers' ends are on one port; the key is the number. */
struct basin {
    pp_port *port;
    int count;
    struct streams streams[STREAMS_MAX];
    pp_op reads[STREAMS_MAX];
};

static pp_port_stats info_of(pp_port *port)
{
    pp_port_stats stats = { .size = sizeof stats };

    assert_int_equal(pp_port_info(port, &stats), PP_OK);
    return stats;
}

static uint32_t in_use(pp_port *port)
{
    pp_port_stats stats = info_of(port);

    return stats.pool_count - stats.pool_free;
}

static void basin_open(struct basin *basin, int count, uint32_t pool_count)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    memset(basin, 0, sizeof *basin);
    config.pool_count = pool_count;
    config.pool_bytes = 100;
    config.flags = test_single_consumers ? PP_PORT_SINGLE_CONSUMER : 0;
    assert_int_equal(pp_port_open(&basin->port, &config), PP_OK);
    basin->count = count;
    for (int i = 0; i < count; i++) {
        streams_open(&basin->streams[i]);
        assert_int_equal(pp_port_attach(basin->port, basin->streams[i].server, (uintptr_t)i),
                         PP_OK);
    }
}

static void basin_close(struct basin *basin)
{
    for (int i = 0; i < basin->count; i++)
        streams_close(&basin->streams[i]);
    assert_int_equal(pp_port_shutdown(basin->port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    assert_int_equal(in_use(basin->port), 0);
    pp_port_close(basin->port);
}

static void start_read(struct basin *basin, int number)
{
    assert_int_equal(pp_read_pooled(basin->streams[number].server, &basin->reads[number], 0),
                     PP_PENDING);
}

static void send(struct basin *basin, int number, const char *text)
{
    write_all(basin->streams[number].client, text, strlen(text));
}

/* The next packet is that stream's, with this text; its buffer, to be released. */
static void *take(struct basin *basin, int number, const char *text)
{
    pp_packet packet = next_packet(basin->port);

    assert_int_equal(packet.key, number);
    assert_int_equal(packet.status, PP_OK);
    assert_int_equal(packet.bytes, strlen(text));
    assert_memory_equal(packet.op->buffer, text, strlen(text));
    return packet.op->buffer;
}

static void take_end(struct basin *basin, int number, int status)
{
    pp_packet packet = next_packet(basin->port);

    assert_int_equal(packet.key, number);
    assert_int_equal(packet.status, status);
    assert_null(packet.op->buffer);
}

/* What has come already is seen, and is no packet. */
static void take_nothing(struct basin *basin)
{
    pp_packet packet;

    assert_int_equal(pp_port_get(basin->port, &packet, 0), 0);
}

/* The first stream has the only buffer. */
static void *basin_open_drained(struct basin *basin, int count)
{
    basin_open(basin, count, 1);
    send(basin, 0, "first");
    start_read(basin, 0);
    return take(basin, 0, "first");
}

/* --- 64: who holds a buffer ---------------------------------------------------------------------
 */

/* A stream without data, one with data that nobody asks for, one whose reads were canceled, and one
 * whose first buffer was not recycled, for its second. */
static void row_64_who_has_nothing_to_hand_over_holds_no_buffer(void **state)
{
    enum { IDLE, UNASKED, CANCELED, KEPT, STREAMS };
    struct basin basin;
    pp_op second = PP_OP_INIT;

    (void)state;
    basin_open(&basin, STREAMS, 8);
    start_read(&basin, IDLE);
    send(&basin, UNASKED, "not asked for");
    start_read(&basin, CANCELED);
    assert_int_equal(pp_cancel(basin.streams[CANCELED].server, NULL), PP_OK);
    take_end(&basin, CANCELED, PP_ECANCELED);
    assert_int_equal(in_use(basin.port), 0);

    start_read(&basin, KEPT);
    assert_int_equal(pp_read_pooled(basin.streams[KEPT].server, &second, 0), PP_PENDING);
    take_nothing(&basin);
    assert_int_equal(in_use(basin.port), 0);
    send(&basin, KEPT, "kept");
    void *buffer = take(&basin, KEPT, "kept");
    take_nothing(&basin);
    assert_int_equal(in_use(basin.port), 1);
    pp_close(basin.streams[KEPT].server); /* with the second read in flight, and the buffer out */
    basin.streams[KEPT].server = NULL;
    take_end(&basin, KEPT, PP_ECANCELED);
    assert_int_equal(in_use(basin.port), 1);
    pp_buffer_release(buffer);
    assert_int_equal(in_use(basin.port), 0);
    basin_close(&basin);
}

/* Packets that nobody took, and no discard: nobody else could give their buffers back. */
static void row_64_what_nobody_took_gives_its_buffer_back_at_the_end(void **state)
{
    enum { STREAMS = 6 };
    struct basin basin;

    (void)state;
    basin_open(&basin, STREAMS, 4);
    for (int i = 0; i < STREAMS; i++) {
        send(&basin, i, "data");
        start_read(&basin, i);
    }
    EVENTUALLY(in_use(basin.port) == 4); /* the other two wait */
    assert_int_equal(pp_port_shutdown(basin.port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    assert_int_equal(in_use(basin.port), 0);
    for (int i = 0; i < STREAMS; i++)
        assert_null(basin.reads[i].buffer);
    basin_close(&basin);
}

static void row_64_the_buffer_that_came_back_last_is_used_next(void **state)
{
    struct basin basin;
    void *buffers[2];

    (void)state;
    basin_open(&basin, 3, 4);
    for (int i = 0; i < 2; i++) {
        send(&basin, i, "data");
        start_read(&basin, i);
        buffers[i] = take(&basin, i, "data");
    }
    pp_buffer_release(buffers[0]);
    pp_buffer_release(buffers[1]);
    send(&basin, 2, "warm");
    start_read(&basin, 2);
    assert_ptr_equal(take(&basin, 2, "warm"), buffers[1]);
    assert_int_equal(info_of(basin.port).pool_count, 2);
    pp_buffer_release(buffers[1]);
    pp_buffer_release(NULL);
    basin_close(&basin);
}

static void row_64_buffers_have_the_size_and_the_number_that_was_asked_for(void **state)
{
    static char sent[250];
    pp_port_config config = PP_PORT_CONFIG_INIT;
    struct basin basin;
    pp_port *port;

    (void)state;
    config.pool_count = 65537;
    assert_int_equal(pp_port_open(&port, &config), PP_EINVAL);
    config.pool_count = 65536;
    config.pool_bytes = 16 * 1024 * 1024 + 1;
    assert_int_equal(pp_port_open(&port, &config), PP_EINVAL);
    config.pool_bytes--;
    assert_int_equal(pp_port_open(&port, &config), PP_OK); /* none is made before it is needed */
    assert_int_equal(info_of(port).pool_count, 0);
    pp_port_close(port);

    static const size_t asked[] = { 0, 1000, 7 }, got[] = { 100, 100, 7 };
    basin_open(&basin, 1, 1); /* of 100 bytes */
    write_all(basin.streams[0].client, sent, sizeof sent);
    for (size_t i = 0; i < PPI_COUNT(asked); i++) {
        assert_int_equal(pp_read_pooled(basin.streams[0].server, &basin.reads[0], asked[i]),
                         PP_PENDING);
        pp_packet packet = next_packet(basin.port);
        assert_int_equal(packet.bytes, got[i]);
        pp_buffer_release(packet.op->buffer);
    }
    basin_close(&basin);
}

/* --- 65: the pool is exhausted ------------------------------------------------------------------
 */

/* It has started to read first, but has nothing to read when the other has. */
static void row_65_who_has_no_data_does_not_stand_in_line(void **state)
{
    enum { HOLDER, IDLE, EAGER, STREAMS };
    struct basin basin;
    void *buffer;

    (void)state;
    buffer = basin_open_drained(&basin, STREAMS);
    start_read(&basin, IDLE);
    take_nothing(&basin);
    send(&basin, EAGER, "eager");
    start_read(&basin, EAGER);
    send(&basin, IDLE, "late");
    take_nothing(&basin);
    pp_buffer_release(buffer);
    buffer = take(&basin, EAGER, "eager");
    take_nothing(&basin);
    pp_buffer_release(buffer);
    pp_buffer_release(take(&basin, IDLE, "late"));
    basin_close(&basin);
}

static void row_65_the_end_of_a_stream_needs_no_buffer(void **state)
{
    enum { HOLDER, EMPTY, FULL, STREAMS };
    struct basin basin;
    void *buffer;

    (void)state;
    buffer = basin_open_drained(&basin, STREAMS);
    send(&basin, FULL, "last words");
    start_read(&basin, FULL);
    start_read(&basin, EMPTY);
    for (int i = EMPTY; i < STREAMS; i++) {
        pp_close(basin.streams[i].client);
        basin.streams[i].client = NULL;
    }
    take_end(&basin, EMPTY, PP_EPEERCLOSED);
    take_nothing(&basin); /* what was written before the end does */
    pp_buffer_release(buffer);
    buffer = take(&basin, FULL, "last words");
    start_read(&basin, FULL);
    take_end(&basin, FULL, PP_EPEERCLOSED);
    pp_buffer_release(buffer);
    basin_close(&basin);
}

/* In three ways; who waits before and behind them is served, in the order in which they came. */
static void row_65_a_waiting_read_ends_alone(void **state)
{
    enum { HOLDER, FIRST, CLOSED, SECOND, ABORTED, CANCELED, THIRD, STREAMS };
    static const int ended[] = { CLOSED, ABORTED, CANCELED }, served[] = { FIRST, SECOND, THIRD };
    struct basin basin;
    void *buffer;

    (void)state;
    buffer = basin_open_drained(&basin, STREAMS);
    for (int i = FIRST; i < STREAMS; i++) {
        send(&basin, i, "data");
        start_read(&basin, i);
    }
    pp_close(basin.streams[CLOSED].server);
    basin.streams[CLOSED].server = NULL;
    assert_int_equal(pp_abort(basin.streams[ABORTED].server), PP_OK);
    assert_int_equal(pp_cancel(basin.streams[CANCELED].server, NULL), PP_OK);
    for (size_t i = 0; i < PPI_COUNT(ended); i++)
        take_end(&basin, ended[i], PP_ECANCELED);
    for (size_t i = 0; i < PPI_COUNT(served); i++) {
        take_nothing(&basin);
        pp_buffer_release(buffer);
        buffer = take(&basin, served[i], "data");
    }
    start_read(&basin, CANCELED); /* what it would have read is still there */
    pp_buffer_release(buffer);
    pp_buffer_release(take(&basin, CANCELED, "data"));
    basin_close(&basin);
}

/* Nobody drives it when its turn comes, since who waits for it does something else: so it has been
 * given the buffer, and has not used it, when it ends. */
static void row_65_a_read_that_ends_in_its_turn_passes_the_buffer_on(void **state)
{
    enum { HOLDER, WAITED, CLOSED, NEXT, STREAMS };
    struct basin basin;
    void *buffer;

    (void)state;
    buffer = basin_open_drained(&basin, STREAMS);
    for (int i = WAITED; i < STREAMS; i++) {
        send(&basin, i, "data");
        if (i != NEXT)
            assert_int_equal(pp_op_use_wait(&basin.reads[i]), PP_OK);
        start_read(&basin, i);
    }
    pp_buffer_release(buffer);
    take_nothing(&basin);
    assert_int_equal(pp_cancel(basin.streams[WAITED].server, &basin.reads[WAITED]), PP_OK);
    assert_int_equal(wait_for(&basin.reads[WAITED]), PP_ECANCELED);
    take_nothing(&basin);
    pp_close(basin.streams[CLOSED].server);
    basin.streams[CLOSED].server = NULL;
    assert_int_equal(wait_for(&basin.reads[CLOSED]), PP_ECANCELED);
    pp_buffer_release(take(&basin, NEXT, "data"));
    basin_close(&basin);
}

/* The reads of one stream stay in order, too, when one in their middle is canceled. */
static void row_65_reads_of_one_stream_wait_in_their_order(void **state)
{
    enum { READS = 4, CANCELED = 1 };
    static const char *const pieces[] = { "AA", NULL, "BB", "CC" };
    struct basin basin;
    pp_op reads[READS] = { PP_OP_INIT };

    (void)state;
    void *buffer = basin_open_drained(&basin, 2);
    send(&basin, 1, "AABBCC");
    for (int i = 0; i < READS; i++)
        assert_int_equal(pp_read_pooled(basin.streams[1].server, &reads[i], 2), PP_PENDING);
    assert_int_equal(pp_cancel(basin.streams[1].server, &reads[CANCELED]), PP_OK);
    take_end(&basin, 1, PP_ECANCELED);
    for (int i = 0; i < READS; i++) {
        if (i == CANCELED)
            continue;
        pp_buffer_release(buffer);
        buffer = take(&basin, 1, pieces[i]);
        assert_ptr_equal(buffer, reads[i].buffer);
        take_nothing(&basin);
    }
    pp_buffer_release(buffer);
    basin_close(&basin);
}

static void row_65_shutdown_ends_reads_that_wait(void **state)
{
    enum { STREAMS = 5 };
    struct basin basin;

    (void)state;
    void *buffer = basin_open_drained(&basin, STREAMS);
    for (int i = 1; i < STREAMS; i++) {
        send(&basin, i, "data");
        start_read(&basin, i);
    }
    assert_int_equal(pp_port_shutdown(basin.port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    for (int i = 1; i < STREAMS; i++)
        assert_int_equal(basin.reads[i].status, PP_ECANCELED);
    assert_int_equal(in_use(basin.port), 1);
    pp_buffer_release(buffer); /* nobody waits for it any more */
    assert_int_equal(in_use(basin.port), 0);
    basin_close(&basin);
}

/* --- 65, with threads
 * ----------------------------------------------------------------------------- */

enum { PIPES = 6, MESSAGES = 300, WORKERS = 3, POOL = 2 };

/* Workers read numbered bytes from every pipe, with fewer buffers than there are pipes. */
struct drought {
    struct basin basin;
    struct runner workers[WORKERS], writers[PIPES];
    struct transfer transfers[PIPES];
    char sent[MESSAGES];
    int expected[PIPES]; /* of the one worker that has the pipe's packet */
    atomic_int read, wrong;
};

static void check_bytes(struct drought *drought, int number, const pp_packet *packet)
{
    const char *bytes = packet->op->buffer;

    if (packet->status != PP_OK) {
        drought->wrong++;
        return;
    }
    for (uint64_t i = 0; i < packet->bytes; i++)
        if (bytes[i] != (char)drought->expected[number]++)
            drought->wrong++;
    pp_buffer_release(packet->op->buffer);
    drought->read += (int)packet->bytes;
}

static void work(void *argument)
{
    struct drought *drought = argument;
    pp_packet packet;

    while (pp_port_get(drought->basin.port, &packet, -1) == 1) {
        int number = (int)packet.key;

        check_bytes(drought, number, &packet);
        if (drought->expected[number] < MESSAGES &&
            pp_read_pooled(drought->basin.streams[number].server, packet.op, 3) != PP_PENDING)
            drought->wrong++;
    }
}

static void row_65_nothing_is_lost_while_buffers_are_short(void **state)
{
    static struct drought drought;

    (void)state;
    memset(&drought, 0, sizeof drought);
    for (int i = 0; i < MESSAGES; i++)
        drought.sent[i] = (char)i;
    basin_open(&drought.basin, PIPES, POOL);
    for (int i = 0; i < PIPES; i++)
        start_read(&drought.basin, i);
    int workers = test_single_consumers ? 1 : WORKERS;
    for (int i = 0; i < workers; i++)
        runner_start(&drought.workers[i], work, &drought);
    for (int i = 0; i < PIPES; i++) {
        drought.transfers[i] =
            (struct transfer){ drought.basin.streams[i].client, drought.sent, MESSAGES, 0, false };
        runner_start(&drought.writers[i], write_transfer, &drought.transfers[i]);
    }
    EVENTUALLY(drought.read == PIPES * MESSAGES);
    for (int i = 0; i < PIPES; i++)
        runner_join(&drought.writers[i]);
    assert_int_equal(drought.wrong, 0);
    assert_int_equal(in_use(drought.basin.port), 0);
    assert_in_range(info_of(drought.basin.port).pool_count, 1, POOL);
    assert_int_equal(
        pp_port_shutdown(drought.basin.port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    for (int i = 0; i < workers; i++)
        runner_join(&drought.workers[i]);
    basin_close(&drought.basin);
}

int buffer_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_64_who_has_nothing_to_hand_over_holds_no_buffer),
        TEST(row_64_what_nobody_took_gives_its_buffer_back_at_the_end),
        TEST(row_64_the_buffer_that_came_back_last_is_used_next),
        TEST(row_64_buffers_have_the_size_and_the_number_that_was_asked_for),
        TEST(row_65_who_has_no_data_does_not_stand_in_line),
        TEST(row_65_the_end_of_a_stream_needs_no_buffer),
        TEST(row_65_a_waiting_read_ends_alone),
        TEST(row_65_a_read_that_ends_in_its_turn_passes_the_buffer_on),
        TEST(row_65_reads_of_one_stream_wait_in_their_order),
        TEST(row_65_shutdown_ends_reads_that_wait),
        TEST(row_65_nothing_is_lost_while_buffers_are_short),
    };
    int failures = 0;

    RUN_GROUP(&failures, "buffers", tests);
    return failures;
}
