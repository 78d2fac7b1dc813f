/* npipe.c: named pipes in byte mode, overlapped.
 *
 * An operation is a row of system calls, mostly of one. A call that ends at once makes no packet
 * (ppi_iocp_bind sees to that) and the next one follows; a call that is pending puts the operation
 * into the system's hands, which lane->submitted says, and the row goes on when its packet comes.
 * An operation that is waited for gets an event of its lane instead of a packet: the low bit in
 * hEvent keeps the system from queuing one. The event is made by the first such operation and
 * closed with the pipe.
 *
 * A pooled read waits with a read of no bytes, and takes its buffer when data is there. A write is
 * at most CHUNK bytes in one call, and so is a read: until a call ends, the kernel keeps memory
 * for all of its bytes. Small pieces of a gathered write are copied together, the rest is written
 * one after the other.
 *
 * What is in the system's hands is never left: canceling asks, and the operation's end is awaited
 * like any other. Only then are the pipe and its events closed. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/status.h"
#include "io/dial.h"
#include "io/handle.h"
#include "io/port.h"
#include "io/win/event.h"
#include "io/win/win.h"

enum { CHUNK = 64 * 1024 };
#define NO_BUFFER UINT32_MAX /* beside Win32 errors: the pool will retry */

/* FILE_APPEND_DATA would be the right to make an instance of the server's pipe. */
static const DWORD client_access =
    (FILE_GENERIC_READ | FILE_GENERIC_WRITE) & ~(DWORD)FILE_APPEND_DATA;

/* --- one system call: ERROR_SUCCESS, ERROR_IO_PENDING, or why not ---------------------------- */

static DWORD outcome(BOOL done)
{
    return done ? ERROR_SUCCESS : GetLastError();
}

/* Readies op's part that the system uses. */
static DWORD prepare(pp_handle *handle, pp_op *op)
{
    OVERLAPPED *overlapped = ppi_overlapped(op);
    HANDLE *event = &handle->os.events[op->priv_.lane];

    memset(overlapped, 0, sizeof *overlapped);
    if (!ppi_op_waited(op))
        return ERROR_SUCCESS;
    if (*event == NULL)
        *event = CreateEventW(NULL, FALSE, FALSE, NULL);
    if (*event == NULL)
        return GetLastError();
    overlapped->hEvent = (HANDLE)((uintptr_t)*event | 1); /* no packet */
    return ERROR_SUCCESS;
}

static DWORD read_into(pp_handle *handle, pp_op *op, void *buffer, size_t size)
{
    DWORD error = prepare(handle, op);

    if (error != ERROR_SUCCESS)
        return error;
    return outcome(ReadFile(handle->os.pipe, buffer, size < CHUNK ? (DWORD)size : CHUNK, NULL,
                            ppi_overlapped(op)));
}

static DWORD read_pooled(pp_handle *handle, pp_op *op)
{
    static char nothing;
    DWORD available = 0;

    if (op->buffer == NULL) {
        if (!PeekNamedPipe(handle->os.pipe, NULL, 0, NULL, &available, NULL))
            return GetLastError();
        if (available == 0)
            return read_into(handle, op, &nothing, 0);
        int status = ppi_pool_take(&handle->port->pool, handle, &op->buffer);
        if (status != PP_OK)
            return status == PP_EBUSY ? NO_BUFFER : ERROR_NOT_ENOUGH_MEMORY;
    }
    return read_into(handle, op, op->buffer, op->priv_.length);
}

static size_t total_of(const pp_op *op)
{
    const pp_piece *pieces = op->priv_.data;
    size_t total = 0;

    if (op->priv_.kind == PPI_WRITE)
        return op->priv_.length;
    for (size_t i = 0; i < op->priv_.length; i++)
        total += pieces[i].length;
    return total;
}

/* Copies the pieces of a small gathered write together. Without memory they stay apart. */
static void join_pieces(pp_op *op)
{
    const pp_piece *pieces = op->priv_.data;
    size_t total = total_of(op), done = 0;

    if (total > CHUNK || op->priv_.length == 1 || (op->buffer = malloc(total)) == NULL)
        return;
    for (size_t i = 0; i < op->priv_.length; done += pieces[i++].length)
        memcpy((char *)op->buffer + done, pieces[i].data, pieces[i].length);
}

/* What is to be written next, in one piece. */
static pp_piece rest_of(const pp_op *op)
{
    const pp_piece *piece = op->priv_.data;
    size_t done = op->priv_.done;

    if (op->priv_.kind == PPI_WRITE)
        return (pp_piece){ (const char *)op->priv_.data + done, op->priv_.length - done };
    if (op->buffer != NULL)
        return (pp_piece){ (const char *)op->buffer + done, total_of(op) - done };
    for (; done >= piece->length; piece++)
        done -= piece->length;
    return (pp_piece){ (const char *)piece->data + done, piece->length - done };
}

static DWORD write_rest(pp_handle *handle, pp_op *op)
{
    if (op->priv_.kind == PPI_GATHER && op->priv_.done == 0 && op->buffer == NULL)
        join_pieces(op);

    pp_piece rest = rest_of(op);
    DWORD error = prepare(handle, op);
    if (error != ERROR_SUCCESS)
        return error;
    return outcome(WriteFile(handle->os.pipe, rest.data,
                             rest.length < CHUNK ? (DWORD)rest.length : CHUNK, NULL,
                             ppi_overlapped(op)));
}

/* A client that came before, or came and left already, is accepted like any other. */
static DWORD await_client(pp_handle *listener, pp_op *op)
{
    pp_handle *instance = ppi_listener_first(listener);
    bool packet = !ppi_op_waited(op);

    if (packet && instance->os.bound == NULL) {
        int status = ppi_iocp_bind(instance, listener->port);

        if (status != PP_OK)
            return status == PP_ENOMEM ? ERROR_NOT_ENOUGH_MEMORY : ERROR_NO_SYSTEM_RESOURCES;
    }
    DWORD error = prepare(listener, op);
    if (error == ERROR_SUCCESS)
        error = outcome(ConnectNamedPipe(instance->os.pipe, ppi_overlapped(op)));
    return error == ERROR_PIPE_CONNECTED || error == ERROR_NO_DATA ? ERROR_SUCCESS : error;
}

static DWORD call(pp_handle *handle, pp_op *op)
{
    switch (op->priv_.kind) {
    case PPI_READ:
        return read_into(handle, op, (void *)(uintptr_t)op->priv_.data, op->priv_.length);
    case PPI_READ_POOLED: return read_pooled(handle, op);
    case PPI_ACCEPT: return await_client(handle, op);
    default: return write_rest(handle, op);
    }
}

/* --- from call to call ----------------------------------------------------------------------- */

/* Gives back what op has taken for itself. */
static void clean_up(pp_handle *handle, pp_op *op)
{
    if (op->priv_.kind == PPI_READ_POOLED) {
        if (op->buffer != NULL)
            ppi_pool_return(&handle->port->pool, op->buffer);
        ppi_pool_forget(&handle->port->pool, handle);
    } else if (op->priv_.kind == PPI_GATHER) {
        free(op->buffer);
    }
    op->buffer = NULL;
}

/* A call of op has ended. true: so has op, and has its result; false: another call must follow. */
static bool settle(pp_handle *handle, pp_op *op, DWORD error)
{
    size_t bytes = ppi_overlapped(op)->InternalHigh;
    int status;

    ppi_check(error != ERROR_MORE_DATA); /* of messages only; it would make a packet, too */
    if (error != ERROR_SUCCESS) {
        clean_up(handle, op);
        ppi_op_result(op, ppi_win_status(error), (int32_t)error, op->priv_.done);
        return true;
    }
    switch (op->priv_.kind) {
    case PPI_ACCEPT:
        status = ppi_listener_take(handle, (pp_handle **)(uintptr_t)op->priv_.data);
        ppi_op_result(op, status, 0, 0);
        return true;
    case PPI_READ:
    case PPI_READ_POOLED: /* no bytes: the wait for data is over, or the peer wrote nothing */
        ppi_op_result(op, PP_OK, 0, bytes);
        return bytes > 0;
    default:
        op->priv_.done += bytes;
        if (op->priv_.done < total_of(op))
            return false;
        clean_up(handle, op);
        ppi_op_result(op, PP_OK, 0, op->priv_.done);
        return true;
    }
}

/* Makes calls until op has ended (true) or one is pending. */
static bool drive(pp_handle *handle, pp_op *op)
{
    DWORD error;

    do {
        error = call(handle, op);
        if (error == NO_BUFFER)
            return false;
        if (error == ERROR_IO_PENDING) {
            handle->lanes[op->priv_.lane].submitted = true;
            return false;
        }
    } while (!settle(handle, op, error));
    return true;
}

/* The pending call of op has ended; as drive. */
static bool resume(pp_handle *handle, pp_op *op)
{
    bool *canceled = &handle->os.canceled[op->priv_.lane], stop = *canceled;
    DWORD error = ppi_win_outcome(ppi_overlapped(op));

    handle->lanes[op->priv_.lane].submitted = false;
    *canceled = false;
    if (stop && error != ERROR_SUCCESS)
        error = ERROR_OPERATION_ABORTED; /* whatever it looks like from below */
    else if (error == ERROR_OPERATION_ABORTED && op->priv_.lane == PPI_IN)
        return drive(handle, op); /* nobody asked: the thread that made the call has ended */
    return settle(handle, op, error) ||
           (stop ? settle(handle, op, ERROR_OPERATION_ABORTED) : drive(handle, op));
}

static bool npipe_completed(pp_op *op)
{
    pp_handle *handle = ppi_handle_ref(op->priv_.handle);
    int lane = op->priv_.lane;

    ppi_mutex_lock(&handle->lock);
    ppi_check(handle->lanes[lane].current == op);
    bool over = resume(handle, op);
    if (over)
        ppi_handle_finish_taken(handle, lane);
    ppi_handle_unlock(handle);
    ppi_handle_unref(handle);
    return over;
}

/* --- the driver ------------------------------------------------------------------------------ */

static bool npipe_begin(pp_handle *handle, pp_op *op)
{
    const _Atomic ULONG_PTR *status = (_Atomic ULONG_PTR *)&ppi_overlapped(op)->Internal;

    if (!handle->lanes[op->priv_.lane].submitted)
        return drive(handle, op);
    if (!ppi_op_waited(op))
        return false;
    /* the system writes the status last */
    if (atomic_load_explicit(status, memory_order_acquire) == (ULONG_PTR)STATUS_PENDING)
        return false;
    return resume(handle, op);
}

/* There is no gather write, and a write that does not fit cannot be taken back. */
static int64_t npipe_try_write(pp_handle *handle, const pp_piece *pieces, int count)
{
    (void)handle;
    (void)pieces;
    (void)count;
    return 0;
}

static bool npipe_cancel(pp_handle *handle, pp_op *op)
{
    pp_handle *owner = op->priv_.kind == PPI_ACCEPT ? ppi_listener_first(handle) : handle;

    if (!handle->lanes[op->priv_.lane].submitted)
        return true;
    handle->os.canceled[op->priv_.lane] = true;
    CancelIoEx(owner->os.pipe, ppi_overlapped(op)); /* it may have ended: its end comes anyway */
    return false;
}

static int npipe_attach(pp_handle *handle)
{
    return handle->os.pipe != NULL ? ppi_iocp_bind(handle, handle->port) : PP_OK;
}

/* Is the server one we expected? */
static int check_server(const struct ppi_dial *dial, HANDLE pipe)
{
    char owner[PPI_SID_MAX];

    if ((dial->flags & PP_DIAL_ANY_SERVER) != 0)
        return PP_OK;
    if (!ppi_pipe_owner(pipe, owner))
        return ppi_win_fail(GetLastError(), "the pipe's owner");
    if (ppi_owner_expected(owner, dial->server))
        return PP_OK;
    return ppi_fail(PP_EUNTRUSTED, "the server at %s belongs to %s", dial->path, owner);
}

static int npipe_connect(pp_handle *handle, int *os_error)
{
    wchar_t path[PP_PATH_MAX];

    if (!ppi_wide(handle->dial->path, path, PPI_COUNT(path)))
        return ppi_fail(PP_EINVAL, "the path is no UTF-8: %s", handle->dial->path);
    HANDLE pipe =
        CreateFileW(path, client_access, 0, NULL, OPEN_EXISTING,
                    FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
    if (pipe == INVALID_HANDLE_VALUE) {
        *os_error = (int)GetLastError();
        return ppi_win_status((DWORD)*os_error);
    }
    int status = check_server(handle->dial, pipe);
    handle->os.pipe = pipe;
    if (status == PP_OK && handle->port != NULL)
        status = ppi_iocp_bind(handle, handle->port);
    if (status != PP_OK) {
        CloseHandle(pipe);
        handle->os.pipe = NULL;
    }
    return status;
}

/* Nothing may use the pipe any more; operations that were canceled end without it. */
static void npipe_abort(pp_handle *handle)
{
    if (handle->os.pipe == NULL)
        return;
    CloseHandle(handle->os.pipe);
    handle->os.pipe = NULL;
}

static void npipe_release(pp_handle *handle)
{
    ppi_listener_close(handle);
    npipe_abort(handle);
    ppi_iocp_unbind(handle);
    for (int lane = 0; lane < PPI_LANES; lane++)
        if (handle->os.events[lane] != NULL)
            CloseHandle(handle->os.events[lane]);
}

static bool npipe_wait(pp_handle *handle, pp_op *op, struct ppi_event *event, uint64_t deadline_ns)
{
    bool connecting = op->priv_.kind == PPI_CONNECT;
    int lane = op->priv_.lane;

    ppi_mutex_lock(&handle->lock);
    bool submitted = handle->lanes[lane].current == op && handle->lanes[lane].submitted;
    HANDLE ended = submitted ? handle->os.events[lane] : NULL;
    uint64_t again_ns = connecting ? handle->dial->next_try_ns : PPI_FOREVER;
    ppi_mutex_unlock(&handle->lock);
    if (connecting) {
        ppi_event_wait(event, again_ns < deadline_ns ? again_ns : deadline_ns);
        return ppi_now_ns() < deadline_ns;
    }
    return ppi_event_wait_with(event, ended, deadline_ns);
}

const struct ppi_pipe_driver ppi_npipe_driver = {
    .name = "npipe",
    .attach = npipe_attach,
    .begin = npipe_begin,
    .connect = npipe_connect,
    .try_write = npipe_try_write,
    .cancel = npipe_cancel,
    .completed = npipe_completed,
    .abort = npipe_abort,
    .release = npipe_release,
    .wait = npipe_wait,
    .peer = ppi_pipe_peer,
    .exe = ppi_pipe_exe,
};

static int npipe_dial(pp_handle **out)
{
    pp_handle *handle = ppi_handle_new(PPI_STREAM, &ppi_npipe_driver);

    if (handle == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    *out = handle;
    return PP_OK;
}

const struct ppi_transport ppi_system_transport = {
    .port_driver = NULL,
    .listen = ppi_listener_open,
    .dial = npipe_dial,
};
