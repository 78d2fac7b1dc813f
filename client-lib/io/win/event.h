/* event.h: see event.c. */
#ifndef PPI_WIN_EVENT_H
#define PPI_WIN_EVENT_H

#include <stdatomic.h>

#include "io/sys.h"

struct ppi_event {
    HANDLE handle;
    atomic_uint held;
};

/* As ppi_event_wait, or until other (NULL: none) is signaled. */
bool ppi_event_wait_with(struct ppi_event *event, HANDLE other, uint64_t deadline_ns);

#endif
