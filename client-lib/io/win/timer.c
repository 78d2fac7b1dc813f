/* timer.c: timers of a port, on timers of the system's thread pool.
 *
 * Each start makes a timer of the system, and its end closes it: there is nothing to clean up
 * later. The pool's thread does nothing but queue the packet. Whether a timer runs is decided by
 * its place in the queue's list, under the queue's lock; who takes it out of the list, ends it.
 * To stop one is to wait until the pool's thread is through with it; that thread takes no lock but
 * the queue's. */
#include "io/timer.h"

#include "base/status.h"
#include "io/port.h"
#include "io/queue.h"
#include "io/win/win.h"

uint64_t ppi_timer_now_ns(pp_port *port)
{
    (void)port;
    return ppi_now_ns();
}

/* Lets the system's timer run from now to the deadline, rounded up. */
static void set(struct ppi_timer *timer)
{
    uint64_t now_ns = ppi_now_ns();
    uint64_t units = timer->deadline_ns > now_ns ? (timer->deadline_ns - now_ns) / 100 + 1 : 0;
    ULARGE_INTEGER due = { .QuadPart = 0 - (units < INT64_MAX ? units : INT64_MAX) };
    FILETIME time = { due.LowPart, due.HighPart }; /* negative: relative */

    SetThreadpoolTimer(timer->system, &time, 0, 0);
}

/* Takes a timer out of the list, with the lock held. */
static void take_out(struct ppi_timer *timer)
{
    ppi_list_remove(&timer->running);
    timer->position = 0;
}

static void CALLBACK on_due(PTP_CALLBACK_INSTANCE instance, void *context, PTP_TIMER self)
{
    struct ppi_timer *timer = context;
    pp_port *port = timer->op.priv_.port;
    bool ours;

    (void)instance;
    ppi_mutex_lock(&port->queue->lock);
    ours = timer->position != 0;
    if (ours && ppi_now_ns() < timer->deadline_ns) { /* the system's clock ticks coarsely */
        set(timer);
        ours = false;
    } else if (ours) {
        take_out(timer);
    }
    ppi_mutex_unlock(&port->queue->lock);
    if (!ours)
        return;
    CloseThreadpoolTimer(self);
    ppi_op_end(&timer->op);
    ppi_queue_push(port, &timer->op);
}

/* Afterwards no thread of the pool knows the timer, which was taken out. */
static void shut(struct ppi_timer *timer)
{
    SetThreadpoolTimer(timer->system, NULL, 0, 0);
    WaitForThreadpoolTimerCallbacks(timer->system, TRUE);
    CloseThreadpoolTimer(timer->system);
}

int ppi_timer_start(struct ppi_timer *timer, pp_port *port, uint64_t deadline_ns)
{
    if (ppi_op_start(&timer->op, PPI_TIMER) != PP_OK)
        return PP_ESTATE;

    int error = ppi_port_enter(port, PPI_TIMER);
    if (error == PP_OK && (timer->system = CreateThreadpoolTimer(on_due, timer, NULL)) == NULL) {
        ppi_port_leave(port, PPI_TIMER);
        error = PP_ENOMEM;
    }
    if (error != PP_OK) {
        ppi_op_revoke(&timer->op);
        return error;
    }
    timer->deadline_ns = deadline_ns;
    timer->op.priv_.port = port;
    ppi_mutex_lock(&port->queue->lock);
    ppi_list_append(&port->queue->timers, &timer->running);
    timer->position = 1;
    set(timer);
    ppi_mutex_unlock(&port->queue->lock);
    return PP_OK;
}

bool ppi_timer_stop(struct ppi_timer *timer, pp_port *port)
{
    if (port == NULL)
        return false;

    ppi_mutex_lock(&port->queue->lock);
    bool running = timer->position != 0;
    if (running)
        take_out(timer);
    ppi_mutex_unlock(&port->queue->lock);
    if (running) {
        shut(timer);
        ppi_op_revoke(&timer->op);
        ppi_port_leave(port, PPI_TIMER);
    }
    return running;
}

pp_op *ppi_timer_drop(struct ppi_queue *queue)
{
    struct ppi_timer *timer = NULL;

    ppi_mutex_lock(&queue->lock);
    if (!ppi_list_empty(&queue->timers)) {
        timer = PP_CONTAINER(queue->timers.next, struct ppi_timer, running);
        take_out(timer);
    }
    ppi_mutex_unlock(&queue->lock);
    if (timer == NULL)
        return NULL;
    shut(timer);
    ppi_op_result(&timer->op, PP_ECANCELED, 0, 0);
    ppi_op_end(&timer->op);
    return &timer->op;
}
