/* storm_tests.c: what a seed decides: whose turn it is, and what goes wrong. Streams send and
 * receive on one port with a few workers while reads are canceled; nothing is lost or doubled. */
#include "sim/storm_tests.h"
#include "sim/sim.h"
#include "sim/turns.h"
#include "support/support.h"

#include "sim/world.h"

enum { FLOWS = 4, WORKERS = 3, BYTES = 5000, PIECE = 700, FAULTS = 20 };

/* One direction of a stream; each operation is handled by one worker at a time. */
struct flow {
    struct streams streams;
    pp_op write, read;
    char piece[PIECE], got[PIECE];
    unsigned sent, received;
    bool wrong;
};

static struct {
    struct flow flows[FLOWS];
    pp_port *port;
    int started, ended, canceled;
} storm;

static char byte_at(unsigned position)
{
    return (char)(position * 7 + position / 256);
}

static void start_write(struct flow *flow)
{
    unsigned size = 1 + sim_random(PIECE - 1);

    if (flow->sent == BYTES)
        return;
    if (size > BYTES - flow->sent)
        size = BYTES - flow->sent;
    for (unsigned i = 0; i < size; i++)
        flow->piece[i] = byte_at(flow->sent + i);
    flow->sent += size;
    storm.started++;
    flow->wrong |= pp_write(flow->streams.client, &flow->write, flow->piece, size) != PP_PENDING;
}

static void start_read(struct flow *flow)
{
    if (flow->received == BYTES)
        return;
    storm.started++;
    flow->wrong |= pp_read(flow->streams.server, &flow->read, flow->got,
                           1 + sim_random(PIECE - 1)) != PP_PENDING;
}

static void on_read(struct flow *flow, const pp_packet *packet)
{
    flow->wrong |= packet->status != PP_OK && packet->status != PP_ECANCELED;
    storm.canceled += packet->status == PP_ECANCELED;
    for (unsigned i = 0; i < packet->bytes; i++)
        flow->wrong |= flow->got[i] != byte_at(flow->received++);
    start_read(flow);
}

static void work(void *nothing)
{
    pp_packet packet;

    (void)nothing;
    while (pp_port_get(storm.port, &packet, -1) == 1) {
        struct flow *flow = (struct flow *)packet.key;

        storm.ended++;
        if (packet.op == &flow->read) {
            on_read(flow, &packet);
        } else {
            flow->wrong |= packet.status != PP_OK;
            start_write(flow);
        }
    }
}

static void attach(struct flow *flow, pp_handle *stream)
{
    while (pp_port_attach(storm.port, stream, (uintptr_t)flow) != PP_OK)
        ppi_sleep_ms(1); /* refused, for the moment */
}

static bool is_over(void)
{
    for (int i = 0; i < FLOWS; i++)
        if (storm.flows[i].received < BYTES)
            return false;
    return storm.started == storm.ended;
}

static void storm_open(void)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    memset(&storm, 0, sizeof storm);
    config.concurrency = 2;
    assert_int_equal(pp_port_open(&storm.port, &config), PP_OK);
    for (int i = 0; i < FLOWS; i++) {
        struct flow *flow = &storm.flows[i];

        streams_open(&flow->streams);
        attach(flow, flow->streams.client);
        attach(flow, flow->streams.server);
        start_read(flow);
        start_write(flow);
    }
}

/* The whole storm, in a world of its own; its log is in sim_told then. */
static void storm_run(uint64_t seed, unsigned faults)
{
    static const struct sim_script script = { .capacity = 1000 };
    struct runner workers[WORKERS];

    sim_begin(&script);
    sim_chance(seed, faults);
    sim_turns_begin(8);
    storm_open();
    for (int i = 0; i < WORKERS; i++)
        runner_start(&workers[i], work, NULL);
    for (int i = 0; !is_over(); i++) {
        struct flow *flow = &storm.flows[i % FLOWS];

        assert_true(i < TEST_PATIENCE_MS);
        pp_cancel(flow->streams.server, &flow->read);
        ppi_sleep_ms(1);
    }
    assert_int_equal(pp_port_shutdown(storm.port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    for (int i = 0; i < WORKERS; i++)
        runner_join(&workers[i]);
    for (int i = 0; i < FLOWS; i++) {
        assert_false(storm.flows[i].wrong);
        streams_close(&storm.flows[i].streams);
    }
    pp_port_close(storm.port);
    assert_true(sim_turns_end());
    sim_end();
}

static uint64_t seed_now; /* for whoever must repeat what failed */

static void faults_lose_and_double_nothing(void **state)
{
    enum { SEEDS = 100 };
    int canceled = 0;

    (void)state;
    for (uint64_t end = sim_seed_given + SEEDS; seed_now < end; seed_now++) {
        storm_run(seed_now, FAULTS);
        canceled += storm.canceled;
    }
    assert_true(canceled > 0);
}

static void every_kind_of_fault_happens(void **state)
{
    static const char *const kinds[] = { "short read", "short write", "late event",
                                         "refused: connect", "refused: attach" };

    (void)state;
    for (size_t i = 0; i < PPI_COUNT(kinds); i++) {
        bool happened = false;

        for (uint64_t seed = 1; seed <= 20 && !happened; seed++) {
            storm_run(seed, FAULTS);
            happened = strstr(sim_told(), kinds[i]) != NULL;
        }
        assert_true(happened);
        storm_run(1, 0);
        assert_null(strstr(sim_told(), kinds[i]));
    }
}

static void the_same_seed_is_the_same_run_again(void **state)
{
    (void)state;
    for (uint64_t end = sim_seed_given + 5; seed_now < end; seed_now++) {
        storm_run(seed_now, FAULTS);
        size_t length = strlen(sim_told());
        char *first = malloc(length + 1);

        assert_true(length > 1000);
        memcpy(first, sim_told(), length + 1);
        storm_run(seed_now, FAULTS);
        assert_string_equal(sim_told(), first);
        storm_run(seed_now + 1, FAULTS);
        assert_string_not_equal(sim_told(), first);
        free(first);
    }
}

static int begin(void **state)
{
    (void)state;
    seed_now = sim_seed_given;
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (sim_turns_end())
        return 0;
    print_error("the storm of SIM_SEED=%llu did not end well\n", (unsigned long long)seed_now);
    return -1;
}

int storm_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_seed_is_the_same_run_again, begin, end),
        cmocka_unit_test_setup_teardown(faults_lose_and_double_nothing, begin, end),
        cmocka_unit_test_setup_teardown(every_kind_of_fault_happens, begin, end),
    };

    return cmocka_run_group_tests_name("storms by seed", tests, NULL, NULL);
}
