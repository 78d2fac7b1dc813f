/* port.c: the public port: arguments, accounts and the end. The queue itself is in queue_*.c. */
#include "io/port.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/status.h"
#include "io/handle.h"
#include "io/op.h"
#include "io/queue.h"

enum {
    POOL_COUNT = 16,
    POOL_COUNT_MAX = 65536,
    POOL_BYTES = 64 * 1024,
    POOL_BYTES_MAX = 16 * 1024 * 1024
};

static const struct ppi_transport *transport = &ppi_system_transport;

void ppi_set_transport(const struct ppi_transport *other)
{
    transport = other != NULL ? other : &ppi_system_transport;
}

const struct ppi_transport *ppi_transport(void)
{
    return transport;
}

/* --- references and accounts ---------------------------------------------------------------- */

void ppi_port_ref(pp_port *port)
{
    atomic_fetch_add_explicit(&port->references, 1, memory_order_relaxed);
}

void ppi_port_unref(pp_port *port)
{
    if (atomic_fetch_sub_explicit(&port->references, 1, memory_order_acq_rel) > 1)
        return;
    ppi_queue_close(port);
    ppi_pool_deinit(&port->pool);
    ppi_cond_deinit(&port->idle);
    ppi_mutex_deinit(&port->lock);
    free(port);
}

/* A draining shutdown waits for what ends by itself, not for what waits for others. */
static bool is_busy(unsigned kind)
{
    return kind == PPI_WRITE || kind == PPI_GATHER || kind == PPI_POST || kind >= PPI_FILE_READ;
}

int ppi_port_enter(pp_port *port, unsigned kind)
{
    atomic_fetch_add(&port->outstanding, 1);
    if (is_busy(kind))
        atomic_fetch_add(&port->busy, 1);
    if (!atomic_load(&port->closing))
        return PP_OK;
    ppi_port_leave(port, kind);
    return ppi_fail(PP_ECLOSED, "the port was shut down");
}

void ppi_port_leave(pp_port *port, unsigned kind)
{
    if (is_busy(kind))
        atomic_fetch_sub(&port->busy, 1);
    atomic_fetch_sub(&port->outstanding, 1);
    if (atomic_load(&port->closing)) {
        ppi_mutex_lock(&port->lock);
        ppi_cond_broadcast(&port->idle);
        ppi_mutex_unlock(&port->lock);
    }
}

int ppi_port_check_process(pp_port *port)
{
    return atomic_load_explicit(&port->generation, memory_order_relaxed) == ppi_process_generation()
               ? PP_OK
               : ppi_fail(PP_ESTATE, "a port works in the process that opened it");
}

/* --- threads --------------------------------------------------------------------------------- */

static atomic_uint_fast64_t last_serial;
static _Thread_local uint64_t home; /* the serial of the port from which this thread took last */

bool ppi_port_is_home(const pp_port *port)
{
    return home == port->serial;
}

void pp_thread_detach(void)
{
    home = 0;
    ppi_queue_detach(NULL);
}

/* --- opening and closing -------------------------------------------------------------------- */

int pp_port_open(pp_port **out, const pp_port_config *config)
{
    static const pp_port_config defaults = PP_PORT_CONFIG_INIT;

    if (config == NULL)
        config = &defaults;
    if (out == NULL || config->size != sizeof *config || config->pool_count > POOL_COUNT_MAX ||
        config->pool_bytes > POOL_BYTES_MAX || config->flags > PP_PORT_SINGLE_CONSUMER)
        return ppi_fail(PP_EINVAL, "out, config.size, flags or the pool's size is wrong");

    pp_port *port = calloc(1, sizeof *port);
    if (port == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    port->serial = atomic_fetch_add(&last_serial, 1) + 1;
    atomic_init(&port->references, 1);
    atomic_init(&port->generation, ppi_process_generation());
    ppi_mutex_init(&port->lock);
    ppi_cond_init(&port->idle);
    ppi_list_init(&port->handles);
    ppi_pool_init(&port->pool, config->pool_count != 0 ? config->pool_count : POOL_COUNT,
                  config->pool_bytes != 0 ? config->pool_bytes : POOL_BYTES);
    int error = ppi_queue_open(port, config);
    if (error != PP_OK) {
        ppi_port_unref(port);
        return error;
    }
    *out = port;
    return PP_OK;
}

void pp_port_close(pp_port *port)
{
    if (port == NULL)
        return;
    ppi_queue_detach(port);
    ppi_port_unref(port);
}

int pp_port_attach(pp_port *port, pp_handle *handle, uintptr_t key)
{
    if (port == NULL || handle == NULL)
        return ppi_fail_plain(PP_EINVAL);

    int error = PP_OK;
    ppi_mutex_lock(&handle->lock);
    if (handle->state > PPI_OPEN || atomic_load(&port->closing))
        error = ppi_fail(PP_ECLOSED, "the handle or the port is closed");
    else if (handle->port != NULL)
        error = ppi_fail(PP_ESTATE, "a handle is attached once, for its life");
    if (error == PP_OK) {
        ppi_port_ref(port);
        handle->port = port;
        handle->key = key;
        error = handle->driver->attach(handle);
        if (error != PP_OK) {
            handle->port = NULL;
            ppi_port_unref(port);
        }
    }
    if (error == PP_OK) {
        ppi_mutex_lock(&port->lock);
        ppi_list_append(&port->handles, &handle->in_port);
        ppi_mutex_unlock(&port->lock);
    }
    ppi_mutex_unlock(&handle->lock);
    return error;
}

int pp_port_info(pp_port *port, pp_port_stats *stats)
{
    if (port == NULL || stats == NULL || stats->size != sizeof *stats)
        return ppi_fail(PP_EINVAL, "port and stats.size must be set");

    *stats = (pp_port_stats){ .size = sizeof *stats, .concurrency = port->concurrency };
    stats->outstanding = atomic_load(&port->outstanding);
    stats->delivered = atomic_load(&port->delivered);
    ppi_mutex_lock(&port->pool.lock);
    stats->pool_count = port->pool.count;
    stats->pool_free = port->pool.free_count;
    ppi_mutex_unlock(&port->pool.lock);
    ppi_queue_info(port, stats);
    return PP_OK;
}

/* --- taking and posting --------------------------------------------------------------------- */

static void run_handler(void (*handler)(pp_op *), pp_op *op, bool users)
{
    bool before = users && ppi_enter_callback();

    handler(op);
    if (users)
        ppi_leave_callback(before);
}

/* Completes the packet of an op and gives the op back to its owner. false: the owner is the
 * library, whose handler has run: there is no packet. */
static bool deliver(pp_port *port, pp_packet *packet)
{
    pp_op *op = packet->op;

    if (op == NULL)
        return true; /* foreign */

    void (*handler)(pp_op *) = op->priv_.handler;
    pp_handle *handle = op->priv_.handle;
    unsigned kind = op->priv_.kind;
    bool users = (op->priv_.flags & PPI_OP_USERS) != 0;

    *packet = (pp_packet){ .op = op,
                           .key = handle != NULL ? handle->key : op->priv_.key,
                           .bytes = op->bytes,
                           .status = op->status,
                           .flags = kind == PPI_POST ? PP_PACKET_POSTED : 0 };
    atomic_fetch_add_explicit(&port->delivered, 1, memory_order_relaxed);
    ppi_op_deliver(op);
    if (handler != NULL)
        run_handler(handler, op, users); /* op may be in flight again, or gone */
    if (handle != NULL)
        ppi_handle_op_taken(handle, kind);
    ppi_port_leave(port, kind);
    return handler == NULL;
}

int pp_port_get_many(pp_port *port, pp_packet *packets, int count, int timeout_ms)
{
    if (port == NULL || packets == NULL || count < 1)
        return ppi_fail(PP_EINVAL, "port, packets and count must be set");
    if (ppi_port_check_process(port) != PP_OK)
        return PP_ESTATE;

    uint64_t deadline_ns = timeout_ms == 0 ? 0 : ppi_deadline_ns(timeout_ms);
    int filled = 0;
    home = port->serial;
    while (filled == 0) {
        int taken = ppi_queue_take(port, packets, count, deadline_ns);

        if (taken <= 0)
            return taken == PP_ECLOSED ? ppi_fail(taken, "the port was shut down") : taken;
        for (int i = 0; i < taken; i++) {
            packets[filled] = packets[i];
            filled += deliver(port, &packets[filled]);
        }
    }
    return filled;
}

int pp_port_get(pp_port *port, pp_packet *packet, int timeout_ms)
{
    return pp_port_get_many(port, packet, 1, timeout_ms);
}

int pp_port_claim(pp_port *port, void *overlapped, uintptr_t key, uint32_t bytes, pp_packet *packet)
{
    if (port == NULL || packet == NULL)
        return ppi_fail_plain(PP_EINVAL);
    if (ppi_port_check_process(port) != PP_OK)
        return PP_ESTATE;

    ppi_port_ref(port);
    home = port->serial;
    int result = ppi_queue_claim(port, overlapped, key, bytes, packet);
    if (result > 0)
        result = deliver(port, packet);
    ppi_port_unref(port);
    return result >= 0 ? result : ppi_fail_plain(result);
}

int pp_port_pollable(pp_port *port, int *descriptor)
{
    if (port == NULL || descriptor == NULL)
        return ppi_fail(PP_EINVAL, "port and descriptor must be set");
    if (ppi_port_check_process(port) != PP_OK)
        return PP_ESTATE;
    return ppi_queue_lend(port, descriptor);
}

int pp_port_post(pp_port *port, uintptr_t key, uint64_t bytes, pp_op *op)
{
    if (port == NULL || op == NULL)
        return ppi_fail_plain(PP_EINVAL);
    if (ppi_port_check_process(port) != PP_OK)
        return PP_ESTATE;
    if (ppi_op_start(op, PPI_POST) != PP_OK)
        return ppi_fail(PP_ESTATE, "the operation is in flight");

    int error = ppi_port_enter(port, PPI_POST);
    if (error != PP_OK) {
        ppi_op_revoke(op);
        return error;
    }
    op->priv_.key = key;
    ppi_op_result(op, PP_OK, 0, bytes);
    ppi_op_end(op);
    ppi_queue_push(port, op);
    return PP_OK;
}

void ppi_port_post(pp_port *port, pp_op *op)
{
    ppi_check(ppi_op_start(op, PPI_POST) == PP_OK);
    atomic_fetch_add(&port->outstanding, 1);
    atomic_fetch_add(&port->busy, 1);
    ppi_op_end(op);
    ppi_queue_push(port, op);
}

/* --- shutting down -------------------------------------------------------------------------- */

/* A reference on the next handle of the port that still lives, and was not aborted yet. */
static pp_handle *next_handle(pp_port *port)
{
    pp_handle *found = NULL;

    ppi_mutex_lock(&port->lock);
    for (struct ppi_list *at = port->handles.next; at != &port->handles && found == NULL;
         at = at->next) {
        pp_handle *handle = PP_CONTAINER(at, pp_handle, in_port);
        unsigned references = atomic_load(&handle->references);

        while (references > 0 && !handle->swept && found == NULL)
            if (atomic_compare_exchange_weak(&handle->references, &references, references + 1))
                found = handle;
        if (found != NULL)
            found->swept = true;
    }
    ppi_mutex_unlock(&port->lock);
    return found;
}

/* A packet that nobody took, with its buffer if nobody is told of it. */
static void drop(pp_packet *packet, void (*discard)(void *context, const pp_packet *packet),
                 void *context)
{
    if (discard != NULL) {
        discard(context, packet);
    } else if (packet->op != NULL && packet->op->priv_.kind == PPI_READ_POOLED) {
        pp_buffer_release(packet->op->buffer);
        packet->op->buffer = NULL;
    }
}

/* Waits until *counter is 0. false: deadline_ns came first. Once it was, it is not looked at again:
 * starts that are refused still count themselves in, and out. */
static bool wait_for_zero(pp_port *port, atomic_uint_fast64_t *counter, uint64_t deadline_ns)
{
    bool in_time = true, zero;

    ppi_mutex_lock(&port->lock);
    while (!(zero = atomic_load(counter) == 0) && in_time)
        in_time = ppi_cond_wait_until(&port->idle, &port->lock, deadline_ns);
    ppi_mutex_unlock(&port->lock);
    return zero;
}

int pp_port_shutdown(pp_port *port, int how, int timeout_ms,
                     void (*discard)(void *context, const pp_packet *packet), void *context)
{
    if (port == NULL || (how != PP_SHUT_FAST && how != PP_SHUT_DRAIN))
        return ppi_fail_plain(PP_EINVAL);
    if (ppi_port_check_process(port) != PP_OK)
        return PP_ESTATE;
    if (ppi_in_callback())
        return ppi_fail(PP_EDEADLOCK, "a callback of the port cannot wait for the port's end");

    if (home == port->serial)
        home = 0;
    ppi_queue_detach(port);
    uint64_t deadline_ns = ppi_deadline_ns(timeout_ms);
    atomic_store(&port->closing, true);
    if (how == PP_SHUT_DRAIN)
        wait_for_zero(port, &port->busy, deadline_ns);

    pp_handle *handle;
    while ((handle = next_handle(port)) != NULL) {
        ppi_handle_abort(handle);
        ppi_handle_unref(handle);
    }
    ppi_queue_end(port);

    pp_packet packet;
    while (ppi_queue_drop(port, &packet, deadline_ns))
        if (deliver(port, &packet))
            drop(&packet, discard, context);
    return wait_for_zero(port, &port->outstanding, deadline_ns)
               ? PP_OK
               : ppi_fail(PP_ETIMEDOUT, "operations are still in flight");
}
