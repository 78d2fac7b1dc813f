#include "tap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "broker.h"
#include "monitor.h"
#include "subs.h"
#include "wire/envelope.h"

enum {
    STAGED_BYTES_MAX = 128 * 1024,    /* then they are sent from where they are made */
    CHUNK_BYTES = 48 * 1024,          /* of frames reserved and sent together */
    TAP_SUBJECT_MAX = 31,             /* of MessagePack's shortest texts */
    NUMBERS_BYTES = 1 + 2 + 9 + 7 + 9 /* of a record: its map's head, n and missed */
};

/* A record without its first fields, n and missed: those are known when it is sent. */
struct staged {
    uint64_t n;
    uint32_t size; /* of what follows */
};

/* --- staging, and sending what is staged ------------------------------------------------------ */

/* With the tap's lock. false: no memory. */
static bool stage(struct tap *tap, const struct tap_view *view, const uint8_t *body, size_t size)
{
    struct staged staged = { .n = tap->matched };
    size_t before = ppi_buf_size(&tap->staged);
    msgpack_packer packer;

    if (ppi_buf_room(&tap->staged, TAP_RECORD_BYTES_MAX + tap->filter.cut) == NULL)
        return false;
    ppi_buf_append(&tap->staged, &staged, sizeof staged);
    msgpack_packer_init(&packer, &tap->staged, ppi_pack_write);
    tap_view_pack(&packer, view, tap->filter.cut, body, size);
    staged.size = (uint32_t)(ppi_buf_size(&tap->staged) - before - sizeof staged);
    memcpy(ppi_buf_data(&tap->staged) + before, &staged, sizeof staged);
    return true;
}

/* Staged records that are sent together, and what each frame has around a record. */
struct chunk {
    const uint8_t *at;
    uint32_t count;
    size_t bytes; /* of the frames */
    uint8_t head[PPI_HEAD_MAX + TAP_SUBJECT_MAX + 2];
    size_t head_size;
    uint8_t tail[META_MAX];
    size_t tail_size;
};

static struct staged staged_at(const uint8_t *at)
{
    struct staged staged;

    memcpy(&staged, at, sizeof staged);
    return staged;
}

/* The head up to the record: the subject, and params of one. */
static void begin_chunk(struct chunk *chunk, const struct sub *sub)
{
    size_t size = sub_put_head(sub, chunk->head);

    ppi_check(sub->pattern_length <= TAP_SUBJECT_MAX);
    chunk->head[size++] = 0xA0 | sub->pattern_length;
    memcpy(chunk->head + size, sub->pattern, sub->pattern_length);
    size += sub->pattern_length;
    chunk->head[size++] = 0x91;
    chunk->head_size = size;
    chunk->tail_size = monitor_tail(sub, chunk->tail);
}

/* How many records of those up to end go together, at most max; at least one. */
static void measure_chunk(struct chunk *chunk, const uint8_t *at, const uint8_t *end, uint64_t max)
{
    size_t around = chunk->head_size + NUMBERS_BYTES + chunk->tail_size;

    chunk->at = at;
    chunk->count = 0;
    chunk->bytes = 0;
    while (at < end && chunk->count < max && chunk->count < RUN_MAX) {
        size_t size = staged_at(at).size;

        if (chunk->count > 0 && chunk->bytes + around + size > CHUNK_BYTES)
            return;
        chunk->count++;
        chunk->bytes += around + size;
        at += sizeof(struct staged) + size;
    }
}

static uint8_t *put_number(uint8_t *out, const char *name, uint64_t number)
{
    size_t length = strlen(name);

    *out++ = (uint8_t)(0xA0 | length);
    memcpy(out, name, length);
    out += length;
    *out++ = 0xCF;
    for (int shift = 56; shift >= 0; shift -= 8)
        *out++ = (uint8_t)(number >> shift);
    return out;
}

/* Writes the frames, behind which `shown` is the last; returns the first record behind them. */
static const uint8_t *put_chunk(struct worker *worker, struct tap *tap, const struct chunk *chunk)
{
    uint8_t *data = worker_space(worker, chunk->bytes, chunk->count), *out = data;
    unsigned first = worker->size_count;
    const uint8_t *at = chunk->at;

    for (uint32_t i = 0; i < chunk->count; i++) {
        struct staged staged = staged_at(at);
        uint8_t *begin = out;

        memcpy(out, chunk->head, chunk->head_size);
        out += chunk->head_size;
        *out++ = 0x80 | TAP_RECORD_FIELDS;
        out = put_number(out, "n", staged.n);
        out = put_number(out, "missed", staged.n - tap->shown - 1);
        memcpy(out, at + sizeof staged, staged.size);
        out += staged.size;
        if (chunk->tail_size > 0)
            memcpy(out, chunk->tail, chunk->tail_size);
        out += chunk->tail_size;
        worker_add_size(worker, first, (uint32_t)(out - begin), 1);
        tap->shown = staged.n;
        at += sizeof staged + staged.size;
    }
    ppi_check(out == data + chunk->bytes);
    const struct ppi_parcel parcel = { data, chunk->bytes, tap->sub, &worker->sizes[first],
                                       (int)(worker->size_count - first) };
    worker_collect(worker, &tap->sub->peer->link, &parcel);
    return at;
}

static const uint8_t *skip_chunk(const struct chunk *chunk)
{
    const uint8_t *at = chunk->at;

    for (uint32_t i = 0; i < chunk->count; i++)
        at += sizeof(struct staged) + staged_at(at).size;
    return at;
}

static void send_records(struct worker *worker, struct tap *tap, const struct ppi_buf *staged)
{
    const uint8_t *at = ppi_buf_data(staged), *end = at + ppi_buf_size(staged);
    struct sub *sub = tap->sub;
    struct chunk chunk;
    uint64_t left;

    begin_chunk(&chunk, sub);
    while (at < end && (left = monitor_left(sub)) > 0) {
        measure_chunk(&chunk, at, end, left);
        if (monitor_reserve(worker, sub, chunk.bytes, chunk.count)) {
            at = put_chunk(worker, tap, &chunk);
        } else {
            at = skip_chunk(&chunk);
            atomic_store(&tap->full, true);
        }
        worker_send(worker); /* so that the next chunk has the room that is there */
    }
    monitor_list_if_over(worker, sub);
}

static void post(struct tap_set *set)
{
    if (atomic_load(&set->posted) || atomic_exchange(&set->posted, true))
        return;
    broker_hold(set->broker);
    if (pp_port_post(set->broker->port, 0, 0, &set->op) == PP_OK)
        return;
    atomic_store(&set->posted, false); /* the port is being shut down */
    broker_release(set->broker);
}

/* Sends what is staged, unless somebody does. */
static void flush(struct worker *worker, struct tap *tap)
{
    if (atomic_exchange(&tap->sending, true))
        return;
    ppi_mutex_lock(&tap->lock);
    struct ppi_buf staged = tap->staged;
    uint64_t missed = tap->missed;
    tap->staged = (struct ppi_buf){ 0 };
    tap->missed = 0;
    ppi_mutex_unlock(&tap->lock);
    monitor_miss(worker, tap->sub, missed);
    if (ppi_buf_size(&staged) > 0)
        send_records(worker, tap, &staged);
    ppi_buf_deinit(&staged);
    atomic_store(&tap->sending, false);
    ppi_mutex_lock(&tap->lock);
    bool more = ppi_buf_size(&tap->staged) > 0 || tap->missed > 0; /* who brought it saw us at it */
    ppi_mutex_unlock(&tap->lock);
    if (more)
        post(worker->broker->tap_set);
}

static void on_staged(pp_op *op)
{
    struct tap_set *set = PP_CONTAINER(op, struct tap_set, op);
    struct broker *broker = set->broker;
    struct worker *worker = worker_self(broker);

    worker_enter(worker);
    atomic_store(&set->posted, false);
    for (struct ppi_list *at = set->taps.next; at != &set->taps; at = at->next)
        if (tap_at(at)->sub != NULL)
            flush(worker, tap_at(at));
    worker_send(worker);
    subs_end_over(worker);
    worker_leave(worker);
    broker_release(broker);
}

bool tap_is_full(struct tap *tap)
{
    uint64_t high = tap->owner->broker->settings.queue_high;
    uint64_t room = high < MONITOR_QUEUE_BYTES ? high : MONITOR_QUEUE_BYTES;

    if (!atomic_load(&tap->full))
        return false;
    if (atomic_load(&tap->sub->peer->link.load) > room / 2)
        return true;
    atomic_store(&tap->full, false);
    return false;
}

void tap_miss(struct tap *tap, uint64_t count)
{
    if (count == 0)
        return;
    ppi_mutex_lock(&tap->lock);
    tap->matched += count;
    tap->missed += count;
    ppi_mutex_unlock(&tap->lock);
    post(tap->owner->broker->tap_set);
}

void tap_record(struct worker *worker, struct tap *tap, const struct tap_view *view,
                const uint8_t *body, size_t size)
{
    size_t queued = atomic_load(&tap->sub->peer->link.load);

    ppi_mutex_lock(&tap->lock);
    tap->matched++;
    bool room = queued + ppi_buf_size(&tap->staged) + tap->filter.cut < MONITOR_QUEUE_BYTES &&
                stage(tap, view, body, size);
    tap->missed += !room;
    if (!room)
        atomic_store(&tap->full, true);
    bool many = ppi_buf_size(&tap->staged) > STAGED_BYTES_MAX;
    ppi_mutex_unlock(&tap->lock);
    if (many && view->may_send)
        flush(worker, tap);
    else
        post(worker->broker->tap_set);
}

/* --- taps come and go ------------------------------------------------------------------------ */

static const char tap_subject[] = "$sys.tap.";
_Static_assert(sizeof tap_subject - 1 + 20 <= TAP_SUBJECT_MAX, "TAP_SUBJECT_MAX");

uint64_t tap_new(struct peer *peer, const struct tap_filter *filter)
{
    struct broker *broker = peer->broker;
    struct tap *tap = broker->taps < TAPS_MAX ? calloc(1, sizeof *tap) : NULL;

    if (tap == NULL)
        return 0;
    ppi_mutex_init(&tap->lock);
    tap->owner = peer;
    tap->filter = *filter;
    tap->id = broker->tap_set->next_id++;
    ppi_list_append(&broker->tap_set->taps, &tap->in_set);
    broker->taps++;
    return tap->id;
}

static void tap_free(struct tap *tap)
{
    tap->owner->broker->taps--;
    ppi_list_remove(&tap->in_set);
    ppi_buf_deinit(&tap->staged);
    ppi_mutex_deinit(&tap->lock);
    free(tap);
}

void taps_peer_gone(struct peer *peer)
{
    struct ppi_list *taps = &peer->broker->tap_set->taps;

    for (struct ppi_list *at = taps->next, *next; at != taps; at = next) {
        next = at->next;
        if (tap_at(at)->owner == peer)
            tap_free(tap_at(at));
    }
}

struct tap *tap_find(const struct peer *peer, const char *pattern, size_t length, int *why)
{
    struct ppi_list *taps = &peer->broker->tap_set->taps;
    char subject[sizeof tap_subject + 20];

    *why = PP_ENOTFOUND;
    for (struct ppi_list *at = taps->next; at != taps; at = at->next) {
        struct tap *tap = tap_at(at);

        snprintf(subject, sizeof subject, "%s%" PRIu64, tap_subject, tap->id);
        if (strlen(subject) != length || memcmp(subject, pattern, length) != 0)
            continue;
        *why = tap->owner != peer ? PP_EPERM : tap->sub != NULL ? PP_EBUSY : PP_OK;
        return *why == PP_OK ? tap : NULL;
    }
    return NULL;
}

void tap_enter(struct sub *sub)
{
    struct broker *broker = sub->peer->broker;

    sub->tap->sub = sub;
    sub->max = sub->tap->filter.max;
    broker->tap_set->listening++;
    broker->tapped = true;
}

void tap_leave(struct sub *sub)
{
    struct broker *broker = sub->peer->broker;

    broker->tapped = --broker->tap_set->listening > 0;
    tap_free(sub->tap);
    sub->tap = NULL;
}

int taps_open(struct broker *broker)
{
    struct tap_set *set = calloc(1, sizeof *set);

    if (set == NULL)
        return PP_ENOMEM;
    set->broker = broker;
    set->next_id = 1;
    set->op.priv_.handler = on_staged;
    ppi_list_init(&set->taps);
    broker->tap_set = set;
    return PP_OK;
}

void taps_free(struct broker *broker)
{
    free(broker->tap_set);
    broker->tap_set = NULL;
}
