/* queue.h: the heart of a port: packets that wait, workers that wait, and their meeting.
 * Two implementations with one meaning: queue_user.c in user space, fed by a ppi_port_driver;
 * io/win/queue_iocp.c, where the kernel's completion port is the queue. */
#ifndef PPI_QUEUE_H
#define PPI_QUEUE_H

#include <panpipe/port.h>

#include "io/op.h"

/* PP_OK, PP_ENOMEM, PP_ELIMIT, PP_ENOTSUP. Sets port->queue and port->concurrency. */
int ppi_queue_open(pp_port *port, const pp_port_config *config);
void ppi_queue_close(pp_port *port);

/* Queues an ended operation. */
void ppi_queue_push(pp_port *port, pp_op *op);

/* Ends the worker's previous packet; then takes up to count packets, waiting for the first until
 * deadline_ns (0: does not wait). How many, 0 at the deadline, PP_ECLOSED. Sets the op of each, of
 * which the caller makes the rest; a foreign packet has no op and is complete. PP_ESTATE: another
 * thread is the port's single consumer. */
int ppi_queue_take(pp_port *port, pp_packet *packets, int count, uint64_t deadline_ns);

/* As ppi_queue_take, with what somebody else took from a native port: 1, 0: it was the library's
 * own business, PP_ENOTFOUND: it is not ours, PP_ENOTSUP. */
int ppi_queue_claim(pp_port *port, void *overlapped, uintptr_t key, uint32_t bytes,
                    pp_packet *packet);

/* As pp_port_pollable. */
int ppi_queue_lend(pp_port *port, int *descriptor);

/* From now on ppi_queue_take returns PP_ECLOSED to everybody. */
void ppi_queue_end(pp_port *port);

/* After ppi_queue_end: takes one packet without being a worker, waiting for it until deadline_ns.
 * false: none came, or nothing is outstanding any more. */
bool ppi_queue_drop(pp_port *port, pp_packet *packet, uint64_t deadline_ns);

/* The calling thread will not come back to port; NULL: to whichever it belongs. */
void ppi_queue_detach(pp_port *port);

/* Fills what the queue knows. */
void ppi_queue_info(pp_port *port, pp_port_stats *stats);

#endif
