#include "calls.h"

#include <stdlib.h>

#include "base/check.h"
#include "io/timer.h"
#include "log.h"
#include "reply.h"
#include "router.h"
#include "ticker.h"
#include "wire/envelope.h"

enum { FREE_CALLS_MAX = 1024, EXPIRED_AT_ONCE = 64 };

/* --- records --------------------------------------------------------------------------------- */

static struct call *call_new(struct worker *worker)
{
    struct call *call = worker->free_calls;

    if (call == NULL)
        return malloc(sizeof *call);
    worker->free_calls = call->next;
    worker->free_call_count--;
    return call;
}

static void call_free(struct worker *worker, struct call *call)
{
    if (worker->free_call_count >= FREE_CALLS_MAX) {
        free(call);
        return;
    }
    call->next = worker->free_calls;
    worker->free_calls = call;
    worker->free_call_count++;
}

/* With the lock of a map in which call is. true: it is the caller's now to answer and to free;
 * false: somebody else's, or its request is not on its way yet. */
static bool claim(struct call *call)
{
    return atomic_exchange(&call->open, false);
}

static void forget_at_caller(struct call *call)
{
    ppi_mutex_lock(&call->caller->calls_lock);
    ppi_map_remove(&call->caller->calls, call->caller_id);
    ppi_mutex_unlock(&call->caller->calls_lock);
}

/* The service has one call less to answer. */
static void count_down(const struct call *call)
{
    struct sub *serve = ppi_map_get(&call->server->subs_by_id, call->sid);

    if (serve != NULL)
        atomic_fetch_sub_explicit(&serve->in_flight, 1, memory_order_relaxed);
}

static void forget_at_server(struct call *call)
{
    ppi_mutex_lock(&call->server->calls_lock);
    ppi_map_remove(&call->server->serving, call->server_id);
    ppi_mutex_unlock(&call->server->calls_lock);
    count_down(call);
}

/* --- a request ------------------------------------------------------------------------------- */

/* Enters the call at the caller. PP_OK, PP_ELIMIT, PP_ENOMEM, PP_EPROTO: the id is in use. */
static int enter_at_caller(struct call *call, uint32_t limit)
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
    if (status == PP_OK && call->deadline_ns < atomic_load(&caller->next_deadline_ns))
        atomic_store(&caller->next_deadline_ns, call->deadline_ns);
    ppi_mutex_unlock(&caller->calls_lock);
    return status;
}

/* Enters it at the server under the next id that is free. PP_OK, PP_ENOMEM. */
static int enter_at_server(struct call *call)
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

/* Of the servers: the one with the fewest calls in flight that may have one more; the turn
 * decides between equals. NULL: none may. */
static struct sub *choose(struct sub **servers, int count, unsigned turn)
{
    struct sub *best = NULL;
    unsigned fewest = UINT32_MAX;

    for (int i = 0; i < count; i++) {
        struct sub *sub = servers[(turn + (unsigned)i) % (unsigned)count];
        unsigned in_flight = atomic_load_explicit(&sub->in_flight, memory_order_relaxed);

        if (in_flight < fewest && (sub->max_inflight == 0 || in_flight < sub->max_inflight) &&
            !ppi_link_is_closing(&sub->peer->link)) {
            best = sub;
            fewest = in_flight;
        }
    }
    return best;
}

/* Sends the request to the server chosen, which has room reserved. From then on the call may end
 * at any moment: its deadline, its caller, a stop; it is not looked at again. */
static void forward(struct worker *worker, struct call *call, struct sub *serve,
                    const struct request *request, size_t reserved)
{
    struct ppi_link *link = &serve->peer->link;
    uint8_t head[PPI_HEAD_MAX];
    uint8_t tail[META_MAX];
    size_t tail_size = serve->meta ? meta_write(tail, call->caller) : 0;
    size_t head_size = serve->form == FORM_RICH
                           ? ppi_head_rich_call(head, call->server_id, call->sid, serve->meta)
                           : ppi_head_call(head, call->server_id);
    const pp_piece parts[] = { { head, head_size },
                               { request->rest, request->rest_size },
                               { tail, tail_size } };

    ppi_check(head_size + request->rest_size + tail_size <= reserved);
    ppi_link_unreserve(link, reserved - head_size - request->rest_size - tail_size);
    atomic_fetch_add_explicit(&serve->in_flight, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&serve->accepted, 1, memory_order_relaxed);
    worker->counts.calls++;
    atomic_store(&call->open, true);
    worker_collect_parts(worker, link, parts, serve);
}

/* Whom to send it to, with room reserved for the longest head and tail. PPI_NEXT: *chosen, or it
 * was answered with an error if that is NULL. */
static enum ppi_verdict find_server(struct worker *worker, const struct request *request,
                                    size_t bytes, struct sub **chosen)
{
    char quoted[LOG_QUOTED_MAX];
    struct sub **servers;
    unsigned *turn;
    int count = router_servers(worker, request->subject, request->subject_length, &servers, &turn);

    *chosen = NULL;
    if (count == -1)
        reply_error(worker, request->caller, request->id, "E_ARG %s: %s", pp_detail(),
                    log_quote(quoted, request->subject, request->subject_length));
    else if (count < 0)
        reply_error(worker, request->caller, request->id, "E_LIMIT the broker is out of memory");
    else if (count == 0)
        reply_error(worker, request->caller, request->id, "E_NORESP nobody serves %s",
                    log_quote(quoted, request->subject, request->subject_length));
    if (count <= 0)
        return PPI_NEXT;
    for (;;) {
        struct sub *best = choose(servers, count, (*turn)++);

        if (best == NULL) {
            reply_error(worker, request->caller, request->id,
                        "E_BUSY every server of %s has all the calls it takes",
                        log_quote(quoted, request->subject, request->subject_length));
            return PPI_NEXT;
        }
        if (ppi_link_reserve(&best->peer->link, bytes)) {
            ticker_watch(worker->broker, &best->peer->link);
            *chosen = best;
            return PPI_NEXT;
        }
        if (ppi_link_wait_for_room(&best->peer->link, &request->caller->link)) {
            ticker_wake(worker->broker);
            return PPI_HOLD;
        }
    }
}

enum ppi_verdict calls_request(struct worker *worker, const struct request *request)
{
    struct broker *broker = worker->broker;
    size_t bytes = request->rest_size + PPI_HEAD_MAX + META_MAX;
    struct sub *serve;

    enum ppi_verdict verdict = find_server(worker, request, bytes, &serve);
    if (verdict != PPI_NEXT || serve == NULL)
        return verdict;
    struct call *call = call_new(worker);
    int status = call != NULL ? PP_OK : PP_ENOMEM;
    if (call != NULL) {
        *call = (struct call){ .caller = request->caller,
                               .server = serve->peer,
                               .sid = serve->sid,
                               .caller_id = request->id,
                               .deadline_ns = PPI_FOREVER };
        atomic_init(&call->open, false);
        if (request->deadline_ms != 0)
            call->deadline_ns =
                ppi_timer_now_ns(broker->port) + (uint64_t)request->deadline_ms * PPI_NS_PER_MS;
        status = enter_at_caller(call, broker->settings.calls_open);
        if (status == PP_OK && (status = enter_at_server(call)) != PP_OK)
            forget_at_caller(call);
    }
    if (status == PP_OK) {
        forward(worker, call, serve, request, bytes);
        ticker_wake(broker);
        return PPI_NEXT;
    }
    ppi_link_unreserve(&serve->peer->link, bytes);
    if (call != NULL)
        call_free(worker, call);
    if (status == PP_EPROTO) {
        reply_bye(worker, request->caller, "E_PROTO", "a call with this id is still open");
        worker_send(worker); /* before it finishes: then it takes nothing more */
        ticker_wake(broker);
        ppi_link_finish(&request->caller->link, PP_EPROTO);
        return PPI_STOP;
    }
    reply_error(worker, request->caller, request->id,
                status == PP_ELIMIT ? "E_LIMIT calls_open: wait for answers before calling again"
                                    : "E_LIMIT the broker is out of memory");
    return PPI_NEXT;
}

/* --- its end --------------------------------------------------------------------------------- */

void calls_answer(struct worker *worker, struct peer *server, const struct ppi_frame *frame)
{
    uint8_t head[PPI_HEAD_MAX];

    ppi_mutex_lock(&server->calls_lock);
    struct call *call = ppi_map_get(&server->serving, frame->id);
    bool mine = call != NULL && claim(call);
    if (mine)
        ppi_map_remove(&server->serving, frame->id);
    ppi_mutex_unlock(&server->calls_lock);
    if (!mine) {
        worker->counts.late_answers++;
        return;
    }
    count_down(call);
    forget_at_caller(call);
    worker->counts.answers++;
    size_t head_size = ppi_head_answer(head, call->caller_id), rest = frame->size - frame->rest;
    if (head_size + rest <= worker->broker->settings.frame_max)
        reply_frame(worker, call->caller, head, head_size, frame->data + frame->rest, rest);
    else /* the caller's id may be longer than the broker's */
        reply_error(worker, call->caller, call->caller_id, "E_LIMIT the answer is too large");
    call_free(worker, call);
}

/* The caller gets error instead of the answer; the server is told that nobody waits. */
static void end_call(struct worker *worker, struct call *call, const char *error)
{
    forget_at_server(call);
    forget_at_caller(call);
    reply_cancel(worker, call->server, call->server_id);
    reply_error(worker, call->caller, call->caller_id, "%s", error);
    call_free(worker, call);
}

bool calls_cancel(struct worker *worker, struct peer *caller, uint32_t id)
{
    ppi_mutex_lock(&caller->calls_lock);
    struct call *call = ppi_map_get(&caller->calls, id);
    bool mine = call != NULL && claim(call);
    ppi_mutex_unlock(&caller->calls_lock);
    if (mine)
        end_call(worker, call, "E_CANCELED the caller canceled the call");
    return mine;
}

/* Claims calls of the caller whose deadline is not after now_ns, at most max; the rest says when
 * the next one is due. */
static int claim_due(struct peer *caller, uint64_t now_ns, struct call **due, int max)
{
    uint64_t next_ns = PPI_FOREVER;
    size_t position = 0;
    struct call *call;
    int count = 0;

    ppi_mutex_lock(&caller->calls_lock);
    while ((call = ppi_map_next(&caller->calls, &position)) != NULL) {
        if (call->deadline_ns <= now_ns && count < max && claim(call))
            due[count++] = call;
        else if (call->deadline_ns < next_ns)
            next_ns = call->deadline_ns;
    }
    atomic_store(&caller->next_deadline_ns, next_ns);
    ppi_mutex_unlock(&caller->calls_lock);
    return count;
}

static void end_due(struct worker *worker, struct peer *caller, uint64_t now_ns, const char *error)
{
    struct call *due[EXPIRED_AT_ONCE];
    int count;

    do {
        count = claim_due(caller, now_ns, due, EXPIRED_AT_ONCE);
        for (int i = 0; i < count; i++)
            end_call(worker, due[i], error);
    } while (count == EXPIRED_AT_ONCE);
}

void calls_expire(struct worker *worker, struct peer *caller, uint64_t now_ns)
{
    if (atomic_load(&caller->next_deadline_ns) <= now_ns)
        end_due(worker, caller, now_ns, "E_TIMEOUT no answer came in time");
}

void calls_end_own(struct worker *worker, struct peer *caller, const char *error)
{
    end_due(worker, caller, PPI_FOREVER, error);
}

void calls_peer_gone(struct worker *worker, struct peer *peer)
{
    size_t position = 0;
    struct call *call;

    while ((call = ppi_map_next(&peer->serving, &position)) != NULL) {
        ppi_check(claim(call)); /* nobody else is at work in the write section */
        forget_at_caller(call);
        if (call->caller != peer)
            reply_error(worker, call->caller, call->caller_id,
                        "E_GONE the server's connection ended before it answered");
        call_free(worker, call);
    }
    position = 0;
    while ((call = ppi_map_next(&peer->calls, &position)) != NULL) {
        ppi_check(claim(call));
        forget_at_server(call);
        reply_cancel(worker, call->server, call->server_id);
        call_free(worker, call);
    }
    ppi_map_deinit(&peer->serving);
    ppi_map_deinit(&peer->calls);
}
