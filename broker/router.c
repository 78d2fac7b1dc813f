#include "router.h"

#include <string.h>

#include "base/check.h"
#include "events.h"
#include "holds.h"
#include "route.h"
#include "subs.h"
#include "tapped.h"
#include "ticker.h"
#include "wire/envelope.h"

enum {
    RUN_BYTES_MAX = 128 * 1024,
    RENDERED_MAX = 8 /* rich forms of one run that are kept for receivers with equal sid */
};
_Static_assert(RUN_BYTES_MAX + RUN_MAX * 32 <= ARENA_BYTES, "a run in rich form fits the arena");
_Static_assert(RUN_BYTES_MAX + RUN_META_MAX * (32 + META_MAX) <= ARENA_BYTES, "with meta, too");

bool router_takes(const struct broker *broker, unsigned depth, size_t size)
{
    return depth <= PPI_PARAMS_DEPTH_MAX && size <= broker->settings.frame_max - PPI_FRAME_RESERVE;
}

int router_servers(struct worker *worker, const char *subject, size_t length, struct sub ***servers,
                   unsigned **turn)
{
    enum routed result = ROUTED;
    struct route *route = route_of(worker, subject, length, &result);

    if (route == NULL)
        return result == ROUTED_BAD ? -1 : -2;
    worker->called = route;
    *servers = route->servers;
    *turn = &route->server_turn;
    return (int)route->server_count;
}

int64_t router_subscribers(struct worker *worker, const char *subject, size_t length,
                           const struct peer *publisher)
{
    enum routed result = ROUTED;
    struct route *route = route_of(worker, subject, length, &result);

    if (route == NULL)
        return result == ROUTED_BAD ? -1 : -2;
    return route_subscribers(route, publisher);
}

/* --- room ------------------------------------------------------------------------------------ */

/* What stands behind a message's rest. */
static size_t tail_size(const struct run *run, const struct sub *sub)
{
    return sub->meta ? run->meta_size : 0;
}

/* The bytes that a run is for one receiver. */
static size_t bytes_for(const struct run *run, const struct sub *sub)
{
    uint8_t head[PPI_HEAD_MAX];

    if (sub->form == FORM_PLAIN && !run->loose)
        return run->bytes;
    return run->bytes - run->rest_bytes +
           run->count * (sub_put_head(sub, head) + tail_size(run, sub));
}

enum room { ROOM, ROOM_LATER, ROOM_NEVER };

/* Reserves for one receiver, or cuts it if that is its policy, or has the publisher wait. */
static enum room reserve(struct peer *from, const struct sub *sub, size_t bytes)
{
    struct ppi_link *link = &sub->peer->link;

    while (!ppi_link_reserve(link, bytes)) {
        if (sub->cut) {
            events_tell_cut(sub->peer, "E_SLOW", "queue_high: it reads too slowly, policy cut");
            ppi_link_close(link, PP_ESLOW);
            return ROOM_NEVER;
        }
        ticker_wake(from->broker);
        if (hold_for(sub->peer, from))
            return ROOM_LATER;
        if (!ppi_link_takes(link))
            return ROOM_NEVER;
    }
    ticker_watch(from->broker, link);
    return ROOM;
}

static bool is_over(const struct sub *sub)
{
    return sub->max != 0 && atomic_load(&sub->accepted) >= sub->max;
}

/* Its peer's own messages are for those that say so; who has had all it wanted gets no more. */
static bool wants(const struct sub *sub, const struct run *run)
{
    return (sub->peer != run->from || sub->echo) && !is_over(sub);
}

/* Counts the run in; false: it has had all it wanted, as other workers see it, too. */
static bool accept(struct sub *sub, const struct run *run)
{
    uint_fast64_t had = 0;

    if (sub->max == 0) {
        atomic_fetch_add_explicit(&sub->accepted, run->count, memory_order_relaxed);
        return true;
    }
    while (had < sub->max) /* such a run is one message */
        if (atomic_compare_exchange_weak(&sub->accepted, &had, had + 1))
            return true;
    return false;
}

/* After accept, that it was not. */
static void unaccept(struct sub *sub, const struct run *run)
{
    atomic_fetch_sub_explicit(&sub->accepted, run->count, memory_order_relaxed);
}

/* The next member in turn that has room, with it reserved and the message accepted. *full: the
 * first one that has none; NULL: no such one. */
static struct sub *next_with_room(const struct route *route, struct group *group,
                                  const struct run *run, struct sub **full)
{
    *full = NULL;
    for (size_t i = 0; i < group->count; i++) {
        size_t at = (group->turn + i) % group->count;
        struct sub *sub = route->targets[group->first + at].sub;

        if (!wants(sub, run) || !ppi_link_takes(&sub->peer->link) || !accept(sub, run))
            continue;
        if (ppi_link_reserve(&sub->peer->link, bytes_for(run, sub))) {
            ticker_watch(run->from->broker, &sub->peer->link);
            group->turn = (unsigned)(at + 1);
            return sub;
        }
        unaccept(sub, run);
        *full = *full != NULL ? *full : sub;
    }
    return NULL;
}

/* The member of a group that gets the message: the next in turn that has room, else the one whose
 * room is waited for. One that is cut instead leaves it to the others. */
static enum room choose(struct route *route, struct group *group, const struct run *run)
{
    struct sub *full;

    group->refused = false;
    for (;;) {
        group->chosen = next_with_room(route, group, run, &full);
        if (group->chosen != NULL)
            return ROOM;
        if (full == NULL || !accept(full, run))
            return ROOM_NEVER;
        enum room room = reserve(run->from, full, bytes_for(run, full));
        if (room == ROOM)
            group->chosen = full;
        else
            unaccept(full, run);
        if (room != ROOM_NEVER)
            return room;
        group->refused = true; /* by this one; it is closing now */
    }
}

static void unreserve(const struct run *run, const struct sub *sub)
{
    ppi_link_unreserve(&sub->peer->link, bytes_for(run, sub));
}

/* Does one of the plain subscriptions that are merged at target, or the single one, want it? */
static bool one_wants(const struct route *route, const struct target *target, const struct run *run)
{
    const struct target *end = route->targets + route->everybody;

    do
        if (wants(target->sub, run))
            return true;
    while (++target < end && target->merged);
    return false;
}

/* Reserves for everybody and for one of each group, all or nothing. */
static bool reserve_all(struct route *route, const struct run *run)
{
    enum room room = ROOM;
    size_t i, g;

    for (g = 0; g < route->group_count && room != ROOM_LATER; g++)
        room = choose(route, &route->groups[g], run);
    for (i = 0; i < route->everybody && room != ROOM_LATER; i++) {
        struct target *target = &route->targets[i];

        target->refused = false;
        target->skipped = target->merged || !one_wants(route, target, run);
        if (target->skipped)
            continue;
        room = reserve(run->from, target->sub, bytes_for(run, target->sub));
        target->skipped = room != ROOM;
        target->refused = room == ROOM_NEVER;
    }
    if (room != ROOM_LATER)
        return true;
    while (i-- > 0)
        if (!route->targets[i].skipped)
            unreserve(run, route->targets[i].sub);
    while (g-- > 0)
        if (route->groups[g].chosen != NULL) {
            unreserve(run, route->groups[g].chosen);
            unaccept(route->groups[g].chosen, run);
        }
    return false;
}

/* --- delivery -------------------------------------------------------------------------------- */

/* What one run looks like in one form, collected once and used by every receiver of that form. */
struct rendered {
    uint64_t sid; /* 0: plain */
    bool meta;
    uint64_t sends; /* the worker's, when it was made */
    unsigned first, size_count;
    const uint8_t *data; /* NULL: large, in pieces */
    size_t length;
};

/* around: the bytes in front of each rest and behind it; 0: the frames are as they came. */
static void add_sizes(struct worker *worker, struct rendered *form, size_t around)
{
    const struct run *run = &worker->run;

    form->first = worker->size_count;
    for (uint32_t i = 0; i < run->count; i++)
        worker_add_size(
            worker, form->first,
            around == 0 ? run->sizes[i] : (uint32_t)(run->sizes[i] - run->rests[i] + around), 1);
    form->size_count = worker->size_count - form->first;
    form->sends = worker->sends;
}

/* Writes the rich forms of the run, one behind the other. */
static void render_rich(struct worker *worker, const struct sub *sub, struct rendered *form)
{
    const struct run *run = &worker->run;
    uint8_t head[PPI_HEAD_MAX];
    size_t head_size = sub_put_head(sub, head), tail = tail_size(run, sub);
    const uint8_t *frame = run->data;

    form->length = bytes_for(run, sub);
    uint8_t *out = worker_space(worker, form->length, run->count);
    form->data = out;
    for (uint32_t i = 0; i < run->count; frame += run->sizes[i++]) {
        size_t rest = run->sizes[i] - run->rests[i];

        memcpy(out, head, head_size);
        memcpy(out + head_size, frame + run->rests[i], rest);
        out += head_size + rest;
        if (tail > 0)
            memcpy(out, run->meta, tail);
        out += tail;
    }
    add_sizes(worker, form, head_size + tail);
}

/* Has the subscription ended with the packet if it is over. */
static void list_if_over(struct worker *worker, struct sub *sub)
{
    if (is_over(sub))
        sub_list_over(worker, sub);
}

/* Collects the run for one receiver, which has accepted it. forms holds what was rendered already.
 */
static void collect(struct worker *worker, struct sub *sub, struct rendered *forms)
{
    const struct run *run = &worker->run;
    uint64_t sid = sub->form == FORM_RICH ? sub->sid : 0;
    struct rendered *form = &forms[sid % RENDERED_MAX];

    list_if_over(worker, sub);
    if (run->loose || (sid != 0 && run->bytes > SMALL_FRAME_BYTES && run->count == 1)) {
        uint8_t head[PPI_HEAD_MAX];
        const pp_piece parts[] = { { head, sub_put_head(sub, head) },
                                   { run->data + run->rests[0], run->bytes - run->rests[0] },
                                   { run->meta, tail_size(run, sub) } };

        worker_collect_parts(worker, &sub->peer->link, parts, sub);
        return;
    }
    if (form->size_count == 0 || form->sid != sid || form->meta != sub->meta ||
        form->sends != worker->sends) {
        form->sid = sid;
        form->meta = sub->meta;
        if (sid != 0) {
            render_rich(worker, sub, form);
        } else {
            worker_space(worker, 0, run->count);
            add_sizes(worker, form, 0);
            form->data = run->data;
            form->length = run->bytes;
        }
    }
    struct ppi_parcel parcel = { form->data, form->length, sub, &worker->sizes[form->first],
                                 (int)form->size_count };
    worker_collect(worker, &sub->peer->link, &parcel);
}

/* Delivers to the first of the merged ones at target that wants it, and counts it for the others.
 * false: nobody did any more. */
static bool deliver_merged(struct worker *worker, const struct target *target,
                           struct rendered *forms)
{
    const struct run *run = &worker->run;
    const struct target *end = run->route->targets + run->route->everybody, *at = target;
    struct sub *first = NULL;

    do {
        struct sub *sub = at->sub;

        if (!wants(sub, run) || !accept(sub, run))
            continue;
        if (first == NULL) {
            first = sub;
            continue;
        }
        atomic_fetch_add_explicit(&sub->merged, run->count, memory_order_relaxed);
        list_if_over(worker, sub);
    } while (++at < end && at->merged);
    if (first != NULL)
        collect(worker, first, forms);
    else
        unreserve(run, target->sub);
    return first != NULL;
}

static void count(struct worker *worker, const struct receipt *receipt)
{
    const struct run *run = &worker->run;
    struct traffic *traffic = route_traffic(worker, run->route);
    struct traffic_sums *sums = &traffic->sums;

    run->from->published += run->count;
    traffic_from(traffic, run->from->id, run->count);
    sums->published += run->count;
    sums->published_bytes += run->bytes - run->rest_bytes + 2 * (size_t)run->count;
    if (PPI_LIKELY(receipt->queued > 0))
        sums->deliveries += (uint64_t)run->count * receipt->queued;
    else if (receipt->refused == 0)
        sums->no_receiver += run->count;
    if (PPI_UNLIKELY(receipt->refused > 0))
        sums->refused += (uint64_t)run->count * receipt->refused;
}

/* Routes the run; false: somebody has no room, and nothing was done. */
static bool deliver(struct worker *worker, struct receipt *receipt)
{
    struct run *run = &worker->run;
    struct route *route = run->route;
    struct rendered forms[RENDERED_MAX];

    run->meta_size = PPI_UNLIKELY(route->meta) ? meta_write(run->meta, run->from) : 0;
    if (!reserve_all(route, run))
        return false;
    for (int i = 0; i < RENDERED_MAX; i++)
        forms[i].size_count = 0;
    *receipt = (struct receipt){ 0 };
    for (size_t i = 0; i < route->everybody; i++) {
        struct target *target = &route->targets[i];

        receipt->refused += target->refused;
        if (!target->skipped)
            receipt->queued += deliver_merged(worker, target, forms);
    }
    for (size_t g = 0; g < route->group_count; g++) {
        const struct group *group = &route->groups[g];

        receipt->queued += group->chosen != NULL;
        receipt->refused += group->chosen == NULL && group->refused;
        if (group->chosen != NULL)
            collect(worker, group->chosen, forms);
    }
    receipt->matched = receipt->queued + receipt->refused;
    if (PPI_UNLIKELY(worker->broker->tapped))
        tap_run(worker, receipt);
    worker->handed += receipt->queued;
    if (PPI_FIGURES)
        count(worker, receipt);
    run->route = NULL;
    return true;
}

/* --- the ways in ----------------------------------------------------------------------------- */

bool router_flush(struct worker *worker)
{
    struct run *run = &worker->run;
    struct receipt receipt;

    if (run->route == NULL || deliver(worker, &receipt))
        return true;
    run->route = NULL;
    run->from->frames_in -= run->count; /* they come again */
    if (ppi_reader_unread(&run->from->link.reader, run->data, run->bytes) != PP_OK)
        ppi_link_close(&run->from->link, PP_ENOMEM);
    return false;
}

/* Does the frame lie behind the run, and can go where it goes? */
static bool continues(const struct run *run, const struct ppi_frame *frame)
{
    const struct route *route = run->route;

    return route != NULL && run->data + run->bytes == frame->data &&
           route->length == frame->subject_length && run->count < route->run_max &&
           !route->single && frame->size <= SMALL_FRAME_BYTES &&
           run->bytes + frame->size <= RUN_BYTES_MAX && run->bytes > 0 &&
           memcmp(route->subject, ppi_frame_subject(frame), route->length) == 0;
}

/* Routes the run, which is one message and in nobody's hands yet. */
static enum routed deliver_one(struct worker *worker, struct receipt *receipt)
{
    if (deliver(worker, receipt))
        return ROUTED;
    worker->run.route = NULL;
    return ROUTED_LATER;
}

enum routed router_publish_frame(struct worker *worker, struct peer *from,
                                 const struct ppi_frame *frame)
{
    struct run *run = &worker->run;
    enum routed result = ROUTED;
    struct receipt receipt;

    if (!continues(run, frame)) {
        if (!router_flush(worker))
            return ROUTED_LATER;
        struct route *route =
            route_of(worker, ppi_frame_subject(frame), frame->subject_length, &result);
        if (route == NULL)
            return result;
        run->route = route;
        run->from = from;
        run->loose = false;
        run->data = frame->data;
        run->bytes = run->rest_bytes = 0;
        run->count = 0;
    }
    run->sizes[run->count] = frame->size;
    run->rests[run->count++] = (uint16_t)frame->rest;
    run->bytes += frame->size;
    run->rest_bytes += frame->rest;
    if (frame->size > SMALL_FRAME_BYTES || run->route->single)
        return deliver_one(worker, &receipt);
    return ROUTED;
}

enum routed router_publish(struct worker *worker, const struct publication *message,
                           struct receipt *receipt)
{
    struct run *run = &worker->run;
    enum routed result = ROUTED;

    ppi_check(run->route == NULL);
    struct route *route = route_of(worker, message->subject, message->subject_length, &result);
    if (route == NULL)
        return result;
    run->route = route;
    run->from = message->from;
    run->loose = true;
    run->data = message->rest;
    run->bytes = message->rest_size;
    run->rest_bytes = 0;
    run->count = 1;
    run->sizes[0] = (uint32_t)message->rest_size;
    run->rests[0] = 0;
    return deliver_one(worker, receipt);
}
