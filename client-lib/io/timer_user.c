/* timer_user.c: timers of ports whose queue is in user space. */
#include "io/port.h"
#include "io/queue_user.h"

static void set_alarm(pp_port *port)
{
    const struct ppi_timer *first = ppi_timers_first(&port->queue->timers);

    port->driver->alarm(port, first != NULL ? first->deadline_ns : PPI_FOREVER);
}

void ppi_timers_run(pp_port *port)
{
    struct ppi_queue *queue = port->queue;
    struct ppi_timer *timer = ppi_timers_first(&queue->timers);

    if (timer == NULL)
        return;
    uint64_t now_ns = port->driver->now_ns();
    bool any = false;
    for (; timer != NULL && timer->deadline_ns <= now_ns;
         timer = ppi_timers_first(&queue->timers)) {
        ppi_timers_remove(&queue->timers, timer);
        ppi_op_end(&timer->op);
        ppi_ops_append(&queue->packets, &timer->op);
        queue->packet_count++;
        any = true;
    }
    if (any)
        set_alarm(port);
}

static int add_timer(pp_port *port, struct ppi_timer *timer)
{
    int error = ppi_timers_add(&port->queue->timers, timer);

    if (error == PP_OK && timer == ppi_timers_first(&port->queue->timers))
        set_alarm(port);
    return error;
}

uint64_t ppi_timer_now_ns(pp_port *port)
{
    return port->driver->now_ns();
}

int ppi_timer_start(struct ppi_timer *timer, pp_port *port, uint64_t deadline_ns)
{
    if (ppi_op_start(&timer->op, PPI_TIMER) != PP_OK)
        return PP_ESTATE;

    int error = ppi_port_enter(port, PPI_TIMER);
    if (error == PP_OK) {
        timer->deadline_ns = deadline_ns;
        ppi_mutex_lock(&port->queue->lock);
        error = add_timer(port, timer);
        ppi_mutex_unlock(&port->queue->lock);
        if (error != PP_OK)
            ppi_port_leave(port, PPI_TIMER);
    }
    if (error != PP_OK)
        ppi_op_revoke(&timer->op);
    return error;
}

bool ppi_timer_stop(struct ppi_timer *timer, pp_port *port)
{
    if (port == NULL)
        return false;

    ppi_mutex_lock(&port->queue->lock);
    bool waits = timer->position != 0;
    bool first = waits && timer == ppi_timers_first(&port->queue->timers);
    if (waits)
        ppi_timers_remove(&port->queue->timers, timer);
    if (first) /* or the alarm would be spent before the next one is due */
        set_alarm(port);
    ppi_mutex_unlock(&port->queue->lock);
    if (waits) {
        ppi_op_revoke(&timer->op);
        ppi_port_leave(port, PPI_TIMER);
    }
    return waits;
}
