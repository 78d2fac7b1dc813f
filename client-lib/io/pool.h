/* pool.h: a port's buffers for pooled reads: the buffer manager of the classic message pump.
 *
 * All have one size and are made when first needed. The one given back last is used next, while
 * it is warm. A read that finds none waits; a buffer that comes back goes to the read that has
 * waited longest. */
#ifndef PPI_POOL_H
#define PPI_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <panpipe/port.h>

#include "base/list.h"
#include "io/sys.h"

struct ppi_pool {
    struct ppi_mutex lock;
    void *free;              /* newest first, linked through their headers */
    struct ppi_list waiters; /* handles without a buffer, oldest first */
    struct ppi_list granted; /* handles that were given one and are to be retried */
    atomic_bool has_granted;
    uint32_t buffer_bytes;
    uint32_t count_max, count, free_count;
};

void ppi_pool_init(struct ppi_pool *pool, uint32_t count_max, uint32_t buffer_bytes);
/* Every buffer must be back. */
void ppi_pool_deinit(struct ppi_pool *pool);

/* A buffer for the handle, whose lock is held. PP_OK; PP_EBUSY: there is none now; when one comes
 * back, ppi_handle_retry is called for its lane PPI_IN, and ppi_pool_forget takes that back;
 * PP_ENOMEM: there is none, and none is in use that could come back. */
int ppi_pool_take(struct ppi_pool *pool, pp_handle *handle, void **buffer);
void ppi_pool_forget(struct ppi_pool *pool, pp_handle *handle);

/* Gives a buffer back that was taken and not used. Locks of handles may be held; after the last
 * one is released, ppi_pool_settle must be called (ppi_handle_unlock does). */
void ppi_pool_return(struct ppi_pool *pool, void *buffer);

/* Retries the handles that were given a buffer. No lock of a handle may be held. */
void ppi_pool_settle(struct ppi_pool *pool);

/* Is there anything to settle? What the calling thread returned itself counts for sure. */
static inline bool ppi_pool_has_granted(struct ppi_pool *pool)
{
    return atomic_load_explicit(&pool->has_granted, memory_order_acquire);
}

#endif
