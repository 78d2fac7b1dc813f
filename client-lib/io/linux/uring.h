/* uring.h: a ring that works for a port; see uring.c. */
#ifndef PPI_LINUX_URING_H
#define PPI_LINUX_URING_H

#include <stdbool.h>
#include <stdint.h>

#include <panpipe/pipe.h>

struct ppi_uring;

/* A ring for port; NULL: there cannot be one, here or now. With the epoll set given, the port's
 * single consumer has it, and watches that too; with -1, it has a thread of its own. */
struct ppi_uring *ppi_uring_open(pp_port *port, int epoll_fd);
void ppi_uring_close(struct ppi_uring *uring);

/* As ppi_watch_... in linux.h. */
int ppi_uring_add(struct ppi_uring *uring, pp_handle *handle);
void ppi_uring_remove(struct ppi_uring *uring, pp_handle *handle);
void ppi_uring_await(struct ppi_uring *uring, pp_handle *handle, const pp_op *op);
bool ppi_uring_cancel(struct ppi_uring *uring, pp_handle *handle, const pp_op *op);

/* A single consumer's: as the slots of ppi_port_driver. true: look into the set. */
bool ppi_uring_poll(struct ppi_uring *uring, uint64_t deadline_ns);
void ppi_uring_wake(struct ppi_uring *uring);
void ppi_uring_leave(struct ppi_uring *uring);

#endif
