/* route.h: what the index says about one subject: made once, kept by each worker until the index
 * changes. */
#ifndef ROUTE_H
#define ROUTE_H

#include "traffic.h"
#include "wire/subject.h"
#include "worker.h"

enum routed {
    ROUTED,
    ROUTED_LATER, /* a receiver has no room: hold it; the publisher is resumed when it has */
    ROUTED_BAD,   /* the subject cannot be published to; why: pp_detail */
    ROUTED_NOMEM
};

/* A receiver of a route's messages. Several plain subscriptions of one peer are neighbours and get
 * one frame: the first that wants it delivers, the others are merged into it. */
struct target {
    struct sub *sub;
    bool merged; /* with the one before */
    /* For the run at hand and the first of merged ones: nobody wants it (its own, over), or it was
     * refused (closing, cut). */
    bool skipped, refused;
};

/* The members of one queue group: a range of targets; one of them gets the message. */
struct group {
    size_t first, count;
    unsigned turn;
    struct sub *chosen; /* for the run at hand; NULL: nobody */
    bool refused;       /* somebody would have got it, but was cut */
};

struct route {
    uint64_t version; /* of the index; 0: never made */
    uint64_t hash;
    struct target *targets; /* `everybody` first, then the groups' members */
    size_t target_count, target_capacity, everybody;
    struct group *groups;
    size_t group_count, group_capacity;
    struct sub **servers;
    size_t server_count, server_capacity;
    unsigned server_turn;
    struct traffic *traffic; /* if that says that it is this one's; or NULL */
    bool single;             /* messages are routed one by one: groups, or somebody's max */
    bool meta;               /* somebody asks who sent them */
    uint16_t run_max;        /* messages routed at once */
    bool no_memory;
    uint8_t length;
    char subject[PPI_SUBJECT_MAX];
};

/* The route of a subject; NULL: it is not one that can be used, or no memory: *result says. */
struct route *route_of(struct worker *worker, const char *subject, size_t length,
                       enum routed *result);

/* What is counted for its subject. */
static inline struct traffic *route_traffic(struct worker *worker, struct route *route)
{
    struct traffic *traffic = route->traffic;

    return PPI_LIKELY(traffic != NULL && traffic->route == route)
               ? traffic
               : traffic_find(worker->traffic, route);
}

/* How many subscriptions get what the peer publishes there. */
uint32_t route_subscribers(const struct route *route, const struct peer *publisher);

/* Frees a worker's routes. */
void routes_forget(struct worker *worker);

#endif
