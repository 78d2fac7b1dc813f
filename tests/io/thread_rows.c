/* thread_rows.c: threads come to a port, leave it, and hand it work. */
#include "io/rows.h"
#include "support/support.h"

enum { CREW = 4 };

static pp_port *open_port(uint32_t concurrency)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;
    pp_port *port;

    config.concurrency = concurrency;
    assert_int_equal(pp_port_open(&port, &config), PP_OK);
    return port;
}

static pp_port_stats info_of(pp_port *port)
{
    pp_port_stats stats = { .size = sizeof stats };

    assert_int_equal(pp_port_info(port, &stats), PP_OK);
    return stats;
}

static uint64_t outstanding(pp_port *port)
{
    return info_of(port).outstanding;
}

static void shut_down(pp_port *port)
{
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
}

/* Takes one packet from the first port, then, when it is told to, waits at the second. */
struct mover {
    pp_port *first, *second;
    atomic_bool has_one, may_move;
};

static void take_and_move(void *argument)
{
    struct mover *mover = argument;
    pp_packet packet;

    mover->has_one = pp_port_get(mover->first, &packet, TEST_PATIENCE_MS) == 1;
    while (!mover->may_move)
        ppi_yield(); /* who sleeps does not count everywhere */
    pp_port_get(mover->second, &packet, TEST_PATIENCE_MS);
}

struct taker {
    pp_port *port;
    atomic_int taken;
};

static void take_all(void *argument)
{
    struct taker *taker = argument;
    pp_packet packet;

    while (pp_port_get(taker->port, &packet, -1) == 1)
        taker->taken++;
}

/* A thread that has taken a packet keeps the only slot until it goes to another port. */
static void row_12_a_thread_leaves_its_port_by_taking_from_another(void **state)
{
    struct mover mover = { open_port(1), open_port(1), false, false };
    struct taker other = { mover.first, 0 };
    struct runner moving, taking;
    pp_op ops[2] = { PP_OP_INIT };

    (void)state;
    runner_start(&moving, take_and_move, &mover);
    assert_int_equal(pp_port_post(mover.first, 1, 0, &ops[0]), PP_OK);
    EVENTUALLY(mover.has_one);
    runner_start(&taking, take_all, &other);
    EVENTUALLY(info_of(mover.first).waiting == 1);
    assert_int_equal(pp_port_post(mover.first, 2, 0, &ops[1]), PP_OK);
    if (!ppi_on_wine()) { /* which ignores the concurrency value */
        ppi_sleep_ms(20); /* would be enough for a worker that should not take it */
        assert_int_equal(other.taken, 0);
    }
    mover.may_move = true;
    EVENTUALLY(other.taken == 1);
    shut_down(mover.second);
    shut_down(mover.first);
    runner_join(&moving);
    runner_join(&taking);
    pp_port_close(mover.second);
    pp_port_close(mover.first);
}

static void row_13_packets_wait_for_the_first_worker(void **state)
{
    enum { COUNT = 100 };
    static pp_op ops[COUNT];
    static char bytes[COUNT];
    struct pair pair;
    struct runner runner;

    (void)state;
    pair_open(&pair, NULL);
    write_all(pair.client, "0123456789012345678901234567890123456789012345678901", COUNT / 2);
    for (int i = 0; i < COUNT; i++) {
        int result = i % 2 == 0 ? pp_read(pair.server, &ops[i], &bytes[i], 1)
                                : pp_write(pair.server, &ops[i], "x", 1);
        assert_int_equal(result, PP_PENDING);
    }
    assert_int_equal(outstanding(pair.port), COUNT);
    struct taker first = { pair.port, 0 };
    runner_start(&runner, take_all, &first);
    EVENTUALLY(first.taken == COUNT);
    assert_int_equal(outstanding(pair.port), 0);
    shut_down(pair.port);
    runner_join(&runner);
    pair_close(&pair);
}

/* --- a pool ------------------------------------------------------------------------------------
 */

/* A message pump: each end sends back what it got, until its share is used up. */
struct pump {
    pp_port *port;
    atomic_int left, ended;
};
struct bouncer {
    struct pump *pump;
    pp_handle *stream;
    pp_op read, write;
    atomic_int ended; /* of the two; with the second it is this end's turn */
    char byte;
};

static void on_packet(const pp_packet *packet)
{
    struct bouncer *bouncer = (struct bouncer *)packet->key;

    if (packet->status != PP_OK || ++bouncer->ended < 2)
        return;
    bouncer->ended = 0;
    if (bouncer->pump->left-- <= 0)
        return;
    if (pp_write(bouncer->stream, &bouncer->write, "x", 1) != PP_PENDING ||
        pp_read(bouncer->stream, &bouncer->read, &bouncer->byte, 1) != PP_PENDING)
        bouncer->pump->left = INT32_MIN;
}

static void pump_run(void *argument)
{
    struct pump *pump = argument;
    pp_packet packet;
    int result;

    while ((result = pp_port_get(pump->port, &packet, -1)) == 1)
        on_packet(&packet);
    pump->ended += result == PP_ECLOSED;
}

static void bouncer_begin(struct bouncer *bouncer, struct pump *pump, pp_handle *stream)
{
    *bouncer = (struct bouncer){ .pump = pump, .stream = stream, .ended = 1 };
    assert_int_equal(pp_port_attach(pump->port, stream, (uintptr_t)bouncer), PP_OK);
    assert_int_equal(pp_read(stream, &bouncer->read, &bouncer->byte, 1), PP_PENDING);
}

/* The handlers keep their state where the key points, so that any thread can go on with any. */
static void row_32_every_thread_of_a_pool_runs_the_same_loop(void **state)
{
    enum { STREAMS = 8, MESSAGES = 4000 };
    struct pump pump = { open_port(2), MESSAGES, 0 };
    struct bouncer bouncers[2 * STREAMS];
    struct streams streams[STREAMS];
    struct runner crew[CREW];
    pp_op kick = PP_OP_INIT;

    (void)state;
    for (int i = 0; i < STREAMS; i++) {
        streams_open(&streams[i]);
        bouncer_begin(&bouncers[2 * i], &pump, streams[i].client);
        bouncer_begin(&bouncers[2 * i + 1], &pump, streams[i].server);
    }
    for (int i = 0; i < CREW; i++)
        runner_start(&crew[i], pump_run, &pump);
    for (int i = 0; i < STREAMS; i++) { /* the ball comes into play */
        assert_int_equal(pp_op_use_wait(&kick), PP_OK);
        assert_int_equal(pp_write(streams[i].client, &kick, "x", 1), PP_PENDING);
        assert_int_equal(wait_for(&kick), PP_OK);
    }
    EVENTUALLY(pump.left <= 0);
    assert_true(pump.left >= -STREAMS);
    shut_down(pump.port);
    for (int i = 0; i < CREW; i++)
        runner_join(&crew[i]);
    assert_int_equal(pump.ended, CREW);
    for (int i = 0; i < STREAMS; i++)
        streams_close(&streams[i]);
    pp_port_close(pump.port);
}

/* --- posts -------------------------------------------------------------------------------------
 */

struct task {
    pp_op op;
    int number, square;
};
static const uintptr_t TASK = 1, END = 2;

static void work(void *port)
{
    pp_packet packet;

    while (pp_port_get(port, &packet, -1) == 1 && packet.key == TASK) {
        struct task *task = PP_CONTAINER(packet.op, struct task, op);

        task->square = task->number * task->number;
    }
}

static void row_34_posts_hand_tasks_to_a_worker_and_tell_it_to_end(void **state)
{
    enum { COUNT = 50 };
    struct task tasks[COUNT] = { 0 };
    pp_op end = PP_OP_INIT;
    pp_port *port = open_port(0);
    struct runner worker;

    (void)state;
    runner_start(&worker, work, port);
    for (int i = 0; i < COUNT; i++) {
        tasks[i].number = i;
        assert_int_equal(pp_port_post(port, TASK, 0, &tasks[i].op), PP_OK);
    }
    assert_int_equal(pp_port_post(port, END, 0, &end), PP_OK);
    runner_join(&worker); /* it has done all that came before the end */
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(tasks[i].square, i * i);
    shut_down(port);
    pp_port_close(port);
}

static void row_36_an_operation_is_posted_once_at_a_time(void **state)
{
    pp_port *port = open_port(0), *other = open_port(0);
    pp_op op = PP_OP_INIT;
    pp_packet packet;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pp_port_post(port, 5, 0, &op), PP_OK);
        assert_int_equal(pp_port_post(port, 6, 0, &op), PP_ESTATE);
        assert_int_equal(pp_port_post(other, 7, 0, &op), PP_ESTATE);
        assert_int_equal(next_packet(port).key, 5);
        assert_int_equal(pp_port_get(port, &packet, 0), 0);
        assert_int_equal(pp_port_get(other, &packet, 0), 0);
    }
    shut_down(other);
    pp_port_close(other);
    shut_down(port);
    pp_port_close(port);
}

static void sum_keys(void *sum, const pp_packet *packet)
{
    *(uintptr_t *)sum += packet->key;
}

static void row_37_nothing_is_posted_after_shutdown_and_nothing_before_is_lost(void **state)
{
    pp_port *port = open_port(0);
    pp_op before[3] = { PP_OP_INIT }, after = PP_OP_INIT;
    uintptr_t sum = 0;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pp_port_post(port, (uintptr_t)10 << i, 0, &before[i]), PP_OK);
    assert_int_equal(next_packet(port).key, 10);
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, sum_keys, &sum), PP_OK);
    assert_int_equal(sum, 20 + 40);
    assert_int_equal(pp_port_post(port, 1, 0, &after), PP_ECLOSED);
    assert_int_equal(pp_port_post(port, 1, 0, &before[0]), PP_ECLOSED); /* and it is idle */
    pp_port_close(port);
}

struct drainer {
    pp_port *port;
    int result;
};

static void drain(void *argument)
{
    struct drainer *drainer = argument;

    drainer->result = pp_port_shutdown(drainer->port, PP_SHUT_DRAIN, TEST_PATIENCE_MS, NULL, NULL);
}

/* Posts until it is refused: what was not is delivered, and the end comes behind it. */
static void row_37_while_a_port_drains_nothing_is_posted_and_nothing_is_lost(void **state)
{
    enum { PAUSE_MS = 10, POSTS_MAX = TEST_PATIENCE_MS / PAUSE_MS };
    static pp_op ops[POSTS_MAX];
    struct drainer drainer = { open_port(0), PP_EIO };
    struct runner runner;
    pp_packet packet;
    int result, posted = 1;

    (void)state;
    assert_int_equal(pp_port_post(drainer.port, 0, 0, &ops[0]), PP_OK);
    runner_start(&runner, drain, &drainer);
    while ((result = pp_port_post(drainer.port, (uintptr_t)posted, 0, &ops[posted])) == PP_OK &&
           ++posted < POSTS_MAX)
        ppi_sleep_ms(PAUSE_MS);
    assert_int_equal(result, PP_ECLOSED);
    for (int i = 0; i < posted; i++)
        assert_int_equal(next_packet(drainer.port).key, i);
    assert_int_equal(pp_port_get(drainer.port, &packet, TEST_PATIENCE_MS), PP_ECLOSED);
    runner_join(&runner);
    assert_int_equal(drainer.result, PP_OK);
    pp_port_close(drainer.port);
}

/* --- counting ----------------------------------------------------------------------------------
 */

enum { POSTS = 5000 };
struct poster {
    pp_port *port;
    pp_op *ops;
};

static void post_all(void *argument)
{
    struct poster *poster = argument;

    for (int i = 0; i < POSTS; i++)
        if (pp_port_post(poster->port, 0, 0, &poster->ops[i]) != PP_OK)
            return;
}

static void row_61_what_is_outstanding_is_counted_exactly(void **state)
{
    static pp_op ops[CREW][POSTS];
    pp_port *port = open_port(0);
    struct poster posters[CREW];
    struct taker taker = { port, 0 };
    struct runner posting[CREW], taking[CREW];

    (void)state;
    for (int i = 0; i < CREW; i++) {
        posters[i] = (struct poster){ port, ops[i] };
        runner_start(&posting[i], post_all, &posters[i]);
    }
    for (int i = 0; i < CREW; i++)
        runner_join(&posting[i]);
    assert_int_equal(outstanding(port), CREW * POSTS);
    for (int i = 0; i < CREW; i++)
        runner_start(&taking[i], take_all, &taker);
    EVENTUALLY(taker.taken == CREW * POSTS);
    assert_int_equal(outstanding(port), 0);
    shut_down(port);
    for (int i = 0; i < CREW; i++)
        runner_join(&taking[i]);
    pp_port_close(port);
}

int thread_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_12_a_thread_leaves_its_port_by_taking_from_another),
        TEST(row_13_packets_wait_for_the_first_worker),
        TEST(row_32_every_thread_of_a_pool_runs_the_same_loop),
        TEST(row_34_posts_hand_tasks_to_a_worker_and_tell_it_to_end),
        TEST(row_36_an_operation_is_posted_once_at_a_time),
        TEST(row_37_nothing_is_posted_after_shutdown_and_nothing_before_is_lost),
        TEST(row_37_while_a_port_drains_nothing_is_posted_and_nothing_is_lost),
        TEST(row_61_what_is_outstanding_is_counted_exactly),
    };
    int failures = 0;

    RUN_GROUP(&failures, "threads and their port", tests);
    return failures;
}
