#include "support/count_allocations.h"

#include <stdatomic.h>
#include <stddef.h>

static atomic_uint_fast64_t count;
static atomic_int_fast64_t live;
static atomic_int_fast64_t until_failure = -1; /* allocations; negative: none fails */

/* What the linker makes of the names: __real_ is the original, __wrap_ is called instead. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t number, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t number, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

/* Counts an allocation; false: it fails. */
static bool begin(void)
{
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    if (atomic_load_explicit(&until_failure, memory_order_relaxed) < 0)
        return true;
    return atomic_fetch_sub_explicit(&until_failure, 1, memory_order_relaxed) != 0;
}

static void *end(void *memory)
{
    if (memory != NULL)
        atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return begin() ? end(__real_malloc(size)) : NULL;
}

void *__wrap_calloc(size_t number, size_t size)
{
    return begin() ? end(__real_calloc(number, size)) : NULL;
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (!begin())
        return NULL;
    return memory != NULL ? __real_realloc(memory, size) : end(__real_malloc(size));
}

void __wrap_free(void *memory)
{
    if (memory != NULL)
        atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    __real_free(memory);
}

uint64_t allocations_counted(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed);
}

int64_t allocations_live(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}

void allocations_fail_after(unsigned n)
{
    atomic_store(&until_failure, (int_fast64_t)n);
}

bool allocations_failed(void)
{
    return atomic_exchange(&until_failure, -1) < 0;
}
