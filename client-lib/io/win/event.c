/* event.c: a thread's own event; it can be waited for together with an operation of the system.
 *
 * It lies in a slot of fiber-local storage, because only those tell when their thread ends. */
#include "io/win/event.h"

#include <stdlib.h>

static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
static DWORD slot = FLS_OUT_OF_INDEXES;

static void WINAPI free_event(void *argument)
{
    struct ppi_event *event = argument;

    if (event == NULL)
        return;
    while (atomic_load_explicit(&event->held, memory_order_acquire) > 0)
        ppi_yield();
    CloseHandle(event->handle);
    free(event);
}

static BOOL WINAPI make_slot(INIT_ONCE *init, void *parameter, void **context)
{
    (void)init;
    (void)parameter;
    (void)context;
    slot = FlsAlloc(free_event);
    return TRUE;
}

struct ppi_event *ppi_thread_event(void)
{
    InitOnceExecuteOnce(&once, make_slot, NULL, NULL);
    if (slot == FLS_OUT_OF_INDEXES)
        return NULL;
    struct ppi_event *event = FlsGetValue(slot);
    if (event != NULL)
        return event;
    event = malloc(sizeof *event);
    if (event == NULL)
        return NULL;
    atomic_init(&event->held, 0);
    event->handle = CreateEventW(NULL, FALSE, FALSE, NULL); /* a wait resets it */
    if (event->handle == NULL || !FlsSetValue(slot, event)) {
        if (event->handle != NULL)
            CloseHandle(event->handle);
        free(event);
        return NULL;
    }
    return event;
}

void ppi_event_hold(struct ppi_event *event)
{
    atomic_fetch_add_explicit(&event->held, 1, memory_order_relaxed);
}

void ppi_event_set(struct ppi_event *event)
{
    SetEvent(event->handle);
    atomic_fetch_sub_explicit(&event->held, 1, memory_order_release);
}

bool ppi_event_wait_with(struct ppi_event *event, HANDLE other, uint64_t deadline_ns)
{
    HANDLE handles[] = { event->handle, other };
    DWORD timeout_ms = (DWORD)ppi_until_ms(deadline_ns); /* -1 is INFINITE */
    DWORD result = WaitForMultipleObjects(other != NULL ? 2 : 1, handles, FALSE, timeout_ms);

    return result != WAIT_TIMEOUT || ppi_until_ms(deadline_ns) != 0;
}

bool ppi_event_wait(struct ppi_event *event, uint64_t deadline_ns)
{
    return ppi_event_wait_with(event, NULL, deadline_ns);
}
