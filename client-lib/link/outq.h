/* outq.h: what a link still has to send: bytes in chunks, and marks that know whose they are, and
 * some of them since when they wait.
 *
 * Only what the pipe did not take at once is ever copied in here. Marks count whole frames: when
 * the system has taken the last byte of a frame, the frame's tag is told. Frames of equal size
 * that belong together share one mark. Not thread-safe: the link's lock protects it. */
#ifndef PPI_OUTQ_H
#define PPI_OUTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <panpipe/pipe.h>

enum { PPI_CHUNK_BYTES = 64 * 1024 };

/* count frames of size bytes each. */
struct ppi_sizes {
    uint32_t size;
    uint32_t count;
};

/* Whole frames in one piece of memory, and whose they are; tag NULL: of nobody who counts. */
struct ppi_parcel {
    const void *data;
    size_t length;
    void *tag;
    const struct ppi_sizes *sizes; /* their sum is length */
    int size_count;
};

/* What is left of the parcels after the first bytes, adjacent ones as one piece; how many. */
int ppi_parcels_after(const struct ppi_parcel *parcels, int count, size_t bytes, pp_piece *pieces);

/* A moment as marks keep it; 0: none. Sampled ones are exact, and told when the frames go out;
 * others are rounded down, so that the frames of some milliseconds may share a mark. */
typedef uint64_t ppi_since;
static inline ppi_since ppi_since_sampled(uint64_t now_ns)
{
    return (now_ns & ~(uint64_t)3) | 1;
}
static inline ppi_since ppi_since_rounded(uint64_t now_ns)
{
    return (now_ns & ~(uint64_t)0x3FFFFF) | 2;
}
static inline bool ppi_since_is_sampled(ppi_since since)
{
    return (since & 1) != 0;
}
static inline uint64_t ppi_since_ns(ppi_since since)
{
    return since & ~(uint64_t)3;
}

struct ppi_mark;

/* Tells that count frames of tag have gone out, or (lost) never will. */
typedef void (*ppi_mark_sink)(void *context, void *tag, uint32_t count, bool lost, ppi_since since);

struct ppi_chunk;

/* Zero is an empty queue. */
struct ppi_outq {
    struct ppi_chunk *head, *tail;
    size_t bytes;           /* in the chunks */
    struct ppi_mark *marks; /* a ring */
    size_t mark_first, mark_count, mark_capacity;
    size_t front_taken; /* bytes of the first mark's first frame that are gone */
};

/* Adds bytes at the end. PP_OK, or PP_ENOMEM: nothing was added. */
int ppi_outq_append(struct ppi_outq *queue, const pp_piece *pieces, int count);

/* Adds bytes in front of all others: what one write left over while others queued behind it. */
int ppi_outq_prepend(struct ppi_outq *queue, const pp_piece *pieces, int count);

/* Marks the frames of a parcel, which is sent or appended next. PP_OK or PP_ENOMEM. */
int ppi_outq_mark(struct ppi_outq *queue, const struct ppi_parcel *parcel, ppi_since since);

/* The marks at the front that have no time get this one: they have to wait. */
void ppi_outq_stamp(struct ppi_outq *queue, ppi_since since);

/* Since when the first frame waits; 0: none does, or it is not known. */
ppi_since ppi_outq_oldest(const struct ppi_outq *queue);

/* The first bytes that wait, in one piece. *size is 0 if there are none. */
const void *ppi_outq_front(const struct ppi_outq *queue, size_t *size);

/* The system has taken size bytes: of the queue (from_queue), or of what was never queued. */
void ppi_outq_taken(struct ppi_outq *queue, size_t size, bool from_queue, ppi_mark_sink sink,
                    void *context);

/* Tells the frames of tags that the system has not taken a byte of, in their order, each in one
 * piece that is good until sink returns. doubtful: so many bytes at the front were given to it, and
 * may have been taken. Without memory it tells no more. */
typedef void (*ppi_frame_sink)(void *context, void *tag, const uint8_t *frame, size_t size);
void ppi_outq_unsent(const struct ppi_outq *queue, size_t doubtful, ppi_frame_sink sink,
                     void *context);

/* Forgets everything: every frame that is left is lost. */
void ppi_outq_deinit(struct ppi_outq *queue, ppi_mark_sink sink, void *context);

/* Frees the chunks that are kept for reuse; for programs that end tidily. */
void ppi_outq_trim(void);

#endif
