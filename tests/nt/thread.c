/* thread.c: threads, what each has for itself, and how a port learns that one waits. */
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include <process.h>

#include "nt/model.h"

static _Thread_local struct nt_thread *self;
static void (*slot_callbacks[NT_SLOTS])(void *);
static DWORD slot_count;

/* The main thread has no start, so it is made when it first comes. */
struct nt_thread *nt_self(void)
{
    if (self == NULL) {
        self = nt_alloc(sizeof *self);
        self->object = (struct nt_object){ NT_THREAD, 0, 1, false, true };
    }
    return self;
}

DWORD GetLastError(void)
{
    return nt_self()->error;
}

void SetLastError(DWORD error)
{
    nt_self()->error = error;
}

/* --- blocking -------------------------------------------------------------------------------- */

/* Row 28: whatever a thread waits for, its port lets another one run meanwhile. */
void nt_block(void)
{
    struct nt_thread *thread = nt_self();

    nt_irp_publish(true);
    if (thread->blocked++ == 0)
        nt_port_rest(thread);
}

/* Row 29: it goes on at once, even if that makes one too many. */
void nt_unblock(void)
{
    struct nt_thread *thread = nt_self();

    if (--thread->blocked == 0)
        nt_port_resume(thread);
}

void Sleep(DWORD milliseconds)
{
    static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    uint64_t deadline_ns = nt_deadline(milliseconds);

    nt_enter();
    nt_block();
    while (nt_wait(&never, deadline_ns))
        ;
    nt_unblock();
    nt_leave();
}

BOOL SwitchToThread(void)
{
    nt_enter();
    nt_leave();
    return sched_yield() == 0;
}

/* --- threads --------------------------------------------------------------------------------- */

struct start {
    struct nt_thread *thread;
    DWORD (*run)(void *);
    unsigned (*run_of_c)(void *);
    void *argument;
};

/* FlsAlloc's page: a callback is called at the end of each thread for which the slot is not NULL.
 */
static void end_slots(struct nt_thread *thread)
{
    for (DWORD i = 0; i < NT_SLOTS; i++) {
        void *value = thread->slots[i];

        thread->slots[i] = NULL;
        if (value != NULL && slot_callbacks[i] != NULL)
            slot_callbacks[i](value);
    }
}

static void *run_thread(void *argument)
{
    struct start start = *(struct start *)argument;

    nt_free(argument);
    self = start.thread;
    if (start.run != NULL)
        start.run(start.argument);
    else
        start.run_of_c(start.argument);
    end_slots(self);
    nt_enter();
    nt_irp_orphan(self);
    nt_port_forget(self); /* row 31 */
    nt_signal(&self->object);
    nt_irp_publish(true);
    nt_unref(&self->object);
    nt_leave();
    return NULL;
}

static HANDLE start_thread(struct start start)
{
    struct start *copy = nt_alloc(sizeof *copy);
    pthread_t thread;

    nt_enter();
    DWORD error = nt_fault();
    if (error != ERROR_SUCCESS) {
        nt_free(copy);
        nt_result(error);
        return NULL;
    }
    start.thread = nt_alloc(sizeof *start.thread);
    start.thread->object = (struct nt_object){ NT_THREAD, 0, 2, false, true };
    HANDLE handle = nt_open(&start.thread->object);
    nt_leave();
    *copy = start;
    if (pthread_create(&thread, NULL, run_thread, copy) != 0)
        abort();
    pthread_detach(thread);
    return handle;
}

/* Of the system's own: it has no handle. */
void nt_start_hidden(DWORD (*run)(void *))
{
    struct start *start = nt_alloc(sizeof *start);
    pthread_t thread;

    *start = (struct start){ .thread = nt_alloc(sizeof *start->thread), .run = run };
    start->thread->object = (struct nt_object){ NT_THREAD, 0, 1, false, true };
    if (pthread_create(&thread, NULL, run_thread, start) != 0)
        abort();
    pthread_detach(thread);
}

HANDLE CreateThread(const SECURITY_ATTRIBUTES *attributes, SIZE_T stack, DWORD (*run)(void *),
                    void *argument, DWORD flags, DWORD *id)
{
    (void)attributes;
    (void)stack;
    (void)flags;
    (void)id;
    return start_thread((struct start){ .run = run, .argument = argument });
}

uintptr_t _beginthreadex(void *security, unsigned stack, unsigned (*run)(void *), void *argument,
                         unsigned flags, unsigned *id)
{
    (void)security;
    (void)stack;
    (void)flags;
    (void)id;
    return (uintptr_t)start_thread((struct start){ .run_of_c = run, .argument = argument });
}

/* --- slots ----------------------------------------------------------------------------------- */

DWORD FlsAlloc(void (*callback)(void *))
{
    nt_enter();
    DWORD slot = slot_count < NT_SLOTS ? slot_count++ : FLS_OUT_OF_INDEXES;
    if (slot != FLS_OUT_OF_INDEXES)
        slot_callbacks[slot] = callback;
    nt_leave();
    return slot;
}

void *FlsGetValue(DWORD slot)
{
    return slot < NT_SLOTS ? nt_self()->slots[slot] : NULL;
}

BOOL FlsSetValue(DWORD slot, void *value)
{
    if (slot >= NT_SLOTS)
        return FALSE;
    nt_self()->slots[slot] = value;
    return TRUE;
}
