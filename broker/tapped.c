#include "tapped.h"

#include <stdlib.h>
#include <string.h>

#include "io/timer.h"
#include "tap.h"
#include "waits.h"
#include "wire/envelope.h"

struct tap_note {
    uint64_t routed_ns;
    size_t subject_length;
    char subject[];
};

/* What is about the broker itself no tap shows. */
static bool is_shown(const struct tap_view *view)
{
    return view->subject_length > 0 && view->subject[0] != '$';
}

/* Fills in the times, if they are not there: most messages need none. */
static void set_times(const struct worker *worker, struct tap_view *view)
{
    if (view->ts != 0)
        return;
    view->ts = ppi_wall_ms();
    if (view->routed_ns != 0)
        view->time_us = (ppi_timer_now_ns(worker->broker->port) - view->routed_ns) / 1000;
}

static bool is_size(const struct tap_filter *filter, size_t size)
{
    return size >= filter->size_min && size <= filter->size_max;
}

static bool is_any_size(const struct tap_filter *filter)
{
    return filter->size_min == 0 && filter->size_max == UINT64_MAX;
}

/* Has each message of the run that the tap shows recorded; or counts those that it misses. */
static void show_run(struct worker *worker, struct tap *tap, struct tap_view *view)
{
    const struct run *run = &worker->run;
    const uint8_t *frame = run->data;
    uint64_t missed = 0;

    for (uint32_t i = 0; i < run->count; frame += run->sizes[i++]) {
        const uint8_t *rest = frame + run->rests[i];
        size_t size = run->sizes[i] - run->rests[i], subject = ppi_value_at(rest, size).size;

        if (!is_size(&tap->filter, size - subject))
            continue;
        if (tap_is_full(tap)) {
            missed++;
            continue;
        }
        tap_miss(tap, missed);
        missed = 0;
        set_times(worker, view);
        tap_record(worker, tap, view, rest + subject, size - subject);
    }
    tap_miss(tap, missed);
}

void tap_run(struct worker *worker, const struct receipt *receipt)
{
    const struct run *run = &worker->run;
    struct ppi_list *taps = &worker->broker->tap_set->taps;
    struct tap_view view = { .kind = TAP_PUB,
                             .subject = run->route->subject,
                             .subject_length = run->route->length,
                             .from = run->from,
                             .route = run->route,
                             .receipt = *receipt,
                             .may_send = true };

    if (!is_shown(&view))
        return;
    for (struct ppi_list *at = taps->next; at != taps; at = at->next) {
        struct tap *tap = tap_at(at);

        if (tap->sub == NULL || !tap_view_passes(&view, &tap->filter))
            continue;
        if (is_any_size(&tap->filter) && tap_is_full(tap))
            tap_miss(tap, run->count);
        else
            show_run(worker, tap, &view);
    }
}

static void show(struct worker *worker, struct tap_view *view, const uint8_t *body, size_t size)
{
    struct ppi_list *taps = &worker->broker->tap_set->taps;

    if (!is_shown(view))
        return;
    for (struct ppi_list *at = taps->next; at != taps; at = at->next) {
        struct tap *tap = tap_at(at);

        if (tap->sub == NULL || !is_size(&tap->filter, size) ||
            !tap_view_passes(view, &tap->filter))
            continue;
        if (tap_is_full(tap)) {
            tap_miss(tap, 1);
            continue;
        }
        set_times(worker, view);
        tap_record(worker, tap, view, body, size);
    }
}

/* A request, that goes to a server, or (NULL) to nobody. */
static void show_request(struct worker *worker, const struct peer *caller,
                         const struct peer *server, const struct request *request)
{
    struct ppi_value subject = ppi_value_at(request->rest, request->rest_size);
    struct tap_view view = { .kind = TAP_CALL,
                             .subject = subject.text,
                             .subject_length = subject.text_length,
                             .from = caller,
                             .to = server,
                             .receipt.queued = server != NULL,
                             .may_send = request->caller != NULL };

    show(worker, &view, request->rest + subject.size, request->rest_size - subject.size);
}

/* An error that the broker made. */
static void show_error(struct worker *worker, struct tap_view *view, const char *error)
{
    struct ppi_buf buf = { 0 };
    msgpack_packer packer;

    msgpack_packer_init(&packer, &buf, ppi_pack_write);
    if (ppi_pack_text(&packer, error) == 0)
        show(worker, view, ppi_buf_data(&buf), ppi_buf_size(&buf));
    ppi_buf_deinit(&buf);
}

void tap_call(struct worker *worker, struct call *call, const struct request *request)
{
    struct ppi_value subject = ppi_value_at(request->rest, request->rest_size);

    show_request(worker, call->caller, call->server, request);
    free(call->note); /* of a server that went before it could be sent the call */
    call->note = malloc(sizeof *call->note + subject.text_length);
    if (call->note == NULL)
        return;
    call->note->routed_ns = ppi_timer_now_ns(worker->broker->port);
    call->note->subject_length = subject.text_length;
    memcpy(call->note->subject, subject.text, subject.text_length);
}

/* Can it be the subject of a record? What is called may be any bytes, unless it is looked up. */
static bool is_text(const char *subject, size_t length)
{
    return length <= PPI_SUBJECT_MAX && ppi_utf8(subject, length);
}

void tap_refused(struct worker *worker, const struct request *request, const char *error)
{
    struct tap_view view = { .kind = TAP_ERROR,
                             .subject = request->subject,
                             .subject_length = request->subject_length,
                             .to = request->caller,
                             .receipt.queued = 1,
                             .may_send = true };

    if (!is_text(request->subject, request->subject_length))
        return;
    show_request(worker, request->caller, NULL, request);
    show_error(worker, &view, error);
}

void tap_answer(struct worker *worker, const struct call *call, const struct ppi_frame *frame)
{
    const uint8_t *error = frame->data + frame->rest, *result = frame->data + frame->params;
    bool good = *error == 0xC0; /* nil */

    if (call->note == NULL) /* it was called before anybody tapped */
        return;
    struct tap_view view = { .kind = good ? TAP_ANSWER : TAP_ERROR,
                             .subject = call->note->subject,
                             .subject_length = call->note->subject_length,
                             .from = call->server,
                             .to = call->caller,
                             .receipt.queued = 1,
                             .routed_ns = call->note->routed_ns,
                             .may_send = true };
    if (good)
        show(worker, &view, result, frame->size - frame->params);
    else
        show(worker, &view, error, frame->params - frame->rest);
}

/* A call that has waited for a server in vain; a moved one was shown when it went to its first. */
static void show_unserved(struct worker *worker, const struct call *call)
{
    const struct request request = { .rest = call->wait->rest, .rest_size = call->wait->rest_size };

    if (!call->wait->moved)
        show_request(worker, call->caller, NULL, &request);
}

void tap_ended(struct worker *worker, const struct call *call, const char *error)
{
    struct tap_view view = { .kind = TAP_ERROR, .to = call->caller, .receipt.queued = 1 };

    if (call->wait != NULL && call->wait->subs == 0) {
        show_unserved(worker, call);
        view.subject = wait_subject(call->wait);
        view.subject_length = call->wait->subject_length;
    } else if (call->note != NULL) {
        view.subject = call->note->subject;
        view.subject_length = call->note->subject_length;
        view.routed_ns = call->note->routed_ns;
    }
    show_error(worker, &view, error);
}
