/* stress.c: test_stress [OPERATIONS [SEED [single]]]: nothing is lost, and nothing comes twice.
 *
 * In each round eight players start, cancel, abort and close at random on one port, workers take
 * its packets and start more, and after a random number of operations the port is shut down under
 * them. Then every operation that was started must have ended exactly once, in one of the ways of
 * struct account, and the process must have as many handles open as before.
 *
 * The seed fixes what each thread draws, not how the threads interleave: a failure is likely to
 * come back with its seed, and sure to with none. */
#include "io/stress.h"

#include "base/check.h"

/* --- rounds ----------------------------------------------------------------------------------- */

static int thread_count(void)
{
    return game.single ? PLAYERS + 1 : THREADS;
}

static void begin_round(uint64_t number)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    config.concurrency = CONCURRENCY;
    config.pool_count = POOL;
    config.pool_bytes = ROOM;
    config.flags = game.single ? PP_PORT_SINGLE_CONSUMER : 0;
    if (pp_port_open(&game.port, &config) != PP_OK)
        stress_fail("pp_port_open", NULL, 0);
    game.over = false;
    game.account = (struct account){ 0 };
    for (int i = 0; i < thread_count(); i++) {
        struct thread *thread = &game.threads[i];

        thread->random = stress_mix(game.seed ^ stress_mix(number * THREADS + (unsigned)i));
        if (ppi_thread_start(&thread->runner.thread, i < PLAYERS ? stress_play : stress_work,
                             thread) != PP_OK)
            stress_fail("a thread cannot be started", NULL, i);
    }
}

/* The port's end, while the players go on. */
static void shut_down(int how)
{
    uint64_t deadline_ns = ppi_deadline_ns(STUCK_MS);
    bool in_time = true;

    ppi_mutex_lock(&game.lock);
    while (game.account.started < game.limit && in_time)
        in_time = ppi_cond_wait_until(&game.reached, &game.lock, deadline_ns);
    ppi_mutex_unlock(&game.lock);
    if (!in_time)
        stress_fail("the game is stuck", NULL, (int64_t)game.limit);
    int status = pp_port_shutdown(game.port, how, STUCK_MS, stress_discard, NULL);
    if (status != PP_OK)
        stress_fail("pp_port_shutdown", NULL, status);
    game.over = true;
    for (int i = 0; i < thread_count(); i++)
        ppi_thread_join(&game.threads[i].runner.thread);
}

static void check_accounts(void)
{
    const struct account *account = &game.account;
    pp_port_stats stats = { .size = sizeof stats };
    int64_t ended = (int64_t)(account->packets + account->discarded + account->called +
                              account->waited + account->done + account->ran + account->stopped);

    for (int i = 0; i < THREADS; i++)
        for (int k = 0; k < UNITS; k++)
            if (game.threads[i].units[k].flying)
                stress_fail("an end is missing", &game.threads[i].units[k], k);
    if (ended != (int64_t)account->started)
        stress_fail("more or fewer ends than starts", NULL, ended);
    if (pp_port_info(game.port, &stats) != PP_OK || stats.outstanding != 0)
        stress_fail("outstanding", NULL, (int64_t)stats.outstanding);
    if (stats.pool_free != stats.pool_count)
        stress_fail("buffers of the pool are missing", NULL, stats.pool_count - stats.pool_free);
}

static struct account total;

static void add_up(void)
{
    const struct account *account = &game.account;

    total.started += account->started;
    total.refused += account->refused;
    total.packets += account->packets;
    total.discarded += account->discarded;
    total.called += account->called;
    total.waited += account->waited;
    total.done += account->done;
    total.ran += account->ran;
    total.stopped += account->stopped;
}

/* How many handles the process has, once they are no more than that: a ring's thread may be the
 * last to leave a port, and close what it had. */
static uint64_t handles_left(uint64_t expected)
{
    uint64_t deadline_ns = ppi_deadline_ns(TEST_PATIENCE_MS), now;

    while ((now = ppi_process_handles()) > expected && ppi_now_ns() < deadline_ns)
        ppi_sleep_ms(1);
    return now;
}

static void play_round(uint64_t number, uint64_t limit)
{
    static uint64_t handles; /* after the first round: the process keeps some for itself */
    const uint64_t spare = ppi_on_linux() ? 0 : 16; /* Windows may take more of them later */

    game.limit = limit;
    begin_round(number);
    shut_down(stress_mix(game.seed + number) % 2 == 0 ? PP_SHUT_FAST : PP_SHUT_DRAIN);
    stress_close_all();
    check_accounts();
    pp_port_close(game.port);
    if (number == 0)
        handles = ppi_process_handles();
    uint64_t now = handles_left(handles + spare);
    if (now > handles + spare)
        stress_fail("handles of the system were leaked", NULL, (int64_t)(now - handles));
    add_up();
}

/* How many operations a round has: as often few as many. */
static uint64_t round_limit(uint64_t number, uint64_t left)
{
    uint64_t random = stress_mix(game.seed + stress_mix(number + 1));
    uint64_t limit = 1 + (random >> 8) % ((uint64_t)2 << random % ROUND_BITS);

    return limit < left ? limit : left;
}

static void report(uint64_t rounds, uint64_t begin_ns)
{
    printf("ok 1 - every operation that was started ended exactly once\n"
           "# %llu operations in %llu rounds, %llu ms, seed %llu: packets %llu, discarded %llu, "
           "called %llu, waited for %llu, done at once %llu, timers run %llu, stopped %llu; "
           "starts refused %llu\n",
           (unsigned long long)total.started, (unsigned long long)rounds,
           (unsigned long long)((ppi_now_ns() - begin_ns) / PPI_NS_PER_MS),
           (unsigned long long)game.seed, (unsigned long long)total.packets,
           (unsigned long long)total.discarded, (unsigned long long)total.called,
           (unsigned long long)total.waited, (unsigned long long)total.done,
           (unsigned long long)total.ran, (unsigned long long)total.stopped,
           (unsigned long long)total.refused);
}

int main(int argc, char **argv)
{
    uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000, rounds = 0;
    uint64_t begin_ns = ppi_now_ns();
    pp_op warm = PP_OP_INIT;

    ppi_check_set_hook(ppi_check_abort);
    game.seed =
        argc > 2 && argv[2][0] != '\0' ? strtoull(argv[2], NULL, 10) : ppi_random() % 1000000;
    game.single = argc > 3 && strcmp(argv[3], "single") == 0;
    ppi_mutex_init(&game.lock);
    ppi_cond_init(&game.reached);
    for (int i = 0; i < LISTENERS; i++)
        snprintf(game.paths[i], PP_PATH_MAX, "%s", test_path());
    stress_prepare();
    pp_op_use_wait(&warm); /* this thread keeps what it waits with */
    printf("1..1\n");
    while (total.started < operations) {
        play_round(rounds, round_limit(rounds, operations - total.started));
        rounds++;
    }
    report(rounds, begin_ns);
    return 0;
}
