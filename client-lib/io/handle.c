/* handle.c: the life of a handle and of the operations in its lanes; see handle.h. */
#include "io/handle.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/status.h"
#include "io/dial.h"
#include "io/driver.h"
#include "io/port.h"
#include "io/queue.h"

enum { STREAK_MAX = 16 }; /* starts in a row that may end with PP_DONE */

pp_handle *ppi_handle_new(enum ppi_handle_kind kind, const struct ppi_pipe_driver *driver)
{
    pp_handle *handle = calloc(1, sizeof *handle);

    if (handle == NULL)
        return NULL;
    ppi_mutex_init(&handle->lock);
    atomic_init(&handle->references, 1);
    atomic_init(&handle->outstanding, 0);
    handle->driver = driver;
    handle->kind = (uint8_t)kind;
    handle->state = PPI_OPEN;
    ppi_list_init(&handle->in_port);
    ppi_list_init(&handle->in_pool);
    for (int lane = 0; lane < PPI_LANES; lane++)
        handle->lanes[lane].ready = true;
    return handle;
}

void ppi_handle_unref(pp_handle *handle)
{
    if (atomic_fetch_sub_explicit(&handle->references, 1, memory_order_acq_rel) > 1)
        return;

    ppi_check(handle->state == PPI_CLOSED);
    if (handle->port != NULL) {
        ppi_mutex_lock(&handle->port->lock);
        ppi_list_remove(&handle->in_port);
        ppi_mutex_unlock(&handle->port->lock);
        ppi_port_unref(handle->port);
    }
    ppi_mutex_deinit(&handle->lock);
    free(handle->dial);
    free(handle);
}

int ppi_handle_check_process(const pp_handle *handle)
{
    return handle->port != NULL ? ppi_port_check_process(handle->port) : PP_OK;
}

/* Once the lock is free, whoever takes a packet may close the handle and the port. */
void ppi_handle_unlock(pp_handle *handle)
{
    pp_port *port = handle->port;
    bool settle = port != NULL && ppi_pool_has_granted(&port->pool);

    if (settle)
        ppi_port_ref(port);
    ppi_mutex_unlock(&handle->lock);
    if (!settle)
        return;
    ppi_pool_settle(&port->pool);
    ppi_port_unref(port);
}

void ppi_handle_op_taken(pp_handle *handle, enum ppi_kind kind)
{
    if (kind == PPI_CONNECT)
        ppi_dial_taken(handle);
    atomic_fetch_sub_explicit(&handle->outstanding, 1, memory_order_acq_rel);
    ppi_handle_unref(handle);
}

uint32_t pp_handle_outstanding(const pp_handle *handle)
{
    return handle == NULL ? 0 : atomic_load_explicit(&handle->outstanding, memory_order_acquire);
}

/* --- operations, with the lock held ------------------------------------------------------- */

/* op has its result: its waiter, or a worker of the port, may have it. */
static void publish(pp_handle *handle, pp_op *op)
{
    bool waited = ppi_op_waited(op);

    ppi_op_end(op); /* a waited op may be gone now */
    if (!waited)
        ppi_queue_push(handle->port, op);
}

/* op, which has its result, is its lane's current no more. */
static void retire(struct ppi_lane *lane, const pp_op *op)
{
    bool write = op->priv_.kind == PPI_WRITE || op->priv_.kind == PPI_GATHER;

    lane->current = NULL;
    if (op->status == PP_EPEERCLOSED || (write && op->status != PP_OK))
        lane->broken = true; /* of a failed write it is not known how much went out */
}

/* Begins op as its lane's current; true: it has ended, and is current no more. */
static bool begin(pp_handle *handle, pp_op *op)
{
    struct ppi_lane *lane = &handle->lanes[op->priv_.lane];

    lane->current = op;
    if (lane->broken && !lane->submitted)
        ppi_op_result(op, PP_EPEERCLOSED, 0, 0);
    else if (!(op->priv_.kind == PPI_CONNECT ? ppi_dial_begin(handle, op)
                                             : handle->driver->begin(handle, op))) {
        if (handle->kind == PPI_FILE) {
            lane->current = NULL;
            handle->running++;
        }
        return false;
    }
    retire(lane, op);
    return true;
}

static void begin_queued(pp_handle *handle, struct ppi_lane *lane)
{
    pp_op *op;

    while (lane->current == NULL && (op = ppi_ops_take(&lane->queue)) != NULL) {
        if (begin(handle, op))
            publish(handle, op);
        else
            ppi_op_nudge(op); /* from now on its waiter drives it */
    }
}

/* Gives the system's handle up once it is closed and nothing is in the system's hands. */
static void release_if_idle(pp_handle *handle)
{
    if (handle->state == PPI_CLOSED && handle->lanes[PPI_IN].current == NULL &&
        handle->lanes[PPI_OUT].current == NULL && handle->running == 0 && handle->driver != NULL) {
        const struct ppi_pipe_driver *driver = handle->driver;

        handle->driver = NULL;
        driver->release(handle);
    }
}

/* What both ways to finish have in common; the packet is queued, or taken already. */
static void finish(pp_handle *handle, int lane_index, bool taken)
{
    struct ppi_lane *lane = &handle->lanes[lane_index];
    pp_op *op = lane->current;

    ppi_check(op != NULL);
    retire(lane, op);
    if (taken)
        ppi_op_end(op);
    else
        publish(handle, op);
    begin_queued(handle, lane);
    release_if_idle(handle);
}

void ppi_handle_finish(pp_handle *handle, int lane)
{
    finish(handle, lane, false);
}

void ppi_handle_finish_taken(pp_handle *handle, int lane)
{
    finish(handle, lane, true);
}

void ppi_handle_finish_one(pp_handle *handle, pp_op *op, bool taken)
{
    handle->running--;
    if (taken)
        ppi_op_end(op);
    else
        publish(handle, op);
    release_if_idle(handle);
}

void ppi_handle_retry(pp_handle *handle, int lane_index)
{
    struct ppi_lane *lane = &handle->lanes[lane_index];
    pp_op *op = lane->current;

    if (op == NULL || lane->submitted || handle->state > PPI_OPEN)
        return;
    if (ppi_op_waited(op)) {
        ppi_op_nudge(op);
        return;
    }
    if (!begin(handle, op))
        return;
    publish(handle, op);
    begin_queued(handle, lane);
}

/* Ends every operation of a lane with PP_ECANCELED, or asks the driver to. */
static void cancel_lane(pp_handle *handle, struct ppi_lane *lane)
{
    pp_op *op;

    while ((op = ppi_ops_take(&lane->queue)) != NULL) {
        ppi_op_result(op, PP_ECANCELED, 0, 0);
        publish(handle, op);
    }
    op = lane->current;
    if (op == NULL)
        return;
    if (lane == &handle->lanes[PPI_OUT] && op->priv_.kind != PPI_CONNECT)
        lane->broken = true; /* how much of it went out is not known */
    if (op->priv_.kind == PPI_CONNECT)
        ppi_dial_stop(handle);
    else if (!handle->driver->cancel(handle, op))
        return;
    if (handle->port != NULL && lane == &handle->lanes[PPI_IN])
        ppi_pool_forget(&handle->port->pool, handle);
    lane->current = NULL;
    ppi_op_result(op, PP_ECANCELED, 0, op->priv_.done);
    publish(handle, op);
}

/* --- starting, waiting, ending -------------------------------------------------------------- */

static bool suits(unsigned handle_kind, unsigned op_kind)
{
    if (handle_kind == PPI_FILE || op_kind >= PPI_FILE_READ)
        return handle_kind == PPI_FILE && op_kind >= PPI_FILE_READ;
    return (handle_kind == PPI_LISTENER) == (op_kind == PPI_ACCEPT);
}

/* Why op cannot be started on the handle now; PP_OK if it can. */
static int refuse(const pp_handle *handle, const pp_op *op)
{
    bool connecting = op->priv_.kind == PPI_CONNECT;

    if (handle->state > PPI_OPEN)
        return ppi_fail(PP_ECLOSED, "the handle was closed or aborted, or its port shut down");
    if (handle->port == NULL && !ppi_op_waited(op))
        return ppi_fail(PP_ESTATE, "attach the handle to a port, or use pp_op_use_wait");
    if (!suits(handle->kind, op->priv_.kind))
        return ppi_fail(PP_ESTATE, "not an operation of this kind of handle");
    if (connecting != (handle->state == PPI_NEW))
        return ppi_fail(PP_ESTATE, connecting ? "the stream is connected" : "not connected");
    if (connecting && handle->lanes[PPI_OUT].current != NULL)
        return ppi_fail(PP_ESTATE, "the stream is connecting");
    return PP_OK;
}

/* An operation that is waited for is no packet of the port's, and not in its accounts. */
static int enter_port(pp_handle *handle, const pp_op *op)
{
    if (handle->port == NULL || ppi_op_waited(op))
        return PP_OK;
    return ppi_port_enter(handle->port, op->priv_.kind);
}

static bool may_skip(const pp_handle *handle, struct ppi_lane *lane, const pp_op *op)
{
    if (!handle->skip || op->status != PP_OK ||
        (op->priv_.flags & (PPI_OP_WAITED | PPI_OP_PACKET)) != 0 || ++lane->streak > STREAK_MAX) {
        lane->streak = 0;
        return false;
    }
    return true;
}

int ppi_handle_start(pp_handle *handle, pp_op *op, int lane_index)
{
    struct ppi_lane *lane = &handle->lanes[lane_index];
    int result = PP_PENDING;

    op->priv_.lane = (uint8_t)lane_index;
    op->priv_.handle = handle;
    ppi_mutex_lock(&handle->lock);
    int error = refuse(handle, op);
    if (error == PP_OK)
        error = enter_port(handle, op);
    if (error != PP_OK) {
        ppi_op_revoke(op);
        ppi_mutex_unlock(&handle->lock);
        return error;
    }

    atomic_fetch_add_explicit(&handle->outstanding, 1, memory_order_relaxed);
    ppi_handle_ref(handle);
    if (lane->current != NULL) {
        ppi_ops_append(&lane->queue, op);
    } else if (begin(handle, op)) {
        if (may_skip(handle, lane, op)) {
            ppi_port_leave(handle->port, op->priv_.kind);
            ppi_op_revoke(op);
            result = PP_DONE;
        } else {
            publish(handle, op);
        }
    }
    ppi_handle_unlock(handle);
    if (result == PP_DONE)
        ppi_handle_op_taken(handle, op->priv_.kind);
    return result;
}

bool ppi_handle_wait(pp_handle *handle, pp_op *op, struct ppi_event *event, uint64_t deadline_ns)
{
    struct ppi_lane *lane = &handle->lanes[op->priv_.lane];
    const struct ppi_pipe_driver *driver = NULL;

    ppi_mutex_lock(&handle->lock);
    bool over = false;
    if (lane->current == op) {
        over = begin(handle, op);
        driver = handle->driver;
    }
    if (over) {
        publish(handle, op);
        begin_queued(handle, lane);
        release_if_idle(handle);
    }
    ppi_handle_unlock(handle);
    if (over)
        return true;
    return driver != NULL ? driver->wait(handle, op, event, deadline_ns)
                          : ppi_event_wait(event, deadline_ns);
}

int pp_cancel(pp_handle *handle, pp_op *op)
{
    if (handle == NULL)
        return ppi_fail_plain(PP_EINVAL);
    if (ppi_handle_check_process(handle) != PP_OK)
        return PP_ESTATE;

    int result = PP_ENOTFOUND;
    ppi_mutex_lock(&handle->lock);
    if (handle->running > 0 && handle->driver->stop(handle, op))
        result = PP_OK;
    for (int i = 0; i < PPI_LANES; i++) {
        struct ppi_lane *lane = &handle->lanes[i];

        if (op == NULL || lane->current == op) {
            struct ppi_ops later = op == NULL ? (struct ppi_ops){ 0 } : lane->queue;

            if (lane->current == NULL && lane->queue.head == NULL)
                continue;
            result = PP_OK;
            if (op != NULL)
                lane->queue = (struct ppi_ops){ 0 };
            cancel_lane(handle, lane);
            lane->queue = later;
            begin_queued(handle, lane);
        } else if (ppi_ops_remove(&lane->queue, op)) {
            result = PP_OK;
            ppi_op_result(op, PP_ECANCELED, 0, 0);
            publish(handle, op);
        }
    }
    ppi_handle_unlock(handle);
    return result == PP_OK ? PP_OK : ppi_fail(PP_ENOTFOUND, "the operation is not in flight");
}

static void end_all(pp_handle *handle, enum ppi_handle_state state)
{
    handle->state = (uint8_t)state;
    for (int lane = 0; lane < PPI_LANES; lane++)
        cancel_lane(handle, &handle->lanes[lane]);
    if (handle->running > 0)
        handle->driver->stop(handle, NULL);
    release_if_idle(handle);
}

void ppi_handle_abort(pp_handle *handle)
{
    ppi_mutex_lock(&handle->lock);
    if (handle->state <= PPI_OPEN) {
        end_all(handle, PPI_ABORTED);
        if (handle->kind == PPI_STREAM)
            handle->driver->abort(handle);
    }
    ppi_handle_unlock(handle);
}

void ppi_handle_retire(pp_handle *handle)
{
    ppi_mutex_lock(&handle->lock);
    if (handle->state <= PPI_OPEN)
        end_all(handle, PPI_ABORTED);
    ppi_handle_unlock(handle);
}

int ppi_handle_refuse(pp_handle *listener)
{
    if (listener->driver->refuse == NULL)
        return PP_ENOTSUP;
    ppi_mutex_lock(&listener->lock);
    if (listener->state == PPI_OPEN)
        listener->driver->refuse(listener);
    ppi_handle_unlock(listener);
    return PP_OK;
}

void ppi_handle_set_skip(pp_handle *handle)
{
    ppi_mutex_lock(&handle->lock);
    handle->skip = true;
    ppi_mutex_unlock(&handle->lock);
}

int64_t ppi_handle_try_write(pp_handle *handle, const pp_piece *pieces, int count)
{
    int64_t taken = PP_ECLOSED;

    ppi_mutex_lock(&handle->lock);
    if (handle->state == PPI_OPEN && handle->lanes[PPI_OUT].broken)
        taken = PP_EPEERCLOSED;
    else if (handle->state == PPI_OPEN && handle->lanes[PPI_OUT].current != NULL)
        taken = 0;
    else if (handle->state == PPI_OPEN)
        taken = handle->driver->try_write(handle, pieces, count);
    ppi_mutex_unlock(&handle->lock);
    return taken;
}

int pp_abort(pp_handle *handle)
{
    if (handle == NULL)
        return ppi_fail_plain(PP_EINVAL);
    if (ppi_handle_check_process(handle) != PP_OK)
        return PP_ESTATE;
    ppi_mutex_lock(&handle->lock);
    bool open = handle->state <= PPI_OPEN;
    ppi_mutex_unlock(&handle->lock);
    if (!open)
        return ppi_fail_plain(PP_ECLOSED);
    ppi_handle_abort(handle);
    return PP_OK;
}

int pp_close(pp_handle *handle)
{
    if (handle == NULL)
        return PP_OK;
    if (ppi_handle_check_process(handle) != PP_OK)
        return PP_ESTATE;
    ppi_mutex_lock(&handle->lock);
    if (handle->state == PPI_CLOSED) {
        ppi_mutex_unlock(&handle->lock);
        return ppi_fail(PP_ESTATE, "the handle was closed before");
    }
    end_all(handle, PPI_CLOSED);
    ppi_handle_unlock(handle);
    ppi_handle_unref(handle);
    return PP_OK;
}
