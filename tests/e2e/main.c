/* test_e2e [sim|WORKERS [PATTERN]]: the broker's tests over real pipes, or simulated ones; only
 * those whose names match. WORKERS 0: as many as the broker would have by itself. */
#include "e2e/bus.h"
#include "e2e/wire.h"
#include "support/support.h"

#include "base/check.h"

int main(int argc, char **argv)
{
    bool simulated = argc > 1 && strcmp(argv[1], "sim") == 0;

    ppi_check_set_hook(ppi_check_abort);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    bus_use(simulated ? BUS_SIM : BUS_REAL,
            argc > 1 && !simulated ? (unsigned)strtoul(argv[1], NULL, 10) : 0);
    int failures = hello_tests() + who_tests() + figures_tests() + holds_tests() + publish_tests() +
                   call_tests() + wait_tests() + describe_tests() + flow_tests() +
                   bad_input_tests() + watch_tests() + kick_tests() + tap_tests() +
                   tap_filter_tests();
    if (!simulated)
        failures += storm_tests() + process_tests();
    return failures == 0 ? 0 : 1;
}
