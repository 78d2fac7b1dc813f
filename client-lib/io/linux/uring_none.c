/* uring_none.c: in the place of uring.c, where the system's headers are too old for it: there is
 * never a ring, so nothing but the first is ever called. */
#include "io/linux/uring.h"

struct ppi_uring *ppi_uring_open(pp_port *port, int epoll_fd)
{
    (void)port;
    (void)epoll_fd;
    return NULL;
}

void ppi_uring_close(struct ppi_uring *uring)
{
    (void)uring;
}

int ppi_uring_add(struct ppi_uring *uring, pp_handle *handle)
{
    (void)uring;
    (void)handle;
    return PP_ENOTSUP;
}

void ppi_uring_remove(struct ppi_uring *uring, pp_handle *handle)
{
    (void)uring;
    (void)handle;
}

void ppi_uring_await(struct ppi_uring *uring, pp_handle *handle, const pp_op *op)
{
    (void)uring;
    (void)handle;
    (void)op;
}

bool ppi_uring_cancel(struct ppi_uring *uring, pp_handle *handle, const pp_op *op)
{
    (void)uring;
    (void)handle;
    (void)op;
    return true;
}

bool ppi_uring_poll(struct ppi_uring *uring, uint64_t deadline_ns)
{
    (void)uring;
    (void)deadline_ns;
    return true;
}

void ppi_uring_wake(struct ppi_uring *uring)
{
    (void)uring;
}

void ppi_uring_leave(struct ppi_uring *uring)
{
    (void)uring;
}
