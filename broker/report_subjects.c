/* report_subjects.c: a line for each subject. Worker by worker what it counts is copied, while it
 * alone stands still; then it is added up. */
#include "pack.h"
#include "report.h"
#include "subjects.h"
#include "traffic.h"

#include <stdlib.h>
#include <string.h>

enum { RECEIVERS_MAX = 16 };

/* All that was counted. */
struct traffics {
    struct traffic *records;
    size_t count;
    struct traffic_sums others;
    uint64_t forgotten;
};

/* --- adding up ------------------------------------------------------------------------------- */

/* Outside of all views. false: no memory. */
static bool copy_all(struct broker *broker, struct traffics *all)
{
    for (unsigned i = 0; i < atomic_load(&broker->worker_count); i++) {
        struct worker *worker = broker->workers[i];
        size_t size = (all->count + TRAFFIC_SUBJECTS) * sizeof *all->records;
        struct traffic *records = realloc(all->records, size);

        if (records == NULL)
            return false;
        all->records = records;
        worker_enter(worker);
        all->count +=
            traffic_copy(worker->traffic, records + all->count, &all->others, &all->forgotten);
        ppi_mutex_unlock(&worker->view); /* its own thread may be between two views of a packet */
    }
    return true;
}

static int by_subject(const void *left, const void *right)
{
    const struct traffic *a = left, *b = right;

    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return memcmp(a->subject, b->subject, a->length);
}

/* The busiest first. */
static int by_messages(const void *left, const void *right)
{
    uint64_t a = traffic_messages(left), b = traffic_messages(right);

    return a != b ? (a > b ? -1 : 1) : by_subject(left, right);
}

static void merge(struct traffics *all)
{
    size_t count = 0;

    if (all->count > 1)
        qsort(all->records, all->count, sizeof *all->records, by_subject);
    for (size_t i = 0; i < all->count; i++)
        if (count > 0 && by_subject(&all->records[count - 1], &all->records[i]) == 0)
            traffic_merge(&all->records[count - 1], &all->records[i]);
        else
            all->records[count++] = all->records[i];
    all->count = count;
    if (count > 1)
        qsort(all->records, count, sizeof *all->records, by_messages);
}

/* Leaves those that are asked for; the rest goes to the others. */
static void choose(struct traffics *all, const struct subject_query *query)
{
    size_t count = 0;

    for (size_t i = 0; i < all->count; i++) {
        struct traffic *record = &all->records[i];

        if (count < query->max &&
            (query->pattern == NULL || ppi_subject_match(query->pattern, query->pattern_length,
                                                         record->subject, record->length))) {
            all->records[count++] = *record;
        } else {
            traffic_add_sums(&all->others, &record->sums);
            all->forgotten++;
        }
    }
    all->count = count;
}

/* --- the report ------------------------------------------------------------------------------ */

static void pack_sums(msgpack_packer *packer, const struct traffic_sums *sums)
{
    pack_number(packer, "published", sums->published);
    pack_number(packer, "calls", sums->calls);
    pack_number(packer, "published_bytes", sums->published_bytes);
    pack_number(packer, "deliveries", sums->deliveries);
    pack_number(packer, "no_receiver", sums->no_receiver);
    pack_number(packer, "refused", sums->refused);
}

static void pack_sources(msgpack_packer *packer, const struct broker *broker,
                         const struct traffic *record)
{
    size_t count = 0;

    while (count < TRAFFIC_SOURCES && record->sources[count].client != 0)
        count++;
    ppi_pack_text(packer, "from");
    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++) {
        const struct traffic_source *source = &record->sources[i];
        const struct peer *peer = ppi_map_get(&broker->peers_by_id, source->client);

        msgpack_pack_map(packer, 3);
        pack_number(packer, "client", source->client);
        pack_text_or_nil(packer, "name", peer != NULL ? peer->name : NULL);
        pack_number(packer, "messages", source->messages);
    }
    pack_number(packer, "from_others", record->others);
}

struct receivers {
    struct sub *subs[RECEIVERS_MAX];
    uint64_t count;
};

static void add_receiver(void *context, void *item)
{
    struct receivers *receivers = context;

    if (receivers->count < RECEIVERS_MAX)
        receivers->subs[receivers->count] = item;
    receivers->count++;
}

static void pack_receiver(msgpack_packer *packer, struct sub *sub)
{
    ppi_mutex_lock(&sub->peer->link.lock);
    uint64_t lost = sub->lost;
    ppi_mutex_unlock(&sub->peer->link.lock);

    msgpack_pack_map(packer, 5);
    pack_number(packer, "client", sub->peer->id);
    pack_text(packer, "name", sub->peer->name);
    pack_text(packer, "kind", sub->serve ? "serve" : "sub");
    pack_text_or_nil(packer, "group", sub->group);
    pack_number(packer, "lost", lost);
}

static void pack_receivers(msgpack_packer *packer, const struct broker *broker,
                           const struct traffic *record)
{
    struct receivers receivers = { .count = 0 };

    subjects_match(broker->subjects, record->subject, record->length, add_receiver, &receivers);
    size_t count = receivers.count < RECEIVERS_MAX ? (size_t)receivers.count : RECEIVERS_MAX;
    ppi_pack_text(packer, "to");
    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++)
        pack_receiver(packer, receivers.subs[i]);
    pack_number(packer, "receivers", receivers.count);
}

static void pack(msgpack_packer *packer, const struct broker *broker, struct traffic *record)
{
    traffic_rank(record);
    msgpack_pack_map(packer, 11);
    pack_subject(packer, record->subject, record->length);
    pack_sums(packer, &record->sums);
    pack_sources(packer, broker, record);
    pack_receivers(packer, broker, record);
}

const char *report_subjects(struct worker *worker, msgpack_packer *packer,
                            const struct subject_query *query)
{
    struct broker *broker = worker->broker;
    struct traffics all = { 0 };

    worker_send(worker);
    worker_leave(worker);
    bool copied = copy_all(broker, &all);
    if (copied) {
        merge(&all);
        choose(&all, query);
    }
    worker_enter(worker);
    if (copied) {
        msgpack_pack_map(packer, 2);
        ppi_pack_text(packer, "subjects");
        msgpack_pack_array(packer, all.count);
        for (size_t i = 0; i < all.count; i++)
            pack(packer, broker, &all.records[i]);
        ppi_pack_text(packer, "others");
        msgpack_pack_map(packer, 7);
        pack_number(packer, "subjects", all.forgotten);
        pack_sums(packer, &all.others);
    }
    free(all.records);
    return copied ? NULL : REPORT_NO_MEMORY;
}
