/* worker.h: one thread's part of the broker: its view, what it has collected to send, its counts.
 *
 * The view is a lock of the worker's own that nobody else wants while messages flow: taking it
 * costs no sharing. The write section takes all views, so it has the broker to itself (a
 * "big-reader lock"). A worker enters its view with a packet and leaves it when the packet is
 * handled and what was collected is sent.
 *
 * Collected is per receiver: pieces of the batch that is being read, or of the arena, where heads
 * and rich forms are written. Each receiver gets one write for the whole batch. */
#ifndef WORKER_H
#define WORKER_H

#include "meta.h"
#include "state.h"
#include "times.h"

enum {
    WORKERS_MAX = 64,
    BOXES = 128,      /* receivers for which something is collected at once */
    BOX_PARCELS = 16, /* pieces for one receiver */
    ARENA_BYTES = 256 * 1024,
    SIZES_MAX = 4096,
    RUN_MAX = 1024,          /* messages routed at once */
    RUN_META_MAX = 256,      /* and if somebody asks who sent them */
    SMALL_FRAME_BYTES = 4096 /* up to this copying a frame is better than sending it in pieces */
};

/* Counts of one worker; the sum is the broker's. */
struct counts {
    uint64_t answers, late_answers, notes; /* what was published and called: traffic */
    uint64_t denied;                       /* connections of those who may not */
    uint64_t missed; /* records and events that their receivers had no room for */
    uint64_t errors; /* control requests answered with one */
};

struct box {
    struct ppi_link *link;
    int count;
    struct ppi_parcel parcels[BOX_PARCELS];
};

struct route; /* route.h */
struct traffic_table;
struct route_cache;

/* Consecutive messages of one connection on one route, not routed yet: router.h. */
struct run {
    struct route *route; /* NULL: nothing */
    struct peer *from;
    bool loose;          /* one message without its head: data begins with the subject */
    const uint8_t *data; /* whole frames, one behind the other */
    size_t bytes;
    size_t rest_bytes; /* of them, those in front of the frames' rests */
    uint32_t count;
    size_t meta_size; /* of meta, which ends each frame of those who ask; 0: nobody does */
    uint8_t meta[META_MAX];
    uint32_t sizes[RUN_MAX];
    uint16_t rests[RUN_MAX];
};

struct worker {
    struct ppi_mutex view;
    struct broker *broker;
    struct thread *thread; /* whose it is; the gate */
    struct counts counts;
    struct traffic_table *traffic; /* owned */
    struct times times;
    unsigned packets; /* begun */
    ppi_since since;  /* when the packet that is handled began; 0: it is not sampled */

    struct box boxes[BOXES];
    unsigned box_count;
    uint8_t slots[BOXES * 2]; /* by the link's address: index of its box + 1 */
    uint8_t *arena;
    size_t arena_used;
    struct ppi_sizes sizes[SIZES_MAX];
    unsigned size_count;
    uint64_t sends; /* times the arena and the sizes were emptied */

    struct run run;
    size_t handed;              /* receivers served in this packet */
    struct ppi_link *corked;    /* that of the peer whose packet it is; NULL: none */
    struct route_cache *routes; /* owned, route.c */
    struct route *called;       /* the one that a server was looked for last */
    struct sub *over;           /* subscriptions that have had their max; ended with the packet */
    bool slot_freed;            /* for a call that waits; looked after with the packet */
    struct call *free_calls;    /* for the next ones */
    unsigned free_call_count;
};

/* The calling thread's worker in this broker; made when it is needed first, or taken over from a
 * thread that has ended. NULL: no memory, and no worker to share; never while the broker runs. */
struct worker *worker_self(struct broker *broker);

void worker_enter(struct worker *worker);
/* Everything collected must have been sent. */
void worker_leave(struct worker *worker);

/* From the view into the write section and back: what was collected is sent first. Everything
 * found before may be gone. */
void worker_write_begin(struct worker *worker);
void worker_write_end(struct worker *worker);

/* Memory for bytes, at most ARENA_BYTES, and room for that many sizes, at most RUN_MAX, until the
 * next send. What was collected is sent if there is not enough. */
uint8_t *worker_space(struct worker *worker, size_t bytes, unsigned sizes);

/* Adds to the list of sizes that began at first (size_count, before): one that is equal to the
 * last is counted up. */
void worker_add_size(struct worker *worker, unsigned first, uint32_t size, uint32_t count);

/* Collects frames for a receiver; reserved or charged before. */
void worker_collect(struct worker *worker, struct ppi_link *link, const struct ppi_parcel *parcel);

/* The same for one frame made of a head and a rest. The head is copied, a small rest too; a large
 * one must stay where it is until the next send. tag as in ppi_parcel. */
void worker_collect_frame(struct worker *worker, struct ppi_link *link, const void *head,
                          size_t head_size, const void *rest, size_t rest_size, void *tag);

/* And for one with a tail, which is copied, too: its head, rest and tail. */
void worker_collect_parts(struct worker *worker, struct ppi_link *link, const pp_piece parts[3],
                          void *tag);

/* In the write section, for the link whose packet is handled: what was collected so far goes out
 * before anything that others send, but not before worker_send: no system call here. */
void worker_cork(struct worker *worker, struct ppi_link *link);

/* Sends all that was collected. The arena is empty then. */
void worker_send(struct worker *worker);

/* routes must be freed before (routes_forget). */
void worker_free(struct worker *worker);

#endif
