/* tap.h: taps: an operator sees what is routed, as records of each message that a filter lets by.
 *
 * A tap is made ($sys.tap), and is there for its connection alone; it shows from when that
 * subscribes to its subject until that subscription ends. Records are staged where messages are
 * routed, and sent from a packet of their own, or when there are many: in order, whoever routed. */
#ifndef TAP_H
#define TAP_H

#include "tap_view.h"

enum { TAPS_MAX = 16 };

struct tap {
    struct ppi_list in_set;
    struct peer *owner;
    uint64_t id;
    struct tap_filter filter;
    struct sub *sub; /* NULL: not yet */

    struct ppi_mutex lock;
    struct ppi_buf staged; /* records, each behind a struct staged */
    uint64_t matched;      /* messages; the number of the last one */
    uint64_t missed;       /* of them, not accounted for yet */

    atomic_bool full;    /* there was no room; until half of it is free again */
    atomic_bool sending; /* somebody does, and has what follows for himself */
    uint64_t shown;      /* the number of the last record that was sent */
};

static inline struct tap *tap_at(struct ppi_list *in_set)
{
    return PP_CONTAINER(in_set, struct tap, in_set);
}

struct tap_set {
    struct broker *broker;
    struct ppi_list taps; /* write; of struct tap, by in_set */
    uint64_t next_id;
    unsigned listening; /* taps with a subscription */
    atomic_bool posted; /* op is on its way */
    pp_op op;
};

/* PP_OK, PP_ENOMEM. */
int taps_open(struct broker *broker);
void taps_free(struct broker *broker);

/* In the write section: a tap of the peer's. Its number; 0: there are too many, or no memory. */
uint64_t tap_new(struct peer *peer, const struct tap_filter *filter);
/* The peer goes, and with it the taps that it has not subscribed to. */
void taps_peer_gone(struct peer *peer);

/* The tap of which the pattern is the subject. NULL: there is none. PP_EPERM in *why: it is
 * somebody else's; PP_EBUSY: it has its subscription. */
struct tap *tap_find(const struct peer *peer, const char *pattern, size_t length, int *why);

/* In the write section: the subscription sub->tap is of comes, or goes and the tap with it. */
void tap_enter(struct sub *sub);
void tap_leave(struct sub *sub);

/* Is there no room? Then there is none until half of it is free: so a tap whose client does not
 * read costs little more than a count, and the gaps of a slow one are few and long. */
bool tap_is_full(struct tap *tap);

/* So many messages that it should have shown are missed. */
void tap_miss(struct tap *tap, uint64_t count);

/* A message of which the tap's filter lets the size and all else by: its record is staged; or
 * missed where there is no room. */
void tap_record(struct worker *worker, struct tap *tap, const struct tap_view *view,
                const uint8_t *body, size_t size);

#endif
