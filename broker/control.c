#include "control.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "control_describe.h"
#include "control_subs.h"
#include "control_sys.h"
#include "control_watch.h"
#include "io/timer.h"
#include "log.h"
#include "pack.h"
#include "reply.h"
#include "report.h"
#include "router.h"
#include "subs.h"
#include "ticker.h"
#include "told.h"

enum { PROTOCOL_VERSION = 1, CONTROL_BYTES_MAX = 64 * 1024 };

/* --- $hello ---------------------------------------------------------------------------------- */

static void pack_limits(msgpack_packer *packer, const struct settings *settings)
{
    const struct {
        const char *name;
        uint64_t value;
    } limits[] = {
        { "frame_max", settings->frame_max },
        { "queue_high", settings->queue_high },
        { "queue_low", settings->queue_low },
        { "queue_hard", settings->queue_hard },
        { "stall_ms", settings->stall_ms },
        { "stall_rate", settings->stall_rate },
        { "subs", settings->subs },
        { "calls_open", settings->calls_open },
        { "connections", settings->connections },
        { "call_deadline_ms", settings->call_deadline_ms },
    };

    msgpack_pack_map(packer, PPI_COUNT(limits));
    for (size_t i = 0; i < PPI_COUNT(limits); i++)
        pack_number(packer, limits[i].name, limits[i].value);
}

static void answer_hello(const struct request_in *in)
{
    struct reply reply;
    char broker[24];
    msgpack_packer *packer = &reply.packer;

    snprintf(broker, sizeof broker, "%016" PRIx64, in->worker->broker->id);
    reply_begin(&reply, in->frame->id);
    msgpack_pack_map(packer, 6);
    pack_number(packer, "v", PROTOCOL_VERSION);
    pack_number(packer, "id", in->peer->id);
    pack_text(packer, "broker", broker);
    ppi_pack_text(packer, "you");
    report_who(packer, in->peer);
    ppi_pack_text(packer, "limits");
    pack_limits(packer, &in->worker->broker->settings);
    ppi_pack_text(packer, "caps");
    msgpack_pack_array(packer, 0);
    reply_end(in->worker, in->peer, &reply);
}

static enum ppi_verdict hello(const struct request_in *in)
{
    struct option known[] = { { .name = "v", .type = OPTION_NUMBER },
                              { .name = "name", .type = OPTION_TEXT },
                              { .name = "caps", .type = OPTION_ANY } };
    char *name = NULL;

    if (!in_options(in, 0, known, PPI_COUNT(known)))
        return PPI_NEXT;
    if (in->peer->hello)
        in_fail(in, "E_ARG", "$hello was said already");
    else if (!known[0].given || known[0].number != PROTOCOL_VERSION)
        in_fail(in, "E_VERSION", "this broker speaks v 1; say [{\"v\": 1}]");
    else if (known[1].given && !ppi_label_valid(known[1].text, known[1].text_length))
        in_fail(in, "E_ARG", "a name has 1 to 64 bytes of UTF-8 and no control bytes");
    else if (known[1].given && (name = sub_copy_text(known[1].text)) == NULL)
        in_fail(in, "E_LIMIT", "the broker is out of memory");
    else {
        worker_write_begin(in->worker);
        if (known[1].given) {
            free(in->peer->name);
            in->peer->name = name;
        }
        in->peer->hello = true;
        worker_write_end(in->worker);
        told_hello(in->peer);
        answer_hello(in);
    }
    return PPI_NEXT;
}

/* --- $pub, $call, $wait, $cancel ------------------------------------------------------------- */

/* Subject and params of $pub and $call, which lie side by side. false: answered. */
static bool message_params(const struct request_in *in, const char **subject, size_t *length,
                           const uint8_t **rest, size_t *rest_size)
{
    struct ppi_value params = { 0 };

    if (!in_text(in, 0, "the subject", subject, length))
        return false;
    if (in->count >= 2)
        params = ppi_value_at(in->params[1].data, in->params[1].size);
    if (in->count < 2 || params.kind != PPI_VALUE_ARRAY) {
        in_fail(in, "E_ARG", "param 2 is the message's params, an array");
        return false;
    }
    if (!router_takes(in->worker->broker, params.depth, params.size)) {
        in_fail(in, "E_LIMIT", "the message's params are too large, or nested too deep");
        return false;
    }
    *rest = in->params[0].data;
    *rest_size = in->params[0].size + in->params[1].size;
    return true;
}

static void answer_receipt(const struct request_in *in, const struct receipt *receipt)
{
    struct reply reply;

    if (!in->call)
        return;
    reply_begin(&reply, in->frame->id);
    msgpack_pack_map(&reply.packer, 3);
    pack_number(&reply.packer, "m", receipt->matched);
    pack_number(&reply.packer, "q", receipt->queued);
    pack_number(&reply.packer, "d", receipt->refused);
    reply_end(in->worker, in->peer, &reply);
}

static enum ppi_verdict publish(const struct request_in *in)
{
    struct publication message = { .from = in->peer };
    struct receipt receipt;

    if (!message_params(in, &message.subject, &message.subject_length, &message.rest,
                        &message.rest_size) ||
        !in_options(in, 2, NULL, 0))
        return PPI_NEXT;
    switch (router_publish(in->worker, &message, &receipt)) {
    case ROUTED: answer_receipt(in, &receipt); break;
    case ROUTED_LATER: return PPI_HOLD;
    case ROUTED_BAD: in_fail(in, "E_ARG", pp_detail()); break;
    case ROUTED_NOMEM: in_fail(in, "E_LIMIT", "the broker is out of memory"); break;
    }
    return PPI_NEXT;
}

static void take_deadline(const struct option *deadline, struct request *request)
{
    if (deadline->given)
        request->deadline_ms =
            deadline->number < UINT32_MAX ? (uint32_t)deadline->number : UINT32_MAX;
}

static enum ppi_verdict call(const struct request_in *in)
{
    struct option known[] = { { .name = "deadline", .type = OPTION_NUMBER },
                              { .name = "wait", .type = OPTION_NUMBER } };
    struct request request = { .caller = in->peer,
                               .id = in->frame->id,
                               .deadline_ms = in->worker->broker->settings.call_deadline_ms };

    if (!message_params(in, &request.subject, &request.subject_length, &request.rest,
                        &request.rest_size) ||
        !in_options(in, 2, known, PPI_COUNT(known)))
        return PPI_NEXT;
    if (known[1].number > CALL_WAIT_MS_MAX) {
        in_fail(in, "E_ARG", "option 'wait' is at most 3,600,000 ms");
        return PPI_NEXT;
    }
    take_deadline(&known[0], &request);
    request.wait_ms = (uint32_t)known[1].number;
    return calls_request(in->worker, &request);
}

static enum ppi_verdict await_subs(const struct request_in *in)
{
    struct option known[] = { { .name = "deadline", .type = OPTION_NUMBER },
                              { .name = "subs", .type = OPTION_NUMBER } };
    struct request request = { .caller = in->peer,
                               .id = in->frame->id,
                               .rest = in->params[0].data,
                               .rest_size = in->params[0].size,
                               .deadline_ms = in->worker->broker->settings.call_deadline_ms };

    if (!in_text(in, 0, "the subject", &request.subject, &request.subject_length) ||
        !in_options(in, 1, known, PPI_COUNT(known)))
        return PPI_NEXT;
    if (known[1].number > UINT32_MAX) {
        in_fail(in, "E_ARG", "option 'subs' is below 2^32");
        return PPI_NEXT;
    }
    take_deadline(&known[0], &request);
    request.subs = known[1].given ? (uint32_t)known[1].number : 1;
    return calls_await_subs(in->worker, &request);
}

static enum ppi_verdict cancel(const struct request_in *in)
{
    uint64_t id;

    if (!in_number(in, 0, "the id of the call", &id))
        return PPI_NEXT;
    if (id <= UINT32_MAX && calls_cancel(in->worker, in->peer, (uint32_t)id))
        in_answer_nil(in);
    else if (in->urgent)
        return PPI_HOLD; /* the call may be held, too: its turn comes after it */
    else
        in_fail(in, "E_NOTFOUND", "no call with this id is open");
    return PPI_NEXT;
}

/* --- $ping, $bye ----------------------------------------------------------------------------- */

static enum ppi_verdict ping(const struct request_in *in)
{
    in_answer_nil(in);
    return PPI_NEXT;
}

static enum ppi_verdict bye(const struct request_in *in)
{
    in->peer->bye = true;
    in->peer->bye_asked = in->call;
    in->peer->bye_id = in->frame->id;
    calls_end_own(in->worker, in->peer, "E_CANCELED the caller said $bye");
    return PPI_NEXT;
}

void control_goodbye(struct worker *worker, struct peer *peer)
{
    const struct ppi_frame frame = { .id = peer->bye_id };
    const struct request_in in = { worker, peer, &frame, peer->bye_asked, false, { { 0 } }, 0 };

    worker_write_begin(worker);
    subs_end_all(peer);
    worker_write_end(worker);
    in_answer_nil(&in);
    peer->closes_ns = ppi_timer_now_ns(worker->broker->port) + (uint64_t)LINGER_MS * PPI_NS_PER_MS;
    ticker_wake(worker->broker);
}

/* --- dispatch -------------------------------------------------------------------------------- */

enum {
    URGENT = 1u,      /* acts at once, also while frames are held */
    LARGE = 2u,       /* carries a message */
    REQUEST_ONLY = 4u /* says nothing but its answer, or nobody could use what it does */
};

static const struct method {
    const char *name;
    enum ppi_verdict (*run)(const struct request_in *in);
    unsigned traits;
} methods[] = {
    { "$pub", publish, LARGE },
    { "$call", call, LARGE | REQUEST_ONLY },
    { "$wait", await_subs, REQUEST_ONLY },
    { "$cancel", cancel, URGENT },
    { "$ping", ping, URGENT },
    { "$sync", ping, 0 }, /* answered when all that came before has been handled */
    { "$hello", hello, REQUEST_ONLY },
    { "$sub", control_subscribe, REQUEST_ONLY },
    { "$serve", control_serve, REQUEST_ONLY },
    { "$describe", control_describe, REQUEST_ONLY },
    { "$unsub", control_unsubscribe, URGENT },
    { "$bye", bye, 0 }, /* see control_urgent */
    { "$sys.stats", control_sys_stats, REQUEST_ONLY },
    { "$sys.clients", control_sys_clients, REQUEST_ONLY },
    { "$sys.subs", control_sys_subs, REQUEST_ONLY },
    { "$sys.subjects", control_sys_subjects, REQUEST_ONLY },
    { "$sys.settings", control_sys_settings, REQUEST_ONLY },
    { "$sys.events", control_sys_events, REQUEST_ONLY },
    { "$sys.tap", control_sys_tap, REQUEST_ONLY },
    { "$sys.kick", control_sys_kick, REQUEST_ONLY },
    { "$sys.stop", control_sys_stop, 0 },
};

static const struct method *method_of(const struct ppi_frame *frame)
{
    for (size_t i = 0; i < PPI_COUNT(methods); i++)
        if (strlen(methods[i].name) == frame->subject_length &&
            memcmp(methods[i].name, ppi_frame_subject(frame), frame->subject_length) == 0)
            return &methods[i];
    return NULL;
}

static enum ppi_verdict run(struct worker *worker, struct peer *peer, const struct ppi_frame *frame,
                            const struct method *method, bool urgent)
{
    struct request_in in = { worker, peer, frame, frame->type == PPI_CALL, urgent, { { 0 } }, 0 };

    if (method == NULL) {
        in_fail(&in, "E_METHOD", "this broker has no such method");
        return PPI_NEXT;
    }
    if (!in.call && (method->traits & REQUEST_ONLY) != 0) {
        in_fail(&in, "E_ARG", "only as a request");
        return PPI_NEXT;
    }
    if ((method->traits & LARGE) == 0 && frame->size > CONTROL_BYTES_MAX) {
        in_fail(&in, "E_LIMIT", "control requests are at most 64 KiB");
        return PPI_NEXT;
    }
    in.count =
        ppi_slices(frame->data + frame->params, frame->size - frame->params, in.params, PARAMS_MAX);
    return method->run(&in);
}

enum ppi_verdict control(struct worker *worker, struct peer *peer, const struct ppi_frame *frame)
{
    return run(worker, peer, frame, method_of(frame), false);
}

bool control_urgent(struct worker *worker, struct peer *peer, const struct ppi_frame *frame)
{
    const struct method *method = method_of(frame);

    if (method != NULL && method->run == bye) /* the rest of it after what is held */
        calls_end_own(worker, peer, "E_CANCELED the caller said $bye");
    if (method == NULL || (method->traits & URGENT) == 0)
        return false;
    return run(worker, peer, frame, method, true) != PPI_HOLD;
}
