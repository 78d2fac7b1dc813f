#include "call.h"

#include <stdlib.h>

#include "base/status.h"

enum { FREE_CALLS_MAX = 1024 };

struct call *call_new(struct worker *worker)
{
    struct call *call = worker->free_calls;

    if (call == NULL)
        return malloc(sizeof *call);
    worker->free_calls = call->next;
    worker->free_call_count--;
    return call;
}

void call_free(struct worker *worker, struct call *call)
{
    if (PPI_UNLIKELY(call->note != NULL))
        free(call->note);
    if (worker->free_call_count >= FREE_CALLS_MAX) {
        free(call);
        return;
    }
    call->next = worker->free_calls;
    worker->free_calls = call;
    worker->free_call_count++;
}

bool call_claim(struct call *call)
{
    return atomic_exchange(&call->open, false);
}

void call_forget_at_caller(struct call *call)
{
    ppi_mutex_lock(&call->caller->calls_lock);
    ppi_map_remove(&call->caller->calls, call->caller_id);
    ppi_mutex_unlock(&call->caller->calls_lock);
}

void call_count_down(struct worker *worker, const struct call *call)
{
    struct sub *serve = ppi_map_get(&call->server->subs_by_id, call->sid);

    if (serve == NULL)
        return;
    atomic_fetch_sub_explicit(&serve->in_flight, 1, memory_order_relaxed);
    if (serve->max_inflight != 0 &&
        atomic_load_explicit(&worker->broker->crowded, memory_order_relaxed) > 0)
        worker->slot_freed = true;
}

void call_forget_at_server(struct worker *worker, struct call *call)
{
    ppi_mutex_lock(&call->server->calls_lock);
    ppi_map_remove(&call->server->serving, call->server_id);
    ppi_mutex_unlock(&call->server->calls_lock);
    call_count_down(worker, call);
}

int call_enter_at_caller(struct call *call, uint32_t limit)
{
    struct peer *caller = call->caller;
    int status = PP_OK;

    ppi_mutex_lock(&caller->calls_lock);
    if (ppi_map_get(&caller->calls, call->caller_id) != NULL)
        status = PP_EPROTO;
    else if (caller->calls.count >= limit)
        status = PP_ELIMIT;
    else
        status = ppi_map_add(&caller->calls, call->caller_id, call);
    if (status == PP_OK && call->due_ns < atomic_load(&caller->next_deadline_ns))
        atomic_store(&caller->next_deadline_ns, call->due_ns);
    ppi_mutex_unlock(&caller->calls_lock);
    return status;
}

int call_enter_at_server(struct call *call)
{
    struct peer *server = call->server;

    ppi_mutex_lock(&server->calls_lock);
    while (ppi_map_get(&server->serving, server->next_server_id) != NULL)
        server->next_server_id++;
    call->server_id = server->next_server_id++;
    int status = ppi_map_add(&server->serving, call->server_id, call);
    ppi_mutex_unlock(&server->calls_lock);
    return status;
}
