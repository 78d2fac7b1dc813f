/* turns_none.c: in the place of turns.c, in programs whose simulator has one thread. */
#include "sim/turns.h"

const bool sim_has_turns = false;

void sim_turns_begin(unsigned locks_a_turn)
{
    (void)locks_a_turn;
}

bool sim_turns_end(void)
{
    return true;
}
