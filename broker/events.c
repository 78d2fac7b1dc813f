#include "events.h"

#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "monitor.h"
#include "pack.h"
#include "reply.h"
#include "room.h"
#include "subs.h"

enum {
    EVENTS_AT_ONCE = 64, /* in one packet: even the longest are half of MONITOR_QUEUE_BYTES */
    EVENT_FIELDS = 9     /* that every event has */
};

static const char subjects[] = "$sys.events.";

/* One that is kept. */
struct kept {
    struct ppi_list in_all, in_like;
    uint64_t n;
    uint8_t *data; /* the header of its subject, the subject, and its params; behind this */
    uint16_t size;
    uint16_t map; /* where the event itself begins */
};

/* Those that are usual, or those that are not, the oldest first. */
struct like {
    struct ppi_list list; /* of struct kept, by in_like */
    int count;
};

struct events {
    struct broker *broker;
    struct ppi_mutex lock;   /* all that follows, up to op */
    struct ppi_list all;     /* of struct kept, by in_all: in the order of their numbers */
    struct like likes[2];    /* by whether they are usual */
    struct ppi_list *untold; /* the next one in all to tell to those who subscribed */
    uint64_t first;          /* from this number on none is forgotten */
    uint64_t next;           /* the number of the next one */
    uint64_t next_told;      /* of the next one to tell */
    bool posted; /* op is on its way, or at work: never twice, so that the order is kept */
    pp_op op;
    struct ppi_list subs;  /* write: of struct sub, by in_events */
    atomic_uint sub_count; /* in it */
};

/* --- an event, packed ------------------------------------------------------------------------ */

static void pack_peer(msgpack_packer *packer, const struct event *event)
{
    const struct peer *peer = event->peer;

    pack_number_or_nil(packer, "client", peer != NULL ? peer->id : 0);
    pack_text_or_nil(packer, "name", peer != NULL ? peer->name : NULL);
    pack_number_or_nil(packer, "pid", peer != NULL ? peer->who.pid : event->pid);
    pack_text_or_nil(packer, "user", peer != NULL && peer->known ? peer->user->account : NULL);
}

/* Its size; 0: it is too long. */
static size_t pack(uint8_t out[EVENT_BYTES_MAX], struct kept *kept, const struct event *event)
{
    struct room room;
    msgpack_packer packer;
    size_t kind_length = strlen(event->kind);
    unsigned more = 0;

    while (more < EVENT_MORE_MAX && event->more[more].name != NULL)
        more++;
    room_open(&room, &packer, out, EVENT_BYTES_MAX);
    msgpack_pack_str(&packer, sizeof subjects - 1 + kind_length);
    msgpack_pack_str_body(&packer, subjects, sizeof subjects - 1);
    msgpack_pack_str_body(&packer, event->kind, kind_length);
    msgpack_pack_array(&packer, 1);
    kept->map = (uint16_t)room_used(&room);
    msgpack_pack_map(&packer, EVENT_FIELDS + more);
    pack_number(&packer, "n", kept->n);
    pack_number(&packer, "ts", ppi_wall_ms());
    pack_text(&packer, "event", event->kind);
    pack_peer(&packer, event);
    pack_text_or_nil(&packer, "why", event->why);
    pack_text_or_nil(&packer, "text", event->text);
    for (unsigned i = 0; i < more; i++)
        if (event->more[i].text != NULL)
            pack_text_or_nil(&packer, event->more[i].name, event->more[i].text);
        else
            pack_number(&packer, event->more[i].name, event->more[i].number);
    return room.full ? 0 : room_used(&room);
}

/* --- keeping it ------------------------------------------------------------------------------ */

static struct kept *kept_at(struct ppi_list *in_all)
{
    return PP_CONTAINER(in_all, struct kept, in_all);
}

static void forget(struct events *events, struct kept *kept)
{
    if (events->untold == &kept->in_all)
        events->untold = kept->in_all.next;
    ppi_list_remove(&kept->in_all);
    ppi_list_remove(&kept->in_like);
    if (kept->n >= events->first)
        events->first = kept->n + 1;
    free(kept);
}

static void enter(struct events *events, struct kept *kept, bool usual)
{
    struct like *like = &events->likes[usual];

    if (++like->count > EVENTS_KEPT) {
        forget(events, PP_CONTAINER(like->list.next, struct kept, in_like));
        like->count--;
    }
    ppi_list_append(&events->all, &kept->in_all);
    ppi_list_append(&like->list, &kept->in_like);
    if (events->untold == &events->all)
        events->untold = &kept->in_all;
}

/* With the lock. */
static void keep(struct events *events, const struct event *event)
{
    uint8_t packed[EVENT_BYTES_MAX];
    struct kept packing = { .n = events->next++ }, *kept;

    packing.size = (uint16_t)pack(packed, &packing, event);
    kept = packing.size > 0 ? malloc(sizeof *kept + packing.size) : NULL;
    if (kept == NULL)
        return;
    *kept = packing;
    kept->data = memcpy(kept + 1, packed, kept->size);
    enter(events, kept, event->usual);
}

/* With the lock, by who holds the broker. Refused by a port that is being shut down. */
static void post(struct events *events)
{
    broker_hold(events->broker);
    events->posted = pp_port_post(events->broker->port, 0, 0, &events->op) == PP_OK;
    if (!events->posted)
        broker_release(events->broker);
}

void events_tell(struct broker *broker, const struct event *event)
{
    struct events *events = broker->events;

    ppi_mutex_lock(&events->lock);
    keep(events, event);
    if (atomic_load(&events->sub_count) == 0) {
        events->next_told = events->next;
        events->untold = &events->all;
    } else if (!events->posted) {
        post(events);
    }
    ppi_mutex_unlock(&events->lock);
}

void events_tell_cut(struct peer *peer, const char *why, const char *text)
{
    const struct event event = { .kind = "cut", .peer = peer, .why = why, .text = text };

    if (atomic_exchange(&peer->cut, true))
        return;
    events_tell(peer->broker, &event);
}

/* --- telling it ------------------------------------------------------------------------------ */

/* The next one, copied, with kept->data at out. false: there is none. *gone: so many before it are
 * not kept, any more or for want of memory. */
static bool take_next(struct events *events, struct kept *kept, uint8_t out[EVENT_BYTES_MAX],
                      uint64_t *gone)
{
    ppi_mutex_lock(&events->lock);
    bool found = events->untold != &events->all;
    uint64_t n = found ? kept_at(events->untold)->n : events->next;
    *gone = n - events->next_told;
    events->next_told = n + found;
    if (found) {
        *kept = *kept_at(events->untold);
        kept->data = memcpy(out, kept->data, kept->size);
        events->untold = events->untold->next;
    }
    ppi_mutex_unlock(&events->lock);
    return found;
}

static void deliver(struct worker *worker, struct sub *sub, const struct kept *event)
{
    uint8_t head[PPI_HEAD_MAX], tail[META_MAX];
    size_t head_size = sub_put_head(sub, head), tail_size = monitor_tail(sub, tail);
    const pp_piece parts[] = { { head, head_size },
                               { event->data, event->size },
                               { tail, tail_size } };

    if (!monitor_reserve(worker, sub, head_size + event->size + tail_size, 1))
        return;
    worker_collect_parts(worker, &sub->peer->link, parts, sub);
    monitor_list_if_over(worker, sub);
}

/* Several plain subscriptions of one client get it once, as of any message. */
static bool has_it(const struct sub *sub, const struct kept *event)
{
    return sub->form == FORM_PLAIN && sub->peer->event_delivered == event->n;
}

static void deliver_to_all(struct worker *worker, const struct kept *event)
{
    struct ppi_value subject = ppi_value_at(event->data, event->size);
    struct ppi_list *subs = &worker->broker->events->subs;

    for (struct ppi_list *at = subs->next; at != subs; at = at->next) {
        struct sub *sub = PP_CONTAINER(at, struct sub, in_events);

        if (!ppi_subject_match(sub->pattern, sub->pattern_length, subject.text,
                               subject.text_length) ||
            monitor_left(sub) == 0)
            continue;
        if (has_it(sub, event)) {
            atomic_fetch_add_explicit(&sub->accepted, 1, memory_order_relaxed);
            atomic_fetch_add_explicit(&sub->merged, 1, memory_order_relaxed);
            monitor_list_if_over(worker, sub);
            continue;
        }
        deliver(worker, sub, event);
        if (sub->form == FORM_PLAIN)
            sub->peer->event_delivered = event->n;
    }
}

/* There are new ones. No other packet is on its way until this one has sent what it took. */
static void on_new(pp_op *op)
{
    struct events *events = PP_CONTAINER(op, struct events, op);
    struct broker *broker = events->broker;
    struct worker *worker = worker_self(broker);
    uint8_t memory[EVENT_BYTES_MAX];
    struct kept event;
    bool found = true;
    uint64_t gone;

    worker_enter(worker);
    for (int i = 0; i < EVENTS_AT_ONCE && found; i++) {
        found = take_next(events, &event, memory, &gone);
        worker->counts.missed += gone * atomic_load(&events->sub_count);
        if (found)
            deliver_to_all(worker, &event);
    }
    worker_send(worker);
    subs_end_over(worker);
    worker_leave(worker);
    ppi_mutex_lock(&events->lock);
    events->posted = false;
    if (events->next_told < events->next)
        post(events);
    ppi_mutex_unlock(&events->lock);
    broker_release(broker);
}

void events_enter(struct sub *sub)
{
    struct events *events = sub->peer->broker->events;

    ppi_list_append(&events->subs, &sub->in_events);
    atomic_fetch_add(&events->sub_count, 1);
}

void events_leave(struct sub *sub)
{
    ppi_list_remove(&sub->in_events);
    atomic_fetch_sub(&sub->peer->broker->events->sub_count, 1);
}

bool events_match(const char *pattern, size_t length)
{
    static const char all[] = "$sys.events.*";

    return ppi_subject_overlap(pattern, length, all, sizeof all - 1);
}

/* --- asking for it --------------------------------------------------------------------------- */

/* The oldest of the last ones that fit. */
static struct ppi_list *last_ones(struct events *events, uint64_t max, size_t bytes_max)
{
    struct ppi_list *at = &events->all;
    size_t bytes = 0;

    for (; at->previous != &events->all && max > 0; at = at->previous, max--) {
        bytes += kept_at(at->previous)->size;
        if (bytes > bytes_max)
            break;
    }
    return at;
}

/* The oldest that has at least that number. */
static struct ppi_list *since_number(const struct events *events, uint64_t since)
{
    struct ppi_list *at = events->all.next;

    while (at != &events->all && kept_at(at)->n < since)
        at = at->next;
    return at;
}

/* How many fit, from `at` on up to before *until. */
static uint32_t choose(const struct events *events, struct ppi_list *at, uint64_t max,
                       size_t bytes_max, struct ppi_list **until)
{
    uint32_t count = 0;
    size_t bytes = 0;

    for (; at != &events->all && count < max; at = at->next, count++) {
        bytes += kept_at(at)->size;
        if (bytes > bytes_max)
            break;
    }
    *until = at;
    return count;
}

void events_report(struct reply *reply, struct broker *broker, uint64_t since, uint64_t max,
                   size_t bytes_max)
{
    struct events *events = broker->events;
    msgpack_packer *packer = &reply->packer;
    struct ppi_list *until;

    ppi_mutex_lock(&events->lock);
    struct ppi_list *at =
        since > 0 ? since_number(events, since) : last_ones(events, max, bytes_max);
    uint32_t count = choose(events, at, max, bytes_max, &until);
    msgpack_pack_map(packer, 3);
    pack_number(packer, "first", events->first);
    pack_number(packer, "next", until != &events->all ? kept_at(until)->n : events->next);
    ppi_pack_text(packer, "events");
    msgpack_pack_array(packer, count);
    for (; at != until; at = at->next) {
        const struct kept *kept = kept_at(at);

        reply_append(reply, kept->data + kept->map, (size_t)(kept->size - kept->map));
    }
    ppi_mutex_unlock(&events->lock);
}

/* --- its life -------------------------------------------------------------------------------- */

int events_open(struct broker *broker)
{
    struct events *events = calloc(1, sizeof *events);

    if (events == NULL)
        return PP_ENOMEM;
    events->broker = broker;
    events->first = events->next = events->next_told = 1;
    events->op.priv_.handler = on_new;
    ppi_mutex_init(&events->lock);
    ppi_list_init(&events->subs);
    ppi_list_init(&events->all);
    for (int i = 0; i < 2; i++)
        ppi_list_init(&events->likes[i].list);
    events->untold = &events->all;
    broker->events = events;
    return PP_OK;
}

void events_free(struct broker *broker)
{
    struct events *events = broker->events;

    if (events == NULL)
        return;
    while (!ppi_list_empty(&events->all))
        forget(events, kept_at(events->all.next));
    ppi_mutex_deinit(&events->lock);
    free(events);
    broker->events = NULL;
}
