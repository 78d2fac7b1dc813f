/* pipes.c: the simulator's pipes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/status.h"
#include "io/dial.h"
#include "io/handle.h"
#include "io/port.h"
#include "sim/world.h"

enum { LATE_MAX_NS = 5 * PPI_NS_PER_MS };

/* An operation, and who waits for it. */
struct waiting {
    pp_handle *handle;
    pp_op *op;
    struct ppi_event *event;
};

static size_t at_most(size_t size, size_t limit)
{
    return limit != 0 && limit < size ? limit : size;
}

static struct end *end_of(pp_handle *handle)
{
    return handle->twin;
}

struct end *sim_end_new(pp_handle *handle)
{
    struct end *end = calloc(1, sizeof *end);

    ppi_check(end != NULL);
    end->handle = handle;
    end->number = ++sim_world.ends_made;
    if (handle != NULL)
        handle->twin = end;
    ppi_list_append(&sim_world.ends, &end->in_world);
    ppi_list_init(&end->in_events);
    return end;
}

static void end_free(struct end *end)
{
    ppi_list_remove(&end->in_world);
    ppi_list_remove(&end->in_events);
    ppi_buf_deinit(&end->in);
    free(end);
}

/* Does something go wrong now? */
static bool fault(void)
{
    return sim_happens(sim_world.faults, 100);
}

/* Is it refused for want of memory, or of something else? Why: status. */
static bool refused(const char *what, int *status)
{
    if (!sim_happens(sim_world.script.refusals, 100))
        return false;
    bool memory = sim_random(2) == 0;
    *status = memory ? PP_ENOMEM : PP_ELIMIT;
    sim_log("%s: %s", memory ? "no memory" : "refused", what);
    return true;
}

/* Trying its operations again may be worth it; the port hears of it now, or with a fault later. */
static void notify(struct end *end)
{
    if (end == NULL || end->handle == NULL || !ppi_list_empty(&end->in_events))
        return;
    end->due_ns = sim_world.now_ns;
    if (fault()) {
        end->due_ns += sim_random(LATE_MAX_NS);
        sim_log("end %u: late event", end->number);
    }
    ppi_list_append(&sim_world.events, &end->in_events);
}

/* How much of size goes through, at least `least` bytes; with a fault, less. */
static size_t cut(const struct end *end, size_t size, size_t least, const char *what)
{
    if (size > least && fault()) {
        size = least + sim_random((uint32_t)(size - least));
        sim_log("end %u: short %s", end->number, what);
    }
    sim_log("end %u: %s %u", end->number, what, (unsigned)size);
    return size;
}

static bool is_readable(const struct end *end)
{
    return end->ended || end->waiting > 0 || ppi_buf_size(&end->in) > 0;
}

/* The other side sees the end after what it has not read. */
static void part(struct end *end)
{
    if (end->peer == NULL)
        return;
    end->peer->ended = true;
    end->peer->peer = NULL;
    notify(end->peer);
    end->peer = NULL;
    end->ended = true;
}

/* The connection may be gone, and with it what was not read. */
static void reset(struct end *end)
{
    struct end *peer = end->peer;

    if (peer == NULL || !sim_happens(sim_world.script.resets, 1000))
        return;
    sim_log("end %u: reset", end->number);
    ppi_buf_clear(&end->in);
    ppi_buf_clear(&peer->in);
    part(end);
    notify(end);
}

static bool sim_read(pp_handle *handle, pp_op *op)
{
    struct end *end = end_of(handle);
    void *buffer = (void *)(uintptr_t)op->priv_.data;

    reset(end);
    size_t size = ppi_buf_size(&end->in);
    if (size == 0) {
        ppi_op_result(op, PP_EPEERCLOSED, 0, 0);
        return end->ended;
    }
    if (op->priv_.kind == PPI_READ_POOLED &&
        ppi_pool_take(&handle->port->pool, handle, &buffer) != PP_OK)
        return false;
    size = at_most(at_most(size, op->priv_.length), sim_world.script.read_max);
    size = cut(end, size, 1, "read");
    memcpy(buffer, ppi_buf_data(&end->in), size);
    ppi_buf_consume(&end->in, size);
    end->heard = true;
    ppi_op_result(op, PP_OK, 0, size);
    op->buffer = op->priv_.kind == PPI_READ_POOLED ? buffer : NULL;
    notify(end->peer); /* there is room again */
    return true;
}

/* On the way to the other end. */
static size_t room_of(const struct end *end)
{
    size_t capacity = sim_world.script.capacity != 0 ? sim_world.script.capacity : SIM_CAPACITY;
    size_t used = ppi_buf_size(&end->peer->in);

    return used < capacity ? capacity - used : 0;
}

/* Moves what fits; how much. */
static size_t move(struct end *end, const void *data, size_t size)
{
    size_t room = room_of(end);

    size = at_most(size < room ? size : room, sim_world.script.write_max);
    size_t taken = cut(end, size, 0, "write");
    if (taken < size)
        notify(end); /* there is still room */
    size = taken;
    ppi_check(ppi_buf_append(&end->peer->in, data, size) == PP_OK);
    if (size > 0)
        notify(end->peer);
    return size;
}

static bool sim_write(pp_handle *handle, pp_op *op)
{
    const pp_piece single = { op->priv_.data, op->priv_.length };
    const pp_piece *pieces = op->priv_.kind == PPI_GATHER ? op->priv_.data : &single;
    size_t count = op->priv_.kind == PPI_GATHER ? op->priv_.length : 1, before = 0;
    struct end *end = end_of(handle);

    reset(end);
    for (size_t i = 0; i < count; before += pieces[i++].length)
        while (end->peer != NULL && op->priv_.done >= before &&
               op->priv_.done < before + pieces[i].length) {
            size_t at = op->priv_.done - before;
            size_t moved = move(end, (const char *)pieces[i].data + at, pieces[i].length - at);

            op->priv_.done += moved;
            if (moved == 0)
                return false;
        }
    ppi_op_result(op, end->peer != NULL ? PP_OK : PP_EPEERCLOSED, 0, op->priv_.done);
    return true;
}

static int64_t sim_try_write(pp_handle *handle, const pp_piece *pieces, int count)
{
    struct end *end = end_of(handle);
    int64_t total = 0;

    reset(end);
    for (int i = 0; i < count; i++) {
        if (end->peer == NULL)
            return PP_EPEERCLOSED;
        size_t moved = move(end, pieces[i].data, pieces[i].length);
        total += (int64_t)moved;
        if (moved < pieces[i].length)
            break;
    }
    return total;
}

static bool sim_accept(pp_handle *listener, pp_op *op);

static bool sim_begin_op(pp_handle *handle, pp_op *op)
{
    switch (op->priv_.kind) {
    case PPI_ACCEPT: return sim_accept(handle, op);
    case PPI_READ:
    case PPI_READ_POOLED: return sim_read(handle, op);
    default: return sim_write(handle, op);
    }
}

static bool sim_cancel(pp_handle *handle, pp_op *op)
{
    (void)handle;
    (void)op;
    return true;
}

static int sim_attach(pp_handle *handle)
{
    int status;

    if (refused("attach", &status))
        return ppi_fail(status, "the simulator refuses");
    notify(end_of(handle));
    return PP_OK;
}

static void sim_abort(pp_handle *handle)
{
    part(end_of(handle));
}

static void sim_release(pp_handle *handle)
{
    struct end *end = end_of(handle);

    if (end == NULL)
        return;
    part(end);
    for (int i = 0; i < end->waiting; i++) {
        part(end->backlog[i]);
        end_free(end->backlog[i]);
    }
    handle->twin = NULL;
    end_free(end);
}

/* Of an operation that is waited for: is it worth it to try again? */
static bool may_begin(void *argument)
{
    const struct waiting *waiting = argument;
    const pp_handle *handle = waiting->handle;
    const struct end *end = handle->twin;
    const pp_op *op = waiting->op;

    if (sim_world.turns->event_is_set(waiting->event))
        return true;
    if (op->priv_.kind == PPI_CONNECT)
        return false;
    if (end == NULL)
        return true;
    if (op->priv_.kind == PPI_READ_POOLED && !ppi_list_empty(&handle->in_pool) &&
        handle->granted == NULL)
        return false; /* what it waits for is a buffer */
    return op->priv_.lane == PPI_IN ? is_readable(end) : end->peer == NULL || room_of(end) > 0;
}

static bool sim_wait(pp_handle *handle, pp_op *op, struct ppi_event *event, uint64_t deadline_ns)
{
    struct waiting waiting = { handle, op, event };
    uint64_t until_ns = deadline_ns;

    if (sim_world.turns == NULL)
        return sim_step(); /* the deadline is the real clock's; here the end of the world is */
    if (op->priv_.kind == PPI_CONNECT && handle->dial->next_try_ns < deadline_ns)
        until_ns = handle->dial->next_try_ns;
    sim_world.turns->wait(may_begin, &waiting, until_ns);
    sim_world.turns->event_reset(event);
    return sim_world.now_ns < deadline_ns;
}

/* As Windows does, it tells the user only after something was read. */
static int sim_peer(pp_handle *handle, pp_peer *peer)
{
    peer->flags = PP_PEER_PID;
    peer->pid = 1;
    if (!end_of(handle)->heard)
        return PP_OK;
    peer->flags |= PP_PEER_UID | PP_PEER_SID;
    peer->uid = end_of(handle)->uid;
    if (peer->uid == 0)
        strcpy(peer->sid, "S-1-5-18"); /* root, in the words of either system */
    else
        snprintf(peer->sid, sizeof peer->sid, "S-1-5-21-0-0-0-%u", peer->uid);
    return PP_OK;
}

static int sim_exe(pp_handle *handle, char *path, size_t size)
{
    (void)handle;
    (void)path;
    (void)size;
    return PP_ENOTFOUND;
}

struct end *sim_listener_at(const char *path)
{
    for (struct ppi_list *at = sim_world.ends.next; at != &sim_world.ends; at = at->next) {
        struct end *end = PP_CONTAINER(at, struct end, in_world);

        if (strcmp(end->path, path) == 0)
            return end;
    }
    return NULL;
}

static int sim_connect(pp_handle *handle, int *os_error)
{
    struct end *listener = sim_listener_at(handle->dial->path);

    *os_error = 0;
    if (listener == NULL)
        return PP_ENOSERVER;
    int status;
    if (refused("connect", &status))
        return status;
    if (listener->waiting == listener->room)
        return PP_EBUSY;
    struct end *client = sim_end_new(handle), *server = sim_end_new(NULL);
    server->uid = sim_world.uid;
    client->peer = server;
    server->peer = client;
    listener->backlog[listener->waiting++] = server;
    notify(listener);
    return PP_OK;
}

const struct ppi_pipe_driver sim_pipe_driver = {
    .name = "sim",
    .attach = sim_attach,
    .begin = sim_begin_op,
    .connect = sim_connect,
    .try_write = sim_try_write,
    .cancel = sim_cancel,
    .abort = sim_abort,
    .release = sim_release,
    .wait = sim_wait,
    .peer = sim_peer,
    .exe = sim_exe,
};

static bool sim_accept(pp_handle *listener, pp_op *op)
{
    struct end *end = end_of(listener);
    int status;

    if (end->waiting == 0)
        return false;
    if (refused("accept", &status)) {
        ppi_op_result(op, status, 0, 0);
        return true;
    }
    struct end *server = end->backlog[0];
    memmove(end->backlog, end->backlog + 1, (size_t)--end->waiting * sizeof *end->backlog);
    server->handle = ppi_handle_new(PPI_STREAM, &sim_pipe_driver);
    server->handle->twin = server;
    *(pp_handle **)(uintptr_t)op->priv_.data = server->handle;
    ppi_op_result(op, PP_OK, 0, 0);
    return true;
}
