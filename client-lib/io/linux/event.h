/* event.h: see event.c. */
#ifndef PPI_LINUX_EVENT_H
#define PPI_LINUX_EVENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/sys.h"

struct ppi_event {
    int fd;
    unsigned generation; /* of the process whose fd it is: a forked child must have another */
    atomic_uint held;
};

/* As ppi_event_wait, or until fd (-1: none) has one of the events of poll(2). */
bool ppi_event_wait_with(struct ppi_event *event, int fd, short events, uint64_t deadline_ns);

#endif
