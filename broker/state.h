/* state.h: what the broker knows: the structs that its files share, and nothing that acts.
 *
 * Who may touch what:
 *   - view: while a worker is in its view (worker.h) the structure stands still: peers,
 *     subscriptions and the index are neither added nor freed. Every packet is handled in a view.
 *   - write: the structure changes only in the write section, when no worker is in a view. So a
 *     pointer found in a view is good until the view is left, and needs no count.
 *   - lock: what changes while messages flow has a lock of its own, named with it, or is atomic. */
#ifndef STATE_H
#define STATE_H

#include "base/list.h"
#include "base/map.h"
#include "link/link.h"
#include "log.h"
#include "settings.h"

struct broker;
struct peer;
struct subjects;
struct tap;
struct worker;

/* What a message is delivered as. */
enum form { FORM_PLAIN, FORM_RICH };

/* A subscription that has had its max is in a worker's list of those to end (listed). If all others
 * let go of it meanwhile, it is left to that list to free it. */
enum over { OVER_NOT, OVER_LISTED, OVER_LEFT };

/* A subscription, or (serve) the offer to answer calls. */
struct sub {
    struct peer *peer;
    uint64_t sid; /* unique on the connection, never reused */
    enum form form;
    bool serve, exclusive;
    bool echo;        /* also what the peer publishes itself */
    bool meta;        /* rich: says who sent it */
    bool cut;         /* policy: a receiver that is too slow is cut; else its publishers wait */
    bool drop;        /* policy of $sys: without room it misses a message (monitor.h) */
    struct tap *tap;  /* that of $sys.tap.N; or NULL */
    char *group;      /* owned; NULL: none */
    uint64_t max;     /* over after so many messages; 0: never */
    atomic_uint over; /* enum over */
    struct sub *next_over;
    atomic_uint in_flight; /* calls that wait for this server's answer */
    uint32_t max_inflight; /* of them; 0: no limit */
    uint8_t *doc;          /* owned: what a service says about itself, as it came; doc.h */
    size_t doc_size;       /* 0: nothing */
    bool retired;          /* unsubscribed; freed when nothing of it is queued, nor in a list */
    /* accepted = delivered + lost + merged + queued, always */
    atomic_uint_fast64_t accepted, merged;
    uint64_t delivered, lost; /* the peer's link lock */
    struct ppi_list in_peer;
    struct ppi_list in_events; /* write: told of events */
    uint8_t pattern_length;
    char pattern[];
};

/* A call that waits for its answer. It is in two maps until somebody claims it: whoever turns
 * `open` to false answers the caller, takes it out of both maps and frees it. Everybody else looks
 * at it only while holding the lock of a map in which it is. */
struct call {
    atomic_bool open; /* not before it is in both maps */
    struct peer *caller, *server;
    struct wait *wait; /* owned: it has no server yet, and is in the caller's map only */
    uint64_t sid;      /* the server's subscription that it came by; it may be gone meanwhile */
    uint32_t caller_id, server_id;
    uint64_t deadline_ns;  /* PPI_FOREVER: none */
    uint64_t due_ns;       /* its time is over then: the deadline, or the end of the wait */
    struct tap_note *note; /* owned: it was routed while somebody tapped; or NULL */
    struct call *next;     /* while free */
};

/* What a call waits for: a server that takes it, or (subs) that many subscriptions of its subject.
 */
struct wait {
    struct ppi_list in_broker;
    struct call *call;
    uint32_t subs; /* 0: a server */
    bool moved;    /* it had a server, which is gone: it ends if there is no other */
    bool crowded;  /* there are servers, but with all the calls they take, or without room */
    uint8_t subject_length;
    size_t subject; /* its offset in rest */
    size_t rest_size;
    uint8_t rest[]; /* from the header of the subject on, as in a frame */
};

/* A connection. */
struct peer {
    struct ppi_link link;
    struct broker *broker;
    struct ppi_list in_broker;
    uint64_t id;
    pp_peer who;
    char *exe;         /* the program it ran when it connected; owned; NULL: not known */
    bool known;        /* whose it is; else its first message will tell */
    struct user *user; /* counted; while not known, of its process */
    char *name;        /* as $hello gave it, or "pid-N"; owned */
    bool hello;        /* can be told things */
    bool bye;          /* said $bye; bye_id is its call, answered at the end */
    bool bye_asked;    /* as a request, so that there is an answer to give */
    uint32_t bye_id;
    uint64_t opened_ns;
    atomic_uint_fast64_t closes_ns; /* after $bye: closed then; 0: not yet */

    struct ppi_list subs; /* write */
    struct ppi_map subs_by_id;
    uint64_t next_sid;
    uint64_t delivered, lost; /* messages of all its subscriptions, ever; the link lock */

    struct ppi_mutex calls_lock; /* the two maps, next_server_id, waiting_bytes */
    struct ppi_map calls;        /* its own, by its ids */
    struct ppi_map serving;      /* others', by the broker's ids */
    uint32_t next_server_id;
    atomic_uint_fast64_t next_deadline_ns; /* no call of its own is over before that */
    size_t waiting_bytes;                  /* of its calls that wait for a server */
    struct ppi_list unsent; /* when it is gone: calls that it was not sent (unsent.h) */

    /* What it sent; by the worker that has the turn. */
    uint64_t frames_in, published;

    /* Holds (holds.h); but for holds by the worker that has the turn. */
    uint64_t held_since_ns;     /* what it sent is held up since then; 0: it is not */
    uint64_t held_ns;           /* before that */
    uint64_t held_by;           /* the id of whom it waits for, or waited for last; 0: nobody */
    atomic_uint_fast64_t holds; /* how often others had to wait for it */

    /* The watch over a slow reader, and over one that drains at the end; by the tick. */
    uint64_t slow_since_ns, window_began_ns, window_taken, drain_read_bytes;
    uint64_t slow_told_ns;    /* 0: it was not told to be slow, or to be no more */
    atomic_bool cut;          /* the broker ends it, and has told so */
    atomic_bool leaves_last;  /* it wants to see that all others have gone */
    uint64_t event_delivered; /* the number of its last event in plain form; events.c */
};

/* Connections of one user. */
enum { USER_NAME_MAX = 192, USER_ACCOUNT_MAX = 128 };
struct user {
    struct ppi_list in_broker;
    char name[USER_NAME_MAX];       /* a uid or a SID; "pid N" of clients not known yet */
    char account[USER_ACCOUNT_MAX]; /* what the system calls it; "": not known */
    uint32_t connections;
};

struct broker {
    struct settings settings;
    struct ppi_link_limits limits;
    pp_port *port;
    uint64_t id; /* random: tells one run of a broker from another */
    uint64_t started_ns;

    struct worker **workers;
    atomic_uint worker_count;
    uint32_t worker_max;
    struct ppi_mutex gate; /* held in the write section, and by those who wait for its end */
    atomic_uint writers;   /* inside the write section, or waiting for it */

    /* write */
    struct subjects *subjects; /* of struct sub, also those that serve */
    uint64_t version;          /* of the index; what a worker has cached for another is stale */
    struct ppi_list peers;
    struct ppi_map peers_by_id;
    struct ppi_list users;
    uint64_t next_peer_id, peer_count, sub_count;
    uint64_t gone_frames_in, gone_bytes_in, gone_bytes_out,
        gone_lost;      /* of connections that are gone */
    uint64_t gone_slow; /* of these, those that were cut for reading too slowly */
    bool stopping;
    uint64_t stop_by_ns;

    uint32_t taps; /* tap.h */
    bool tapped;   /* somebody listens to one: then each message is looked at */

    struct ppi_mutex waits_lock; /* waits */
    struct ppi_list waits;       /* calls without a server, in the order they came */
    atomic_uint crowded;         /* of them: those that servers have no room for */

    struct listener *listener;   /* owned */
    struct ticker *ticker;       /* owned */
    struct stopper *stopper;     /* owned */
    struct idle *idle;           /* owned */
    struct events *events;       /* owned */
    struct tap_set *tap_set;     /* owned */
    struct kicks *kicks;         /* owned */
    atomic_uint_fast64_t kicked; /* clients, ever */
    struct log log;
    void (*on_stopped)(void *context, pp_broker *broker);
    void *context;
    struct own_loop *own; /* embed.c's: its port and thread, if it was given none; or NULL */

    /* Of it, on its way on the port: accepts, timers, wishes, peers, refusals (broker.h). */
    atomic_uint_fast64_t out;
    atomic_uint references; /* until it is closed; until nothing of it is out */
};

#endif
