/* port.h: the inside of a completion port; queue.h has its heart. */
#ifndef PPI_PORT_H
#define PPI_PORT_H

#include <stdatomic.h>

#include <panpipe/port.h>

#include "base/list.h"
#include "io/driver.h"
#include "io/pool.h"
#include "io/sys.h"

/* References: one for the caller until pp_port_close, one for each attached handle, one for each
 * worker between two pp_port_get. */
struct pp_port {
    uint64_t serial; /* no other port of the process ever has it; not 0 */
    atomic_uint references;
    atomic_uint generation;           /* of the process that opened it */
    atomic_uint_fast64_t outstanding; /* operations whose packet was not taken */
    atomic_uint_fast64_t busy;        /* of them, those that a draining shutdown waits for */
    atomic_uint_fast64_t delivered;
    atomic_bool closing; /* no new starts */
    uint32_t concurrency;
    struct ppi_mutex lock; /* handles, and the waiting in pp_port_shutdown */
    struct ppi_cond idle;  /* signaled while closing, when a packet was taken */
    struct ppi_list handles;
    struct ppi_pool pool;
    struct ppi_queue *queue; /* owned */
    const struct ppi_port_driver *driver;
    const char *driver_name; /* for pp_port_info */
    void *driver_data;       /* the driver's */
};

/* Is it the port from which the calling thread took last, or tried to, and to which it will come
 * back? What such a thread waits for would never be handled if it is the only one. */
bool ppi_port_is_home(const pp_port *port);

/* PP_OK; PP_ESTATE: this is a child that was forked since it was opened. */
int ppi_port_check_process(pp_port *port);

void ppi_port_ref(pp_port *port);
void ppi_port_unref(pp_port *port);

/* Counts an operation of an enum ppi_kind in before it may reach the system. PP_OK; PP_ECLOSED. */
int ppi_port_enter(pp_port *port, unsigned kind);
/* Posts a packet of the library's own, also while the port is being shut down: op must be idle. */
void ppi_port_post(pp_port *port, pp_op *op);

/* Counts it out: its packet was taken, or it was not started after all. */
void ppi_port_leave(pp_port *port, unsigned kind);

#endif
