/* npfs.c: instances of pipes, their states, and the bytes in them; byte mode only. What it says of
 * a state is from port.md's rows, which are from NPFS and its tests. */
#include <string.h>

#include "nt/model.h"

static struct nt_end *ends;

struct nt_end *nt_all_ends(void)
{
    return ends;
}

/* --- data ------------------------------------------------------------------------------------ */

static void drop_first(struct nt_stream *stream)
{
    struct nt_chunk *chunk = stream->first;

    stream->first = chunk->next;
    if (stream->first == NULL)
        stream->last = NULL;
    stream->bytes -= chunk->size - chunk->taken;
    if (chunk->write == NULL)
        nt_free(chunk->data);
    nt_free(chunk);
}

static char *copy_of(const char *data, size_t size)
{
    char *copy = nt_alloc(size + 1);

    memcpy(copy, data, size);
    return copy;
}

/* Row 66: a write that did not fit ends once, when what is left of it fits into the quota. */
static void end_fitting_writes(struct nt_stream *stream)
{
    size_t total = 0;

    for (struct nt_chunk *chunk = stream->first; chunk != NULL; chunk = chunk->next) {
        struct nt_irp *write = chunk->write;

        total += chunk->size - chunk->taken;
        if (total > stream->quota)
            return;
        if (write == NULL)
            continue;
        chunk->data = copy_of(chunk->data + chunk->taken, chunk->size - chunk->taken);
        chunk->size -= chunk->taken;
        chunk->taken = 0;
        chunk->write = NULL;
        nt_irp_end(write, 0, write->size);
    }
}

/* Row 67: as much as there is; while there are faults, at least a byte. Until a write has ended its
 * bytes are its caller's: they are read from there, so that a buffer given up too early is seen. */
static DWORD take(struct nt_stream *stream, char *buffer, DWORD size)
{
    DWORD done = 0;

    if (size > 1 && nt_is_wild() && nt_maybe(4))
        size = 1 + nt_choose(size);
    while (done < size && stream->first != NULL) {
        struct nt_chunk *chunk = stream->first;
        size_t count = chunk->size - chunk->taken;

        if (count > size - done)
            count = size - done;
        memcpy(buffer + done, chunk->data + chunk->taken, count);
        chunk->taken += count;
        stream->bytes -= count;
        done += (DWORD)count;
        if (chunk->taken < chunk->size)
            break;
        if (chunk->write != NULL) {
            nt_irp_end(chunk->write, 0, chunk->write->size);
            chunk->write = NULL;
            chunk->data = NULL;
        }
        drop_first(stream);
    }
    end_fitting_writes(stream);
    return done;
}

/* What a write has goes to the reads that wait, oldest first, row 70; a read of no bytes is told
 * that there is something, and takes nothing, row 76. How much they took. */
static DWORD feed_reads(const struct nt_end *reader, const struct nt_irp *write)
{
    struct nt_irp *read;
    DWORD done = 0;

    while (done < write->size && (read = nt_irp_first(reader, NT_READ)) != NULL) {
        DWORD count = write->size - done < read->size ? write->size - done : read->size;

        if (count > 0)
            memcpy(read->buffer, write->buffer + done, count);
        done += count;
        nt_irp_end(read, 0, count);
    }
    return done;
}

static NTSTATUS write_bytes(struct nt_pipe *pipe, struct nt_irp *irp, DWORD *bytes)
{
    int reader = !irp->end->side;
    struct nt_stream *stream = &pipe->to[reader];
    DWORD done = feed_reads(pipe->ends[reader], irp);
    size_t rest = irp->size - done;

    *bytes = irp->size;
    if (rest == 0) /* row 77: also if there was nothing to write */
        return 0;
    irp->pipe = pipe;
    bool fits = stream->bytes + rest <= stream->quota;
    struct nt_chunk *chunk = nt_alloc(sizeof *chunk);
    *chunk =
        (struct nt_chunk){ .write = fits ? NULL : irp,
                           .data = fits ? copy_of(irp->buffer + done, rest) : irp->buffer + done,
                           .size = rest };
    if (stream->first == NULL)
        stream->first = chunk;
    else
        stream->last->next = chunk;
    stream->last = chunk;
    stream->bytes += rest;
    return fits ? 0 : STATUS_PENDING;
}

void nt_pipe_forget_write(struct nt_irp *irp)
{
    struct nt_stream *stream = &irp->pipe->to[!irp->end->side];
    struct nt_chunk *before = NULL;

    for (struct nt_chunk *chunk = stream->first; chunk != NULL;
         before = chunk, chunk = chunk->next) {
        if (chunk->write != irp)
            continue;
        stream->bytes -= chunk->size - chunk->taken;
        if (before != NULL)
            before->next = chunk->next;
        else
            stream->first = chunk->next;
        if (stream->last == chunk)
            stream->last = before;
        nt_free(chunk);
        return;
    }
}

/* --- calls ----------------------------------------------------------------------------------- */

static NTSTATUS read_call(struct nt_pipe *pipe, struct nt_irp *irp, DWORD *bytes)
{
    struct nt_end *end = irp->end;
    struct nt_stream *stream = &pipe->to[end->side];

    if (pipe->state == NT_IS_DISCONNECTED)
        return NT_DISCONNECTED;
    if (pipe->state == NT_IS_LISTENING)
        return NT_LISTENING;
    if (nt_irp_first(end, NT_READ) == irp && stream->first != NULL) {
        *bytes = take(stream, irp->buffer, irp->size);
        end->was_read = true;
        return 0;
    }
    if (pipe->state == NT_IS_CLOSING)
        return NT_BROKEN;
    end->was_read = true; /* when it ends, if it does with data */
    return STATUS_PENDING;
}

static NTSTATUS write_call(struct nt_pipe *pipe, struct nt_irp *irp, DWORD *bytes)
{
    switch (pipe->state) {
    case NT_IS_DISCONNECTED: return NT_DISCONNECTED;
    case NT_IS_LISTENING: return NT_LISTENING;
    case NT_IS_CLOSING: return NT_CLOSING;
    default: return write_bytes(pipe, irp, bytes);
    }
}

/* Rows 81, 82, 86. */
static NTSTATUS listen_call(struct nt_pipe *pipe)
{
    switch (pipe->state) {
    case NT_IS_CONNECTED: return NT_CONNECTED;
    case NT_IS_CLOSING: return NT_CLOSING;
    case NT_IS_DISCONNECTED:
        pipe->state = NT_IS_LISTENING;
        nt_name_requeue(pipe);
        return STATUS_PENDING;
    default: return STATUS_PENDING;
    }
}

NTSTATUS nt_pipe_call(struct nt_irp *irp, DWORD *bytes)
{
    struct nt_pipe *pipe = irp->end->pipe;

    switch (irp->call) {
    case NT_READ: return read_call(pipe, irp, bytes);
    case NT_WRITE: return write_call(pipe, irp, bytes);
    default: return irp->end->side == NT_SERVER ? listen_call(pipe) : (NTSTATUS)0xC00000AD;
    }
}

BOOL PeekNamedPipe(HANDLE handle, void *buffer, DWORD size, DWORD *read, DWORD *available,
                   DWORD *left)
{
    (void)buffer;
    (void)size;
    (void)read;
    (void)left;
    nt_enter();
    const struct nt_end *end = nt_find(handle, NT_END);
    if (end == NULL)
        return nt_result(ERROR_INVALID_HANDLE);
    const struct nt_pipe *pipe = end->pipe;
    size_t bytes = pipe->to[end->side].bytes;
    if (available != NULL)
        *available = (DWORD)bytes;
    if (pipe->state == NT_IS_CONNECTED || (pipe->state == NT_IS_CLOSING && bytes > 0))
        return nt_result(ERROR_SUCCESS);
    return nt_result(pipe->state == NT_IS_CLOSING ? ERROR_BROKEN_PIPE : ERROR_BAD_PIPE);
}

/* --- ending ---------------------------------------------------------------------------------- */

static void end_calls(const struct nt_end *end, enum nt_call call, NTSTATUS status)
{
    struct nt_irp *irp;

    while ((irp = nt_irp_first(end, call)) != NULL)
        nt_irp_end(irp, status, 0);
}

/* Forgets what is on its way to one side, and ends the writes of it. */
static void drain(struct nt_stream *stream, NTSTATUS status)
{
    while (stream->first != NULL) {
        struct nt_chunk *chunk = stream->first;

        if (chunk->write != NULL) {
            nt_irp_end(chunk->write, status, 0);
            chunk->write = NULL;
            chunk->data = NULL;
        }
        drop_first(stream);
    }
}

/* Row 84: nothing that is unread can be read any more, and what is pending ends. */
BOOL DisconnectNamedPipe(HANDLE handle)
{
    nt_enter();
    struct nt_end *end = nt_find(handle, NT_END);
    if (end == NULL || end->side != NT_SERVER)
        return nt_result(ERROR_INVALID_HANDLE);
    struct nt_pipe *pipe = end->pipe;
    bool was = pipe->state != NT_IS_DISCONNECTED;
    pipe->state = NT_IS_DISCONNECTED;
    for (int side = 0; side < 2; side++) {
        drain(&pipe->to[side], NT_DISCONNECTED);
        end_calls(pipe->ends[side], NT_READ, NT_DISCONNECTED);
        end_calls(pipe->ends[side], NT_LISTEN, NT_DISCONNECTED);
    }
    if (pipe->ends[NT_CLIENT] != NULL) { /* it is on no instance any more */
        struct nt_pipe *alone = nt_alloc(sizeof *alone);

        alone->state = NT_IS_DISCONNECTED;
        alone->ends[NT_CLIENT] = pipe->ends[NT_CLIENT];
        alone->ends[NT_CLIENT]->pipe = alone;
        pipe->ends[NT_CLIENT] = NULL;
    }
    end->was_read = false;
    return nt_result(was ? ERROR_SUCCESS : ERROR_PIPE_NOT_CONNECTED);
}

/* Rows 55 and 85: the closer's reads end, what it had not read is lost, what it has written can
 * still be read. Its pending writes stay until then, or are lost, too: row 55 knows both. */
static void close_side(struct nt_pipe *pipe, int side)
{
    struct nt_end *other = pipe->ends[!side];

    end_calls(pipe->ends[side], NT_READ, NT_BROKEN);
    end_calls(pipe->ends[side], NT_LISTEN, nt_maybe(2) ? NT_HANDLES_CLOSED : NT_BROKEN);
    drain(&pipe->to[side], NT_BROKEN);
    if (other == NULL)
        drain(&pipe->to[!side], NT_BROKEN);
    else
        end_calls(other, NT_READ, NT_BROKEN);
    while (nt_maybe(2) && nt_irp_first(pipe->ends[side], NT_WRITE) != NULL) {
        struct nt_irp *write = nt_irp_first(pipe->ends[side], NT_WRITE);

        nt_pipe_forget_write(write);
        nt_irp_end(write, NT_BROKEN, 0);
    }
    if (pipe->state == NT_IS_CONNECTED)
        pipe->state = NT_IS_CLOSING;
    pipe->ends[side] = NULL;
}

/* Its last handle is closed. */
void nt_pipe_end_closed(struct nt_end *end)
{
    struct nt_pipe *pipe = end->pipe;

    close_side(pipe, end->side);
    end->pipe = NULL;
    if (end->side == NT_SERVER)
        nt_name_leave(pipe);
    if (pipe->ends[NT_SERVER] == NULL && pipe->ends[NT_CLIENT] == NULL)
        nt_free(pipe);
}

void nt_end_freed(struct nt_end *end)
{
    if (end->next != NULL)
        end->next->before = end->before;
    if (end->before != NULL)
        end->before->next = end->next;
    else
        ends = end->next;
    if (end->port != NULL)
        nt_unref((struct nt_object *)end->port);
}

HANDLE nt_end_open(struct nt_pipe *pipe, int side, DWORD flags)
{
    struct nt_end *end = nt_alloc(sizeof *end);

    *end = (struct nt_end){ .object = { NT_END, 0, 1, false, true },
                            .next = ends,
                            .pipe = pipe,
                            .side = side,
                            .overlapped = (flags & FILE_FLAG_OVERLAPPED) != 0 };
    if (ends != NULL)
        ends->before = end;
    ends = end;
    pipe->ends[side] = end;
    return nt_open(&end->object);
}
