/* reader.h: turns the bytes of a link into frames, in place.
 *
 * Whole frames are handed on where they lie, in the buffer of the read. Only the half frame at the
 * end of a batch is copied, once, and grows as its bytes arrive. A frame may be held: then it and
 * all that follow are kept, in order, until ppi_reader_release; frames that cannot wait (urgent)
 * are handed on all the same. Not thread-safe: a link is read by one worker at a time. */
#ifndef PPI_READER_H
#define PPI_READER_H

#include <stdbool.h>

#include "base/buf.h"
#include "wire/scan.h"

enum ppi_verdict {
    PPI_NEXT, /* done with the frame, go on */
    PPI_HOLD, /* not now: keep this frame and all after it */
    PPI_STOP  /* look at nothing more */
};

struct ppi_sink {
    void *context;
    enum ppi_verdict (*frame)(void *context, const struct ppi_frame *frame);
    /* While frames are held, or this one is to be: is it urgent? Then it was handled. */
    bool (*urgent)(void *context, const struct ppi_frame *frame);
};

/* Zero, with frame_max set, is a fresh reader.
 * Memory: a half frame of at most frame_max; what is held. An idle reader has none. */
struct ppi_reader {
    uint32_t frame_max;
    bool holding;
    struct ppi_buf half; /* a scanner and behind it the bytes of a half frame; or nothing */
    struct ppi_buf held;
    size_t held_done; /* of held, handed on and freed by ppi_reader_keep */
    bool releasing;
};

/* One batch of bytes on its way through a reader; lives on the stack. */
struct ppi_batch {
    _Alignas(16) uint8_t scanner[PPI_SCANNER_BYTES];
    const uint8_t *data, *tail;
    size_t size, tail_size;
    bool half_done; /* the half frame became whole in this batch */
};

/* Hands on the frames of data. PPI_SCAN_MORE: all was looked at. PPI_SCAN_FRAME: the sink said
 * PPI_STOP, or memory ran out. Else: what is wrong. The frames' bytes must stay until
 * ppi_reader_keep, which must follow unless the link is given up. */
enum ppi_scan ppi_reader_feed(struct ppi_reader *reader, struct ppi_batch *batch,
                              const struct ppi_sink *sink, const uint8_t *data, size_t size);

/* Hands on what was held, until the sink holds again. As ppi_reader_feed. */
enum ppi_scan ppi_reader_release(struct ppi_reader *reader, const struct ppi_sink *sink);

/* Takes frames back that were handed on last, whole and in one piece, and holds them: they and all
 * that follow are handed on again by ppi_reader_release. PP_OK or PP_ENOMEM. */
int ppi_reader_unread(struct ppi_reader *reader, const uint8_t *data, size_t size);

/* The batch is over: keeps its half frame. batch is NULL after ppi_reader_release.
 * PP_OK or PP_ENOMEM. */
int ppi_reader_keep(struct ppi_reader *reader, struct ppi_batch *batch);

/* Bytes kept, and of them those of a half frame. */
size_t ppi_reader_bytes(const struct ppi_reader *reader);
size_t ppi_reader_half(const struct ppi_reader *reader);

void ppi_reader_deinit(struct ppi_reader *reader);

#endif
