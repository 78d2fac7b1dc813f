/* timer.h: a deadline that ends as a packet on the port, run by the port itself (op.handler).
 * Internal: users have their own clocks. */
#ifndef PPI_TIMER_H
#define PPI_TIMER_H

#include <stdbool.h>

#include <panpipe/port.h>

#include "base/list.h"

/* Set op.priv_.handler once; the handler runs on the thread that takes the packet. */
struct ppi_timer {
    pp_op op;
    uint64_t deadline_ns;
    uint32_t position;       /* in the port's heap, from 1; 0: not in it */
    void *system;            /* Windows: the system's timer */
    struct ppi_list running; /* Windows: in its port's list; there position is 0 or 1 */
};

/* The time that deadlines are compared with: ppi_now_ns, or the simulator's clock. */
uint64_t ppi_timer_now_ns(pp_port *port);

/* PP_OK: the handler will run once, at deadline_ns or later, unless stopped.
 * PP_ESTATE (runs already), PP_ECLOSED, PP_ENOMEM. */
int ppi_timer_start(struct ppi_timer *timer, pp_port *port, uint64_t deadline_ns);

/* true: it will not run. false: it was not running, or its handler is on its way. */
bool ppi_timer_stop(struct ppi_timer *timer, pp_port *port);

#endif
