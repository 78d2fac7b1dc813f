#include "support/count_locks.h"

#include <stdatomic.h>
#include <stddef.h>

/* By the mutex's address; a slot's mutex is set once. What finds no room is counted in all. */
enum { SLOTS = 4096, STEPS_MAX = 64 };
static struct slot {
    _Atomic(void *) mutex;
    atomic_uint_fast64_t count;
} slots[SLOTS];
static atomic_uint_fast64_t all;

/* What the linker makes of the names: __real_ is the original, __wrap_ is called instead. */
int __real_pthread_mutex_lock(void *mutex);
int __wrap_pthread_mutex_lock(void *mutex);

static struct slot *slot_of(void *mutex)
{
    uintptr_t first = (uintptr_t)mutex >> 3;

    for (unsigned i = 0; i < STEPS_MAX; i++) {
        struct slot *slot = &slots[(first + i) % SLOTS];
        void *here = atomic_load_explicit(&slot->mutex, memory_order_relaxed);

        if (here == NULL)
            atomic_compare_exchange_strong(&slot->mutex, &here, mutex);
        if (here == mutex || here == NULL)
            return slot;
    }
    return NULL;
}

int __wrap_pthread_mutex_lock(void *mutex)
{
    struct slot *slot = slot_of(mutex);

    atomic_fetch_add_explicit(&all, 1, memory_order_relaxed);
    if (slot != NULL)
        atomic_fetch_add_explicit(&slot->count, 1, memory_order_relaxed);
    return __real_pthread_mutex_lock(mutex);
}

void locks_forget(void)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        atomic_store(&slots[i].mutex, NULL);
        atomic_store(&slots[i].count, 0);
    }
    atomic_store(&all, 0);
}

uint64_t locks_counted(void)
{
    return atomic_load(&all);
}

uint64_t locks_on(const void *mutex)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (atomic_load(&slots[i].mutex) == mutex)
            return atomic_load(&slots[i].count);
    return 0;
}

const void *locks_most(void)
{
    struct slot *most = &slots[0];

    for (unsigned i = 1; i < SLOTS; i++)
        if (atomic_load(&slots[i].count) > atomic_load(&most->count))
            most = &slots[i];
    return atomic_load(&most->mutex);
}
