#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/pipe.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/list.h"
#include "base/status.h"
#include "io/dial.h"
#include "io/driver.h"
#include "io/handle.h"
#include "io/port.h"

enum { CAPACITY = 200 * 1024, BACKLOG = 128 };

/* One end of a pipe, or a listener. */
struct end {
    pp_handle *handle; /* NULL: released */
    struct end *peer;  /* the other end; NULL: gone, or a listener */
    bool ended;        /* nothing more will come */
    bool heard;        /* something was read */
    uint32_t uid;      /* of who connected */
    struct ppi_buf in; /* bytes that came, not read yet */
    struct ppi_list in_world;
    struct ppi_list in_events; /* something may have become possible */
    /* listeners */
    char path[PP_PATH_MAX];
    struct end *backlog[BACKLOG]; /* the servers' ends of connections not accepted yet */
    int waiting;
};

struct sim_port {
    struct ppi_list in_world;
    pp_port *port;
    uint64_t alarm_ns;
};

static struct {
    struct sim_script script;
    uint64_t now_ns;
    uint32_t uid;
    struct ppi_list ends, ports, events;
} world;

static size_t at_most(size_t size, size_t limit)
{
    return limit != 0 && limit < size ? limit : size;
}

static struct end *end_of(pp_handle *handle)
{
    return handle->twin;
}

/* --- pipes ------------------------------------------------------------------------------------ */

static struct end *end_new(pp_handle *handle)
{
    struct end *end = calloc(1, sizeof *end);

    ppi_check(end != NULL);
    end->handle = handle;
    if (handle != NULL)
        handle->twin = end;
    ppi_list_append(&world.ends, &end->in_world);
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

/* Trying its operations again may be worth it. */
static void notify(struct end *end)
{
    if (end != NULL && end->handle != NULL && ppi_list_empty(&end->in_events))
        ppi_list_append(&world.events, &end->in_events);
}

static bool sim_read(pp_handle *handle, pp_op *op)
{
    struct end *end = end_of(handle);
    size_t size = ppi_buf_size(&end->in);
    void *buffer = (void *)(uintptr_t)op->priv_.data;

    if (size == 0) {
        ppi_op_result(op, PP_EPEERCLOSED, 0, 0);
        return end->ended;
    }
    if (op->priv_.kind == PPI_READ_POOLED &&
        ppi_pool_take(&handle->port->pool, handle, &buffer) != PP_OK)
        return false;
    size = at_most(at_most(size, op->priv_.length), world.script.read_max);
    memcpy(buffer, ppi_buf_data(&end->in), size);
    ppi_buf_consume(&end->in, size);
    end->heard = true;
    ppi_op_result(op, PP_OK, 0, size);
    op->buffer = op->priv_.kind == PPI_READ_POOLED ? buffer : NULL;
    notify(end->peer); /* there is room again */
    return true;
}

/* Moves what fits; how much. */
static size_t move(struct end *end, const void *data, size_t size)
{
    size_t capacity = world.script.capacity != 0 ? world.script.capacity : CAPACITY;
    size_t used = ppi_buf_size(&end->peer->in), room = used < capacity ? capacity - used : 0;

    size = at_most(size < room ? size : room, world.script.write_max);
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
    notify(end_of(handle));
    return PP_OK;
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

static bool sim_wait(pp_handle *handle, pp_op *op, struct ppi_event *event, uint64_t deadline_ns)
{
    (void)handle;
    (void)op;
    (void)event;
    (void)deadline_ns; /* of the real clock; here the end of the world is what is waited for */
    return sim_step();
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

void sim_become(uint32_t uid)
{
    world.uid = uid;
}

static int sim_exe(pp_handle *handle, char *path, size_t size)
{
    (void)handle;
    (void)path;
    (void)size;
    return PP_ENOTFOUND;
}

static struct end *listener_at(const char *path)
{
    for (struct ppi_list *at = world.ends.next; at != &world.ends; at = at->next) {
        struct end *end = PP_CONTAINER(at, struct end, in_world);

        if (strcmp(end->path, path) == 0)
            return end;
    }
    return NULL;
}

static int sim_connect(pp_handle *handle, int *os_error)
{
    struct end *listener = listener_at(handle->dial->path);

    *os_error = 0;
    if (listener == NULL)
        return PP_ENOSERVER;
    if (listener->waiting == BACKLOG)
        return PP_EBUSY;
    struct end *client = end_new(handle), *server = end_new(NULL);
    server->uid = world.uid;
    client->peer = server;
    server->peer = client;
    listener->backlog[listener->waiting++] = server;
    notify(listener);
    return PP_OK;
}

static const struct ppi_pipe_driver sim_pipe_driver = {
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

    if (end->waiting == 0)
        return false;
    struct end *server = end->backlog[0];
    memmove(end->backlog, end->backlog + 1, (size_t)--end->waiting * sizeof *end->backlog);
    server->handle = ppi_handle_new(PPI_STREAM, &sim_pipe_driver);
    server->handle->twin = server;
    *(pp_handle **)(uintptr_t)op->priv_.data = server->handle;
    ppi_op_result(op, PP_OK, 0, 0);
    return true;
}

/* --- ports ------------------------------------------------------------------------------------ */

static int sim_port_open(pp_port *port)
{
    struct sim_port *own = calloc(1, sizeof *own);

    ppi_check(own != NULL);
    own->port = port;
    own->alarm_ns = PPI_FOREVER;
    port->driver_data = own;
    ppi_list_append(&world.ports, &own->in_world);
    return PP_OK;
}

static void sim_port_close(pp_port *port)
{
    struct sim_port *own = port->driver_data;

    ppi_list_remove(&own->in_world);
    free(own);
}

/* Tries the operations of every end of this port to which something has happened. */
static void sim_poll(pp_port *port, uint64_t deadline_ns)
{
    struct ppi_list later;

    (void)deadline_ns; /* time does not pass here */
    ppi_list_init(&later);
    for (struct ppi_list *at; (at = ppi_list_take(&world.events)) != NULL;) {
        struct end *end = PP_CONTAINER(at, struct end, in_events);
        pp_handle *handle = end->handle;

        if (handle->port != port) {
            ppi_list_append(&later, at);
            continue;
        }
        ppi_handle_ref(handle);
        ppi_mutex_lock(&handle->lock);
        ppi_handle_retry(handle, PPI_IN);
        ppi_handle_retry(handle, PPI_OUT);
        ppi_handle_unlock(handle);
        ppi_handle_unref(handle);
    }
    for (struct ppi_list *at; (at = ppi_list_take(&later)) != NULL;)
        ppi_list_append(&world.events, at);
}

static void sim_wake(pp_port *port)
{
    (void)port; /* there is one thread, and it is not waiting */
}

static void sim_alarm(pp_port *port, uint64_t deadline_ns)
{
    ((struct sim_port *)port->driver_data)->alarm_ns = deadline_ns;
}

uint64_t sim_now_ns(void)
{
    return world.now_ns;
}

static const struct ppi_port_driver sim_port_driver = {
    .name = "sim",
    .open = sim_port_open,
    .close = sim_port_close,
    .poll = sim_poll,
    .wake = sim_wake,
    .alarm = sim_alarm,
    .now_ns = sim_now_ns,
};

static int sim_listen(pp_handle **out, const char *name, const pp_listen_config *config)
{
    char path[PP_PATH_MAX];
    int status = pp_pipe_path(name, config->scope, path, sizeof path);

    if (status != PP_OK)
        return status;
    if (listener_at(path) != NULL)
        return ppi_fail(PP_EINUSE, "the name is taken");
    *out = ppi_handle_new(PPI_LISTENER, &sim_pipe_driver);
    strcpy(end_new(*out)->path, path);
    return PP_OK;
}

static int sim_dial(pp_handle **out)
{
    *out = ppi_handle_new(PPI_STREAM, &sim_pipe_driver);
    return PP_OK;
}

static const struct ppi_transport sim_transport = { &sim_port_driver, sim_listen, sim_dial };

/* --- the world -------------------------------------------------------------------------------- */

void sim_begin(const struct sim_script *script)
{
    world.script = *script;
    world.now_ns = 1000000000u;
    world.uid = 0;
    ppi_list_init(&world.ends);
    ppi_list_init(&world.ports);
    ppi_list_init(&world.events);
    ppi_set_transport(&sim_transport);
}

void sim_end(void)
{
    ppi_check(ppi_list_empty(&world.ends) && ppi_list_empty(&world.ports));
    ppi_set_transport(NULL);
}

/* Lets every port work; true: something was done. */
static bool work(void)
{
    pp_packet packet;
    bool any = false;

    for (struct ppi_list *at = world.ports.next; at != &world.ports; at = at->next) {
        pp_port *port = PP_CONTAINER(at, struct sim_port, in_world)->port;
        uint64_t before = atomic_load(&port->delivered);

        while (pp_port_get(port, &packet, 0) == 1)
            ;
        pp_thread_detach();
        any = any || atomic_load(&port->delivered) != before;
    }
    return any;
}

static uint64_t next_alarm(void)
{
    uint64_t soonest_ns = PPI_FOREVER;

    for (struct ppi_list *at = world.ports.next; at != &world.ports; at = at->next) {
        struct sim_port *own = PP_CONTAINER(at, struct sim_port, in_world);

        if (own->alarm_ns < soonest_ns)
            soonest_ns = own->alarm_ns;
    }
    return soonest_ns;
}

bool sim_step(void)
{
    if (work())
        return true;
    uint64_t alarm_ns = next_alarm();
    if (alarm_ns == PPI_FOREVER)
        return false;
    if (alarm_ns > world.now_ns)
        world.now_ns = alarm_ns;
    return work() || next_alarm() != alarm_ns;
}

void sim_pass_ms(uint64_t milliseconds)
{
    uint64_t end_ns = world.now_ns + milliseconds * PPI_NS_PER_MS;

    while (work() || next_alarm() <= end_ns)
        if (next_alarm() <= end_ns && next_alarm() > world.now_ns)
            world.now_ns = next_alarm();
    world.now_ns = end_ns;
    work();
}
