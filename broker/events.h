/* events.h: what has happened, and who is told each as it comes.
 *
 * The last 4,000 usual events are kept, that clients come and say goodbye, and the last 4,000 of
 * all others: who looks at the broker comes and goes, and must not push out what went wrong.
 *
 * Events come from everywhere: out of views and write sections, while locks are held. So telling
 * one only keeps it; a packet of its own takes what is new to those who subscribed. None is on the
 * path of a message. SYS.md lists them. */
#ifndef EVENTS_H
#define EVENTS_H

#include "worker.h"

enum {
    EVENTS_KEPT = 4000,     /* of those that are usual, and of those that are not */
    EVENT_BYTES_MAX = 2048, /* of one, packed */
    EVENT_MORE_MAX = 5
};

/* What is told: the fields that every event has, and those of its kind. */
struct event {
    const char *kind;        /* SYS.md */
    const struct peer *peer; /* whose; NULL: of no client */
    uint64_t pid;            /* of somebody who is no client; 0: not known */
    const char *why, *text;  /* NULL: nil; at most 400 bytes */
    bool usual;              /* somebody comes, or says goodbye */
    struct {
        const char *name; /* NULL: no more */
        uint64_t number;
        const char *text; /* instead of the number; "": nil */
    } more[EVENT_MORE_MAX];
};

/* PP_OK, PP_ENOMEM. */
int events_open(struct broker *broker);
void events_free(struct broker *broker);

/* In a view, or the write section, if it has a peer. The caller holds the broker (broker.h). */
void events_tell(struct broker *broker, const struct event *event);

/* That the broker ends a connection, why, in words; told once for each. */
void events_tell_cut(struct peer *peer, const char *why, const char *text);

/* In the write section: a subscription of "$sys.events..." comes, and goes. */
void events_enter(struct sub *sub);
void events_leave(struct sub *sub);

/* Can the pattern match an event's subject? */
bool events_match(const char *pattern, size_t length);

struct reply; /* reply.h */

/* Packs {first, next, events}: at most max events with a number of at least since, as far as they
 * fit into bytes_max; next is what to ask for then. since 0: the last ones. */
void events_report(struct reply *reply, struct broker *broker, uint64_t since, uint64_t max,
                   size_t bytes_max);

#endif
