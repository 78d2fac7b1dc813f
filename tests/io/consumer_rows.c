/* consumer_rows.c: ports that one thread takes from. What they have in the system's hands, it has;
 * so it gives it back when it leaves, and nothing is lost on the way to the next one. */
#include "io/rows.h"
#include "support/support.h"

static const char one_looks[] = "that there is only one is looked after on Linux only";

static void single_pair_open(struct pair *pair)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    config.flags = PP_PORT_SINGLE_CONSUMER;
    pair_open(pair, &config);
}

/* A thread that takes what is asked of it, and then stays for a while. */
struct consumer {
    pp_port *port;
    struct runner runner;
    int timeout_ms;
    bool detaches;
    pp_packet packet;
    int result;
    atomic_bool taken, may_end;
};

static void consume(void *argument)
{
    struct consumer *consumer = argument;

    consumer->result = pp_port_get(consumer->port, &consumer->packet, consumer->timeout_ms);
    if (consumer->detaches)
        pp_thread_detach();
    consumer->taken = true;
    while (!consumer->may_end)
        ppi_yield();
}

static void consumer_start(struct consumer *consumer, pp_port *port)
{
    consumer->port = port;
    runner_start(&consumer->runner, consume, consumer);
}

static void consumer_end(struct consumer *consumer)
{
    consumer->may_end = true;
    runner_join(&consumer->runner);
}

static void a_second_consumer_is_refused_until_the_first_leaves(void **state)
{
    struct pair pair;
    struct consumer consumer = { .timeout_ms = 0 };
    pp_packet packet;

    (void)state;
    only_on_linux(one_looks);
    single_pair_open(&pair);
    consumer_start(&consumer, pair.port);
    EVENTUALLY(consumer.taken);
    assert_int_equal(consumer.result, 0);
    assert_int_equal(pp_port_get(pair.port, &packet, 0), PP_ESTATE);
    consumer_end(&consumer); /* a thread's end is enough */
    assert_int_equal(pp_port_get(pair.port, &packet, 0), 0);

    struct consumer next = { .detaches = true };
    consumer_start(&next, pair.port);
    EVENTUALLY(next.taken);
    assert_int_equal(next.result, PP_ESTATE);
    consumer_end(&next);
    pair_close(&pair);
}

static void row_14_a_single_consumer_waits_as_long_as_it_was_told(void **state)
{
    struct pair pair;
    pp_packet packet;

    (void)state;
    single_pair_open(&pair);
    for (int i = 0; i < 2; i++) { /* the second time there is nothing to begin with */
        uint64_t begin_ns = ppi_now_ns();
        assert_int_equal(pp_port_get(pair.port, &packet, 100), 0);
        uint64_t took_ms = (ppi_now_ns() - begin_ns) / PPI_NS_PER_MS;
        assert_in_range(took_ms, 90, TEST_SOON_MS);
    }
    pair_close(&pair);
}

static void a_port_of_a_single_consumer_is_not_lent(void **state)
{
    struct pair pair;
    int descriptor;

    (void)state;
    only_on_linux(one_looks);
    single_pair_open(&pair);
    assert_int_equal(pp_port_pollable(pair.port, &descriptor), PP_ESTATE);
    pair_close(&pair);
}

/* Reads of either kind, begun before there is a consumer, while one waits, and after it has left.
 */
static void what_a_consumer_leaves_behind_goes_on_with_the_next(void **state)
{
    enum { ROUNDS = 200 };
    struct pair pair;
    pp_op read = PP_OP_INIT, pooled = PP_OP_INIT;
    char byte = 0;

    (void)state;
    single_pair_open(&pair);
    for (int round = 0; round < ROUNDS; round++) {
        struct consumer consumer = { .timeout_ms = round % 3, .detaches = round % 2 == 0 };

        assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
        assert_int_equal(pp_read_pooled(pair.client, &pooled, 0), PP_PENDING);
        consumer_start(&consumer, pair.port);
        EVENTUALLY(consumer.taken);
        assert_int_equal(consumer.result, 0);
        if (!consumer.detaches)
            consumer_end(&consumer);
        write_all(pair.client, "x", 1);
        assert_ptr_equal(next_packet(pair.port).op, &read);
        assert_int_equal(byte, 'x');
        byte = 0;
        write_all(pair.server, "y", 1);
        assert_ptr_equal(next_packet(pair.port).op, &pooled);
        pp_buffer_release(pooled.buffer);
        pp_thread_detach();
        if (consumer.detaches)
            consumer_end(&consumer);
    }
    pair_close(&pair);
}

/* Every byte of a write that does not fit arrives once and in order, however often the consumer
 * changes while it is under way. */
static void a_write_survives_every_change_of_consumer(void **state)
{
    enum { SIZE = 8 * 1024 * 1024 };
    struct pair pair;
    pp_op write = PP_OP_INIT;
    char *sent = malloc(SIZE);
    struct transfer heard = { .data = malloc(SIZE), .size = SIZE };
    struct runner reader;
    pp_packet packet;
    int got;

    (void)state;
    for (int i = 0; i < SIZE; i++)
        sent[i] = (char)(i * 7 + i / 4096);
    single_pair_open(&pair);
    heard.stream = pair.client;
    assert_int_equal(pp_write(pair.server, &write, sent, SIZE), PP_PENDING);
    assert_int_equal(pp_port_get(pair.port, &packet, 0), 0);
    runner_start(&reader, read_transfer, &heard);
    while ((got = pp_port_get(pair.port, &packet, 1)) == 0)
        pp_thread_detach();
    assert_int_equal(got, 1);
    assert_int_equal(packet.status, PP_OK);
    assert_int_equal(packet.bytes, SIZE);
    runner_join(&reader);
    assert_int_equal(heard.done, SIZE);
    assert_memory_equal(sent, heard.data, SIZE);
    pair_close(&pair);
    free(sent);
    free(heard.data);
}

static void another_thread_ends_the_port_of_a_waiting_consumer(void **state)
{
    struct pair pair;
    struct consumer consumer = { .timeout_ms = -1 };
    pp_op read = PP_OP_INIT, second = PP_OP_INIT, post = PP_OP_INIT;
    char byte;

    (void)state;
    only_on_linux(one_looks);
    single_pair_open(&pair);
    assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
    assert_int_equal(pp_read(pair.server, &second, &byte, 1), PP_PENDING);
    assert_int_equal(pp_port_post(pair.port, 0, 0, &post), PP_OK);
    consumer_start(&consumer, pair.port);
    EVENTUALLY(consumer.taken); /* it has had the post, and the reads have begun */
    consumer.may_end = true;
    assert_int_equal(pp_port_shutdown(pair.port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    runner_join(&consumer.runner);
    pair_close(&pair);
}

/* Nobody takes anything any more: closing alone leaves nothing. */
static void a_consumer_may_close_everything_with_reads_under_way(void **state)
{
    struct pair pair;
    pp_op read = PP_OP_INIT, pooled = PP_OP_INIT, end = PP_OP_INIT;
    pp_packet packet;
    char byte;

    (void)state;
    single_pair_open(&pair); /* what this thread waits with stays */
    pair_close(&pair);
    uint64_t before = ppi_process_handles();
    single_pair_open(&pair);
    assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
    assert_int_equal(pp_read_pooled(pair.client, &pooled, 0), PP_PENDING);
    assert_int_equal(pp_port_get(pair.port, &packet, 0), 0);
    assert_int_equal(pp_cancel(pair.client, &pooled), PP_OK);
    assert_ptr_equal(next_packet(pair.port).op, &pooled);
    assert_int_equal(pp_close(pair.client), PP_OK);
    assert_int_equal(next_packet(pair.port).status,
                     PP_EPEERCLOSED); /* the other side hears at once */
    assert_int_equal(pp_write(pair.server, &end, "x", 1), PP_PENDING);
    assert_int_equal(next_packet(pair.port).status, PP_EPEERCLOSED);
    pair.client = NULL;
    pair_close(&pair);
    EVENTUALLY(ppi_process_handles() == before || !ppi_on_linux());
}

int consumer_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_second_consumer_is_refused_until_the_first_leaves),
        TEST(row_14_a_single_consumer_waits_as_long_as_it_was_told),
        TEST(a_port_of_a_single_consumer_is_not_lent),
        TEST(what_a_consumer_leaves_behind_goes_on_with_the_next),
        TEST(a_write_survives_every_change_of_consumer),
        TEST(another_thread_ends_the_port_of_a_waiting_consumer),
        TEST(a_consumer_may_close_everything_with_reads_under_way),
    };

    return test_group_run("single consumers", tests, PPI_COUNT(tests));
}
