/* requests.h: what a ring is to do for the streams of a port, and what of it is with the kernel.
 *
 * Any thread says what is to be done; the ring's owner makes entries of it. Every stream has a
 * slot, slots with something to do are in a list, and a slot is used again only when nothing of it
 * is with the kernel any more. An owner that sleeps is kicked through an eventfd. */
#ifndef PPI_LINUX_REQUESTS_H
#define PPI_LINUX_REQUESTS_H

#include <panpipe/pipe.h>

#include "io/handle.h"
#include "io/linux/ring.h"

/* What an entry is for. Its user data: a slot's index, or what belongs there, and this. */
enum ppi_entry_kind { PPI_RECEIVE, PPI_SEND, PPI_WATCH, PPI_CANCEL, PPI_TICK };
enum { PPI_KIND_BITS = 3 };

struct ppi_slot;

struct ppi_requests {
    struct ppi_mutex lock; /* innermost of all locks */
    struct ppi_slot *slots;
    uint32_t slot_count, first_free, first_listed;
    uint32_t with_kernel;
    int kick_fd;
    bool asleep; /* the owner waits in the kernel */
};

/* false: no descriptor. deinit accepts what init has left. */
bool ppi_requests_init(struct ppi_requests *requests);
void ppi_requests_deinit(struct ppi_requests *requests);
void ppi_requests_kick(struct ppi_requests *requests);

/* As ppi_watch_... in linux.h. */
int ppi_requests_add(struct ppi_requests *requests, pp_handle *handle);
void ppi_requests_remove(struct ppi_requests *requests, pp_handle *handle);
void ppi_requests_await(struct ppi_requests *requests, pp_handle *handle, const pp_op *op);
bool ppi_requests_cancel(struct ppi_requests *requests, pp_handle *handle, const pp_op *op);

/* --- for the ring's owner ----------------------------------------------------------------------
 */

/* An entry with that user data; NULL: the ring is full. */
struct io_uring_sqe *ppi_entry(struct ppi_ring *ring, uint32_t index, enum ppi_entry_kind kind);

/* What is to be done becomes entries, as long as there is room. Will the owner sleep then? Not
 * unless it would like to, and there is nothing left to do; who comes later kicks it. */
bool ppi_requests_put(struct ppi_requests *requests, struct ppi_ring *ring, bool would_sleep);
void ppi_requests_awake(struct ppi_requests *requests);

/* A request has ended: the handle it was for, referenced; NULL: that is gone. */
pp_handle *ppi_requests_end(struct ppi_requests *requests, uint32_t index, int lane);

#endif
