/* reader_tests.c: from bytes to frames, in any pieces; held, released, taken back. */
#include "support/random.h"
#include "support/support.h"
#include "unit/samples.h"
#include "unit/unit.h"

#include "link/reader.h"

/* What the sink has seen, frame after frame, as bytes; and when it wants to hold. */
struct seen {
    struct ppi_reader reader;
    struct ppi_buf frames, urgent;
    int count, hold_at; /* holds before the hold_at-th frame; -1: never */
    bool all_urgent;
};

static enum ppi_verdict on_frame(void *context, const struct ppi_frame *frame)
{
    struct seen *seen = context;

    if (seen->count == seen->hold_at) {
        seen->hold_at = -1;
        return PPI_HOLD;
    }
    seen->count++;
    ppi_buf_append(&seen->frames, frame->data, frame->size);
    return PPI_NEXT;
}

static bool on_urgent(void *context, const struct ppi_frame *frame)
{
    struct seen *seen = context;

    if (frame->type != PPI_ANSWER)
        return false;
    ppi_buf_append(&seen->urgent, frame->data, frame->size);
    return true;
}

static void seen_init(struct seen *seen, int hold_at)
{
    memset(seen, 0, sizeof *seen);
    seen->reader.frame_max = PPI_FRAME_MAX;
    seen->hold_at = hold_at;
}

static void seen_deinit(struct seen *seen)
{
    ppi_reader_deinit(&seen->reader);
    ppi_buf_deinit(&seen->frames);
    ppi_buf_deinit(&seen->urgent);
}

static enum ppi_scan feed(struct seen *seen, const void *data, size_t size)
{
    const struct ppi_sink sink = { seen, on_frame, on_urgent };
    struct ppi_batch batch;
    uint8_t *copy = malloc(size); /* as a read's buffer, which is gone afterwards */

    memcpy(copy, data, size);
    enum ppi_scan result = ppi_reader_feed(&seen->reader, &batch, &sink, copy, size);
    if (result == PPI_SCAN_MORE)
        assert_int_equal(ppi_reader_keep(&seen->reader, &batch), PP_OK);
    free(copy);
    return result;
}

static void release(struct seen *seen)
{
    const struct ppi_sink sink = { seen, on_frame, on_urgent };

    assert_int_equal(ppi_reader_release(&seen->reader, &sink), PPI_SCAN_MORE);
    ppi_reader_keep(&seen->reader, NULL);
}

static void all_samples(struct ppi_buf *buf)
{
    for (int i = 0; i < SAMPLES; i++)
        sample_append(buf, i);
}

static void assert_same(const struct ppi_buf *a, const struct ppi_buf *b)
{
    assert_int_equal(ppi_buf_size(a), ppi_buf_size(b));
    assert_memory_equal(ppi_buf_data(a), ppi_buf_data(b), ppi_buf_size(a));
}

static void every_cut_gives_the_same_frames(void **state)
{
    struct ppi_buf buf = { 0 };

    (void)state;
    all_samples(&buf);
    for (size_t at = 1; at < ppi_buf_size(&buf); at++) {
        struct seen seen;

        seen_init(&seen, -1);
        assert_int_equal(feed(&seen, ppi_buf_data(&buf), at), PPI_SCAN_MORE);
        assert_int_equal(feed(&seen, ppi_buf_data(&buf) + at, ppi_buf_size(&buf) - at),
                         PPI_SCAN_MORE);
        assert_int_equal(seen.count, SAMPLES);
        assert_same(&seen.frames, &buf);
        seen_deinit(&seen);
    }
    ppi_buf_deinit(&buf);
}

/* What a half frame, or a held one, needed goes to whoever needs it next. */
static void a_reader_keeps_memory_only_for_what_it_keeps(void **state)
{
    struct ppi_buf buf = { 0 };
    struct seen seen;

    (void)state;
    sample_publish(&buf, "x", 30000);
    seen_init(&seen, 1);
    assert_int_equal(feed(&seen, ppi_buf_data(&buf), 20000), PPI_SCAN_MORE);
    assert_int_equal(ppi_reader_bytes(&seen.reader), 20000);
    assert_int_equal(feed(&seen, ppi_buf_data(&buf) + 20000, ppi_buf_size(&buf) - 20000),
                     PPI_SCAN_MORE);
    assert_null(seen.reader.half.memory);
    assert_int_equal(feed(&seen, ppi_buf_data(&buf), ppi_buf_size(&buf)), PPI_SCAN_MORE);
    assert_int_equal(ppi_reader_bytes(&seen.reader), ppi_buf_size(&buf)); /* held */
    release(&seen);
    assert_null(seen.reader.held.memory);
    assert_int_equal(seen.count, 2);
    seen_deinit(&seen);
    ppi_buf_deinit(&buf);
}

static void random_pieces_give_the_same_frames(void **state)
{
    struct ppi_buf buf = { 0 };
    uint64_t seed = 6;

    (void)state;
    for (int i = 0; i < 20; i++)
        all_samples(&buf);
    for (int round = 0; round < 200; round++) {
        uint32_t piece_max = 1 + random_below(&seed, round % 2 ? 10 : 9000);
        struct seen seen;

        seen_init(&seen, -1);
        for (size_t at = 0, piece; at < ppi_buf_size(&buf); at += piece) {
            piece = 1 + random_below(&seed, piece_max);
            if (piece > ppi_buf_size(&buf) - at)
                piece = ppi_buf_size(&buf) - at;
            assert_int_equal(feed(&seen, ppi_buf_data(&buf) + at, piece), PPI_SCAN_MORE);
        }
        assert_same(&seen.frames, &buf);
        assert_int_equal(ppi_reader_bytes(&seen.reader), 0);
        seen_deinit(&seen);
    }
    ppi_buf_deinit(&buf);
}

/* Wherever a frame is held, in whatever pieces the bytes come: all frames come, in order, once;
 * those that cannot wait come at once. */
static void held_frames_come_later_in_order(void **state)
{
    struct ppi_buf buf = { 0 }, rest = { 0 };
    uint64_t seed = 7;

    (void)state;
    all_samples(&buf);
    for (int hold_at = 0; hold_at < SAMPLES; hold_at++)
        for (int pieces = 1; pieces < 40; pieces += 3) {
            struct seen seen;
            size_t step = ppi_buf_size(&buf) / (size_t)pieces + 1;

            seen_init(&seen, hold_at);
            for (size_t at = 0; at < ppi_buf_size(&buf); at += step) {
                size_t left = ppi_buf_size(&buf) - at;

                assert_int_equal(feed(&seen, ppi_buf_data(&buf) + at, left < step ? left : step),
                                 PPI_SCAN_MORE);
                if (seen.reader.holding && random_below(&seed, 4) == 0) {
                    seen.hold_at = seen.count + 2; /* and once more */
                    release(&seen);
                }
            }
            while (seen.reader.holding)
                release(&seen);
            ppi_buf_append(&seen.frames, ppi_buf_data(&seen.urgent), ppi_buf_size(&seen.urgent));
            assert_int_equal(ppi_buf_size(&seen.frames), ppi_buf_size(&buf));
            assert_int_equal(ppi_reader_bytes(&seen.reader), 0);
            seen_deinit(&seen);
        }
    ppi_buf_deinit(&buf);
    ppi_buf_deinit(&rest);
}

/* A half frame is as much memory as has come of it, not as much as it claims. */
static void memory_grows_with_what_comes_not_with_what_is_claimed(void **state)
{
    static const char claim[] = "\x93\x02\xA1s\x91\xC6\x00\xF0\x00\x00"; /* 15 MiB to come */
    struct seen seen;
    char piece[1000] = "";

    (void)state;
    seen_init(&seen, -1);
    assert_int_equal(feed(&seen, claim, sizeof claim - 1), PPI_SCAN_MORE);
    for (int i = 0; i < 20; i++)
        assert_int_equal(feed(&seen, piece, sizeof piece), PPI_SCAN_MORE);
    assert_int_equal(ppi_reader_half(&seen.reader), sizeof claim - 1 + 20 * sizeof piece);
    assert_int_equal(seen.count, 0);
    seen_deinit(&seen);
}

static void what_is_wrong_is_said_and_what_was_before_it_counts(void **state)
{
    static const char good_then_bad[] = "\x93\x02\xA1s\x90\x93\x02\xA1s\x90\x93\x09";
    struct seen seen;

    (void)state;
    for (size_t at = 1; at < sizeof good_then_bad - 1; at++) {
        seen_init(&seen, -1);
        enum ppi_scan first = feed(&seen, good_then_bad, at);
        enum ppi_scan second = first == PPI_SCAN_MORE
                                   ? feed(&seen, good_then_bad + at, sizeof good_then_bad - 1 - at)
                                   : first;
        assert_int_equal(second, PPI_SCAN_BAD);
        assert_int_equal(seen.count, 2);
        seen_deinit(&seen);
    }
}

int reader_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_cut_gives_the_same_frames),
        TEST(a_reader_keeps_memory_only_for_what_it_keeps),
        TEST(random_pieces_give_the_same_frames),
        TEST(held_frames_come_later_in_order),
        TEST(memory_grows_with_what_comes_not_with_what_is_claimed),
        TEST(what_is_wrong_is_said_and_what_was_before_it_counts),
    };
    int failures = 0;

    RUN_GROUP(&failures, "the reader", tests);
    return failures;
}
