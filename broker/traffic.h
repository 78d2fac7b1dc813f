/* traffic.h: what goes to which subject, and from whom. Each worker counts for itself, in its view,
 * and remembers some subjects; of more the quietest lately are forgotten, and their figures kept in
 * one sum. A route knows its subject's record, so a run is counted without a look-up. */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "wire/subject.h"

struct route;

enum { TRAFFIC_SUBJECTS = 1024, TRAFFIC_SOURCES = 8 };

struct traffic_sums {
    uint64_t published, calls, published_bytes, deliveries, no_receiver, refused;
};

/* A client, and the messages and calls that came from it. */
struct traffic_source {
    uint64_t client; /* 0: none */
    uint64_t messages;
};

/* One subject's. */
struct traffic {
    struct traffic_sums sums;
    const struct route *route; /* which has it; another's pointer to it is stale */
    unsigned last;             /* source that was counted last */
    struct traffic_source sources[TRAFFIC_SOURCES];
    uint64_t others;       /* messages of those who are not in sources */
    uint64_t waiting;      /* of these, since a source was put out for one of them */
    uint64_t seen, lately; /* messages when it was looked at last; fading */
    uint64_t hash;
    uint16_t next; /* in its chain, + 1 */
    uint8_t length;
    char subject[PPI_SUBJECT_MAX];
};

struct traffic_table;

struct traffic_table *traffic_new(void); /* NULL: no memory */
void traffic_free(struct traffic_table *table);

/* The record of a route's subject, entered if it is not there; while the view lasts, or until the
 * next one is entered. */
struct traffic *traffic_find(struct traffic_table *table, struct route *route);

/* Counts messages of a client that is not the last one. */
void traffic_from_another(struct traffic *traffic, uint64_t client, uint64_t messages);

static inline void traffic_from(struct traffic *traffic, uint64_t client, uint64_t messages)
{
    struct traffic_source *last = &traffic->sources[traffic->last];

    if (PPI_LIKELY(last->client == client))
        last->messages += messages;
    else
        traffic_from_another(traffic, client, messages);
}

/* Everything that was counted, added to sums. */
void traffic_sum(const struct traffic_table *table, struct traffic_sums *sums);

/* Puts the sources with the most messages first. */
void traffic_rank(struct traffic *traffic);

/* Adds right to left, which is of the same subject. */
void traffic_add_sums(struct traffic_sums *left, const struct traffic_sums *right);
void traffic_merge(struct traffic *left, const struct traffic *right);

/* Copies the records, at most TRAFFIC_SUBJECTS; how many. What was forgotten is added to sums and
 * *forgotten. */
size_t traffic_copy(const struct traffic_table *table, struct traffic *records,
                    struct traffic_sums *sums, uint64_t *forgotten);

/* Messages and calls. */
static inline uint64_t traffic_messages(const struct traffic *traffic)
{
    return traffic->sums.published + traffic->sums.calls;
}

#endif
