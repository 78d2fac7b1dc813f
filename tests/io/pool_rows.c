/* pool_rows.c: pools in which handlers block, and which threads leave. */
#include "io/rows.h"
#include "support/support.h"

enum { THREADS = 10, STRIP = 1, GATE = 2, COUNT = 3, HOLD = 4 };

/* Some threads that take from one port; what they do with a packet its key says. */
struct pool {
    pp_port *port;
    int count;
    struct runner runners[THREADS];
    atomic_int counted, blocked; /* packets with COUNT; handlers that wait at the gate */
    atomic_int passed, held;     /* that went on behind it; that do not block until they may go */
    atomic_bool gate_open, may_go;
    atomic_int stage, reached; /* of the handler that goes from bracket to bracket */
    atomic_int seen;           /* counted, when it ended */
};

static void open_port(struct pool *pool, uint32_t concurrency)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    memset(pool, 0, sizeof *pool);
    config.concurrency = concurrency;
    assert_int_equal(pp_port_open(&pool->port, &config), PP_OK);
}

static pp_port_stats info_of(const struct pool *pool)
{
    pp_port_stats stats = { .size = sizeof stats };

    assert_int_equal(pp_port_info(pool->port, &stats), PP_OK);
    return stats;
}

static void reach(struct pool *pool, int stage)
{
    pool->reached = stage;
    while (pool->stage < stage)
        ppi_sleep_ms(1);
}

/* Two brackets, one in the other. */
static void go_through_brackets(struct pool *pool)
{
    pp_blocking_begin();
    pp_blocking_begin();
    reach(pool, 1);
    pp_blocking_end();
    reach(pool, 2);
    pp_blocking_end();
    reach(pool, 3);
    pool->seen = pool->counted;
}

static void wait_at_the_gate(struct pool *pool)
{
    pp_blocking_begin();
    pool->blocked++;
    while (!pool->gate_open)
        ppi_sleep_ms(1);
    pp_blocking_end();
    pool->passed++;
}

static void hold_the_slot(struct pool *pool)
{
    pool->held++;
    while (!pool->may_go)
        ppi_yield(); /* who sleeps does not count everywhere */
}

static void run(void *argument)
{
    struct pool *pool = argument;
    pp_packet packet;

    while (pp_port_get(pool->port, &packet, -1) == 1) {
        if (packet.key == STRIP)
            go_through_brackets(pool);
        else if (packet.key == GATE)
            wait_at_the_gate(pool);
        else if (packet.key == HOLD)
            hold_the_slot(pool);
        else
            pool->counted++;
    }
}

static void pool_open(struct pool *pool, int count, uint32_t concurrency)
{
    open_port(pool, concurrency);
    pool->count = count;
    for (int i = 0; i < count; i++)
        runner_start(&pool->runners[i], run, pool);
    EVENTUALLY(info_of(pool).waiting == (uint32_t)count);
}

static void pool_close(struct pool *pool)
{
    assert_int_equal(pp_port_shutdown(pool->port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    for (int i = 0; i < pool->count; i++)
        runner_join(&pool->runners[i]);
    pp_port_close(pool->port);
}

static void post(struct pool *pool, uintptr_t key, pp_op *op)
{
    assert_int_equal(pp_port_post(pool->port, key, 0, op), PP_OK);
}

/* --- brackets --------------------------------------------------------------------------------- */

static void row_28_the_slot_is_away_until_the_outermost_bracket_ends(void **state)
{
    struct pool pool;
    pp_op ops[4] = { PP_OP_INIT };

    (void)state;
    only_on_linux("row 28: brackets tell the port of blocking there only");
    pool_open(&pool, 2, 1);
    post(&pool, STRIP, &ops[0]);
    EVENTUALLY(pool.reached == 1);
    post(&pool, COUNT, &ops[1]);
    EVENTUALLY(pool.counted == 1);
    pool.stage = 1;
    EVENTUALLY(pool.reached == 2);
    post(&pool, COUNT, &ops[2]);
    EVENTUALLY(pool.counted == 2);
    pool.stage = 2;
    EVENTUALLY(pool.reached == 3);
    EVENTUALLY(info_of(&pool).active == 1); /* the other is through with its packet, too */
    post(&pool, COUNT, &ops[3]); /* the handler has its slot again, and there is no other */
    assert_int_equal(info_of(&pool).active, 1);
    assert_int_equal(info_of(&pool).queued, 1);
    ppi_sleep_ms(20); /* would be enough for a worker that should not take it */
    pool.stage = 3;
    EVENTUALLY(pool.counted == 3);
    assert_int_equal(pool.seen, 2);
    pool_close(&pool);
}

static void row_28_brackets_that_are_not_balanced_cost_no_slot(void **state)
{
    struct pool pool;
    pp_op op = PP_OP_INIT;

    (void)state;
    only_on_linux("row 28: how many are active is known there only");
    open_port(&pool, 1);
    pp_blocking_begin(); /* this thread is no worker yet */
    pp_blocking_end();
    assert_int_equal(info_of(&pool).active, 0);
    for (int i = 0; i < 3; i++) {
        pp_packet packet;

        post(&pool, COUNT, &op);
        next_packet(pool.port);
        pp_blocking_end(); /* nothing has begun */
        assert_int_equal(info_of(&pool).active, 1);
        pp_blocking_begin();
        pp_blocking_begin(); /* and neither ends */
        assert_int_equal(info_of(&pool).active, 0);
        assert_int_equal(pp_port_get(pool.port, &packet, 0), 0);
        assert_int_equal(info_of(&pool).active, 0);
    }
    pool_close(&pool);
}

/* No worker took what was to wait. Wine ignores the concurrency value. */
static void nothing_is_counted(const struct pool *pool)
{
    ppi_sleep_ms(20); /* would be enough for one that should not take it */
    assert_true(pool->counted == 0 || ppi_on_wine());
}

/* The other one has the only slot when it goes on: it runs all the same, and takes nothing when it
 * comes back, until the other comes, too. */
static void row_29_who_goes_on_waits_for_no_slot_but_for_the_next_packet(void **state)
{
    struct pool pool;
    pp_op ops[3] = { PP_OP_INIT };

    (void)state;
    exempt_on_wine("row 29: Wine 8 ignores the concurrency value");
    pool_open(&pool, 2, 1);
    post(&pool, GATE, &ops[0]);
    EVENTUALLY(pool.blocked == 1);
    post(&pool, HOLD, &ops[1]);
    EVENTUALLY(pool.held == 1);
    pool.gate_open = true;
    EVENTUALLY(pool.passed == 1);
    EVENTUALLY(info_of(&pool).waiting == 1);
    post(&pool, COUNT, &ops[2]);
    nothing_is_counted(&pool);
    pool.may_go = true;
    EVENTUALLY(pool.counted == 1);
    pool_close(&pool);
}

/* --- pools ------------------------------------------------------------------------------------ */

static void row_30_more_threads_than_slots_serve_handlers_that_block(void **state)
{
    struct pool pool;
    pp_op ops[THREADS] = { PP_OP_INIT };

    (void)state;
    pool_open(&pool, THREADS, 2);
    for (int i = 0; i < THREADS; i++)
        post(&pool, GATE, &ops[i]);
    EVENTUALLY(pool.blocked == THREADS); /* all at once */
    pool.gate_open = true;
    pool_close(&pool);
}

/* However long it blocks: what came before it could end is handled. */
static void row_30_while_a_handler_blocks_all_other_packets_are_handled(void **state)
{
    enum { POSTS = 1000, READS = 1000 };
    static pp_op posts[POSTS];
    struct pool pool;
    struct streams streams;
    pp_op gate = PP_OP_INIT, read = PP_OP_INIT;
    char byte;

    (void)state;
    pool_open(&pool, 2, 1);
    streams_open(&streams);
    assert_int_equal(pp_port_attach(pool.port, streams.server, COUNT), PP_OK);
    post(&pool, GATE, &gate);
    EVENTUALLY(pool.blocked == 1);
    for (int i = 0; i < POSTS; i++)
        post(&pool, COUNT, &posts[i]);
    EVENTUALLY(pool.counted == POSTS);
    for (int i = 0; i < READS; i++) {
        assert_int_equal(pp_read(streams.server, &read, &byte, 1), PP_PENDING);
        write_all(streams.client, "x", 1);
        EVENTUALLY(pool.counted == POSTS + i + 1);
    }
    assert_int_equal(info_of(&pool).outstanding, 0);
    pool.gate_open = true;
    streams_close(&streams);
    pool_close(&pool);
}

/* --- threads that leave ----------------------------------------------------------------------- */

struct leaver {
    struct pool *pool;
    bool detaches; /* and stays */
    atomic_bool has_one, may_leave, may_end;
};

static void take_one_and_leave(void *argument)
{
    struct leaver *leaver = argument;
    pp_packet packet;

    if (pp_port_get(leaver->pool->port, &packet, TEST_PATIENCE_MS) != 1)
        return;
    leaver->has_one = true;
    while (!leaver->may_leave)
        ppi_yield(); /* who sleeps does not count everywhere */
    if (!leaver->detaches)
        return;
    pp_thread_detach();
    while (!leaver->may_end)
        ppi_yield();
}

/* The only slot is that of a thread that handles a packet, and leaves without coming back. */
static void leave(bool detaches)
{
    struct pool pool;
    struct leaver leaver = { .pool = &pool, .detaches = detaches };
    struct runner runner;
    pp_op ops[2] = { PP_OP_INIT };

    open_port(&pool, 1);
    runner_start(&runner, take_one_and_leave, &leaver);
    post(&pool, COUNT, &ops[0]);
    EVENTUALLY(leaver.has_one);
    pool.count = 1;
    runner_start(&pool.runners[0], run, &pool);
    EVENTUALLY(info_of(&pool).waiting == 1);
    post(&pool, COUNT, &ops[1]);
    nothing_is_counted(&pool);
    leaver.may_leave = true;
    EVENTUALLY(pool.counted == 1);
    leaver.may_end = true;
    runner_join(&runner);
    pool_close(&pool);
}

static void row_31_a_thread_that_ends_counts_no_more(void **state)
{
    (void)state;
    leave(false);
}

static void row_31_a_thread_that_detaches_counts_no_more(void **state)
{
    (void)state;
    leave(true);
}

int pool_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_28_the_slot_is_away_until_the_outermost_bracket_ends),
        TEST(row_28_brackets_that_are_not_balanced_cost_no_slot),
        TEST(row_29_who_goes_on_waits_for_no_slot_but_for_the_next_packet),
        TEST(row_30_more_threads_than_slots_serve_handlers_that_block),
        TEST(row_30_while_a_handler_blocks_all_other_packets_are_handled),
        TEST(row_31_a_thread_that_ends_counts_no_more),
        TEST(row_31_a_thread_that_detaches_counts_no_more),
    };
    int failures = 0;

    RUN_GROUP(&failures, "handlers that block, threads that leave", tests);
    return failures;
}
