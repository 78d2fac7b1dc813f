#include "subs.h"

#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "subjects.h"
#include "tap.h"

struct sub *sub_new(struct peer *peer, const char *pattern, size_t length)
{
    struct sub *sub = calloc(1, sizeof *sub + length + 1);

    if (sub == NULL)
        return NULL;
    sub->peer = peer;
    ppi_list_init(&sub->in_peer);
    ppi_list_init(&sub->in_events);
    atomic_init(&sub->accepted, 0);
    atomic_init(&sub->merged, 0);
    atomic_init(&sub->in_flight, 0);
    sub->pattern_length = (uint8_t)length;
    memcpy(sub->pattern, pattern, length);
    return sub;
}

char *sub_copy_text(const char *text)
{
    char *copy = malloc(strlen(text) + 1);

    return copy != NULL ? strcpy(copy, text) : NULL;
}

void sub_discard(struct sub *sub)
{
    if (sub != NULL) {
        free(sub->group);
        free(sub->doc);
    }
    free(sub);
}

struct rivals {
    const struct sub *sub;
    bool found;
};

/* Another service of exactly the same pattern, where one of both is exclusive. */
static void look_for_rival(void *context, void *item)
{
    struct rivals *rivals = context;
    const struct sub *other = item;

    if (other->serve && (other->exclusive || rivals->sub->exclusive))
        rivals->found = true;
}

/* To where its messages come from. */
static int enter_source(struct sub *sub)
{
    if (!sub->drop)
        return subjects_add(sub->peer->broker->subjects, sub->pattern, sub->pattern_length, sub);
    if (sub->tap != NULL)
        tap_enter(sub);
    else
        events_enter(sub);
    return PP_OK;
}

static void leave_source(struct sub *sub)
{
    if (!sub->drop)
        subjects_remove(sub->peer->broker->subjects, sub->pattern, sub->pattern_length, sub);
    else if (sub->tap != NULL)
        tap_leave(sub);
    else
        events_leave(sub);
}

int sub_enter(struct sub *sub)
{
    struct broker *broker = sub->peer->broker;
    struct rivals rivals = { sub, false };

    if (sub->serve)
        subjects_each(broker->subjects, sub->pattern, sub->pattern_length, look_for_rival, &rivals);
    if (rivals.found)
        return PP_ENAME;
    sub->sid = sub->peer->next_sid++;
    int error = ppi_map_add(&sub->peer->subs_by_id, sub->sid, sub);
    if (error == PP_OK) {
        error = enter_source(sub);
        if (error != PP_OK)
            ppi_map_remove(&sub->peer->subs_by_id, sub->sid);
    }
    if (error != PP_OK)
        return error;
    ppi_list_append(&sub->peer->subs, &sub->in_peer);
    broker->sub_count++;
    broker->version++;
    return PP_OK;
}

uint64_t sub_queued(const struct sub *sub)
{
    return atomic_load(&sub->accepted) - atomic_load(&sub->merged) - sub->delivered - sub->lost;
}

/* With the peer's link lock. */
static bool is_free_to_go(struct sub *sub)
{
    return sub->retired && sub_queued(sub) == 0 &&
           atomic_exchange(&sub->over, OVER_LEFT) != OVER_LISTED;
}

void sub_end(struct sub *sub)
{
    struct broker *broker = sub->peer->broker;

    leave_source(sub);
    ppi_map_remove(&sub->peer->subs_by_id, sub->sid);
    ppi_list_remove(&sub->in_peer);
    broker->sub_count--;
    broker->version++;
    ppi_mutex_lock(&sub->peer->link.lock);
    sub->retired = true;
    bool free_now = is_free_to_go(sub);
    ppi_mutex_unlock(&sub->peer->link.lock);
    if (free_now)
        sub_discard(sub);
}

void subs_end_all(struct peer *peer)
{
    while (!ppi_list_empty(&peer->subs))
        sub_end(PP_CONTAINER(peer->subs.next, struct sub, in_peer));
}

void sub_list_over(struct worker *worker, struct sub *sub)
{
    if (atomic_exchange(&sub->over, OVER_LISTED) != OVER_NOT)
        return;
    sub->next_over = worker->over;
    worker->over = sub;
}

/* A worker's list has it no more: ends it, unless that was done meanwhile; then its peer may be
 * gone, or just now forget what is queued, and so free it. */
static void unlist(struct sub *sub)
{
    bool retired = sub->retired;
    unsigned listed = OVER_LISTED;

    if (!atomic_compare_exchange_strong(&sub->over, &listed, OVER_NOT))
        sub_discard(sub);
    else if (!retired)
        sub_end(sub);
}

/* Somebody else may have ended one while this worker waited for the write section; then it was left
 * to us to free. */
void subs_end_over(struct worker *worker)
{
    if (worker->over == NULL)
        return;
    worker_write_begin(worker);
    while (worker->over != NULL) {
        struct sub *sub = worker->over;

        worker->over = sub->next_over;
        unlist(sub);
    }
    worker_write_end(worker);
}

void sub_sent(struct sub *sub, uint32_t count, bool lost)
{
    *(lost ? &sub->lost : &sub->delivered) += count;
    if (PPI_FIGURES && !lost)
        sub->peer->delivered += count;
    else if (PPI_FIGURES && !sub->drop)
        sub->peer->lost += count;
    if (is_free_to_go(sub))
        sub_discard(sub);
}
