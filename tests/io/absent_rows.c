/* absent_rows.c: rows that the compiler shows, and what is not offered: there is no function for
 * it, and what a program would take for it behaves as the manual says. */
#include "io/rows.h"
#include "support/support.h"

/* Is the function of exactly this type? */
#define HAS_TYPE(function, ...) _Generic(&(function), __VA_ARGS__ : true, default : false)

static void row_03_compile_time_attaching_takes_no_concurrency_value(void **state)
{
    (void)state;
    _Static_assert(HAS_TYPE(pp_port_attach, int (*)(pp_port *, pp_handle *, uintptr_t)),
                   "the concurrency value is the port's, given when it is opened");
}

static atomic_int called;

static void count_call(pp_op *op)
{
    (void)op;
    called++;
}

/* A read or write takes nothing to be called at its end; what pp_op_use_call names runs where the
 * port's packets are taken, and not on a thread that happens to wait. */
static void row_06_not_offered_nothing_interrupts_a_thread_that_waits(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT, waited = PP_OP_INIT;
    pp_packet packet;
    char bytes[2];

    (void)state;
    _Static_assert(HAS_TYPE(pp_read, int (*)(pp_handle *, pp_op *, void *, size_t)), "no routine");
    _Static_assert(HAS_TYPE(pp_write, int (*)(pp_handle *, pp_op *, const void *, size_t)),
                   "no routine");
    pair_open(&pair, NULL);
    called = 0;
    assert_int_equal(pp_op_use_call(&op, count_call), PP_OK);
    write_all(pair.client, "x", 1);
    assert_int_equal(pp_read(pair.server, &op, bytes, 1), PP_PENDING);
    assert_int_equal(pp_op_use_wait(&waited), PP_OK);
    assert_int_equal(pp_read(pair.server, &waited, bytes + 1, 1), PP_PENDING);
    assert_int_equal(pp_op_wait(&waited, 20), 0);
    assert_int_equal(called, 0);
    assert_int_equal(pp_port_get(pair.port, &packet, 100), 0);
    assert_int_equal(called, 1);
    assert_int_equal(pp_cancel(pair.server, &waited), PP_OK);
    assert_int_equal(wait_for(&waited), PP_ECANCELED);
    pair_close(&pair);
}

static void row_25_not_offered_no_wait_is_alertable(void **state)
{
    (void)state;
    _Static_assert(HAS_TYPE(pp_port_get, int (*)(pp_port *, pp_packet *, int)), "no switch for it");
    _Static_assert(HAS_TYPE(pp_port_get_many, int (*)(pp_port *, pp_packet *, int, int)),
                   "no switch for it");
    _Static_assert(HAS_TYPE(pp_op_wait, int (*)(pp_op *, int)), "no switch for it");
}

/* Whether an operation has ended is asked by taking its packet; until then it is in flight. */
static void row_50_not_offered_an_operation_is_in_flight_until_its_packet_is_taken(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT, fence = PP_OP_INIT;
    char byte;

    (void)state;
    pair_open(&pair, NULL);
    write_all(pair.client, "xy", 2);
    assert_int_equal(pp_read(pair.server, &op, &byte, 1), PP_PENDING); /* ends at once */
    assert_int_equal(pp_port_post(pair.port, 0, 0, &fence), PP_OK);
    assert_int_equal(pp_read(pair.server, &op, &byte, 1), PP_ESTATE);
    assert_int_equal(pp_port_post(pair.port, 0, 0, &op), PP_ESTATE);
    pp_packet packet = next_packet(pair.port);
    bool late = packet.op == &fence;
    if (late) { /* Windows may end a call later that could end at once */
        assert_false(ppi_on_linux());
        assert_int_equal(pp_read(pair.server, &op, &byte, 1), PP_ESTATE);
        packet = next_packet(pair.port);
    }
    assert_ptr_equal(packet.op, &op);
    assert_int_equal(pp_read(pair.server, &op, &byte, 1), PP_PENDING);
    if (!late)
        assert_ptr_equal(next_packet(pair.port).op, &fence);
    assert_ptr_equal(next_packet(pair.port).op, &op);
    assert_int_equal(byte, 'y');
    pair_close(&pair);
}

/* --- no message mode -------------------------------------------------------------------------- */

static pp_packet read_some(struct pair *pair, pp_handle *stream, char *bytes, size_t size)
{
    pp_op op = PP_OP_INIT;

    assert_int_equal(pp_read(stream, &op, bytes, size), PP_PENDING);
    return next_packet(pair->port);
}

static void row_46_not_offered_no_read_fails_because_more_is_there(void **state)
{
    struct pair pair;
    char bytes[4];

    (void)state;
    pair_open(&pair, NULL);
    write_all(pair.client, "0123456789", 10);
    for (int left = 10; left > 0; left -= (int)sizeof bytes) {
        pp_packet packet = read_some(&pair, pair.server, bytes, sizeof bytes);

        assert_int_equal(packet.status, PP_OK);
        assert_int_equal(packet.bytes, left < 4 ? left : 4);
    }
    pair_close(&pair);
}

static void row_71_not_offered_writes_have_no_boundaries(void **state)
{
    struct pair pair;
    char bytes[8];

    (void)state;
    pair_open(&pair, NULL);
    write_all(pair.client, "ab", 2);
    write_all(pair.client, "cd", 2);
    assert_int_equal(read_some(&pair, pair.server, bytes, sizeof bytes).bytes, 4);
    assert_memory_equal(bytes, "abcd", 4);
    pair_close(&pair);
}

static void row_72_not_offered_a_short_buffer_discards_nothing(void **state)
{
    struct pair pair;
    char bytes[8];

    (void)state;
    pair_open(&pair, NULL);
    write_all(pair.client, "abcdef", 6);
    assert_int_equal(read_some(&pair, pair.server, bytes, 2).bytes, 2);
    assert_int_equal(read_some(&pair, pair.server, bytes + 2, sizeof bytes - 2).bytes, 4);
    assert_memory_equal(bytes, "abcdef", 6);
    pair_close(&pair);
}

static void row_73_not_offered_no_write_is_too_large(void **state)
{
    enum { SIZE = 1024 * 1024 }; /* several times what either system would take as one message */
    struct pair pair;
    pp_op write = PP_OP_INIT;
    char *sent = calloc(1, SIZE), *got = malloc(SIZE);

    (void)state;
    pair_open(&pair, NULL);
    struct runner runner;
    struct transfer transfer = { pair.client, got, SIZE, 0, false };
    runner_start(&runner, read_transfer, &transfer);
    assert_int_equal(pp_write(pair.server, &write, sent, SIZE), PP_PENDING);
    pp_packet packet = next_packet(pair.port);
    runner_join(&runner);
    assert_int_equal(packet.status, PP_OK);
    assert_int_equal(packet.bytes, SIZE);
    assert_int_equal(transfer.done, SIZE);
    pair_close(&pair);
    free(sent);
    free(got);
}

static void row_74_not_offered_an_empty_write_is_refused_and_wakes_nobody(void **state)
{
    struct pair pair;
    pp_op read = PP_OP_INIT, write = PP_OP_INIT;
    pp_packet packet;
    char bytes[2];

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_read(pair.server, &read, bytes, sizeof bytes), PP_PENDING);
    assert_int_equal(pp_write(pair.client, &write, "", 0), PP_EINVAL);
    assert_int_equal(pp_port_get(pair.port, &packet, 20), 0);
    write_all(pair.client, "x", 1);
    packet = next_packet(pair.port);
    assert_ptr_equal(packet.op, &read);
    assert_int_equal(packet.bytes, 1);
    pair_close(&pair);
}

/* The client's end reads bytes, as the server's does; a question and its answer are a write and a
 * read, which may be started in any order. */
static void row_75_not_offered_question_and_answer_are_two_operations(void **state)
{
    struct pair pair;
    pp_op answer = PP_OP_INIT;
    char bytes[8];

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_read(pair.client, &answer, bytes, 4), PP_PENDING);
    write_all(pair.client, "?", 1);
    assert_int_equal(read_some(&pair, pair.server, bytes + 7, 1).bytes, 1);
    write_all(pair.server, "answer", 6);
    assert_int_equal(next_packet(pair.port).bytes, 4);
    assert_int_equal(read_some(&pair, pair.client, bytes + 4, 4).bytes, 2);
    assert_memory_equal(bytes, "answer", 6);
    pair_close(&pair);
}

int absent_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_03_compile_time_attaching_takes_no_concurrency_value),
        TEST(row_06_not_offered_nothing_interrupts_a_thread_that_waits),
        TEST(row_25_not_offered_no_wait_is_alertable),
        TEST(row_46_not_offered_no_read_fails_because_more_is_there),
        TEST(row_50_not_offered_an_operation_is_in_flight_until_its_packet_is_taken),
        TEST(row_71_not_offered_writes_have_no_boundaries),
        TEST(row_72_not_offered_a_short_buffer_discards_nothing),
        TEST(row_73_not_offered_no_write_is_too_large),
        TEST(row_74_not_offered_an_empty_write_is_refused_and_wakes_nobody),
        TEST(row_75_not_offered_question_and_answer_are_two_operations),
    };
    int failures = 0;

    RUN_GROUP(&failures, "what there is not", tests);
    return failures;
}
