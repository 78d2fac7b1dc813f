/* queue_user.h: what the completion queue in user space consists of. See queue_user.c, and
 * queue_life.c for its beginning and end. */
#ifndef PPI_QUEUE_USER_H
#define PPI_QUEUE_USER_H

#include "io/queue.h"
#include "io/sys.h"
#include "io/timers.h"

struct waiter;

struct ppi_queue {
    struct ppi_mutex lock;
    struct ppi_ops packets;
    uint64_t packet_count;
    struct waiter *parked; /* newest first */
    uint32_t parked_count, active, polling;
    uint32_t takes; /* since events were last looked for */
    bool wake_sent; /* a poller is on its way out */
    bool lent;      /* a foreign loop waits for the driver's descriptor */
    bool ended;
    bool single;              /* PP_PORT_SINGLE_CONSUMER */
    _Atomic(void *) consumer; /* single: the thread it is, by its seat; NULL: none yet */
    uint64_t wakeups;
    struct ppi_timers timers;
};

/* Takes the oldest packet; NULL: there is none. With the lock. */
pp_op *ppi_queue_first(struct ppi_queue *queue);

/* Queues the packets of all timers that are due. With the lock. */
void ppi_timers_run(pp_port *port);

#endif
