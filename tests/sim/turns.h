/* turns.h: threads that take turns. In a program that is linked with turns.c (which takes the place
 * of the library's own threads, conditions and clock, see the linker options in CMakeLists.txt) the
 * simulator has as many threads as the test starts, one of which runs at a time. Which one goes on
 * is drawn when one waits, looks at the clock, or has given its last lock back; so everything that
 * threads can do to each other happens in some run, and with the same seed in the same order again.
 * Time passes in steps of a microsecond; if all wait, it jumps to the first deadline. */
#ifndef SIM_TURNS_H
#define SIM_TURNS_H

#include <stdbool.h>

/* Is the program linked with turns.c? With turns_none.c in its place the rest does nothing. */
extern const bool sim_has_turns;

/* The calling thread is the first, and the only one; after sim_begin and sim_chance. One of so many
 * times that a thread gives its last lock back it loses its turn; 0: never. Until sim_turns_end
 * threads are started by the library's function only. */
void sim_turns_begin(unsigned locks_a_turn);

/* false: there are threads that were not joined; they will never go on. */
bool sim_turns_end(void);

#endif
