/* storm_tests.h: storms on one port, by seed; see storm_tests.c. */
#ifndef STORM_TESTS_H
#define STORM_TESTS_H

#include <stdint.h>

extern uint64_t sim_seed_given; /* SIM_SEED, or 1 */

int storm_tests(void);

#endif
