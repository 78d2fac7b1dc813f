#include "support/count_allocations.h"

#include <stdatomic.h>
#include <stddef.h>

static atomic_uint_fast64_t count;

/* What the linker makes of the names: __real_ is the original, __wrap_ is called instead. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t number, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t number, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    return __real_malloc(size);
}

void *__wrap_calloc(size_t number, size_t size)
{
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    return __real_calloc(number, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    return __real_realloc(memory, size);
}

uint64_t allocations_counted(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed);
}
