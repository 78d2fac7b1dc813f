/* races.c: what only a system shows that is late at the right moment, which the model is. */
#include "io/timer.h"
#include "nt/faults.h"
#include "nt/model.h"
#include "support/support.h"

static void row_timers_are_never_early(void **state)
{
    enum { TIMERS = 50 };
    pp_port *port;

    (void)state;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    for (int i = 0; i < TIMERS; i++) {
        struct ppi_timer timer = { .op = PP_OP_INIT };
        uint64_t deadline_ns = ppi_now_ns() + PPI_NS_PER_MS / (unsigned)(1 + i); /* in a tick */

        assert_int_equal(ppi_timer_start(&timer, port, deadline_ns), PP_OK);
        assert_ptr_equal(next_packet(port).op, &timer.op);
        assert_true(ppi_now_ns() >= deadline_ns);
    }
    pp_port_close(port);
}

/* Once it is stopped its memory is the caller's, also if it was about to run. */
static void row_timers_may_go_as_soon_as_they_are_stopped(void **state)
{
    enum { TIMERS = 1000 };
    int stopped = 0;
    pp_port *port;

    (void)state;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    for (int i = 0; i < TIMERS; i++) {
        struct ppi_timer *timer = calloc(1, sizeof *timer);

        assert_int_equal(ppi_timer_start(timer, port, ppi_now_ns() + 20000), PP_OK);
        uint64_t stop_ns = ppi_now_ns() + (uint64_t)(i % 64) * 4000;
        while (ppi_now_ns() < stop_ns)
            ;
        if (ppi_timer_stop(timer, port))
            stopped++;
        else
            assert_ptr_equal(next_packet(port).op, &timer->op);
        free(timer);
    }
    assert_true(stopped > 0);
    pp_port_close(port);
}

struct looker {
    pp_op op;
    pp_handle *stream;
    char byte;
    atomic_bool started;
};

/* Does not sleep until it is told, but looks; and is gone at once. */
static void look_and_leave(void *argument)
{
    struct looker *looker = argument;

    pp_op_use_wait(&looker->op);
    pp_read(looker->stream, &looker->op, &looker->byte, 1);
    looker->started = true;
    while (pp_op_wait(&looker->op, 0) == 0)
        ppi_yield();
}

static void row_51_a_waiter_may_be_gone_before_it_is_told(void **state)
{
    enum { ROUNDS = 300 };
    pp_op first = PP_OP_INIT;
    struct streams streams;
    char byte;

    (void)state;
    streams_open(&streams);
    assert_int_equal(pp_op_use_wait(&first), PP_OK);
    assert_int_equal(pp_read(streams.server, &first, &byte, 1), PP_PENDING);
    for (int i = 0; i < ROUNDS; i++) {
        struct looker looker = { .op = PP_OP_INIT, .stream = streams.server };
        struct runner runner;

        runner_start(&runner, look_and_leave, &looker);
        EVENTUALLY(looker.started);
        assert_int_equal(pp_cancel(streams.server, &looker.op), PP_OK);
        runner_join(&runner);
        assert_int_equal(looker.op.status, PP_ECANCELED);
    }
    assert_int_equal(pp_cancel(streams.server, &first), PP_OK);
    assert_int_equal(wait_for(&first), PP_ECANCELED);
    streams_close(&streams);
}

static void take_until_closed(void *port)
{
    pp_packet packet;

    while (pp_port_get(port, &packet, -1) > 0)
        ;
}

/* Afterwards nothing of ours is in a port that is somebody else's. */
static void row_11_an_adopted_port_is_left_as_it_was(void **state)
{
    enum { ROUNDS = 50, WORKERS = 3 };
    HANDLE native = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        pp_port_config config = PP_PORT_CONFIG_INIT;
        pp_port_stats stats = { .size = sizeof stats };
        struct runner workers[WORKERS];
        OVERLAPPED_ENTRY entry;
        ULONG count;
        pp_port *port;

        config.native = native;
        assert_int_equal(pp_port_open(&port, &config), PP_OK);
        for (int i = 0; i < WORKERS; i++)
            runner_start(&workers[i], take_until_closed, port);
        EVENTUALLY(pp_port_info(port, &stats) == PP_OK && stats.waiting == WORKERS);
        assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
        assert_false(GetQueuedCompletionStatusEx(native, &entry, 1, &count, 0, FALSE));
        assert_int_equal(GetLastError(), WAIT_TIMEOUT);
        for (int i = 0; i < WORKERS; i++)
            runner_join(&workers[i]);
        pp_port_close(port);
    }
    CloseHandle(native);
}

static void take_the_end(void *argument)
{
    pp_port **port = argument;
    pp_packet packet;

    if (pp_port_get(*port, &packet, TEST_PATIENCE_MS) == PP_ECLOSED)
        *port = NULL;
}

/* Its owner may close it at any time: who waits in it is told. */
static void row_11_an_adopted_port_may_be_closed_by_its_owner(void **state)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;
    pp_port_stats stats = { .size = sizeof stats };
    struct runner worker;
    pp_port *port, *seen;

    (void)state;
    config.native = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    assert_int_equal(pp_port_open(&port, &config), PP_OK);
    seen = port;
    runner_start(&worker, take_the_end, &seen);
    EVENTUALLY(pp_port_info(port, &stats) == PP_OK && stats.waiting == 1);
    CloseHandle(config.native);
    runner_join(&worker);
    assert_null(seen);
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    pp_port_close(port);
}

/* Our keys are addresses: once their handles are gone the owner may use such a number. */
static void row_07_an_owners_key_may_be_what_once_was_ours(void **state)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;
    OVERLAPPED own = { 0 };
    struct pair pair;

    (void)state;
    config.native = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    pair_open(&pair, &config);
    uintptr_t key = (uintptr_t)pair.server;
    pp_close(pair.server);
    pair.server = NULL;
    assert_true(PostQueuedCompletionStatus(config.native, 5, key, &own));
    pp_packet packet = next_packet(pair.port);
    assert_int_equal(packet.flags, PP_PACKET_FOREIGN);
    assert_ptr_equal(packet.foreign, &own);
    assert_int_equal(packet.key, key);
    pair_close(&pair);
    CloseHandle(config.native);
}

int race_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_timers_are_never_early),
        TEST(row_timers_may_go_as_soon_as_they_are_stopped),
        TEST(row_51_a_waiter_may_be_gone_before_it_is_told),
        TEST(row_11_an_adopted_port_is_left_as_it_was),
        TEST(row_11_an_adopted_port_may_be_closed_by_its_owner),
        TEST(row_07_an_owners_key_may_be_what_once_was_ours),
    };

    return cmocka_run_group_tests_name("races", tests, NULL, NULL);
}
