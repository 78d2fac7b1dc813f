/* routes.h: what the index says about a subject, made once and kept by each worker until the index
 * changes. */
#ifndef ROUTES_H
#define ROUTES_H

#include "wire/subject.h"
#include "worker.h"

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
    bool single; /* messages are routed one by one: groups, or somebody's max */
    bool no_memory;
    uint8_t length;
    char subject[PPI_SUBJECT_MAX];
};

/* The route of a subject, good until the view is left or another one is looked up; the worker's run
 * must have been flushed, unless it is on this very route. NULL: *status says whether it is no
 * subject to publish to or to call (PP_EARG, see pp_detail), or memory ran out (PP_ENOMEM). */
struct route *routes_find(struct worker *worker, const char *subject, size_t length, int *status);

/* Frees a worker's routes. */
void routes_forget(struct worker *worker);

#endif
