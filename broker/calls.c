#include "calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "call.h"
#include "events.h"
#include "holds.h"
#include "io/timer.h"
#include "meta.h"
#include "reply.h"
#include "router.h"
#include "servers.h"
#include "tapped.h"
#include "ticker.h"
#include "unsent.h"
#include "waits.h"
#include "wire/envelope.h"

enum { EXPIRED_AT_ONCE = 64 };

static const char server_gone[] = "E_GONE the server's connection ended before it answered";

/* --- a request ------------------------------------------------------------------------------- */

static void count(struct worker *worker, const struct peer *caller)
{
    struct traffic *traffic = route_traffic(worker, worker->called);

    traffic->sums.calls++;
    traffic_from(traffic, caller->id, 1);
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
    if (PPI_FIGURES)
        count(worker, call->caller);
    if (PPI_UNLIKELY(worker->broker->tapped))
        tap_call(worker, call, request);
    atomic_store(&call->open, true);
    worker_collect_parts(worker, link, parts, serve);
}

/* A call of that request, in no map yet. NULL: no memory. */
static struct call *make(struct worker *worker, const struct request *request)
{
    struct call *call = call_new(worker);

    if (call == NULL)
        return NULL;
    *call = (struct call){ .caller = request->caller,
                           .caller_id = request->id,
                           .deadline_ns = PPI_FOREVER };
    atomic_init(&call->open, false);
    if (request->deadline_ms != 0)
        call->deadline_ns =
            ppi_timer_now_ns(worker->broker->port) + (uint64_t)request->deadline_ms * PPI_NS_PER_MS;
    call->due_ns = call->deadline_ns;
    return call;
}

static void answer_error(struct worker *worker, const struct request *request, const char *error)
{
    reply_error(worker, request->caller, request->id, "%s", error);
    if (PPI_UNLIKELY(worker->broker->tapped) && request->subs == 0)
        tap_refused(worker, request, error);
}

/* The request cannot be entered: answers it, or closes a caller that uses an id twice. */
static enum ppi_verdict refuse(struct worker *worker, const struct request *request, int status)
{
    if (status == PP_EPROTO) {
        static const char text[] = "a call with this id is still open";

        events_tell_cut(request->caller, "E_PROTO", text);
        reply_bye(worker, request->caller, "E_PROTO", text, 0);
        worker_send(worker); /* before it finishes: then it takes nothing more */
        ticker_wake(worker->broker);
        ppi_link_finish(&request->caller->link, PP_EPROTO);
        return PPI_STOP;
    }
    answer_error(worker, request,
                 status == PP_ELIMIT ? "E_LIMIT calls_open: wait for answers before calling again"
                                     : "E_LIMIT the broker is out of memory");
    return PPI_NEXT;
}

/* Passes the request on to a server chosen, with so many bytes reserved. */
static enum ppi_verdict pass_on(struct worker *worker, const struct request *request,
                                struct sub *serve, size_t reserved)
{
    struct broker *broker = worker->broker;
    struct call *call = make(worker, request);
    int status = call != NULL ? PP_OK : PP_ENOMEM;

    if (call != NULL) {
        call->server = serve->peer;
        call->sid = serve->sid;
        status = call_enter_at_caller(call, broker->settings.calls_open);
        if (status == PP_OK && (status = call_enter_at_server(call)) != PP_OK)
            call_forget_at_caller(call);
    }
    if (status == PP_OK) {
        forward(worker, call, serve, request, reserved);
        ticker_wake(broker);
        return PPI_NEXT;
    }
    ppi_link_unreserve(&serve->peer->link, reserved);
    if (call != NULL)
        call_free(worker, call);
    return refuse(worker, request, status);
}

/* Keeps the request until a server takes it, or there are the subscriptions that it wants. */
static enum ppi_verdict put_by(struct worker *worker, const struct request *request, bool crowded)
{
    struct broker *broker = worker->broker;
    struct call *call = make(worker, request);

    if (call == NULL)
        return refuse(worker, request, PP_ENOMEM);
    uint64_t until_ns = ppi_timer_now_ns(broker->port) + (uint64_t)request->wait_ms * PPI_NS_PER_MS;
    if (request->subs == 0 && until_ns < call->due_ns)
        call->due_ns = until_ns;
    int status = wait_new(call, request);
    if (status == PP_ELIMIT) {
        answer_error(worker, request,
                     "E_LIMIT queue_hard: the calls that wait for a server are too large");
        call_free(worker, call);
        return PPI_NEXT;
    }
    if (status == PP_OK)
        status = call_enter_at_caller(call, broker->settings.calls_open);
    if (status == PP_OK) {
        wait_set_crowded(call->wait, crowded);
        wait_enter(call);
        atomic_store(&call->open, true);
        ticker_wake(broker);
        return PPI_NEXT;
    }
    if (call->wait != NULL)
        wait_free(call);
    call_free(worker, call);
    return refuse(worker, request, status);
}

enum ppi_verdict calls_request(struct worker *worker, const struct request *request)
{
    size_t bytes = request->rest_size + PPI_HEAD_MAX + META_MAX;
    char words[SERVERS_WORDS_MAX];
    enum found found;
    struct sub *serve;

    if (worker->broker->stopping) {
        answer_error(worker, request, "E_SHUTDOWN the broker is leaving");
        return PPI_NEXT;
    }
    while ((found = servers_find(worker, request->subject, request->subject_length, bytes,
                                 &serve)) == FOUND_FULL)
        if (hold_for(serve->peer, request->caller)) {
            ticker_wake(worker->broker);
            return PPI_HOLD;
        }
    if (found == FOUND)
        return pass_on(worker, request, serve, bytes);
    if (request->wait_ms != 0 && (found == FOUND_NONE || found == FOUND_BUSY))
        return put_by(worker, request, found == FOUND_BUSY);
    answer_error(worker, request,
                 servers_words(found, request->subject, request->subject_length, words));
    return PPI_NEXT;
}

/* Nobody wants the answer any more: takes the call from its server, who is told, or out of those
 * that wait. */
static void leave_server(struct worker *worker, struct call *call)
{
    if (call->wait != NULL) {
        wait_free(call);
        return;
    }
    call_forget_at_server(worker, call);
    reply_cancel(worker, call->server, call->server_id);
}

/* The caller gets error instead of the answer. */
static void end_call(struct worker *worker, struct call *call, const char *error)
{
    if (PPI_UNLIKELY(worker->broker->tapped))
        tap_ended(worker, call, error);
    leave_server(worker, call);
    call_forget_at_caller(call);
    reply_error(worker, call->caller, call->caller_id, "%s", error);
    call_free(worker, call);
}

/* --- calls that wait ------------------------------------------------------------------------- */

static void answer_count(struct worker *worker, struct peer *caller, uint32_t id, int64_t count)
{
    struct reply reply;

    reply_begin(&reply, id);
    msgpack_pack_int64(&reply.packer, count);
    reply_end(worker, caller, &reply);
}

enum ppi_verdict calls_await_subs(struct worker *worker, const struct request *request)
{
    char words[SERVERS_WORDS_MAX];
    int64_t count =
        router_subscribers(worker, request->subject, request->subject_length, request->caller);

    if (count >= 0 && count < request->subs && !worker->broker->stopping)
        return put_by(worker, request, false);
    if (count >= request->subs)
        answer_count(worker, request->caller, request->id, count);
    else if (count >= 0)
        reply_error(worker, request->caller, request->id, "E_SHUTDOWN the broker is leaving");
    else
        reply_error(worker, request->caller, request->id, "%s",
                    servers_words(count == -1 ? FOUND_BAD : FOUND_NO_MEMORY, request->subject,
                                  request->subject_length, words));
    return PPI_NEXT;
}

/* Are there enough now? */
static void look_for_subs(struct worker *worker, struct wait *wait)
{
    struct call *call = wait->call;
    int64_t count =
        router_subscribers(worker, wait_subject(wait), wait->subject_length, call->caller);

    if (count < wait->subs) /* or there is no memory to tell */
        return;
    answer_count(worker, call->caller, call->caller_id, count);
    call_forget_at_caller(call);
    wait_free(call);
    call_free(worker, call);
}

/* Does a server take it now? */
static enum found look_for_server(struct worker *worker, struct wait *wait)
{
    const struct request request = { .rest = wait->rest, .rest_size = wait->rest_size };
    size_t bytes = wait->rest_size + PPI_HEAD_MAX + META_MAX;
    struct call *call = wait->call;
    struct sub *serve;
    enum found found =
        servers_find(worker, wait_subject(wait), wait->subject_length, bytes, &serve);

    wait_set_crowded(wait, found != FOUND && found != FOUND_NONE);
    if (found != FOUND)
        return found;
    call->server = serve->peer;
    call->sid = serve->sid;
    if (call_enter_at_server(call) != PP_OK) {
        ppi_link_unreserve(&serve->peer->link, bytes);
        wait_set_crowded(wait, true); /* once more, when there is memory */
        return FOUND_NO_MEMORY;
    }
    call->due_ns = call->deadline_ns;
    forward(worker, call, serve, &request, bytes);
    if (bytes > SMALL_FRAME_BYTES)
        worker_send(worker); /* a large one was not copied */
    wait_free(call);
    return FOUND;
}

void calls_look(struct worker *worker, const struct sub *entered)
{
    struct ppi_list *waits = &worker->broker->waits;

    for (struct ppi_list *at = waits->next, *next; at != waits; at = next) {
        struct wait *wait = PP_CONTAINER(at, struct wait, in_broker);

        next = at->next;
        if (entered != NULL ? !wait_is_for(wait, entered) : !wait->crowded)
            continue;
        struct call *moved = wait->moved ? wait->call : NULL;
        if (wait->subs != 0)
            look_for_subs(worker, wait);
        else if (look_for_server(worker, wait) == FOUND_NONE && moved != NULL)
            end_call(worker, moved, server_gone);
    }
}

void calls_look_freed(struct worker *worker, bool always)
{
    bool look = worker->slot_freed || (always && atomic_load(&worker->broker->crowded) > 0);

    worker->slot_freed = false;
    if (!look)
        return;
    worker_write_begin(worker);
    calls_look(worker, NULL);
    worker_write_end(worker);
}

/* --- its end --------------------------------------------------------------------------------- */

void calls_answer(struct worker *worker, struct peer *server, const struct ppi_frame *frame)
{
    uint8_t head[PPI_HEAD_MAX];

    ppi_mutex_lock(&server->calls_lock);
    struct call *call = ppi_map_get(&server->serving, frame->id);
    bool mine = call != NULL && call_claim(call);
    if (mine)
        ppi_map_remove(&server->serving, frame->id);
    ppi_mutex_unlock(&server->calls_lock);
    if (!mine) {
        worker->counts.late_answers++;
        return;
    }
    call_count_down(worker, call);
    call_forget_at_caller(call);
    worker->counts.answers++;
    size_t head_size = ppi_head_answer(head, call->caller_id), rest = frame->size - frame->rest;
    if (head_size + rest <= worker->broker->settings.frame_max)
        reply_frame(worker, call->caller, head, head_size, frame->data + frame->rest, rest);
    else /* the caller's id may be longer than the broker's */
        reply_error(worker, call->caller, call->caller_id, "E_LIMIT the answer is too large");
    if (PPI_UNLIKELY(worker->broker->tapped))
        tap_answer(worker, call, frame);
    call_free(worker, call);
}

bool calls_cancel(struct worker *worker, struct peer *caller, uint32_t id)
{
    ppi_mutex_lock(&caller->calls_lock);
    struct call *call = ppi_map_get(&caller->calls, id);
    bool mine = call != NULL && call_claim(call);
    ppi_mutex_unlock(&caller->calls_lock);
    if (mine)
        end_call(worker, call, "E_CANCELED the caller canceled the call");
    return mine;
}

/* Why it ends now that its time is over. */
static const char *overdue(const struct call *call, char words[SERVERS_WORDS_MAX])
{
    const struct wait *wait = call->wait;

    if (wait != NULL && wait->subs != 0)
        snprintf(words, SERVERS_WORDS_MAX,
                 wait->subs == 1 ? "E_TIMEOUT nobody subscribed in time"
                                 : "E_TIMEOUT fewer than %u subscribed in time",
                 wait->subs);
    else if (call->due_ns < call->deadline_ns)
        servers_words(wait->crowded ? FOUND_BUSY : FOUND_NONE, wait_subject(wait),
                      wait->subject_length, words);
    else
        snprintf(words, SERVERS_WORDS_MAX, "E_TIMEOUT no answer came in time");
    return words;
}

/* Claims calls of the caller whose time is not after now_ns, at most max; the rest says when
 * the next one is due. */
static int claim_due(struct peer *caller, uint64_t now_ns, struct call **due, int max)
{
    uint64_t next_ns = PPI_FOREVER;
    size_t position = 0;
    struct call *call;
    int count = 0;

    ppi_mutex_lock(&caller->calls_lock);
    while ((call = ppi_map_next(&caller->calls, &position)) != NULL) {
        if (call->due_ns <= now_ns && count < max && call_claim(call))
            due[count++] = call;
        else if (call->due_ns < next_ns)
            next_ns = call->due_ns;
    }
    atomic_store(&caller->next_deadline_ns, next_ns);
    ppi_mutex_unlock(&caller->calls_lock);
    return count;
}

/* error NULL: that the time is over. */
static void end_due(struct worker *worker, struct peer *caller, uint64_t now_ns, const char *error)
{
    char words[SERVERS_WORDS_MAX];
    struct call *due[EXPIRED_AT_ONCE];
    int count;

    do {
        count = claim_due(caller, now_ns, due, EXPIRED_AT_ONCE);
        for (int i = 0; i < count; i++)
            end_call(worker, due[i], error != NULL ? error : overdue(due[i], words));
    } while (count == EXPIRED_AT_ONCE);
}

void calls_expire(struct worker *worker, struct peer *caller, uint64_t now_ns)
{
    if (atomic_load(&caller->next_deadline_ns) <= now_ns)
        end_due(worker, caller, now_ns, NULL);
}

void calls_end_own(struct worker *worker, struct peer *caller, const char *error)
{
    end_due(worker, caller, PPI_FOREVER, error);
}

/* Gives a call that its server was never sent to another one, or lets it wait for one that has
 * room. false: there is none. */
static bool move_on(struct worker *worker, struct call *call, const struct unsent *unsent)
{
    const struct request request = { .subject = (const char *)unsent->rest + unsent->subject,
                                     .subject_length = unsent->subject_length,
                                     .rest = unsent->rest,
                                     .rest_size = unsent->size };

    if (wait_new(call, &request) != PP_OK)
        return false;
    call->wait->moved = true;
    wait_enter(call);
    if (look_for_server(worker, call->wait) != FOUND_NONE)
        return true;
    wait_free(call);
    return false;
}

static void move_unsent(struct worker *worker, struct peer *peer)
{
    struct ppi_list *at;

    while ((at = ppi_list_take(&peer->unsent)) != NULL) {
        struct unsent *unsent = PP_CONTAINER(at, struct unsent, in_peer);
        struct call *call = ppi_map_get(&peer->serving, unsent->server_id);

        if (call != NULL && call->caller != peer && move_on(worker, call, unsent))
            ppi_map_remove(&peer->serving, unsent->server_id);
        free(unsent);
    }
}

void calls_peer_gone(struct worker *worker, struct peer *peer)
{
    size_t position = 0;
    struct call *call;

    move_unsent(worker, peer);
    while ((call = ppi_map_next(&peer->serving, &position)) != NULL) {
        ppi_check(call_claim(call)); /* nobody else is at work in the write section */
        call_forget_at_caller(call);
        if (PPI_UNLIKELY(worker->broker->tapped))
            tap_ended(worker, call, server_gone);
        if (call->caller != peer)
            reply_error(worker, call->caller, call->caller_id, "%s", server_gone);
        call_free(worker, call);
    }
    position = 0;
    while ((call = ppi_map_next(&peer->calls, &position)) != NULL) {
        ppi_check(call_claim(call));
        leave_server(worker, call);
        call_free(worker, call);
    }
    ppi_map_deinit(&peer->serving);
    ppi_map_deinit(&peer->calls);
}
