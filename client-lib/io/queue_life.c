/* queue_life.c: the completion queue in user space is opened, looked at, emptied and closed; what
 * it is for is in queue_user.c. */
#include <stdlib.h>

#include "base/check.h"
#include "base/status.h"
#include "io/port.h"
#include "io/queue_user.h"

int ppi_queue_open(pp_port *port, const pp_port_config *config)
{
    if (config->native != NULL)
        return ppi_fail(PP_ENOTSUP, "there are no native completion ports on this system");

    struct ppi_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    ppi_mutex_init(&queue->lock);
    port->queue = queue;
    queue->single = (config->flags & PP_PORT_SINGLE_CONSUMER) != 0;
    port->concurrency = config->concurrency != 0 ? config->concurrency : ppi_processors();
    if (queue->single)
        port->concurrency = 1;
    port->driver = ppi_transport()->port_driver;
    port->driver_name = port->driver->name;
    int error = port->driver->open(port);
    if (error != PP_OK)
        port->driver = NULL;
    return error;
}

void ppi_queue_close(pp_port *port)
{
    struct ppi_queue *queue = port->queue;

    if (queue == NULL)
        return;
    ppi_check(queue->packets.head == NULL && ppi_timers_first(&queue->timers) == NULL);
    if (port->driver != NULL)
        port->driver->close(port);
    ppi_mutex_deinit(&queue->lock);
    ppi_timers_deinit(&queue->timers);
    free(queue);
}

void ppi_queue_info(pp_port *port, pp_port_stats *stats)
{
    struct ppi_queue *queue = port->queue;

    ppi_mutex_lock(&queue->lock);
    stats->active = queue->active;
    stats->waiting = queue->parked_count + queue->polling;
    stats->queued = queue->packet_count;
    stats->wakeups = queue->wakeups;
    ppi_mutex_unlock(&queue->lock);
    stats->driver = port->driver_name;
}

int ppi_queue_claim(pp_port *port, void *overlapped, uintptr_t key, uint32_t bytes,
                    pp_packet *packet)
{
    (void)port;
    (void)overlapped;
    (void)key;
    (void)bytes;
    (void)packet;
    return PP_ENOTSUP;
}

pp_op *ppi_queue_first(struct ppi_queue *queue)
{
    pp_op *op = ppi_ops_take(&queue->packets);

    if (op != NULL)
        queue->packet_count--;
    return op;
}

static pp_op *drop_one(struct ppi_queue *queue)
{
    ppi_mutex_lock(&queue->lock);
    pp_op *op = ppi_queue_first(queue);
    struct ppi_timer *timer = ppi_timers_first(&queue->timers);
    if (op == NULL && timer != NULL) { /* it will not run any more */
        op = &timer->op;
        ppi_timers_remove(&queue->timers, timer);
        ppi_op_result(op, PP_ECANCELED, 0, 0);
        ppi_op_end(op);
    }
    ppi_mutex_unlock(&queue->lock);
    return op;
}

bool ppi_queue_drop(pp_port *port, pp_packet *packet, uint64_t deadline_ns)
{
    bool in_time = true;

    ppi_mutex_lock(&port->lock);
    while ((packet->op = drop_one(port->queue)) == NULL && in_time &&
           atomic_load(&port->outstanding) > 0)
        in_time = ppi_cond_wait_until(&port->idle, &port->lock, deadline_ns);
    ppi_mutex_unlock(&port->lock);
    return packet->op != NULL;
}
