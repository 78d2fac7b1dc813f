/* test_e2e [sim|WORKERS [PATTERN]]: the broker's tests over real pipes, or simulated ones; only
 * those whose names match. WORKERS 0: as many as the broker would have by itself.
 *
 * test_e2e_turns [PATTERN]: over simulated pipes, with workers that take turns; SIM_SEED, or
 * 1, decides how many, whose turn it is, and what is short or late. */
#include "e2e/bus.h"
#include "e2e/wire.h"
#include "sim/turns.h"
#include "support/support.h"

#include "base/check.h"

static uint64_t given_seed(void)
{
    const char *given = ppi_environment("SIM_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;

    printf("# SIM_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

int main(int argc, char **argv)
{
    bool simulated = sim_has_turns || (argc > 1 && strcmp(argv[1], "sim") == 0);
    int pattern = sim_has_turns ? 1 : 2;

    ppi_check_set_hook(ppi_check_abort);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (argc > pattern)
        cmocka_set_test_filter(argv[pattern]);
    if (sim_has_turns)
        bus_use_seed(given_seed());
    bus_use(simulated ? BUS_SIM : BUS_REAL,
            argc > 1 && !simulated ? (unsigned)strtoul(argv[1], NULL, 10) : 0);
    int failures = hello_tests() + who_tests() + figures_tests() + holds_tests() + publish_tests() +
                   call_tests() + wait_tests() + describe_tests() + flow_tests() +
                   bad_input_tests() + watch_tests() + kick_tests() + tap_tests() +
                   tap_filter_tests();
    if (sim_has_turns)
        failures += turns_tests();
    if (!simulated)
        failures += storm_tests() + process_tests();
    return failures == 0 ? 0 : 1;
}
