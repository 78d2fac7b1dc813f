/* iocp.c: completion ports: packets first in first out, the newest waiter first, and no more
 * threads at work than the concurrency value says. */
#include "nt/model.h"

struct waiter {
    struct waiter *older;
    struct nt_thread *thread;
    pthread_cond_t woken;
    struct nt_packet *packet;
};

struct nt_port {
    struct nt_object object;
    unsigned concurrency, active;
    struct nt_packet *first, *last;
    struct waiter *newest;
    bool closed;
};

static struct nt_packet *take_first(struct nt_port *port)
{
    struct nt_packet *packet = port->first;

    port->first = packet->next;
    return packet;
}

/* Rows 20, 26 and 27: the last thread that came gets the oldest packet, one is woken for one, and
 * none beyond the concurrency value. */
static void release(struct nt_port *port)
{
    while (port->first != NULL && port->newest != NULL && port->active < port->concurrency) {
        struct waiter *waiter = port->newest;

        port->newest = waiter->older;
        waiter->packet = take_first(port);
        waiter->thread->active = true;
        port->active++;
        pthread_cond_signal(&waiter->woken);
    }
}

/* Row 19. */
void nt_port_queue(struct nt_port *port, struct nt_packet packet)
{
    struct nt_packet *copy = nt_alloc(sizeof *copy);

    *copy = packet;
    copy->next = NULL;
    if (port->first == NULL)
        port->first = copy;
    else
        port->last->next = copy;
    port->last = copy;
    release(port);
}

/* --- threads that count ---------------------------------------------------------------------- */

void nt_port_rest(struct nt_thread *thread)
{
    if (thread->port == NULL || !thread->active)
        return;
    thread->port->active--;
    release(thread->port);
}

void nt_port_resume(struct nt_thread *thread)
{
    if (thread->port != NULL && thread->active)
        thread->port->active++;
}

void nt_port_forget(struct nt_thread *thread)
{
    struct nt_port *port = thread->port;

    if (port == NULL)
        return;
    nt_port_rest(thread);
    thread->active = false;
    thread->port = NULL;
    nt_unref(&port->object);
}

/* Row 12: a thread belongs to the port from which it took last. */
static void join(struct nt_thread *thread, struct nt_port *port)
{
    if (thread->port == port)
        return;
    nt_port_forget(thread);
    nt_ref(&port->object);
    thread->port = port;
}

/* --- opening and closing --------------------------------------------------------------------- */

static DWORD associate(HANDLE file, struct nt_port *port, ULONG_PTR key)
{
    struct nt_end *end = nt_find(file, NT_END);

    if (end == NULL)
        return ERROR_INVALID_HANDLE;
    if (end->port != NULL || !end->overlapped) /* rows 4 and 5 */
        return ERROR_INVALID_PARAMETER;
    nt_ref(&port->object); /* row 9 */
    end->port = port;
    end->key = key;
    return ERROR_SUCCESS;
}

static HANDLE open_port(DWORD concurrency)
{
    struct nt_port *port = nt_alloc(sizeof *port);

    port->object = (struct nt_object){ NT_PORT, 0, 1, false, true };
    port->concurrency = concurrency != 0 ? concurrency : GetActiveProcessorCount(0);
    return nt_open(&port->object);
}

HANDLE CreateIoCompletionPort(HANDLE file, HANDLE existing, ULONG_PTR key, DWORD concurrency)
{
    HANDLE handle = existing;

    nt_enter();
    DWORD error = nt_fault();
    if (error == ERROR_SUCCESS && existing == NULL)
        handle = open_port(concurrency);
    if (error == ERROR_SUCCESS && file != INVALID_HANDLE_VALUE) {
        struct nt_port *port = nt_find(handle, NT_PORT);

        error = port != NULL ? associate(file, port, key) : ERROR_INVALID_HANDLE;
    }
    nt_result(error);
    if (error == ERROR_SUCCESS)
        return handle;
    if (existing == NULL && handle != NULL) {
        CloseHandle(handle);
        SetLastError(error);
    }
    return NULL;
}

/* Row 11: whoever waits is told. */
void nt_port_closed(struct nt_port *port)
{
    port->closed = true;
    for (struct waiter *waiter = port->newest; waiter != NULL; waiter = waiter->older)
        pthread_cond_signal(&waiter->woken);
}

void nt_port_freed(struct nt_port *port)
{
    while (port->first != NULL)
        nt_free(take_first(port));
}

/* --- taking ---------------------------------------------------------------------------------- */

static void leave_waiters(struct nt_port *port, const struct waiter *waiter)
{
    for (struct waiter **at = &port->newest; *at != NULL; at = &(*at)->older)
        if (*at == waiter) {
            *at = waiter->older;
            return;
        }
}

/* Waits for a packet; NULL: none came, or the port was closed. */
static struct nt_packet *wait_for_packet(struct nt_port *port, uint64_t deadline_ns)
{
    struct waiter waiter = { port->newest, nt_self(), PTHREAD_COND_INITIALIZER, NULL };
    bool in_time = true;

    port->newest = &waiter;
    nt_irp_publish(true);
    release(port);
    while (waiter.packet == NULL && !port->closed && in_time)
        in_time = nt_wait(&waiter.woken, deadline_ns);
    if (waiter.packet == NULL)
        leave_waiters(port, &waiter);
    return waiter.packet;
}

/* Row 22: who comes back takes the next packet at once, in its own place. */
static struct nt_packet *take(struct nt_port *port, DWORD timeout_ms)
{
    uint64_t deadline_ns = nt_deadline(timeout_ms);
    struct nt_thread *thread = nt_self();
    struct nt_packet *packet = NULL;

    join(thread, port);
    if (thread->active)
        port->active--;
    thread->active = false;
    if (timeout_ms == 0)
        nt_irp_publish(true);
    if (port->first != NULL && port->active < port->concurrency)
        packet = take_first(port);
    else if (timeout_ms > 0)
        packet = wait_for_packet(port, deadline_ns);
    if (!thread->active) { /* or it was counted by who released it */
        thread->active = true;
        port->active++;
    }
    return packet;
}

/* Its status block may be filled as late as this: port.md, the errata on S001 TIP 5. */
static void fill(OVERLAPPED_ENTRY *entry, struct nt_packet *packet)
{
    OVERLAPPED *overlapped = packet->overlapped;

    *entry =
        (OVERLAPPED_ENTRY){ packet->key, overlapped, (ULONG_PTR)packet->status, packet->bytes };
    if (packet->late) {
        overlapped->InternalHigh = packet->bytes;
        __atomic_store_n(&overlapped->Internal, (ULONG_PTR)(DWORD)packet->status, __ATOMIC_RELEASE);
    }
    nt_free(packet);
}

/* Row 23: it waits for the first packet only. */
BOOL GetQueuedCompletionStatusEx(HANDLE handle, OVERLAPPED_ENTRY *entries, ULONG count, ULONG *got,
                                 DWORD timeout_ms, BOOL alertable)
{
    (void)alertable;
    *got = 0;
    nt_enter();
    struct nt_port *port = nt_find(handle, NT_PORT);
    if (port == NULL || count == 0)
        return nt_result(port == NULL ? ERROR_INVALID_HANDLE : ERROR_INVALID_PARAMETER);
    nt_ref(&port->object);
    struct nt_packet *packet = take(port, timeout_ms);
    if (packet != NULL)
        fill(&entries[(*got)++], packet);
    while (packet != NULL && *got < count && port->first != NULL)
        fill(&entries[(*got)++], take_first(port));
    DWORD error = *got > 0 ? ERROR_SUCCESS : port->closed ? ERROR_ABANDONED_WAIT_0 : WAIT_TIMEOUT;
    nt_unref(&port->object);
    return nt_result(error);
}

/* Row 16. */
BOOL GetQueuedCompletionStatus(HANDLE handle, DWORD *bytes, ULONG_PTR *key, OVERLAPPED **overlapped,
                               DWORD timeout_ms)
{
    OVERLAPPED_ENTRY entry;
    ULONG count;

    *overlapped = NULL;
    if (!GetQueuedCompletionStatusEx(handle, &entry, 1, &count, timeout_ms, FALSE))
        return FALSE;
    *bytes = entry.dwNumberOfBytesTransferred;
    *key = entry.lpCompletionKey;
    *overlapped = entry.lpOverlapped;
    if ((NTSTATUS)entry.Internal >= 0)
        return TRUE;
    SetLastError(RtlNtStatusToDosError((NTSTATUS)entry.Internal));
    return FALSE;
}

/* Row 33: nothing of it is looked at. */
BOOL PostQueuedCompletionStatus(HANDLE handle, DWORD bytes, ULONG_PTR key, OVERLAPPED *overlapped)
{
    nt_enter();
    struct nt_port *port = nt_find(handle, NT_PORT);
    DWORD error = port != NULL ? nt_fault() : ERROR_INVALID_HANDLE;
    if (error == ERROR_SUCCESS)
        nt_port_queue(port, (struct nt_packet){ NULL, key, overlapped, 0, bytes, false });
    return nt_result(error);
}

int nt_port_waiters(HANDLE handle)
{
    int count = 0;

    nt_enter();
    const struct nt_port *port = nt_find(handle, NT_PORT);
    for (const struct waiter *at = port != NULL ? port->newest : NULL; at != NULL; at = at->older)
        count++;
    nt_leave();
    return port != NULL ? count : -1;
}

/* --- files on ports -------------------------------------------------------------------------- */

BOOL SetFileCompletionNotificationModes(HANDLE file, UCHAR modes)
{
    nt_enter();
    struct nt_end *end = nt_find(file, NT_END);
    DWORD error = end != NULL ? nt_fault() : ERROR_INVALID_HANDLE;
    if (error == ERROR_SUCCESS)
        end->modes |= modes; /* row 47: it cannot be switched off */
    return nt_result(error);
}

/* NtSetInformationFile with FileReplaceCompletionInformation, of Windows 8.1. */
static NTSTATUS replace_port(HANDLE file, IO_STATUS_BLOCK *block, void *info, ULONG size, int what)
{
    enum { REPLACE_COMPLETION = 61 };
    const NTSTATUS invalid = (NTSTATUS)0xC000000D;
    struct {
        HANDLE port;
        void *key;
    } *wanted = info;

    (void)block;
    nt_enter();
    struct nt_end *end = nt_find(file, NT_END);
    struct nt_port *port = nt_find(wanted->port, NT_PORT);
    bool good = what == REPLACE_COMPLETION && size == sizeof *wanted && end != NULL && port != NULL;
    if (good) {
        nt_ref(&port->object);
        if (end->port != NULL)
            nt_unref(&end->port->object);
        end->port = port;
        end->key = (ULONG_PTR)wanted->key;
    }
    nt_leave();
    return good ? 0 : invalid;
}

static const char ntdll[] = "ntdll";

HMODULE GetModuleHandleW(const wchar_t *name)
{
    return wcscmp(name, L"ntdll.dll") == 0 ? (HMODULE)(uintptr_t)ntdll : NULL;
}

FARPROC GetProcAddress(HMODULE module, const char *name)
{
    if (module != (HMODULE)(uintptr_t)ntdll || strcasecmp(name, "NtSetInformationFile") != 0)
        return NULL;
    return (FARPROC)(void (*)(void))replace_port;
}
