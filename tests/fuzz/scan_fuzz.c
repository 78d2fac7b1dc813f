/* scan_fuzz.c: the scanner and the reader on any bytes, in any pieces.
 *
 * The first byte chooses the largest frame, the second how the rest is cut. The verdict must not
 * depend on the cuts, frames must add up, nothing beyond the bytes may be read; and the tools'
 * scanner, which is written independently, must find the same ends. */
#include <stdlib.h>
#include <string.h>

#include <panpipe/port.h>

#include "../tools/value.h"
#include "fuzz/fuzz.h"
#include "link/reader.h"
#include "support/random.h"
#include "wire/scan.h"

enum { FRAMES_MAX = 1024 };

/* What was found in a stream: frames one behind the other, then what ended it. */
struct found {
    struct ppi_frame frames[FRAMES_MAX];
    int count;
    size_t size; /* of the frames */
    enum ppi_scan end;
};

struct memory {
    _Alignas(16) uint8_t bytes[PPI_SCANNER_BYTES];
};

static bool is_wrong(enum ppi_scan verdict)
{
    return verdict != PPI_SCAN_FRAME && verdict != PPI_SCAN_MORE;
}

static void check_frame(const struct ppi_frame *frame)
{
    FUZZ_CHECK(frame->size >= 4 && frame->type <= PPI_NOTIFICATION);
    FUZZ_CHECK(frame->depth < PPI_DEPTH_MAX);
    FUZZ_CHECK(frame->rest > 0 && frame->rest < frame->params && frame->params < frame->size);
    FUZZ_CHECK(value_size(frame->data, frame->size) == frame->size);
    struct ppi_value last = ppi_value_at(frame->data + frame->params, frame->size - frame->params);
    FUZZ_CHECK(last.size == frame->size - frame->params && last.depth == frame->depth);
    FUZZ_CHECK(last.kind == PPI_VALUE_ARRAY || frame->type == PPI_ANSWER);
    if (frame->type == PPI_ANSWER)
        return;
    FUZZ_CHECK(frame->subject_length == 0 || frame->subject > frame->rest);
    FUZZ_CHECK(frame->subject_length == 0 ||
               frame->subject + frame->subject_length == frame->params);
    struct ppi_slice slices[4];
    int count = ppi_slices(frame->data + frame->params, last.size, slices, 4);
    for (int i = 0; i < 4 && i < count; i++)
        FUZZ_CHECK(slices[i].size > 0 &&
                   slices[i].data + slices[i].size <= frame->data + frame->size);
}

static void find_whole(struct found *found, const uint8_t *data, size_t size, uint32_t frame_max)
{
    struct memory memory;
    struct ppi_scanner *scanner = ppi_scanner_init(&memory, frame_max);

    found->count = 0;
    found->size = 0;
    while (found->count < FRAMES_MAX) {
        struct ppi_frame *frame = &found->frames[found->count];
        uint8_t *copy = fuzz_copy(data + found->size, size - found->size);

        found->end = ppi_scan(scanner, copy, size - found->size, frame);
        if (found->end == PPI_SCAN_FRAME)
            check_frame(frame);
        frame->data = data + found->size;
        free(copy);
        if (found->end != PPI_SCAN_FRAME)
            return;
        FUZZ_CHECK(frame->size <= frame_max && frame->size <= size - found->size);
        found->size += frame->size;
        found->count++;
    }
}

static void check_same(const struct ppi_frame *a, const struct ppi_frame *b)
{
    FUZZ_CHECK(a->size == b->size && a->type == b->type && a->depth == b->depth);
    FUZZ_CHECK(a->rest == b->rest && a->params == b->params);
    FUZZ_CHECK(a->type == PPI_NOTIFICATION || a->id == b->id);
    FUZZ_CHECK(a->type == PPI_ANSWER || a->subject == b->subject);
    FUZZ_CHECK(a->type == PPI_ANSWER || a->subject_length == b->subject_length);
}

/* Scans one frame that comes in pieces, elsewhere each time. */
static enum ppi_scan find_cut(struct ppi_scanner *scanner, const uint8_t *data, size_t size,
                              uint64_t *seed, uint32_t step_max, struct ppi_frame *frame)
{
    enum ppi_scan verdict = PPI_SCAN_MORE;
    size_t promised = 0;

    for (size_t at = 0; at < size && verdict == PPI_SCAN_MORE;) {
        at += 1 + random_below(seed, step_max);
        at = at < size ? at : size;
        uint8_t *copy = fuzz_copy(data, at);

        verdict = ppi_scan(scanner, copy, at, frame);
        free(copy);
        if (verdict == PPI_SCAN_MORE) {
            FUZZ_CHECK(ppi_scan_missing(scanner) > 0);
            FUZZ_CHECK(promised <= at + ppi_scan_missing(scanner)); /* it never asks for less */
            promised = at + ppi_scan_missing(scanner);
        }
    }
    FUZZ_CHECK(verdict != PPI_SCAN_FRAME || frame->size >= promised);
    return verdict;
}

static void check_cuts(const struct found *whole, const uint8_t *data, size_t size,
                       uint32_t frame_max, uint64_t seed, uint32_t step_max)
{
    struct memory memory;
    struct ppi_scanner *scanner = ppi_scanner_init(&memory, frame_max);
    struct ppi_frame frame;
    size_t at = 0;

    for (int i = 0; i < whole->count; i++) {
        FUZZ_CHECK(find_cut(scanner, data + at, size - at, &seed, step_max, &frame) ==
                   PPI_SCAN_FRAME);
        check_same(&frame, &whole->frames[i]);
        at += frame.size;
    }
    if (whole->count == FRAMES_MAX)
        return;
    enum ppi_scan end = find_cut(scanner, data + at, size - at, &seed, step_max, &frame);
    FUZZ_CHECK(end != PPI_SCAN_FRAME && is_wrong(end) == is_wrong(whole->end));
}

/* --- the reader ------------------------------------------------------------------------------ */

struct reading {
    struct ppi_reader reader;
    const uint8_t *expected;
    size_t size; /* handed on so far */
    int count;
    uint64_t seed;
};

static enum ppi_verdict on_frame(void *context, const struct ppi_frame *frame)
{
    struct reading *reading = context;

    if (random_below(&reading->seed, 8) == 0)
        return PPI_HOLD;
    FUZZ_CHECK(memcmp(frame->data, reading->expected + reading->size, frame->size) == 0);
    reading->size += frame->size;
    reading->count++;
    return PPI_NEXT;
}

static bool on_urgent(void *context, const struct ppi_frame *frame)
{
    (void)context;
    check_frame(frame);
    return false;
}

static enum ppi_scan release(struct reading *reading)
{
    const struct ppi_sink sink = { reading, on_frame, on_urgent };
    enum ppi_scan verdict = ppi_reader_release(&reading->reader, &sink);

    FUZZ_CHECK(ppi_reader_keep(&reading->reader, NULL) == PP_OK);
    return verdict;
}

static void check_reader(const struct found *whole, const uint8_t *data, size_t size,
                         uint32_t frame_max, uint64_t seed)
{
    struct reading reading = { .reader = { .frame_max = frame_max }, .expected = data };
    const struct ppi_sink sink = { &reading, on_frame, on_urgent };
    enum ppi_scan verdict = PPI_SCAN_MORE;

    reading.seed = seed;
    for (size_t at = 0, step; at < size && verdict == PPI_SCAN_MORE; at += step) {
        struct ppi_batch batch;

        step = 1 + random_below(&reading.seed, 100);
        step = step < size - at ? step : size - at;
        uint8_t *copy = fuzz_copy(data + at, step);
        verdict = ppi_reader_feed(&reading.reader, &batch, &sink, copy, step);
        if (verdict == PPI_SCAN_MORE)
            FUZZ_CHECK(ppi_reader_keep(&reading.reader, &batch) == PP_OK);
        free(copy);
        FUZZ_CHECK(verdict != PPI_SCAN_MORE ||
                   reading.size + ppi_reader_bytes(&reading.reader) == at + step);
        if (verdict == PPI_SCAN_MORE && random_below(&reading.seed, 2) == 0)
            verdict = release(&reading);
    }
    while (verdict == PPI_SCAN_MORE && reading.reader.holding)
        verdict = release(&reading);
    FUZZ_CHECK(verdict != PPI_SCAN_FRAME && is_wrong(verdict) == is_wrong(whole->end));
    FUZZ_CHECK(is_wrong(verdict) ? reading.count <= whole->count : reading.count == whole->count);
    ppi_reader_deinit(&reading.reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t maxima[] = { 64, 300, 4096, PPI_FRAME_MAX };
    static struct found whole;
    uint32_t frame_max = maxima[fuzz_byte(&data, &size) % 4];
    uint64_t seed = fuzz_byte(&data, &size);

    find_whole(&whole, data, size, frame_max);
    if (size <= 2048)
        check_cuts(&whole, data, size, frame_max, seed, 1);
    check_cuts(&whole, data, size, frame_max, seed, 64);
    if (whole.count < FRAMES_MAX)
        check_reader(&whole, data, size, frame_max, seed);
    return 0;
}
