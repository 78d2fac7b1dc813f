/* irp.c: calls on pipes: how they start, end, are canceled, and become visible to their caller. */
#include <stdio.h>

#include "nt/model.h"

/* Those that have ended and are kept back, and how many cancels are on their way. */
static struct nt_irp *kept_first, *kept_last;
static unsigned doomed;

/* --- becoming visible ------------------------------------------------------------------------ */

static void set_status(OVERLAPPED *overlapped, NTSTATUS status, DWORD bytes)
{
    overlapped->InternalHigh = bytes;
    __atomic_store_n(&overlapped->Internal, (ULONG_PTR)(DWORD)status, __ATOMIC_RELEASE);
}

static void free_irp(struct nt_irp *irp)
{
    if (irp->event != NULL)
        nt_unref(irp->event);
    nt_unref(&irp->end->object);
    nt_free(irp);
}

/* Row 43: exactly one packet; row 51: or none, if the caller waits for the event. After the status
 * is set the caller's memory may be gone, if it waits; with a packet, after that was queued. */
static void show(struct nt_irp *irp, bool packet)
{
    struct nt_port *port = irp->end->port;
    bool late = packet && irp->event == NULL && nt_maybe(3);

    if (!late)
        set_status(irp->overlapped, irp->status, irp->bytes);
    if (packet)
        nt_port_queue(port, (struct nt_packet){ NULL, irp->end->key, irp->overlapped, irp->status,
                                                irp->bytes, late });
    if (irp->event != NULL)
        nt_signal(irp->event);
    free_irp(irp);
}

static void show_pending(struct nt_irp *irp)
{
    show(irp, irp->end->port != NULL && !irp->quiet);
}

/* --- ending ---------------------------------------------------------------------------------- */

static void unlink_irp(struct nt_irp *irp)
{
    struct nt_irp **at = &irp->end->irps;

    while (*at != irp)
        at = &(*at)->next;
    *at = irp->next;
    irp->next = NULL;
    doomed -= irp->doomed;
}

void nt_irp_end(struct nt_irp *irp, NTSTATUS status, DWORD bytes)
{
    unlink_irp(irp);
    irp->status = status;
    irp->bytes = bytes;
    if (!nt_maybe(3)) {
        show_pending(irp);
        return;
    }
    if (kept_first == NULL)
        kept_first = irp;
    else
        kept_last->next = irp;
    kept_last = irp;
}

struct nt_irp *nt_irp_first(const struct nt_end *end, enum nt_call call)
{
    struct nt_irp *irp = end != NULL ? end->irps : NULL;

    while (irp != NULL && irp->call != call)
        irp = irp->next;
    return irp;
}

/* Row 58: what the other side has not taken is taken back, how much it has is not told. */
static void cancel(struct nt_irp *irp)
{
    if (irp->call == NT_WRITE)
        nt_pipe_forget_write(irp);
    nt_irp_end(irp, NT_CANCELLED, 0);
}

/* Cancels those calls of all ends that are wanted. */
static void cancel_where(bool (*wanted)(const struct nt_irp *, const void *), const void *context)
{
    for (struct nt_end *end = nt_all_ends(), *next_end; end != NULL; end = next_end) {
        struct nt_irp *next;

        next_end = end->next;
        nt_ref(&end->object); /* or it might go with its last call */
        for (struct nt_irp *irp = end->irps; irp != NULL; irp = next) {
            next = irp->next;
            if (wanted(irp, context))
                cancel(irp);
        }
        next_end = end->next;
        nt_unref(&end->object);
    }
}

static bool is_doomed(const struct nt_irp *irp, const void *context)
{
    (void)context;
    return irp->doomed;
}

void nt_irp_publish(bool all)
{
    if (doomed > 0 && (all || nt_maybe(2)))
        cancel_where(is_doomed, NULL);
    while (kept_first != NULL && (all || nt_maybe(2))) {
        struct nt_irp *irp = kept_first;

        kept_first = irp->next;
        show_pending(irp);
    }
}

/* Row 52: with the thread that made it a call ends, unless its file is on a port. Whether it counts
 * as that if it makes no packet is not told. */
static bool is_orphan(const struct nt_irp *irp, const void *starter)
{
    return irp->starter == starter && (irp->end->port == NULL || (irp->quiet && nt_maybe(2)));
}

void nt_irp_orphan(const struct nt_thread *starter)
{
    cancel_where(is_orphan, starter);
}

/* --- starting -------------------------------------------------------------------------------- */

static struct nt_irp *new_irp(struct nt_end *end, enum nt_call call, OVERLAPPED *overlapped)
{
    uintptr_t event = (uintptr_t)overlapped->hEvent;
    struct nt_irp *irp = nt_alloc(sizeof *irp), **at = &end->irps;

    irp->call = call;
    irp->end = end;
    nt_ref(&end->object);
    irp->starter = nt_self();
    irp->overlapped = overlapped;
    irp->quiet = (event & 1) != 0;
    irp->event = event > 1 ? nt_find((HANDLE)(event & ~(uintptr_t)1), NT_EVENT) : NULL;
    if (irp->event != NULL) {
        nt_ref(irp->event);
        irp->event->signaled = false;
    }
    while (*at != NULL)
        at = &(*at)->next;
    *at = irp;
    return irp;
}

/* Does a call that could end at once end later instead? That a client has come already is always
 * said at once: rows 81, 82. */
static bool is_later(const struct nt_irp *irp, NTSTATUS status)
{
    return status == STATUS_PENDING ||
           ((irp->call != NT_LISTEN || status == 0) && nt_maybe(nt_is_wild() ? 3 : 16));
}

/* Row 44: an immediate error makes no packet, and leaves the status block at "pending". Row 47: in
 * skip mode an immediate success makes none either. */
static DWORD end_at_once(struct nt_irp *irp, NTSTATUS status, DWORD bytes)
{
    const struct nt_end *end = irp->end;
    bool packet = end->port != NULL && !irp->quiet &&
                  (end->modes & FILE_SKIP_COMPLETION_PORT_ON_SUCCESS) == 0;

    unlink_irp(irp);
    if (status < 0) {
        free_irp(irp);
        return RtlNtStatusToDosError(status);
    }
    irp->status = status;
    irp->bytes = bytes;
    show(irp, packet);
    return ERROR_SUCCESS;
}

static BOOL start(HANDLE file, enum nt_call call, void *buffer, DWORD size, DWORD *done,
                  OVERLAPPED *overlapped)
{
    nt_enter();
    struct nt_end *end = nt_find(file, NT_END);
    DWORD bytes = 0, error = end != NULL ? ERROR_SUCCESS : ERROR_INVALID_HANDLE;
    if (error == ERROR_SUCCESS && (overlapped == NULL || !end->overlapped)) /* row 40 */
        error = ERROR_INVALID_PARAMETER;
    if (error == ERROR_SUCCESS)
        error = nt_fault();
    if (error != ERROR_SUCCESS)
        return nt_result(error);
    struct nt_irp *irp = new_irp(end, call, overlapped);
    irp->buffer = buffer;
    irp->size = size;
    set_status(overlapped, STATUS_PENDING, 0);
    NTSTATUS status = nt_pipe_call(irp, &bytes);
    if (!is_later(irp, status)) {
        if (done != NULL)
            *done = bytes;
        return nt_result(end_at_once(irp, status, bytes));
    }
    if (status != STATUS_PENDING)
        nt_irp_end(irp, status, bytes);
    return nt_result(ERROR_IO_PENDING);
}

BOOL ReadFile(HANDLE file, void *buffer, DWORD size, DWORD *done, OVERLAPPED *overlapped)
{
    return start(file, NT_READ, buffer, size, done, overlapped);
}

BOOL WriteFile(HANDLE file, const void *data, DWORD size, DWORD *done, OVERLAPPED *overlapped)
{
    if (file == GetStdHandle(STD_ERROR_HANDLE))
        return fwrite(data, 1, size, stderr) == size;
    return start(file, NT_WRITE, (void *)(uintptr_t)data, size, done, overlapped);
}

BOOL ConnectNamedPipe(HANDLE pipe, OVERLAPPED *overlapped)
{
    return start(pipe, NT_LISTEN, NULL, 0, NULL, overlapped);
}

/* --- canceling ------------------------------------------------------------------------------- */

/* Rows 53 and 54: it asks, and does not wait. */
BOOL CancelIoEx(HANDLE file, OVERLAPPED *overlapped)
{
    bool found = false;
    struct nt_irp *next;

    nt_enter();
    struct nt_end *end = nt_find(file, NT_END);
    if (end == NULL)
        return nt_result(ERROR_INVALID_HANDLE);
    for (struct nt_irp *irp = end->irps; irp != NULL; irp = next) {
        next = irp->next;
        if (overlapped != NULL && irp->overlapped != overlapped)
            continue;
        found = true;
        if (!nt_maybe(3)) {
            cancel(irp);
        } else if (!irp->doomed) {
            irp->doomed = true;
            doomed++;
        }
    }
    return nt_result(found ? ERROR_SUCCESS : ERROR_NOT_FOUND);
}

ULONG RtlNtStatusToDosError(NTSTATUS status)
{
    static const struct {
        NTSTATUS status;
        ULONG error;
    } table[] = {
        { 0, ERROR_SUCCESS },
        { NT_TIMEOUT, WAIT_TIMEOUT },
        { STATUS_PENDING, ERROR_IO_PENDING },
        { NT_HANDLES_CLOSED, ERROR_HANDLES_CLOSED },
        { NT_PIPE_BUSY, ERROR_PIPE_BUSY },
        { NT_DISCONNECTED, ERROR_PIPE_NOT_CONNECTED },
        { NT_CLOSING, ERROR_NO_DATA },
        { NT_CONNECTED, ERROR_PIPE_CONNECTED },
        { NT_LISTENING, ERROR_PIPE_LISTENING },
        { NT_CANCELLED, ERROR_OPERATION_ABORTED },
        { NT_BROKEN, ERROR_BROKEN_PIPE },
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status)
            return table[i].error;
    return 317; /* ERROR_MR_MID_NOT_FOUND, which says that there is none */
}
