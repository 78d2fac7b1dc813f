/* sim.h: pipes, ports and a clock that exist in this process only, and do what the test says.
 *
 * The simulator takes the place of the platform's driver: everything above the seam is the
 * product's own code. There is one thread, so the test decides who runs when, and a run is the same
 * every time. Time stands still until nothing else can happen; then it jumps to the next timer. */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <panpipe/port.h>

#include "base/compiler.h"

/* How the pipes behave, from now on. 0: no limit. */
struct sim_script {
    size_t read_max;   /* bytes that one read gets at most */
    size_t write_max;  /* bytes that one attempt to write gets rid of at most */
    size_t capacity;   /* bytes that a pipe holds in each direction */
    unsigned refusals; /* of a hundred attaches, connects and accepts, how many are refused */
    unsigned resets;   /* of a thousand reads and writes, how many find the connection gone */
};

/* Puts the simulator in the system's place; an empty world. And back: every handle and port must
 * be closed. */
void sim_begin(const struct sim_script *script);
void sim_end(void);

/* What is left to chance comes out by this seed from now on, the same again with the same. faults:
 * how many of a hundred transfers are short, and events late. */
void sim_chance(uint64_t seed, unsigned faults);

/* Who connects from now on; 0, as in the beginning: root. */
void sim_become(uint32_t uid);

/* Lets all ports work until nothing more happens; then lets time pass until the next timer, if
 * there is one. false: there is nothing that could ever happen. */
bool sim_step(void);

/* Lets so much time pass, with all that happens meanwhile. */
void sim_pass_ms(uint64_t milliseconds);

uint64_t sim_now_ns(void);

/* false: something was not closed. */
bool sim_is_empty(void);

/* What has happened since sim_begin, a line for each thing; of the last world until the next. */
const char *sim_told(void);
void sim_log(const char *format, ...) PPI_PRINTF(1, 2);

#endif
