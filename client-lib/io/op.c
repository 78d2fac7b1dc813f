/* op.c: states of operations, and waiting for one without a port.
 *
 * Who waits registers a thread's event in the operation; who ends it sets that event. Both do so
 * under one of a few locks chosen by the operation's address, so that an operation may be freed
 * by its waiter the moment it is free to go. */
#include "io/op.h"

#include <stdatomic.h>

#include "base/check.h"
#include "base/status.h"
#include "io/driver.h"
#include "io/handle.h"

enum { PPI_IDLE, PPI_STARTED, PPI_ENDED };

static _Atomic uint32_t *state_of(pp_op *op)
{
    return (_Atomic uint32_t *)&op->priv_.state;
}

int ppi_op_start(pp_op *op, enum ppi_kind kind)
{
    uint32_t idle = PPI_IDLE;

    if (!atomic_compare_exchange_strong_explicit(state_of(op), &idle, PPI_STARTED,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return PP_ESTATE;
    op->priv_.kind = (uint8_t)kind;
    op->priv_.handle = NULL;
    op->priv_.done = 0;
    op->buffer = NULL;
    ppi_op_result(op, PP_OK, 0, 0);
    return PP_OK;
}

void ppi_op_revoke(pp_op *op)
{
    atomic_store_explicit(state_of(op), PPI_IDLE, memory_order_release);
}

void ppi_op_deliver(pp_op *op)
{
    ppi_check(atomic_load_explicit(state_of(op), memory_order_relaxed) == PPI_ENDED);
    atomic_store_explicit(state_of(op), PPI_IDLE, memory_order_release);
}

static struct ppi_mutex *wait_lock(const pp_op *op)
{
    static struct ppi_mutex locks[] = { PPI_MUTEX_INIT, PPI_MUTEX_INIT, PPI_MUTEX_INIT,
                                        PPI_MUTEX_INIT, PPI_MUTEX_INIT, PPI_MUTEX_INIT,
                                        PPI_MUTEX_INIT, PPI_MUTEX_INIT };

    return &locks[((uintptr_t)op >> 6) % PPI_COUNT(locks)];
}

/* The event of the thread that waits for op, to be set without the lock; NULL: nobody waits. */
static struct ppi_event *hold_waiter(const pp_op *op)
{
    struct ppi_event *event = op->priv_.wait;

    if (event != NULL)
        ppi_event_hold(event);
    return event;
}

void ppi_op_end(pp_op *op)
{
    if (!ppi_op_waited(op)) {
        atomic_store_explicit(state_of(op), PPI_ENDED, memory_order_release);
        return;
    }
    struct ppi_mutex *lock = wait_lock(op);
    ppi_mutex_lock(lock);
    struct ppi_event *event = hold_waiter(op);
    atomic_store_explicit(state_of(op), PPI_ENDED, memory_order_release);
    ppi_mutex_unlock(lock); /* op may be gone now */
    if (event != NULL)
        ppi_event_set(event);
}

void ppi_op_nudge(pp_op *op)
{
    if (!ppi_op_waited(op))
        return;
    struct ppi_mutex *lock = wait_lock(op);
    ppi_mutex_lock(lock);
    struct ppi_event *event = hold_waiter(op);
    ppi_mutex_unlock(lock);
    if (event != NULL)
        ppi_event_set(event);
}

int pp_op_use_wait(pp_op *op)
{
    if (atomic_load_explicit(state_of(op), memory_order_acquire) != PPI_IDLE)
        return ppi_fail(PP_ESTATE, "the operation is in flight");
    if (ppi_thread_event() == NULL) /* now, for an operation in flight must be waited for */
        return ppi_fail(PP_ELIMIT, "no handle left to wait with");
    op->priv_.flags |= PPI_OP_WAITED;
    op->priv_.wait = NULL;
    return PP_OK;
}

int pp_op_use_call(pp_op *op, void (*fn)(pp_op *op))
{
    if (atomic_load_explicit(state_of(op), memory_order_acquire) != PPI_IDLE)
        return ppi_fail(PP_ESTATE, "the operation is in flight");
    op->priv_.handler = fn;
    op->priv_.flags =
        (uint8_t)(fn != NULL ? op->priv_.flags | PPI_OP_USERS : op->priv_.flags & ~PPI_OP_USERS);
    return PP_OK;
}

/* True: op has ended and is the caller's. Else event is registered, or with NULL forgotten. */
static bool ended(pp_op *op, struct ppi_event *event)
{
    struct ppi_mutex *lock = wait_lock(op);

    ppi_mutex_lock(lock);
    bool end = atomic_load_explicit(state_of(op), memory_order_acquire) == PPI_ENDED;
    op->priv_.wait = end ? NULL : event;
    ppi_mutex_unlock(lock);
    return end;
}

static int take_waited(pp_op *op)
{
    pp_handle *handle = op->priv_.handle;
    enum ppi_kind kind = (enum ppi_kind)op->priv_.kind;

    op->priv_.flags &= (uint8_t)~PPI_OP_WAITED;
    ppi_op_deliver(op);
    if (handle != NULL)
        ppi_handle_op_taken(handle, kind);
    return 1;
}

static _Thread_local bool in_callback;

bool ppi_in_callback(void)
{
    return in_callback;
}

bool ppi_enter_callback(void)
{
    bool before = in_callback;

    in_callback = true;
    return before;
}

void ppi_leave_callback(bool before)
{
    in_callback = before;
}

int pp_op_wait(pp_op *op, int timeout_ms)
{
    uint64_t deadline_ns = ppi_deadline_ns(timeout_ms);
    uint32_t state = atomic_load_explicit(state_of(op), memory_order_acquire);

    if (!ppi_op_waited(op) || state == PPI_IDLE)
        return ppi_fail(PP_ESTATE, "start it after pp_op_use_wait, then wait");
    if (in_callback)
        return ppi_fail(PP_EDEADLOCK, "waiting inside a callback could never end");

    struct ppi_event *event = ppi_thread_event();
    if (event == NULL)
        return ppi_fail(PP_ELIMIT, "no handle left to wait with");
    while (!ended(op, event)) {
        pp_handle *handle = op->priv_.handle;
        bool go_on = handle != NULL ? ppi_handle_wait(handle, op, event, deadline_ns)
                                    : ppi_event_wait(event, deadline_ns);
        if (!go_on && !ended(op, NULL))
            return 0;
    }
    return take_waited(op);
}

bool ppi_ops_remove(struct ppi_ops *ops, const pp_op *op)
{
    pp_op *before = NULL;

    for (pp_op *at = ops->head; at != NULL; before = at, at = at->priv_.next) {
        if (at != op)
            continue;
        if (before == NULL)
            ops->head = at->priv_.next;
        else
            before->priv_.next = at->priv_.next;
        if (ops->tail == at)
            ops->tail = before;
        return true;
    }
    return false;
}
