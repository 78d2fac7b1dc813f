/* worker_rows.c: several workers on one port: who is released, how many run, what blocks. */
#include "io/rows.h"
#include "support/support.h"

enum { WORKERS_MAX = 10 };

/* What a worker does with a packet; it is told its own number. */
struct crew;
typedef void (*crew_handler)(struct crew *crew, int worker, const pp_packet *packet);

/* A pool of workers that run one handler until they take a packet with the key EXIT_KEY, or the
 * port is shut down. */
struct crew {
    pp_port *port;
    crew_handler handler;
    int count;
    struct runner runners[WORKERS_MAX];
    struct member {
        struct crew *crew;
        int number;
        int result;  /* of the last pp_port_get */
        FILE *state; /* see own_state */
    } members[WORKERS_MAX];
    atomic_int running, most_running, handled, next;
    int order[WORKERS_MAX]; /* which worker was the i-th */
    atomic_bool gate_open, disordered;
    atomic_int by_worker[WORKERS_MAX];
    int last[WORKERS_MAX];
    atomic_int_fast64_t key_sum;
};
static const uintptr_t EXIT_KEY = 999999;

static void member_run(void *argument)
{
    struct member *member = argument;
    struct crew *crew = member->crew;
    pp_packet packet;

    member->state = own_state();
    while ((member->result = pp_port_get(crew->port, &packet, -1)) == 1 && packet.key != EXIT_KEY) {
        int running = ++crew->running, most = crew->most_running;

        while (running > most && !atomic_compare_exchange_weak(&crew->most_running, &most, running))
            ;
        crew->by_worker[member->number]++;
        crew->handler(crew, member->number, &packet);
        crew->running--;
        crew->handled++;
    }
    pp_thread_detach();
    if (member->state != NULL)
        fclose(member->state);
}

static pp_port_stats info_of(pp_port *port)
{
    pp_port_stats stats = { .size = sizeof stats };

    assert_int_equal(pp_port_info(port, &stats), PP_OK);
    return stats;
}

static void crew_open(struct crew *crew, int count, uint32_t concurrency, crew_handler handler)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    memset(crew, 0, sizeof *crew);
    config.concurrency = concurrency;
    assert_int_equal(pp_port_open(&crew->port, &config), PP_OK);
    crew->handler = handler;
    crew->count = count;
    for (int i = 0; i < count; i++) {
        crew->members[i] = (struct member){ crew, i, 0, NULL };
        runner_start(&crew->runners[i], member_run, &crew->members[i]);
        /* they wait in this order; one is counted a moment before the system knows that it waits */
        EVENTUALLY(info_of(crew->port).waiting == (uint32_t)i + 1 &&
                   sleeps(crew->members[i].state));
    }
}

static void crew_close(struct crew *crew)
{
    assert_int_equal(pp_port_shutdown(crew->port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    for (int i = 0; i < crew->count; i++)
        runner_join(&crew->runners[i]);
    pp_port_close(crew->port);
}

static void post_all(struct crew *crew, pp_op *ops, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(pp_port_post(crew->port, (uintptr_t)i, 0, &ops[i]), PP_OK);
}

static void nothing(struct crew *crew, int worker, const pp_packet *packet)
{
    (void)crew;
    (void)worker;
    (void)packet;
}

static void spin_ms(unsigned milliseconds)
{
    uint64_t end_ns = ppi_now_ns() + (uint64_t)milliseconds * PPI_NS_PER_MS;

    while (ppi_now_ns() < end_ns)
        ;
}

static void row_11_shutdown_lets_every_waiting_worker_go(void **state)
{
    struct crew crew;

    (void)state;
    crew_open(&crew, 4, 2, nothing);
    uint64_t begin_ns = ppi_now_ns();
    crew_close(&crew);
    assert_true(took_no_time(begin_ns));
    for (int i = 0; i < 4; i++)
        assert_int_equal(crew.members[i].result, PP_ECLOSED);
}

static void note_order_and_wait(struct crew *crew, int worker, const pp_packet *packet)
{
    (void)packet;
    crew->order[crew->next++] = worker;
    while (!crew->gate_open)
        ppi_sleep_ms(1);
}

static void row_20_waiters_are_released_newest_first(void **state)
{
    struct crew crew;
    pp_op ops[4] = { PP_OP_INIT };

    (void)state;
    exempt_on_wine("row 20: Wine 8 releases the oldest waiter first");
    crew_open(&crew, 4, 4, note_order_and_wait);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pp_port_post(crew.port, 1, 0, &ops[i]), PP_OK);
        EVENTUALLY(crew.next == i + 1);
    }
    crew.gate_open = true;
    for (int i = 0; i < 4; i++)
        assert_int_equal(crew.order[i], 3 - i);
    crew_close(&crew);
}

static void bracketed(struct crew *crew, int worker, const pp_packet *packet)
{
    pp_blocking_begin();
    note_order_and_wait(crew, worker, packet);
    pp_blocking_end();
}

/* With one token, worker 0 polls and has it; the others are parked on the port's own stack. */
static void row_20_parked_workers_are_released_newest_first(void **state)
{
    static const int expected[] = { 0, 3, 2, 1 };
    struct crew crew;
    pp_op ops[4] = { PP_OP_INIT };

    (void)state;
    only_on_linux("row 20: brackets tell the port of blocking there only");
    crew_open(&crew, 4, 1, bracketed);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pp_port_post(crew.port, 1, 0, &ops[i]), PP_OK);
        EVENTUALLY(crew.next == i + 1);
    }
    crew.gate_open = true;
    assert_memory_equal(crew.order, expected, sizeof expected);
    crew_close(&crew);
}

static void row_21_light_load_reuses_one_thread(void **state)
{
    enum { TRIPS = 1000 };
    struct crew crew;
    pp_op op = PP_OP_INIT;
    int most = 0;

    (void)state;
    exempt_on_wine("row 21: follows from row 20");
    crew_open(&crew, 4, 4, nothing);
    for (int i = 0; i < TRIPS; i++) {
        EVENTUALLY(info_of(crew.port).waiting == 4);
        assert_int_equal(pp_port_post(crew.port, 1, 0, &op), PP_OK);
        EVENTUALLY(crew.handled == i + 1);
    }
    for (int i = 0; i < 4; i++)
        most = crew.by_worker[i] > most ? crew.by_worker[i] : most;
    /* not all: a worker is counted as waiting a moment before the system knows that it waits; by
     * turns it would be a quarter */
    assert_true(most >= TRIPS / 2);
    crew_close(&crew);
}

static void row_22_a_returning_worker_takes_the_next_packet_at_once(void **state)
{
    enum { COUNT = 10000 };
    static pp_op ops[COUNT];
    pp_port_config config = PP_PORT_CONFIG_INIT;
    pp_port *port;

    (void)state;
    only_on_linux("row 22: the count of context switches is Linux's");
    config.concurrency = 1;
    assert_int_equal(pp_port_open(&port, &config), PP_OK);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(pp_port_post(port, 1, 0, &ops[i]), PP_OK);
    uint64_t before = ppi_thread_waits();
    for (int i = 0; i < COUNT; i++)
        next_packet(port);
    assert_true(ppi_thread_waits() - before <= 5);
    pp_port_close(port);
}

static void check_ascending(struct crew *crew, int worker, const pp_packet *packet)
{
    if ((int)packet->key <= crew->last[worker])
        crew->disordered = true;
    crew->last[worker] = (int)packet->key;
    crew->key_sum += (int64_t)packet->key;
}

static void row_19_each_of_several_workers_sees_ascending_packets(void **state)
{
    enum { COUNT = 4000 };
    static pp_op ops[COUNT];
    struct crew crew;

    (void)state;
    crew_open(&crew, 4, 4, check_ascending);
    for (int i = 0; i < COUNT; i++) /* keys from 1: `last` begins with 0 */
        assert_int_equal(pp_port_post(crew.port, (uintptr_t)i + 1, 0, &ops[i]), PP_OK);
    EVENTUALLY(crew.handled == COUNT);
    assert_false(crew.disordered);
    assert_int_equal(crew.key_sum, (int64_t)COUNT * (COUNT + 1) / 2);
    crew_close(&crew);
}

static void row_26_a_packet_wakes_exactly_one_waiter(void **state)
{
    enum { POSTS = 100 };
    struct crew crew;
    pp_op op = PP_OP_INIT;

    (void)state;
    only_on_linux("row 26: Windows does not count its wake-ups");
    crew_open(&crew, 4, 4, nothing);
    uint64_t before = info_of(crew.port).wakeups;
    for (int i = 0; i < POSTS; i++) {
        assert_int_equal(pp_port_post(crew.port, 1, 0, &op), PP_OK);
        EVENTUALLY(crew.handled == i + 1 && info_of(crew.port).waiting == 4);
    }
    assert_int_equal(info_of(crew.port).wakeups - before, POSTS);
    crew_close(&crew);
}

static void spin(struct crew *crew, int worker, const pp_packet *packet)
{
    (void)crew;
    (void)worker;
    (void)packet;
    spin_ms(2);
}

static void row_27_no_more_workers_run_than_the_concurrency_value(void **state)
{
    pp_op ops[100] = { PP_OP_INIT };
    struct crew crew;

    (void)state;
    exempt_on_wine("row 27: Wine 8 ignores the concurrency value");
    crew_open(&crew, 4, 1, spin);
    post_all(&crew, ops, 100);
    EVENTUALLY(crew.handled == 100);
    assert_int_equal(crew.most_running, 1);
    crew_close(&crew);
}

/* Packet 0 blocks in brackets until the gate opens; the others spin. */
static void block_first(struct crew *crew, int worker, const pp_packet *packet)
{
    if (packet->key != 0) {
        spin(crew, worker, packet);
        return;
    }
    pp_blocking_begin();
    while (!crew->gate_open)
        ppi_sleep_ms(1);
    pp_blocking_end();
    spin_ms(20);
}

static void row_28_a_blocked_worker_gives_its_slot_away(void **state)
{
    pp_op ops[2] = { PP_OP_INIT };
    struct crew crew;

    (void)state;
    crew_open(&crew, 4, 1, block_first);
    assert_int_equal(pp_port_post(crew.port, 0, 0, &ops[0]), PP_OK);
    EVENTUALLY(crew.running == 1);
    uint64_t begin_ns = ppi_now_ns();
    assert_int_equal(pp_port_post(crew.port, 1, 0, &ops[1]), PP_OK);
    EVENTUALLY(crew.handled == 1); /* while the first is still blocked */
    assert_true(took_no_time(begin_ns));
    crew.gate_open = true;
    EVENTUALLY(crew.handled == 2);
    crew_close(&crew);
}

/* The last poller blocks while the others are parked: one of them must go and poll, or no event
 * would ever be seen again. */
static void row_28_events_are_seen_while_the_last_poller_blocks(void **state)
{
    struct crew crew;
    pp_op first = PP_OP_INIT, second = PP_OP_INIT, read = PP_OP_INIT;
    struct streams streams;
    char byte;

    (void)state;
    crew_open(&crew, 2, 1, block_first);
    streams_open(&streams);
    assert_int_equal(pp_port_attach(crew.port, streams.server, 5), PP_OK);
    assert_int_equal(pp_read(streams.server, &read, &byte, 1), PP_PENDING);

    assert_int_equal(pp_port_post(crew.port, 0, 0, &first), PP_OK);
    EVENTUALLY(crew.running == 1);
    write_all(streams.client, "x", 1);
    EVENTUALLY(crew.handled == 1);
    crew.gate_open = true;
    assert_int_equal(pp_port_post(crew.port, 1, 0, &second), PP_OK);
    EVENTUALLY(crew.handled == 3);
    streams_close(&streams);
    crew_close(&crew);
}

static void row_29_the_excess_after_blocking_drains(void **state)
{
    pp_op ops[101] = { PP_OP_INIT };
    struct crew crew;

    (void)state;
    exempt_on_wine("row 29: Wine 8 ignores the concurrency value");
    crew_open(&crew, 4, 1, block_first);
    assert_int_equal(pp_port_post(crew.port, 0, 0, &ops[0]), PP_OK);
    EVENTUALLY(crew.running == 1);
    for (int i = 1; i <= 50; i++)
        assert_int_equal(pp_port_post(crew.port, 1, 0, &ops[i]), PP_OK);
    EVENTUALLY(crew.handled > 5);
    crew.gate_open = true; /* resumes while another runs: two at once, never three */
    EVENTUALLY(crew.handled == 51);
    assert_in_range(crew.most_running, 1, 2);
    crew.most_running = 0;
    for (int i = 51; i <= 100; i++)
        assert_int_equal(pp_port_post(crew.port, 1, 0, &ops[i]), PP_OK);
    EVENTUALLY(crew.handled == 101);
    assert_int_equal(crew.most_running, 1);
    crew_close(&crew);
}

static void row_33_posted_values_pass_unchanged(void **state)
{
    static const uint64_t bytes[] = { 0, 1, UINT32_MAX };
    pp_port *port;
    pp_op op = PP_OP_INIT;

    (void)state;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    for (size_t i = 0; i < PPI_COUNT(bytes); i++) {
        assert_int_equal(pp_port_post(port, 0, bytes[i], &op), PP_OK);
        assert_int_equal(pp_port_post(port, 0, 0, &op), PP_ESTATE); /* one op, one packet */
        pp_packet packet = next_packet(port);
        assert_int_equal(packet.bytes, bytes[i]);
        assert_int_equal(packet.key, 0);
        assert_int_equal(packet.flags, PP_PACKET_POSTED);
        assert_ptr_equal(packet.op, &op);
    }
    pp_port_close(port);
}

static void row_33_a_million_posts(void **state)
{
    enum { ROUNDS = 1000, BATCH = 1000 };
    static pp_op ops[BATCH];
    pp_packet packets[BATCH];
    pp_port *port;
    int taken = 0;

    (void)state;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BATCH; i++)
            assert_int_equal(pp_port_post(port, (uintptr_t)i, 0, &ops[i]), PP_OK);
        for (int got = 0; got < BATCH; taken++, got++)
            assert_int_equal(pp_port_get_many(port, packets, 1, 0), 1);
    }
    assert_int_equal(taken, ROUNDS * BATCH);
    pp_port_close(port);
}

static void row_35_exit_packets_end_the_pool_after_the_data(void **state)
{
    pp_op data[100] = { PP_OP_INIT }, exits[8] = { PP_OP_INIT };
    struct crew crew;

    (void)state;
    crew_open(&crew, 8, 2, nothing);
    post_all(&crew, data, 100);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pp_port_post(crew.port, EXIT_KEY, 0, &exits[i]), PP_OK);
    for (int i = 0; i < 8; i++)
        runner_join(&crew.runners[i]);
    assert_int_equal(crew.handled, 100);
    crew.count = 0;
    crew_close(&crew);
}

int worker_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_11_shutdown_lets_every_waiting_worker_go),
        TEST(row_19_each_of_several_workers_sees_ascending_packets),
        TEST(row_20_waiters_are_released_newest_first),
        TEST(row_20_parked_workers_are_released_newest_first),
        TEST(row_21_light_load_reuses_one_thread),
        TEST(row_22_a_returning_worker_takes_the_next_packet_at_once),
        TEST(row_26_a_packet_wakes_exactly_one_waiter),
        TEST(row_27_no_more_workers_run_than_the_concurrency_value),
        TEST(row_28_a_blocked_worker_gives_its_slot_away),
        TEST(row_28_events_are_seen_while_the_last_poller_blocks),
        TEST(row_29_the_excess_after_blocking_drains),
        TEST(row_33_posted_values_pass_unchanged),
        TEST(row_33_a_million_posts),
        TEST(row_35_exit_packets_end_the_pool_after_the_data),
    };
    int failures = 0;

    RUN_GROUP(&failures, "workers", tests);
    return failures;
}
