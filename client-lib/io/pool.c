#include "io/pool.h"

#include <stdlib.h>

#include "base/check.h"
#include "io/handle.h"

/* In front of every buffer; keeps what follows aligned. */
struct header {
    _Alignas(16) struct ppi_pool *pool;
    struct header *next; /* while free */
};

void ppi_pool_init(struct ppi_pool *pool, uint32_t count_max, uint32_t buffer_bytes)
{
    ppi_mutex_init(&pool->lock);
    ppi_list_init(&pool->waiters);
    ppi_list_init(&pool->granted);
    atomic_init(&pool->has_granted, false);
    pool->free = NULL;
    pool->buffer_bytes = buffer_bytes;
    pool->count_max = count_max;
    pool->count = pool->free_count = 0;
}

void ppi_pool_deinit(struct ppi_pool *pool)
{
    struct header *next;

    ppi_check(pool->free_count == pool->count);
    for (struct header *header = pool->free; header != NULL; header = next) {
        next = header->next;
        free(header);
    }
    ppi_mutex_deinit(&pool->lock);
}

/* With the lock held. */
static void *take_free(struct ppi_pool *pool)
{
    struct header *header = pool->free;

    if (header != NULL) {
        pool->free = header->next;
        pool->free_count--;
        return header + 1;
    }
    if (pool->count == pool->count_max)
        return NULL;
    header = malloc(sizeof *header + pool->buffer_bytes);
    if (header == NULL)
        return NULL;
    header->pool = pool;
    pool->count++;
    return header + 1;
}

int ppi_pool_take(struct ppi_pool *pool, pp_handle *handle, void **buffer)
{
    ppi_mutex_lock(&pool->lock);
    *buffer = handle->granted;
    handle->granted = NULL;
    if (*buffer == NULL && ppi_list_empty(&pool->waiters))
        *buffer = take_free(pool);
    int status = *buffer != NULL ? PP_OK : pool->count == 0 ? PP_ENOMEM : PP_EBUSY;
    if (status == PP_EBUSY && ppi_list_empty(&handle->in_pool)) {
        ppi_list_append(&pool->waiters, &handle->in_pool);
        ppi_handle_ref(handle);
    }
    ppi_mutex_unlock(&pool->lock);
    return status;
}

void ppi_pool_return(struct ppi_pool *pool, void *buffer)
{
    struct header *header = (struct header *)buffer - 1;

    ppi_mutex_lock(&pool->lock);
    struct ppi_list *first = ppi_list_take(&pool->waiters);
    if (first != NULL) {
        PP_CONTAINER(first, pp_handle, in_pool)->granted = buffer;
        ppi_list_append(&pool->granted, first);
        atomic_store_explicit(&pool->has_granted, true, memory_order_release);
    } else {
        header->next = pool->free;
        pool->free = header;
        pool->free_count++;
    }
    ppi_mutex_unlock(&pool->lock);
}

void ppi_pool_settle(struct ppi_pool *pool)
{
    while (ppi_pool_has_granted(pool)) {
        ppi_mutex_lock(&pool->lock);
        struct ppi_list *first = ppi_list_take(&pool->granted);
        if (ppi_list_empty(&pool->granted))
            atomic_store_explicit(&pool->has_granted, false, memory_order_relaxed);
        ppi_mutex_unlock(&pool->lock);
        if (first == NULL)
            return;

        pp_handle *handle = PP_CONTAINER(first, pp_handle, in_pool);
        ppi_mutex_lock(&handle->lock);
        ppi_handle_retry(handle, PPI_IN);
        ppi_mutex_unlock(&handle->lock);
        ppi_handle_unref(handle);
    }
}

/* The reference that a waiting handle has passes to ppi_pool_settle once it was given a buffer;
 * until then it is dropped here. */
void ppi_pool_forget(struct ppi_pool *pool, pp_handle *handle)
{
    ppi_mutex_lock(&pool->lock);
    void *buffer = handle->granted;
    bool waits = buffer == NULL && !ppi_list_empty(&handle->in_pool);

    handle->granted = NULL;
    if (waits)
        ppi_list_remove(&handle->in_pool);
    ppi_mutex_unlock(&pool->lock);
    if (buffer != NULL)
        ppi_pool_return(pool, buffer);
    if (waits)
        ppi_handle_unref(handle);
}

void pp_buffer_release(void *buffer)
{
    if (buffer == NULL)
        return;

    struct ppi_pool *pool = ((struct header *)buffer - 1)->pool;
    ppi_pool_return(pool, buffer);
    ppi_pool_settle(pool);
}
