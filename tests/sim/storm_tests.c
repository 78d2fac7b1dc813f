/* storm_tests.c: what a seed decides: whose turn it is, and what goes wrong. Streams send and
 * receive on one port with some workers while reads are canceled; nothing is lost or doubled. */
#include "sim/storm_tests.h"
#include "sim/sim.h"
#include "sim/turns.h"
#include "support/support.h"

#include "sim/world.h"

enum { FLOWS = 4, WORKERS_MAX = 6, BYTES = 5000, PIECE = 700, TAKES_MAX = 4000 };

/* What is special about a storm. */
struct weather {
    unsigned faults;   /* as sim_chance */
    unsigned refusals; /* as struct sim_script, and resets */
    unsigned resets;
    int workers;  /* all of them at once; 0: the seed decides */
    bool planted; /* the storm itself is wrong: its workers count without a lock, now and then */
};

/* One direction of a stream; each operation is handled by one worker at a time. */
struct flow {
    struct streams streams;
    pp_op write, read;
    char piece[PIECE], got[PIECE];
    unsigned sent, received;
    bool ended; /* nothing more will be received: the connection is gone */
    bool wrong;
};

static struct {
    const struct weather *weather;
    struct flow flows[FLOWS];
    struct runner workers[WORKERS_MAX];
    int worker_count;
    pp_port *port;
    int started, ended, canceled, resets, counted;
    char takes[TAKES_MAX]; /* who took the first, the second ... packet */
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

static void on_write(struct flow *flow, const pp_packet *packet)
{
    flow->wrong |= packet->status != PP_OK;
    start_write(flow);
}

/* Of a stream that was reset either end hears, and nothing is started any more. */
static void on_reset(struct flow *flow, const pp_packet *packet)
{
    flow->wrong |= storm.weather->resets == 0;
    flow->ended |= packet->op == &flow->read;
    storm.resets++;
}

static void count(void)
{
    int before = storm.counted;

    if (sim_random(200) == 0 && storm.weather->planted)
        ppi_yield();
    storm.counted = before + 1;
}

static void work(void *own)
{
    int number = (int)((struct runner *)own - storm.workers);
    pp_packet packet;

    while (pp_port_get(storm.port, &packet, -1) == 1) {
        struct flow *flow = (struct flow *)packet.key;

        if (storm.ended < TAKES_MAX - 1)
            storm.takes[storm.ended] = (char)('1' + number);
        storm.ended++;
        count();
        if (packet.status == PP_EPEERCLOSED)
            on_reset(flow, &packet);
        else if (packet.op == &flow->read)
            on_read(flow, &packet);
        else
            on_write(flow, &packet);
    }
}

/* --- its streams, of which nothing comes at once if something may be refused ------------------ */

static bool connects(struct streams *streams, const char *path)
{
    pp_op op = PP_OP_INIT;

    assert_int_equal(pp_dial(&streams->client, path, NULL), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_connect(streams->client, &op), PP_PENDING);
    if (wait_for(&op) == PP_OK)
        return true;
    pp_close(streams->client);
    return false;
}

static bool accepts(struct streams *streams)
{
    pp_op op = PP_OP_INIT;

    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_accept(streams->listener, &op, &streams->server), PP_PENDING);
    return wait_for(&op) == PP_OK;
}

static void flow_open(struct flow *flow)
{
    const char *path = test_path();

    assert_int_equal(pp_listen(&flow->streams.listener, path, NULL), PP_OK);
    while (!connects(&flow->streams, path))
        ;
    while (!accepts(&flow->streams))
        ;
    while (pp_port_attach(storm.port, flow->streams.client, (uintptr_t)flow) != PP_OK)
        ;
    while (pp_port_attach(storm.port, flow->streams.server, (uintptr_t)flow) != PP_OK)
        ;
    start_read(flow);
    start_write(flow);
}

/* --- the whole storm -------------------------------------------------------------------------- */

static bool is_over(void)
{
    for (int i = 0; i < FLOWS; i++)
        if (storm.flows[i].received < BYTES && !storm.flows[i].ended)
            return false;
    return storm.started == storm.ended;
}

static void storm_open(const struct weather *weather)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    memset(&storm, 0, sizeof storm);
    storm.weather = weather;
    storm.worker_count = 1 + (int)sim_random(WORKERS_MAX);
    config.concurrency = 1 + sim_random((uint32_t)storm.worker_count);
    if (weather->workers != 0)
        storm.worker_count = (int)(config.concurrency = (uint32_t)weather->workers);
    assert_int_equal(pp_port_open(&storm.port, &config), PP_OK);
    for (int i = 0; i < FLOWS; i++)
        flow_open(&storm.flows[i]);
    for (int i = 0; i < storm.worker_count; i++)
        runner_start(&storm.workers[i], work, &storm.workers[i]);
}

/* Did all go well? */
static bool storm_close(void)
{
    bool well = storm.counted == storm.ended;

    assert_int_equal(pp_port_shutdown(storm.port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    for (int i = 0; i < storm.worker_count; i++)
        runner_join(&storm.workers[i]);
    for (int i = 0; i < FLOWS; i++) {
        well = well && !storm.flows[i].wrong;
        streams_close(&storm.flows[i].streams);
    }
    pp_port_close(storm.port);
    return well;
}

/* In a world of its own; its log is in sim_told then. */
static bool storm_goes_well(uint64_t seed, const struct weather *weather)
{
    const struct sim_script script = { .capacity = 1000,
                                       .refusals = weather->refusals,
                                       .resets = weather->resets };

    sim_begin(&script);
    sim_chance(seed, weather->faults);
    sim_turns_begin(8);
    storm_open(weather);
    for (int i = 0; !is_over(); i++) {
        struct flow *flow = &storm.flows[i % FLOWS];

        assert_true(i < TEST_PATIENCE_MS);
        pp_cancel(flow->streams.server, &flow->read);
        ppi_sleep_ms(1);
    }
    bool well = storm_close();
    assert_true(sim_turns_end());
    sim_end();
    return well;
}

static uint64_t seed_now; /* of a storm that did not go well; 0: none */

static void storm_must_go_well(uint64_t seed, const struct weather *weather)
{
    seed_now = seed;
    assert_true(storm_goes_well(seed, weather));
    seed_now = 0;
}

static const struct weather calm = { 0 };
static const struct weather rough = { .faults = 20, .refusals = 20 };
static const struct weather wild = { .faults = 20, .refusals = 20, .resets = 5 };

/* A copy of the last storm's log. */
static char *keep_log(void)
{
    size_t size = strlen(sim_told()) + 1;
    char *copy = malloc(size);

    assert_true(size > 1000);
    return memcpy(copy, sim_told(), size);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void faults_lose_and_double_nothing(void **state)
{
    enum { SEEDS = 100 };
    int canceled = 0, resets = 0;

    (void)state;
    for (uint64_t seed = sim_seed_given; seed < sim_seed_given + SEEDS; seed++) {
        storm_must_go_well(seed, &rough);
        canceled += storm.canceled;
        storm_must_go_well(seed, &wild);
        resets += storm.resets;
    }
    assert_true(canceled > 0 && resets > 0);
}

static void every_kind_of_fault_happens(void **state)
{
    static const char *const kinds[] = { "short read",       "short write",
                                         "late event",       "reset",
                                         "refused: connect", "no memory: connect",
                                         "refused: accept",  "no memory: accept",
                                         "refused: attach",  "no memory: attach" };

    (void)state;
    storm_must_go_well(1, &calm);
    for (size_t i = 0; i < PPI_COUNT(kinds); i++)
        assert_null(strstr(sim_told(), kinds[i]));
    for (size_t i = 0; i < PPI_COUNT(kinds); i++) {
        bool happened = false;

        for (uint64_t seed = 1; seed <= 20 && !happened; seed++) {
            storm_must_go_well(seed, &wild);
            happened = strstr(sim_told(), kinds[i]) != NULL;
        }
        assert_true(happened);
    }
}

static void the_same_seed_is_the_same_run_again(void **state)
{
    (void)state;
    for (uint64_t seed = sim_seed_given; seed < sim_seed_given + 5; seed++) {
        storm_must_go_well(seed, &wild);
        char *first = keep_log();
        storm_must_go_well(seed, &wild);
        assert_string_equal(sim_told(), first);
        storm_must_go_well(seed + 1, &wild);
        assert_string_not_equal(sim_told(), first);
        free(first);
    }
}

/* Nothing but turns is left to chance, and there are as many workers each time. */
static void the_seed_decides_which_worker_takes_which_packet(void **state)
{
    static const struct weather four = { .workers = 4 };
    char first[TAKES_MAX];

    (void)state;
    storm_must_go_well(sim_seed_given, &four);
    memcpy(first, storm.takes, sizeof first);
    for (char worker = '1'; worker <= '4'; worker++)
        assert_non_null(strchr(first, worker));
    storm_must_go_well(sim_seed_given, &four);
    assert_string_equal(storm.takes, first);
    storm_must_go_well(sim_seed_given + 1, &four);
    assert_string_not_equal(storm.takes, first);
}

/* A test of these tests: the storm's own counter is changed by two workers at once, if a turn is
 * lost just there. Not every seed finds that; the one that does, finds it again. */
static void a_planted_fault_is_found_and_its_seed_replays_it(void **state)
{
    enum { SEEDS = 100 };
    struct weather planted = rough, sound = rough;
    uint64_t seed = sim_seed_given;
    int well = 0;

    (void)state;
    planted.planted = true;
    planted.workers = sound.workers = 4;
    for (; seed < sim_seed_given + SEEDS && storm_goes_well(seed, &planted); seed++)
        well++;
    assert_true(well < SEEDS);
    char *first = keep_log();
    for (int again = 0; again < 3; again++) {
        assert_false(storm_goes_well(seed, &planted));
        assert_string_equal(sim_told(), first);
    }
    free(first);
    storm_must_go_well(seed, &sound);
}

/* Says how to see it again: SIM_SEED is the first of the seeds that a test goes through. */
static int end(void **state)
{
    bool alone = sim_turns_end();

    (void)state;
    if (seed_now != 0)
        print_error("again: SIM_SEED=%llu test_rows_sim storm\n", (unsigned long long)seed_now);
    seed_now = 0;
    return alone ? 0 : -1;
}

int storm_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_same_seed_is_the_same_run_again, end),
        cmocka_unit_test_teardown(the_seed_decides_which_worker_takes_which_packet, end),
        cmocka_unit_test_teardown(faults_lose_and_double_nothing, end),
        cmocka_unit_test_teardown(every_kind_of_fault_happens, end),
        cmocka_unit_test_teardown(a_planted_fault_is_found_and_its_seed_replays_it, end),
    };

    return cmocka_run_group_tests_name("storms by seed", tests, NULL, NULL);
}
