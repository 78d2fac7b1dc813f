/* rows.c: the rows of tests/io over the simulator, with threads that take turns.
 *
 *     test_rows_sim [TEXT]     the rows with TEXT in their name; storm: only the storms
 *
 * SIM_SEED decides what is left to chance, above all whose turn it is; a test that fails says with
 * which seed it did, and fails again with it. Without SIM_SEED it is 1. */
#include "io/rows.h"
#include "sim/sim.h"
#include "sim/storm_tests.h"
#include "sim/turns.h"
#include "support/support.h"

#include "base/check.h"

enum { TESTS_MAX = 64 };

/* Tests of what is the system's own, which the simulator has not got. */
static const char *const of_the_system[] = {
    "row_01_", /* handles to be counted */
    "row_02_", /* processors */
    "row_22_", /* waits of a thread, counted by the kernel */
    "row_79_a_killed_server",
    "row_87_each_end_knows_",
    "row_87_groups_and_logon",
    "row_l",
    "row_w",
    NULL,
};

/* Tests of who waits since when: a thread must not lose its turn when it is counted as waiting, and
 * does not wait yet. */
static const char *const quiet[] = { "row_20_", "row_21_", NULL };

static const char *wanted = "";
uint64_t sim_seed_given = 1;

static bool is_one_of(const char *name, const char *const *beginnings)
{
    while (*beginnings != NULL && strncmp(name, *beginnings, strlen(*beginnings)) != 0)
        beginnings++;
    return *beginnings != NULL;
}

static int begin_with(unsigned locks_a_turn)
{
    static const struct sim_script script = { 0 };

    sim_begin(&script);
    sim_chance(sim_seed_given, 0);
    sim_turns_begin(locks_a_turn);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    return begin_with(8);
}

static int begin_quietly(void **state)
{
    (void)state;
    return begin_with(0);
}

/* What a test that failed has left lying about goes with its world. */
static int end(void **state)
{
    bool alone = sim_turns_end();

    (void)state;
    if (alone && sim_is_empty()) {
        sim_end();
        return 0;
    }
    print_error("something was left; SIM_SEED=%llu\n", (unsigned long long)sim_seed_given);
    return -1;
}

static int run_in_worlds(const char *name, const struct CMUnitTest *tests, size_t count)
{
    struct CMUnitTest chosen[TESTS_MAX];
    size_t chosen_count = 0;

    for (size_t i = 0; i < count; i++) {
        if (is_one_of(tests[i].name, of_the_system) || strstr(tests[i].name, wanted) == NULL)
            continue;
        ppi_check(chosen_count < TESTS_MAX);
        chosen[chosen_count] = tests[i];
        chosen[chosen_count].setup_func = is_one_of(tests[i].name, quiet) ? begin_quietly : begin;
        chosen[chosen_count++].teardown_func = end;
    }
    return chosen_count == 0 ? 0 : _cmocka_run_group_tests(name, chosen, chosen_count, NULL, NULL);
}

/* The process's first pipe is more work than the next: so that no test is the first. */
static void warm_up(void)
{
    static const struct sim_script script = { 0 };

    sim_begin(&script);
    test_path();
    sim_end();
}

int main(int argc, char **argv)
{
    const char *given = ppi_environment("SIM_SEED");

    ppi_check_set_hook(ppi_check_abort);
    if (argc == 2)
        wanted = argv[1];
    if (given != NULL)
        sim_seed_given = strtoull(given, NULL, 10);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    printf("# SIM_SEED=%llu\n", (unsigned long long)sim_seed_given); /* should it end at once */
    fflush(stdout);
    warm_up();
    test_groups_visit(run_in_worlds);
    int failures = port_rows() + worker_rows() + op_rows() + end_rows() + buffer_rows() +
                   stream_rows() + name_rows() + access_rows() + consumer_rows() + thread_rows() +
                   pool_rows() + corner_rows() + absent_rows();
    if (wanted[0] == '\0' || strstr("storm", wanted) != NULL)
        failures += storm_tests();
    if (failures > 0)
        print_error("again: SIM_SEED=%llu test_rows_sim %s\n", (unsigned long long)sim_seed_given,
                    wanted);
    return failures == 0 ? 0 : 1;
}
