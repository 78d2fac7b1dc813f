/* timers.h: timers that run, soonest first: a binary heap in which each timer knows its place. Not
 * thread-safe: the user-space queue's, under its lock. */
#ifndef PPI_TIMERS_H
#define PPI_TIMERS_H

#include <stdint.h>

#include "io/timer.h"

/* Zero is empty. */
struct ppi_timers {
    struct ppi_timer **heap; /* from index 1 */
    uint32_t count, capacity;
};

/* Enters a timer by its deadline_ns. PP_OK, PP_ENOMEM. */
int ppi_timers_add(struct ppi_timers *timers, struct ppi_timer *timer);

/* Takes it out; it must be there. */
void ppi_timers_remove(struct ppi_timers *timers, struct ppi_timer *timer);

/* The soonest; NULL: there is none. */
struct ppi_timer *ppi_timers_first(const struct ppi_timers *timers);

void ppi_timers_deinit(struct ppi_timers *timers);

#endif
