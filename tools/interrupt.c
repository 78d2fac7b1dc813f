#include "interrupt.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <panpipe/sys.h>

#include "error.h"

enum { PATIENCE_MS = 5000 };

static _Atomic(pp_port *) target;
static pp_op *target_op; /* set before target is */
static atomic_bool posted;
static pp_thread *guard; /* ends with the process */
static _Atomic(void (*)(void)) last;

static void end_at_once(void)
{
    void (*act)(void) = atomic_load(&last);

    if (act != NULL)
        act();
    _Exit(EXIT_INTERRUPTED);
}

static void lose_patience(void *argument)
{
    (void)argument;
    pp_sleep_ms(PATIENCE_MS);
    end_at_once();
}

static void on_wish(void *context, unsigned count)
{
    pp_port *port = atomic_exchange(&target, NULL);

    (void)context;
    (void)count;
    if (port == NULL || pp_thread_start(&guard, lose_patience, NULL) != PP_OK)
        end_at_once();
    pp_port_post(port, 0, 0, target_op);
    atomic_store(&posted, true);
}

void interrupt_watch(void)
{
    pp_watch_for_end(on_wish, NULL);
}

void interrupt_last(void (*act)(void))
{
    atomic_store(&last, act);
}

void interrupt_to(pp_port *port, pp_op *op)
{
    target_op = op;
    atomic_store(&target, port);
}

bool interrupt_withdraw(void)
{
    if (atomic_exchange(&target, NULL) != NULL)
        return true;
    while (!atomic_load(&posted))
        pp_sleep_ms(1); /* the other thread is inside pp_port_post */
    return false;
}
