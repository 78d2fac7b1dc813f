/* link.h: a pipe that speaks frames; what the broker has for each client, and a client for its
 * broker.
 *
 * Reading: one pooled read is in flight at most. Its batch goes through the reader, frame by
 * frame, to events->frame; then events->end sends what was collected; only then is the buffer
 * given back, so frames may be passed on from where they lie.
 *
 * Writing: ppi_link_send writes at once what the pipe takes and queues a copy of the rest; one
 * write is in flight at most, and what is queued meanwhile goes out with the next.
 *
 * Hearing out: a write that finds nobody who reads makes the link mute; it queues, and ends with
 * what is read, so that who says something and leaves is heard. Frames that are held when the end
 * is read are lost with it. A client does not do so: what it sends is kept for the next broker.
 *
 * Flow control: `load` counts the bytes that were reserved for the link and are not yet with the
 * system. Who wants to send reserves first; while load is above queue_high that is refused, and
 * the refused link can wait for room: it is resumed when load has fallen to queue_low.
 *
 * Lifetime: OPEN, FINISHING (the queue still goes out), CLOSING, closed. Close may be called from
 * anywhere, any number of times: it marks, cancels, returns. When the last operation has come
 * back, events->closed is called from its handler; it is the last call, and there the owner may
 * free. Others that still know the link may call it until the owner has seen to it that nobody
 * does (the broker's write section, see broker/worker.h).
 *
 * Locks: `turn` serialises the handling of what is read (read and resume may be handled by two
 * workers); `lock` protects the queue and the state and is held for moments only, never across a
 * system call. turn before lock; never two links' locks at once. */
#ifndef PPI_LINK_H
#define PPI_LINK_H

#include <stdatomic.h>

#include <panpipe/pipe.h>

#include "base/list.h"
#include "io/sys.h"
#include "link/outq.h"
#include "link/reader.h"

struct ppi_link;

/* Called on the worker that handles one of the link's packets. */
struct ppi_link_events {
    /* Around everything else of a packet, or of a part of it. end: send what was collected. */
    void (*begin)(struct ppi_link *link);
    void (*end)(struct ppi_link *link);
    /* A frame. PPI_HOLD: ppi_link_resume must follow. */
    enum ppi_verdict (*frame)(struct ppi_link *link, const struct ppi_frame *frame);
    /* A frame that comes while others are held: is it urgent, and handled? */
    bool (*urgent)(struct ppi_link *link, const struct ppi_frame *frame);
    /* All frames that have come were handed on; before end, with the turn. May be NULL. */
    void (*batch)(struct ppi_link *link);
    /* What came is no frame. Say last words, if any; the link is closed after end. */
    void (*bad)(struct ppi_link *link, enum ppi_scan what);
    /* Frames of a mark's tag have gone out, or are lost. The lock is held: only count. */
    void (*sent)(struct ppi_link *link, void *tag, uint32_t count, bool lost);
    /* The same of frames that went out, and were sent with a sampled time. Before sent; NULL if
     * nobody samples. */
    void (*timed)(struct ppi_link *link, uint32_t count, uint64_t since_ns);
    /* The link is over, and the system has not taken a byte of this frame of a tag's: it may be
     * sent elsewhere. Before it is told as lost; not around begin and end. May be NULL. */
    void (*unsent)(struct ppi_link *link, void *tag, const uint8_t *frame, size_t size);
    /* Half a frame has come: from now on half_bytes and its times are worth watching. May be
     * NULL. */
    void (*half)(struct ppi_link *link);
    /* load has fallen to queue_low; may be NULL. */
    void (*room)(struct ppi_link *link);
    /* The last call. why: what ppi_link_close was told first. */
    void (*closed)(struct ppi_link *link, int why);
};

/* Bytes. */
struct ppi_link_limits {
    uint32_t frame_max;
    uint32_t read_ahead; /* of what is sent while frames are held */
    size_t queue_high, queue_low, queue_hard;
    bool hear_out; /* what somebody said before it left is heard to its end; above */
};

enum ppi_link_state { PPI_LINK_OPEN, PPI_LINK_FINISHING, PPI_LINK_CLOSING };

struct ppi_link {
    const struct ppi_link_events *events;
    const struct ppi_link_limits *limits;
    pp_handle *pipe; /* owned until closed */
    pp_port *port;

    struct ppi_mutex turn;
    struct ppi_reader reader;
    bool reading; /* a read is in flight, or its packet waits */
    pp_op read_op;
    /* When the half frame began and last grew, nanoseconds; 0: there is none. For whoever watches
     * the time. */
    atomic_uint_fast64_t half_began_ns, half_grew_ns;
    atomic_uint_fast64_t half_bytes;
    atomic_bool holding; /* frames are held: its sender waits */

    struct ppi_mutex lock;
    uint8_t state; /* enum ppi_link_state */
    bool writing;  /* somebody writes: an operation, or a thread at once; also while mute */
    bool mute;     /* a write has found nobody who reads: nothing goes out any more */
    bool resuming; /* resume_op is on its way */
    int why;
    unsigned pending; /* operations and writers that will come back */
    struct ppi_outq outq;
    size_t attempt; /* bytes at the front of outq that a write has, or had when it failed */
    bool torn;      /* for want of memory bytes are missing behind the front */
    pp_op write_op, resume_op, close_op;
    struct ppi_list waiters; /* links that wait for room here */
    struct ppi_list waiting; /* this link, in another's waiters */

    atomic_size_t load;
    atomic_bool dipped;               /* load was not above queue_high at some time since cleared */
    atomic_uint_fast64_t taken_bytes; /* by the system, ever */
    atomic_uint_fast64_t read_bytes;  /* ever */
};

/* Takes pipe over, attaches it to port, if it is not yet, and begins to read; frames may come
 * before this returns. PP_OK, or why not: then pipe is still the caller's, and the link is as
 * before. */
int ppi_link_open(struct ppi_link *link, pp_handle *pipe, pp_port *port,
                  const struct ppi_link_events *events, const struct ppi_link_limits *limits);

/* Frees what a closed link still has. */
void ppi_link_deinit(struct ppi_link *link);

/* Room for bytes: true, and they are counted; false: the link is above queue_high, or would go
 * above queue_hard. Every reservation is sent, or given back. */
bool ppi_link_reserve(struct ppi_link *link, size_t bytes);
void ppi_link_unreserve(struct ppi_link *link, size_t bytes);

/* Counts bytes that cannot be refused. false: the link is above queue_hard now; close it. */
bool ppi_link_charge(struct ppi_link *link, size_t bytes);

/* Sends whole frames, reserved or charged before; at most PP_PIECES_MAX parcels. If the link is
 * closing they are counted lost. since: when they came, sampled; 0: no sample. Not inside
 * events->sent. */
void ppi_link_send(struct ppi_link *link, const struct ppi_parcel *parcels, int count,
                   ppi_since since);

/* Until ppi_link_uncork what anybody sends is queued, in order; uncork writes it. false: somebody
 * writes at the moment, so it is queued anyway, and there is nothing to uncork. */
bool ppi_link_cork(struct ppi_link *link);
void ppi_link_uncork(struct ppi_link *link);

/* Who is at the other end, and the program it runs (exe; "": not known). peer, or exe, may be NULL.
 * PP_OK; PP_ESTATE: it is closing. */
int ppi_link_who(struct ppi_link *link, pp_peer *peer, char *exe, size_t size);

/* Has its end begun? */
bool ppi_link_is_closing(struct ppi_link *link);

/* Is it of use to send to it? Not to one that is closing, or mute. */
bool ppi_link_takes(struct ppi_link *link);

/* The waiter is resumed when full has room. false: full takes nothing more, nobody need wait. */
bool ppi_link_wait_for_room(struct ppi_link *full, struct ppi_link *waiter);

/* Every link that waits for room here goes on. */
void ppi_link_wake_waiters(struct ppi_link *link);

/* What was held is handed on again, on some worker. */
void ppi_link_resume(struct ppi_link *link);

/* Reads no more; what is queued goes out, then the link is closed. New sends are refused. */
void ppi_link_finish(struct ppi_link *link, int why);

/* Closes at once; what is queued is lost. */
void ppi_link_close(struct ppi_link *link, int why);

#endif
