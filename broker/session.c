#include "session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "broker.h"
#include "calls.h"
#include "control.h"
#include "events.h"
#include "holds.h"
#include "idle.h"
#include "io/timer.h"
#include "kick.h"
#include "log.h"
#include "reply.h"
#include "router.h"
#include "subs.h"
#include "tap.h"
#include "ticker.h"
#include "told.h"
#include "unsent.h"
#include "users.h"
#include "wire/subject.h"

enum {
    HANDED_MAX = 4096, /* receivers served for one connection before the others' turn */
    EXE_MAX = 1024     /* bytes of a program's path */
};

static struct peer *peer_of(struct ppi_link *link)
{
    return PP_CONTAINER(link, struct peer, link);
}

/* --- who it is ------------------------------------------------------------------------------- */

/* The first message is there: nothing that a client says is handled before its user is known.
 * false: the client must go, and was told. */
static bool identify(struct worker *worker, struct peer *peer)
{
    const char *why = "E_PERM the system does not say whose connection this is\n";
    pp_peer who = { .size = sizeof who };
    char account[USER_ACCOUNT_MAX];

    pp_peer_get(peer->link.pipe, &who);
    worker_send(worker);
    worker_leave(worker); /* the system may take its time */
    user_account(worker, &who, account);
    worker_enter(worker);
    worker_write_begin(worker);
    user_leave(peer);
    if (user_is_known(&who)) {
        peer->who = who;
        why = user_enter(peer, account);
    }
    peer->known = peer->user != NULL;
    worker_write_end(worker);
    if (peer->known) {
        log_event(&worker->broker->log, LOG_INFO, "identify", "client=%" PRIu64 " user=\"%s\"",
                  peer->id, peer->user->name);
        return true;
    }
    told_refused(peer, why);
    reply_text(worker, peer, why);
    worker_send(worker);
    ppi_link_finish(&peer->link, PP_EACCESS);
    return false;
}

/* --- frames ---------------------------------------------------------------------------------- */

static enum ppi_verdict publish(struct worker *worker, struct peer *peer,
                                const struct ppi_frame *frame)
{
    if (!router_takes(worker->broker, frame->depth, frame->size - frame->params)) {
        reply_note(worker, peer, "E_LIMIT", "a message's params are too large, or nested too deep");
        return PPI_NEXT;
    }
    if (worker->handed > HANDED_MAX && router_flush(worker)) {
        ppi_link_resume(&peer->link); /* after the others' turn */
        return PPI_HOLD;
    }
    switch (router_publish_frame(worker, peer, frame)) {
    case ROUTED: break;
    case ROUTED_LATER: return PPI_HOLD;
    case ROUTED_BAD: reply_note(worker, peer, "E_ARG", "not published: %s", pp_detail()); break;
    case ROUTED_NOMEM: ppi_link_close(&peer->link, PP_ENOMEM); return PPI_STOP;
    }
    return PPI_NEXT;
}

static enum ppi_verdict request(struct worker *worker, struct peer *peer,
                                const struct ppi_frame *frame)
{
    const struct request request = { .caller = peer,
                                     .id = frame->id,
                                     .subject = ppi_frame_subject(frame),
                                     .subject_length = frame->subject_length,
                                     .rest = frame->data + frame->rest,
                                     .rest_size = frame->size - frame->rest,
                                     .deadline_ms = worker->broker->settings.call_deadline_ms };

    if (!router_takes(worker->broker, frame->depth, frame->size - frame->params)) {
        reply_error(worker, peer, frame->id,
                    "E_LIMIT the call's params are too large, or nested too deep");
        return PPI_NEXT;
    }
    return calls_request(worker, &request);
}

static bool is_control(const struct ppi_frame *frame)
{
    return frame->subject_length > 0 && ppi_frame_subject(frame)[0] == '$';
}

static enum ppi_verdict handle(struct worker *worker, struct peer *peer,
                               const struct ppi_frame *frame)
{
    if (PPI_LIKELY(frame->type == PPI_NOTIFICATION && !is_control(frame)))
        return publish(worker, peer, frame);
    if (!router_flush(worker))
        return PPI_HOLD;
    if (frame->type == PPI_ANSWER) {
        calls_answer(worker, peer, frame);
        return PPI_NEXT;
    }
    return is_control(frame) ? control(worker, peer, frame) : request(worker, peer, frame);
}

static enum ppi_verdict on_frame(struct ppi_link *link, const struct ppi_frame *frame)
{
    struct peer *peer = peer_of(link);
    struct worker *worker = worker_self(peer->broker);

    if (peer->bye)
        return PPI_NEXT; /* it promised to say no more */
    if (PPI_UNLIKELY(!peer->known) && !identify(worker, peer))
        return PPI_STOP;
    peer->frames_in++;
    enum ppi_verdict verdict = handle(worker, peer, frame);
    if (verdict == PPI_HOLD)
        peer->frames_in--; /* it comes again */
    return verdict;
}

static bool on_urgent(struct ppi_link *link, const struct ppi_frame *frame)
{
    struct peer *peer = peer_of(link);
    struct worker *worker = worker_self(peer->broker);

    if (peer->bye)
        return true;
    if (frame->type == PPI_ANSWER)
        calls_answer(worker, peer, frame);
    else if (!is_control(frame) || !control_urgent(worker, peer, frame))
        return false;
    peer->frames_in++;
    return true;
}

static void on_bad(struct ppi_link *link, enum ppi_scan what)
{
    static const char *const words[] = {
        [PPI_SCAN_ALIEN] = "this is another language",
        [PPI_SCAN_BAD] = "this is not a MessagePack-RPC message",
        [PPI_SCAN_DEEP] = "a message is nested deeper than 32",
        [PPI_SCAN_LARGE] = "a message is larger than frame_max",
    };
    struct peer *peer = peer_of(link);
    struct worker *worker = worker_self(peer->broker);

    const char *name = what == PPI_SCAN_LARGE ? "E_LIMIT" : "E_PROTO";

    router_flush(worker);
    ticker_wake(worker->broker); /* for who does not read its last words */
    events_tell_cut(peer, name, words[what]);
    if (what == PPI_SCAN_ALIEN) {
        log_event(&worker->broker->log, LOG_WARN, "alien", "client=%" PRIu64, peer->id);
        if (peer->frames_in == 0)
            reply_text(worker, peer,
                       "This is panpiped, which speaks MessagePack-RPC and nothing else. "
                       "From a shell, use the program panpipe.\n");
        return;
    }
    log_event(&worker->broker->log, LOG_WARN, "malformed", "client=%" PRIu64 " why=\"%s\"",
              peer->id, words[what]);
    reply_bye(worker, peer, name, words[what], 0);
}

/* --- around a packet ------------------------------------------------------------------------- */

static void on_begin(struct ppi_link *link)
{
    struct worker *worker = worker_self(peer_of(link)->broker);

    worker_enter(worker);
    if (PPI_FIGURES && PPI_UNLIKELY(worker->packets++ % TIMES_EVERY == 0))
        worker->since = ppi_since_sampled(ppi_timer_now_ns(worker->broker->port));
    worker->handed = 0;
}

static void on_batch(struct ppi_link *link)
{
    struct peer *peer = peer_of(link);
    struct worker *worker = worker_self(peer->broker);

    router_flush(worker);
    if (PPI_UNLIKELY(peer->held_since_ns != 0) && !link->reader.holding)
        hold_end(peer);
    if (peer->bye && peer->closes_ns == 0 && !link->reader.holding)
        control_goodbye(worker, peer);
}

static void on_end(struct ppi_link *link)
{
    struct worker *worker = worker_self(peer_of(link)->broker);

    calls_look_freed(worker, false);
    worker_send(worker);
    subs_end_over(worker);
    worker_leave(worker);
}

static void on_half(struct ppi_link *link)
{
    ticker_wake(peer_of(link)->broker);
}

static void on_sent(struct ppi_link *link, void *tag, uint32_t count, bool lost)
{
    (void)link;
    sub_sent(tag, count, lost);
}

static void on_timed(struct ppi_link *link, uint32_t count, uint64_t since_ns)
{
    struct broker *broker = peer_of(link)->broker;

    times_add(&worker_self(broker)->times, ppi_timer_now_ns(broker->port) - since_ns, count);
}

static void on_unsent(struct ppi_link *link, void *tag, const uint8_t *frame, size_t size)
{
    unsent_keep(peer_of(link), tag, frame, size);
}

/* --- its end --------------------------------------------------------------------------------- */

void session_end(struct worker *worker, struct peer *peer, int why, const char *name,
                 const char *text)
{
    char quoted[LOG_QUOTED_MAX];

    if (ppi_link_is_closing(&peer->link))
        return;
    log_event(&worker->broker->log, LOG_WARN, "cut",
              "client=%" PRIu64 " name=%s why=%s text=\"%s\"", peer->id,
              log_quote(quoted, peer->name, strlen(peer->name)), name, text);
    events_tell_cut(peer, name, text);
    reply_bye(worker, peer, name, text, 0);
    worker_send(worker);
    ppi_link_close(&peer->link, why);
}

static void peer_free(struct peer *peer)
{
    ppi_map_deinit(&peer->subs_by_id);
    ppi_map_deinit(&peer->calls);
    ppi_map_deinit(&peer->serving);
    ppi_mutex_deinit(&peer->calls_lock);
    free(peer->name);
    free(peer->exe);
    free(peer);
}

static void on_closed(struct ppi_link *link, int why)
{
    struct peer *peer = peer_of(link);
    struct broker *broker = peer->broker;
    struct worker *worker = worker_self(broker);

    worker_enter(worker);
    worker_write_begin(worker);
    subs_end_all(peer);
    taps_peer_gone(peer);
    calls_peer_gone(worker, peer);
    ppi_list_remove(&link->waiting);
    ppi_list_remove(&peer->in_broker);
    ppi_map_remove(&broker->peers_by_id, peer->id);
    broker->peer_count--;
    broker->gone_slow += why == PP_ESLOW;
    broker->gone_frames_in += peer->frames_in;
    broker->gone_bytes_in += atomic_load(&link->read_bytes);
    broker->gone_bytes_out += atomic_load(&link->taken_bytes);
    bool last = broker->stopping && broker->peer_count == 0;
    if (broker->peer_count == 0)
        idle_watch(broker);
    ppi_link_deinit(link);
    told_closed(peer, why);
    user_leave(peer);
    broker->gone_lost += peer->lost;
    worker_write_end(worker);
    calls_look_freed(worker, false);
    worker_send(worker);
    worker_leave(worker);
    told_gone(peer, why);
    peer_free(peer);
    if (last)
        ticker_stop(broker); /* nothing is left to watch: the end need not wait for it */
    broker_release(broker);
}

static const struct ppi_link_events events = {
    .begin = on_begin,
    .end = on_end,
    .frame = on_frame,
    .urgent = on_urgent,
    .batch = on_batch,
    .bad = on_bad,
    .half = on_half,
    .sent = on_sent,
    .timed = on_timed,
    .unsent = on_unsent,
    .closed = on_closed,
};

/* --- its beginning --------------------------------------------------------------------------- */

/* A program's path may be any bytes; what is told must be text. NULL: not known. */
static char *exe_text(const char *exe)
{
    char *text = exe[0] != '\0' ? sub_copy_text(exe) : NULL;

    if (text != NULL && !ppi_utf8(text, strlen(text)))
        for (char *at = text; *at != '\0'; at++)
            *at = (unsigned char)*at < 0x80 ? *at : '?';
    return text;
}

static struct peer *peer_new(struct broker *broker, const pp_peer *who, const char *exe)
{
    struct peer *peer = calloc(1, sizeof *peer);
    char name[32];

    if (peer == NULL)
        return NULL;
    snprintf(name, sizeof name, "pid-%" PRIu64, who->pid);
    peer->broker = broker;
    peer->who = *who;
    peer->known = user_is_known(who);
    peer->name = sub_copy_text(name);
    peer->exe = exe_text(exe);
    peer->next_sid = 1;
    peer->next_server_id = 1;
    atomic_init(&peer->next_deadline_ns, PPI_FOREVER);
    ppi_mutex_init(&peer->calls_lock);
    ppi_list_init(&peer->subs);
    ppi_list_init(&peer->unsent);
    ppi_list_init(&peer->in_broker);
    if (peer->name == NULL) {
        peer_free(peer);
        return NULL;
    }
    return peer;
}

/* In the write section. NULL: admitted; else what to say, which may be in words. */
static const char *admit(struct broker *broker, struct peer *peer, const char *account,
                         pp_handle *connection, char words[KICK_WORDS_MAX])
{
    const char *no_memory = "E_LIMIT the broker is out of memory\n";

    if (peer != NULL && kick_keeps_away(broker, &peer->who, words))
        return words;
    if (broker->stopping)
        return "E_SHUTDOWN the broker is leaving\n";
    if (broker->peer_count >= broker->settings.connections)
        return "E_QUOTA connections: too many connections\n";
    const char *why = peer != NULL ? user_enter(peer, account) : no_memory;
    if (why != NULL)
        return why;
    peer->id = broker->next_peer_id++;
    peer->opened_ns = ppi_timer_now_ns(broker->port);
    if (ppi_map_add(&broker->peers_by_id, peer->id, peer) != PP_OK) {
        user_leave(peer);
        return no_memory;
    }
    ppi_list_append(&broker->peers, &peer->in_broker);
    broker->peer_count++;
    broker_hold(broker); /* until on_closed */
    if (ppi_link_open(&peer->link, connection, broker->port, &events, &broker->limits) == PP_OK)
        return NULL;
    broker_release(broker);
    broker->peer_count--;
    ppi_list_remove(&peer->in_broker);
    ppi_map_remove(&broker->peers_by_id, peer->id);
    user_leave(peer);
    return no_memory;
}

/* A connection that is not admitted is told why, and then closed. */
struct refusal {
    pp_op op;
    struct broker *broker;
    pp_handle *connection;
    char words[KICK_WORDS_MAX];
};

static void on_told(pp_op *op)
{
    struct refusal *refusal = PP_CONTAINER(op, struct refusal, op);
    struct broker *broker = refusal->broker;

    pp_close(refusal->connection);
    free(refusal);
    broker_release(broker);
}

static void refuse(struct broker *broker, pp_handle *connection, const char *why)
{
    struct refusal *refusal = calloc(1, sizeof *refusal);
    int result = PP_ENOMEM;

    broker_hold(broker);
    if (refusal != NULL) {
        refusal->broker = broker;
        refusal->connection = connection;
        refusal->op.priv_.handler = on_told;
        pp_port_attach(broker->port, connection, 0); /* it may be already */
        snprintf(refusal->words, sizeof refusal->words, "%s", why);
        result = pp_write(connection, &refusal->op, refusal->words, strlen(refusal->words));
    }
    if (result == PP_PENDING)
        return;
    pp_close(connection);
    free(refusal);
    broker_release(broker);
}

void session_open(struct worker *worker, pp_handle *connection)
{
    struct broker *broker = worker->broker;
    pp_peer who = { .size = sizeof who };
    char words[KICK_WORDS_MAX], exe[EXE_MAX] = "", account[USER_ACCOUNT_MAX];

    pp_peer_get(connection, &who);
    pp_peer_exe(connection, exe, sizeof exe);
    user_account(worker, &who, account);
    struct peer *peer = peer_new(broker, &who, exe);
    worker_enter(worker);
    worker_write_begin(worker);
    const char *refused = admit(broker, peer, account, connection, words);
    if (refused == NULL)
        told_connected(peer);
    else
        told_denied(worker, &who, refused);
    worker_write_end(worker);
    worker_leave(worker);
    if (refused == NULL) {
        if (broker->settings.silent_ms != 0)
            ticker_wake(broker);
        return;
    }
    refuse(broker, connection, refused);
    if (peer != NULL)
        peer_free(peer);
}
