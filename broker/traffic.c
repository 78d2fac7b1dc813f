#include "traffic.h"

#include <stdlib.h>
#include <string.h>

#include "route.h"

enum { CHAINS = 2 * TRAFFIC_SUBJECTS, PROBES = 8 };

struct traffic_table {
    struct traffic *records[TRAFFIC_SUBJECTS]; /* owned; made as subjects come */
    uint16_t chains[CHAINS];                   /* by hash: a record's index + 1; 0: none */
    unsigned count, probe;
    struct traffic nowhere; /* counts what there is no memory for */
    struct traffic_sums forgotten_sums;
    uint64_t forgotten;
};

struct traffic_table *traffic_new(void)
{
    return calloc(1, sizeof(struct traffic_table));
}

void traffic_free(struct traffic_table *table)
{
    for (unsigned i = 0; table != NULL && i < table->count; i++)
        free(table->records[i]);
    free(table);
}

void traffic_add_sums(struct traffic_sums *left, const struct traffic_sums *right)
{
    left->published += right->published;
    left->calls += right->calls;
    left->published_bytes += right->published_bytes;
    left->deliveries += right->deliveries;
    left->no_receiver += right->no_receiver;
    left->refused += right->refused;
}

/* --- a worker's table ------------------------------------------------------------------------ */

static uint16_t *chain_of(struct traffic_table *table, uint64_t hash)
{
    return &table->chains[hash % CHAINS];
}

/* How much came lately: what came since the last look, and half of what it was then. */
static uint64_t look_at(struct traffic *traffic)
{
    uint64_t messages = traffic_messages(traffic);

    traffic->lately = traffic->lately / 2 + messages - traffic->seen;
    traffic->seen = messages;
    return traffic->lately;
}

/* The index of the quietest of some records, others each time. */
static unsigned find_quiet(struct traffic_table *table)
{
    unsigned quietest = 0;
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < PROBES; i++) {
        unsigned at = table->probe++ % TRAFFIC_SUBJECTS;
        uint64_t lately = look_at(table->records[at]);

        if (lately < least) {
            least = lately;
            quietest = at;
        }
    }
    return quietest;
}

static void forget(struct traffic_table *table, unsigned index)
{
    struct traffic *traffic = table->records[index];
    uint16_t *at = chain_of(table, traffic->hash);

    while (*at != index + 1)
        at = &table->records[*at - 1]->next;
    *at = traffic->next;
    traffic_add_sums(&table->forgotten_sums, &traffic->sums);
    table->forgotten++;
    *traffic = (struct traffic){ 0 };
}

/* Where a new record goes; at least one has memory already. NULL: there is none. */
static struct traffic *make_room(struct traffic_table *table, unsigned *index)
{
    struct traffic *more = NULL;

    if (table->count < TRAFFIC_SUBJECTS && (more = calloc(1, sizeof *more)) == NULL)
        return NULL;
    if (more != NULL) {
        *index = table->count++;
        table->records[*index] = more;
    } else {
        *index = find_quiet(table);
        forget(table, *index);
    }
    return table->records[*index];
}

static struct traffic *enter(struct traffic_table *table, const struct route *route)
{
    unsigned index;
    struct traffic *traffic = make_room(table, &index);

    if (traffic == NULL)
        return &table->nowhere;
    uint16_t *chain = chain_of(table, route->hash);
    traffic->hash = route->hash;
    traffic->length = route->length;
    memcpy(traffic->subject, route->subject, route->length);
    traffic->next = *chain;
    *chain = (uint16_t)(index + 1);
    return traffic;
}

struct traffic *traffic_find(struct traffic_table *table, struct route *route)
{
    struct traffic *traffic = NULL;

    for (unsigned at = *chain_of(table, route->hash); at != 0 && traffic == NULL;) {
        struct traffic *record = table->records[at - 1];

        if (record->hash == route->hash && record->length == route->length &&
            memcmp(record->subject, route->subject, route->length) == 0)
            traffic = record;
        at = record->next;
    }
    if (traffic == NULL)
        traffic = enter(table, route);
    traffic->route = route;
    route->traffic = traffic;
    return traffic;
}

/* --- sources --------------------------------------------------------------------------------- */

/* Who is not among the sources gets the place of the one with the fewest messages, when those who
 * have no place have sent more meanwhile: so whoever sends much gets one. */
void traffic_from_another(struct traffic *traffic, uint64_t client, uint64_t messages)
{
    struct traffic_source *least = &traffic->sources[0];
    unsigned i = 0;

    while (i < TRAFFIC_SOURCES && traffic->sources[i].client != client) {
        if (traffic->sources[i].messages < least->messages)
            least = &traffic->sources[i];
        i++;
    }
    if (i < TRAFFIC_SOURCES) {
        traffic->sources[i].messages += messages;
        traffic->last = i;
        return;
    }
    traffic->waiting += messages;
    if (least->client != 0 && traffic->waiting <= least->messages) {
        traffic->others += messages;
        return;
    }
    traffic->others += least->messages;
    traffic->waiting = 0;
    *least = (struct traffic_source){ client, messages };
    traffic->last = (unsigned)(least - traffic->sources);
}

/* --- for the report -------------------------------------------------------------------------- */

void traffic_sum(const struct traffic_table *table, struct traffic_sums *sums)
{
    for (unsigned i = 0; i < table->count; i++)
        traffic_add_sums(sums, &table->records[i]->sums);
    traffic_add_sums(sums, &table->nowhere.sums);
    traffic_add_sums(sums, &table->forgotten_sums);
}

size_t traffic_copy(const struct traffic_table *table, struct traffic *records,
                    struct traffic_sums *sums, uint64_t *forgotten)
{
    for (unsigned i = 0; i < table->count; i++) {
        const struct traffic *record = table->records[i];

        memcpy(&records[i], record, offsetof(struct traffic, subject) + record->length);
    }
    traffic_add_sums(sums, &table->nowhere.sums);
    traffic_add_sums(sums, &table->forgotten_sums);
    *forgotten += table->forgotten;
    return table->count;
}

static int by_messages(const void *left, const void *right)
{
    uint64_t a = ((const struct traffic_source *)left)->messages;
    uint64_t b = ((const struct traffic_source *)right)->messages;

    return a > b ? -1 : a < b;
}

void traffic_rank(struct traffic *traffic)
{
    qsort(traffic->sources, TRAFFIC_SOURCES, sizeof *traffic->sources, by_messages);
}

void traffic_merge(struct traffic *left, const struct traffic *right)
{
    struct traffic_source all[2 * TRAFFIC_SOURCES];
    size_t count = TRAFFIC_SOURCES;

    traffic_add_sums(&left->sums, &right->sums);
    left->others += right->others;
    memcpy(all, left->sources, sizeof left->sources);
    for (int i = 0; i < TRAFFIC_SOURCES; i++) {
        size_t at = 0;

        while (at < count && all[at].client != right->sources[i].client)
            at++;
        if (at == count)
            all[count++] = right->sources[i];
        else
            all[at].messages += right->sources[i].messages;
    }
    qsort(all, count, sizeof *all, by_messages);
    memcpy(left->sources, all, sizeof left->sources);
    for (size_t i = TRAFFIC_SOURCES; i < count; i++)
        left->others += all[i].messages;
}
