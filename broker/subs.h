/* subs.h: subscriptions and services: making, entering, ending them. */
#ifndef SUBS_H
#define SUBS_H

#include <string.h>

#include "wire/envelope.h"
#include "worker.h"

/* A subscription of peer's under a valid pattern, not entered yet; NULL: no memory. */
struct sub *sub_new(struct peer *peer, const char *pattern, size_t length);
/* Frees one that was never entered. */
void sub_discard(struct sub *sub);

/* Enters it: gives it its sid, puts it into the index (write section). PP_OK; PP_ENOMEM; PP_ENAME:
 * somebody else serves the pattern, and one of both wants to be the only one. */
int sub_enter(struct sub *sub);

/* Takes it out of the index (write section). Freed at once, or with what of it is still queued. */
void sub_end(struct sub *sub);

/* The same for all of a peer's. */
void subs_end_all(struct peer *peer);

/* It has had all the messages it wanted: the worker has it end with the packet. In a view. */
void sub_list_over(struct worker *worker, struct sub *sub);

/* Ends those that have had all the messages they wanted, as the worker has listed them. In a view,
 * with nothing collected. */
void subs_end_over(struct worker *worker);

/* Writes what stands in front of a message's rest in the form that a subscription wants. */
static inline size_t sub_put_head(const struct sub *sub, uint8_t head[PPI_HEAD_MAX])
{
    if (sub->form == FORM_RICH)
        return ppi_head_message(head, sub->sid, sub->meta);
    memcpy(head, "\x93\x02", 2);
    return 2;
}

/* A copy of a text for a group or a name, freed with free; NULL: no memory. */
char *sub_copy_text(const char *text);

/* Messages of it that wait in the peer's queue. With the peer's link lock. */
uint64_t sub_queued(const struct sub *sub);

/* count messages have gone out, or are lost (the peer's link lock). Frees a retired one after the
 * last. */
void sub_sent(struct sub *sub, uint32_t count, bool lost);

#endif
