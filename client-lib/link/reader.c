#include "link/reader.h"

#include <panpipe/port.h>

#include "base/check.h"
#include "link/spare.h"

/* The scanner of the half frame; it moves when that grows. */
static struct ppi_scanner *half_scanner(const struct ppi_reader *reader)
{
    return (struct ppi_scanner *)(void *)ppi_buf_data(&reader->half);
}

static int hold(struct ppi_reader *reader, const uint8_t *data, size_t size)
{
    if (reader->held.memory == NULL)
        ppi_spare_take(&reader->held);
    return ppi_buf_append(&reader->held, data, size);
}

/* One whole frame, to the sink or to what is held. */
static enum ppi_verdict hand_on(struct ppi_reader *reader, const struct ppi_sink *sink,
                                const struct ppi_frame *frame)
{
    if (!reader->holding) {
        enum ppi_verdict verdict = sink->frame(sink->context, frame);

        if (verdict != PPI_HOLD)
            return verdict;
        reader->holding = true; /* for this frame, or for others that it found waiting */
    }
    if (sink->urgent(sink->context, frame))
        return PPI_NEXT;
    return hold(reader, frame->data, frame->size) == PP_OK ? PPI_NEXT : PPI_STOP;
}

/* Hands on the whole frames of data; *at is where the first one begins that is not whole. */
static enum ppi_scan hand_on_all(struct ppi_reader *reader, const struct ppi_sink *sink,
                                 struct ppi_scanner *scanner, const uint8_t *data, size_t size,
                                 size_t *at)
{
    struct ppi_frame frame;

    while (*at < size) {
        enum ppi_scan result = ppi_scan(scanner, data + *at, size - *at, &frame);

        if (result != PPI_SCAN_FRAME)
            return result;
        if (hand_on(reader, sink, &frame) == PPI_STOP)
            return PPI_SCAN_FRAME;
        *at += frame.size;
    }
    return PPI_SCAN_MORE;
}

/* Completes the half frame with bytes of data, as few as it takes; *at counts them. */
static enum ppi_scan complete(struct ppi_reader *reader, struct ppi_batch *batch,
                              const struct ppi_sink *sink, size_t *at)
{
    struct ppi_frame frame;

    while (*at < batch->size) {
        size_t part = ppi_scan_missing(half_scanner(reader));

        if (part > batch->size - *at)
            part = batch->size - *at;
        if (ppi_buf_append(&reader->half, batch->data + *at, part) != PP_OK)
            return PPI_SCAN_FRAME;
        *at += part;
        enum ppi_scan result =
            ppi_scan(half_scanner(reader), ppi_buf_data(&reader->half) + PPI_SCANNER_BYTES,
                     ppi_reader_half(reader), &frame);
        if (result == PPI_SCAN_MORE)
            continue;
        if (result != PPI_SCAN_FRAME)
            return result;
        ppi_check(frame.size == ppi_reader_half(reader));
        batch->half_done = true;
        return hand_on(reader, sink, &frame) == PPI_STOP ? PPI_SCAN_FRAME : PPI_SCAN_MORE;
    }
    return PPI_SCAN_MORE;
}

enum ppi_scan ppi_reader_feed(struct ppi_reader *reader, struct ppi_batch *batch,
                              const struct ppi_sink *sink, const uint8_t *data, size_t size)
{
    size_t at = 0;
    bool half = ppi_reader_half(reader) > 0;

    batch->data = data;
    batch->size = size;
    batch->tail = NULL;
    batch->tail_size = 0;
    batch->half_done = false;
    if (half) {
        enum ppi_scan result = complete(reader, batch, sink, &at);

        if (result != PPI_SCAN_MORE || !batch->half_done)
            return result;
    }
    enum ppi_scan result = hand_on_all(
        reader, sink, ppi_scanner_init(batch->scanner, reader->frame_max), data, size, &at);
    batch->tail = data + at;
    batch->tail_size = size - at;
    return result;
}

int ppi_reader_unread(struct ppi_reader *reader, const uint8_t *data, size_t size)
{
    reader->holding = true;
    if (!reader->releasing)
        return hold(reader, data, size);
    ppi_check(data + size == ppi_buf_data(&reader->held) + reader->held_done);
    reader->held_done -= size;
    return PP_OK;
}

static enum ppi_scan release(struct ppi_reader *reader, const struct ppi_sink *sink)
{
    _Alignas(16) uint8_t memory[PPI_SCANNER_BYTES];
    struct ppi_scanner *scanner = ppi_scanner_init(memory, reader->frame_max);
    struct ppi_frame frame;

    reader->holding = false;
    while (reader->held_done < ppi_buf_size(&reader->held)) {
        const uint8_t *data = ppi_buf_data(&reader->held) + reader->held_done;
        enum ppi_scan result =
            ppi_scan(scanner, data, ppi_buf_size(&reader->held) - reader->held_done, &frame);

        ppi_check(result == PPI_SCAN_FRAME); /* it was scanned before */
        switch (sink->frame(sink->context, &frame)) {
        case PPI_NEXT: reader->held_done += frame.size; break;
        case PPI_HOLD: reader->holding = true; return PPI_SCAN_MORE;
        case PPI_STOP: return PPI_SCAN_FRAME;
        }
    }
    return PPI_SCAN_MORE;
}

enum ppi_scan ppi_reader_release(struct ppi_reader *reader, const struct ppi_sink *sink)
{
    reader->releasing = true;
    return release(reader, sink);
}

/* Keeps the batch's half frame with the state of its scanner. */
static int keep_tail(struct ppi_reader *reader, struct ppi_batch *batch)
{
    if (reader->half.memory == NULL)
        ppi_spare_take(&reader->half);
    int error = ppi_buf_append(&reader->half, batch->scanner, sizeof batch->scanner);
    return error == PP_OK ? ppi_buf_append(&reader->half, batch->tail, batch->tail_size) : error;
}

int ppi_reader_keep(struct ppi_reader *reader, struct ppi_batch *batch)
{
    reader->releasing = false;
    if (reader->held_done > 0)
        ppi_buf_consume(&reader->held, reader->held_done);
    reader->held_done = 0;
    if (reader->held.memory != NULL && ppi_buf_size(&reader->held) == 0)
        ppi_spare_give(&reader->held);
    if (batch == NULL)
        return PP_OK;
    if (batch->half_done && (batch->tail_size == 0 || reader->half.capacity > PPI_SPARE_BYTES_MAX))
        ppi_spare_give(&reader->half);
    else if (batch->half_done)
        ppi_buf_clear(&reader->half);
    return batch->tail_size > 0 ? keep_tail(reader, batch) : PP_OK;
}

size_t ppi_reader_half(const struct ppi_reader *reader)
{
    size_t size = ppi_buf_size(&reader->half);

    return size > 0 ? size - PPI_SCANNER_BYTES : 0;
}

size_t ppi_reader_bytes(const struct ppi_reader *reader)
{
    return ppi_reader_half(reader) + ppi_buf_size(&reader->held);
}

void ppi_reader_deinit(struct ppi_reader *reader)
{
    ppi_buf_deinit(&reader->half);
    ppi_buf_deinit(&reader->held);
}
