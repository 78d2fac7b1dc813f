#include "route.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/status.h"
#include "subjects.h"

enum {
    ROUTES = 1024,              /* kept by each worker, by hash of the subject */
    CACHED_TARGETS = 256 * 1024 /* of them all: many subjects times many receivers */
};

struct route_cache {
    struct route routes[ROUTES];
    size_t targets; /* of all routes made since they were emptied */
};

static uint64_t hash_of(const char *subject, size_t length)
{
    uint64_t hash = 0xCBF29CE484222325u;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)subject[i]) * 0x100000001B3u;
    return hash ^ hash >> 32;
}

/* Room for one more element in an array that grows by doubling. */
static bool grow(void **array, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return true;
    size_t larger = *capacity == 0 ? 4 : *capacity * 2;
    void *memory = realloc(*array, larger * size);
    if (memory == NULL)
        return false;
    *array = memory;
    *capacity = larger;
    return true;
}

static void visit(void *context, void *item)
{
    struct route *route = context;
    struct sub *sub = item;

    if (sub->serve) {
        if (grow((void **)&route->servers, &route->server_capacity, route->server_count,
                 sizeof *route->servers))
            route->servers[route->server_count++] = sub;
        else
            route->no_memory = true;
        return;
    }
    if (grow((void **)&route->targets, &route->target_capacity, route->target_count,
             sizeof *route->targets))
        route->targets[route->target_count++] = (struct target){ .sub = sub };
    else
        route->no_memory = true;
    if (sub->group != NULL || sub->max != 0)
        route->single = true;
    if (sub->meta) {
        route->meta = true;
        route->run_max = RUN_META_MAX;
    }
}

/* Everybody first, group by group after; within everybody by peer, its plain ones first. */
static int compare(const void *left, const void *right)
{
    const struct sub *a = ((const struct target *)left)->sub;
    const struct sub *b = ((const struct target *)right)->sub;

    if ((a->group == NULL) != (b->group == NULL))
        return a->group == NULL ? -1 : 1;
    int order = a->group != NULL ? strcmp(a->group, b->group) : 0;
    if (order == 0 && a->peer != b->peer)
        order = a->peer->id < b->peer->id ? -1 : 1;
    if (order == 0 && a->form != b->form)
        order = a->form == FORM_PLAIN ? -1 : 1;
    if (order == 0)
        order = a->sid < b->sid ? -1 : a->sid > b->sid;
    return order;
}

static void merge_plain(struct route *route)
{
    for (size_t i = 1; i < route->everybody; i++) {
        const struct sub *sub = route->targets[i].sub, *before = route->targets[i - 1].sub;

        route->targets[i].merged =
            sub->form == FORM_PLAIN && before->form == FORM_PLAIN && sub->peer == before->peer;
    }
}

static void find_groups(struct route *route)
{
    for (size_t i = route->everybody; i < route->target_count; i++) {
        const char *name = route->targets[i].sub->group;
        struct group *last = route->group_count > 0 ? &route->groups[route->group_count - 1] : NULL;

        if (last != NULL && strcmp(route->targets[last->first].sub->group, name) == 0)
            last->count++;
        else if (grow((void **)&route->groups, &route->group_capacity, route->group_count,
                      sizeof *route->groups))
            route->groups[route->group_count++] = (struct group){ .first = i, .count = 1 };
        else
            route->no_memory = true;
    }
}

/* Forgets all routes. */
static void empty(struct route_cache *cache)
{
    for (size_t i = 0; i < ROUTES; i++) {
        free(cache->routes[i].targets);
        free(cache->routes[i].groups);
        free(cache->routes[i].servers);
        cache->routes[i] = (struct route){ 0 };
    }
    cache->targets = 0;
}

static void make_route(struct worker *worker, struct route *route, uint64_t hash,
                       const char *subject, size_t length)
{
    route->version = worker->broker->version;
    route->hash = hash;
    route->length = (uint8_t)length;
    memcpy(route->subject, subject, length);
    route->traffic = NULL;
    route->target_count = route->group_count = route->server_count = 0;
    route->single = route->meta = route->no_memory = false;
    route->run_max = RUN_MAX;
    subjects_match(worker->broker->subjects, subject, length, visit, route);
    if (route->target_count > 1)
        qsort(route->targets, route->target_count, sizeof *route->targets, compare);
    route->everybody = 0;
    while (route->everybody < route->target_count &&
           route->targets[route->everybody].sub->group == NULL)
        route->everybody++;
    merge_plain(route);
    find_groups(route);
    if (route->no_memory)
        route->version = 0;
}

struct route *route_of(struct worker *worker, const char *subject, size_t length,
                       enum routed *result)
{
    uint64_t hash = hash_of(subject, length);

    if (worker->routes == NULL && (worker->routes = calloc(1, sizeof *worker->routes)) == NULL) {
        *result = ROUTED_NOMEM;
        return NULL;
    }
    struct route *route = &worker->routes->routes[hash % ROUTES];
    if (route->version == worker->broker->version && route->hash == hash &&
        route->length == length && memcmp(route->subject, subject, length) == 0)
        return route;

    const char *refusal = ppi_subject_refusal(subject, length);
    if (refusal != NULL) {
        ppi_fail(PP_EARG, "%s", refusal);
        *result = ROUTED_BAD;
        return NULL;
    }
    ppi_check(worker->run.route != route); /* it was flushed before another subject is looked up */
    if (worker->routes->targets > CACHED_TARGETS)
        empty(worker->routes);
    make_route(worker, route, hash, subject, length);
    worker->routes->targets += route->target_count + route->server_count;
    if (route->no_memory)
        *result = ROUTED_NOMEM;
    return route->no_memory ? NULL : route;
}

uint32_t route_subscribers(const struct route *route, const struct peer *publisher)
{
    uint32_t count = 0;

    for (size_t i = 0; i < route->target_count; i++) {
        const struct sub *sub = route->targets[i].sub;

        count += (sub->peer != publisher || sub->echo) && atomic_load(&sub->over) == OVER_NOT &&
                 ppi_link_takes(&sub->peer->link);
    }
    return count;
}

void routes_forget(struct worker *worker)
{
    if (worker->routes != NULL)
        empty(worker->routes);
    free(worker->routes);
    worker->routes = NULL;
}
