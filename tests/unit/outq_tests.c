/* outq_tests.c: the outgoing queue: its bytes and its accounts. */
#include "support/random.h"
#include "support/support.h"
#include "unit/unit.h"

#include "link/outq.h"

enum { TAGS = 5, STEPS = 4000 };

/* What the queue has told about each tag. */
struct tally {
    uint64_t sent[TAGS], lost[TAGS];
    int tags[TAGS]; /* their addresses are the tags */
};

static void count(void *context, void *tag, uint32_t frames, bool lost, ppi_since since)
{
    struct tally *tally = context;

    (void)since;
    if (tag != NULL)
        (lost ? tally->lost : tally->sent)[(int *)tag - tally->tags] += frames;
}

/* A model: every frame of the stream, with whose it is. */
struct stream {
    struct {
        uint32_t size;
        int tag; /* -1: nobody's */
    } frames[STEPS * 4];
    size_t count;
    uint64_t bytes;
};

static uint64_t whole_frames(const struct stream *stream, uint64_t taken, int tag)
{
    uint64_t frames = 0, at = 0;

    for (size_t i = 0; i < stream->count; i++) {
        at += stream->frames[i].size;
        frames += at <= taken && stream->frames[i].tag == tag;
    }
    return frames;
}

/* Bytes come out as they went in, whatever is taken when; and each tag is told of exactly the
 * frames whose last byte is gone. */
static void bytes_and_accounts_agree_whatever_is_taken(void **state)
{
    static struct stream stream;
    struct ppi_outq queue = { 0 };
    struct tally tally = { 0 };
    uint64_t seed = 5, taken = 0;
    uint8_t next_in = 0, next_out = 0;

    (void)state;
    memset(&stream, 0, sizeof stream);
    for (int step = 0; step < STEPS && stream.count + 9 < PPI_COUNT(stream.frames); step++) {
        uint8_t bytes[8192];
        struct ppi_sizes sizes[3];
        int kinds = 1 + (int)random_below(&seed, 3), tag = (int)random_below(&seed, TAGS + 1) - 1;
        size_t length = 0, size;

        for (int i = 0; i < kinds; i++) {
            sizes[i] =
                (struct ppi_sizes){ 1 + random_below(&seed, 900), 1 + random_below(&seed, 3) };
            for (uint32_t k = 0; k < sizes[i].count; k++) {
                stream.frames[stream.count].size = sizes[i].size;
                stream.frames[stream.count++].tag = tag;
                length += sizes[i].size;
            }
        }
        for (size_t i = 0; i < length; i++)
            bytes[i] = next_in++;
        const struct ppi_parcel parcel = { bytes, length, tag >= 0 ? &tally.tags[tag] : NULL, sizes,
                                           kinds };
        const pp_piece piece = { bytes, length };
        assert_int_equal(ppi_outq_mark(&queue, &parcel, 0), PP_OK);
        assert_int_equal(ppi_outq_append(&queue, &piece, 1), PP_OK);
        for (uint32_t writes = random_below(&seed, 3); writes > 0; writes--) {
            const uint8_t *front = ppi_outq_front(&queue, &size);

            if (size == 0)
                break;
            size = 1 + random_below(&seed, (uint32_t)size);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(front[i], next_out++);
            ppi_outq_taken(&queue, size, true, count, &tally);
            taken += size;
        }
        if (step % 100 == 0)
            for (int i = 0; i < TAGS; i++)
                assert_int_equal(tally.sent[i], whole_frames(&stream, taken, i));
    }
    ppi_outq_deinit(&queue, count, &tally);
    for (int i = 0; i < TAGS; i++) {
        assert_int_equal(tally.sent[i], whole_frames(&stream, taken, i));
        assert_int_equal(tally.sent[i] + tally.lost[i], whole_frames(&stream, UINT64_MAX, i));
    }
    ppi_outq_trim();
}

/* What one write left over goes before what others queued meanwhile. */
static void a_remainder_goes_in_front(void **state)
{
    struct ppi_outq queue = { 0 };
    struct tally tally = { 0 };
    const pp_piece second = { "second", 6 }, rest = { "rst", 3 };
    const struct ppi_sizes five = { 5, 1 }, six = { 6, 1 };
    const struct ppi_parcel first_parcel = { "first", 5, &tally.tags[0], &five, 1 };
    const struct ppi_parcel second_parcel = { "second", 6, &tally.tags[1], &six, 1 };
    char out[16] = "";
    size_t size, at = 0;
    const void *front;

    (void)state;
    ppi_outq_mark(&queue, &first_parcel, 0);
    ppi_outq_mark(&queue, &second_parcel, 0);
    ppi_outq_append(&queue, &second, 1);
    ppi_outq_taken(&queue, 2, false, count, &tally); /* "fi" was written at once */
    ppi_outq_prepend(&queue, &rest, 1);
    while ((front = ppi_outq_front(&queue, &size)) != NULL && size > 0) {
        memcpy(out + at, front, size);
        at += size;
        ppi_outq_taken(&queue, size, true, count, &tally);
    }
    assert_string_equal(out, "rstsecond");
    assert_int_equal(tally.sent[0], 1);
    assert_int_equal(tally.sent[1], 1);
    ppi_outq_deinit(&queue, count, &tally);
    ppi_outq_trim();
}

/* What the sink was told about when. */
struct moments {
    ppi_since since[8];
    uint32_t frames[8];
    int count;
};

static void note_moment(void *context, void *tag, uint32_t frames, bool lost, ppi_since since)
{
    struct moments *moments = context;

    (void)tag;
    assert_false(lost);
    moments->since[moments->count] = since;
    moments->frames[moments->count++] = frames;
}

/* Frames of one time share a mark, those that must wait get one, and a sample is kept exactly. */
static void marks_know_since_when_they_wait(void **state)
{
    const ppi_since sampled = ppi_since_sampled(1000000003),
                    rounded = ppi_since_rounded(2000000003);
    const struct ppi_sizes twice = { 5, 2 };
    const struct ppi_parcel parcel = { "firstfirst", 10, NULL, &twice, 1 };
    struct moments moments = { .count = 0 };
    struct ppi_outq queue = { 0 };

    (void)state;
    assert_true(ppi_since_is_sampled(sampled) && !ppi_since_is_sampled(rounded));
    assert_in_range(ppi_since_ns(sampled), 1000000000, 1000000003);
    assert_in_range(ppi_since_ns(rounded), 2000000003 - (1 << 22), 2000000003);
    assert_int_equal(ppi_outq_oldest(&queue), 0);
    ppi_outq_mark(&queue, &parcel, 0);
    ppi_outq_mark(&queue, &parcel, 0);
    ppi_outq_mark(&queue, &parcel, sampled);
    ppi_outq_mark(&queue, &parcel, rounded);
    ppi_outq_mark(&queue, &parcel, rounded);
    ppi_outq_taken(&queue, 7, false, note_moment, &moments); /* one and a half */
    assert_int_equal(ppi_outq_oldest(&queue), 0);
    ppi_outq_stamp(&queue, rounded);
    assert_int_equal(ppi_outq_oldest(&queue), rounded);
    ppi_outq_taken(&queue, 43, false, note_moment, &moments);
    assert_int_equal(moments.count, 4);
    assert_int_equal(moments.frames[0], 1);
    assert_int_equal(moments.since[0], 0);
    assert_int_equal(moments.frames[1], 3);
    assert_int_equal(moments.since[1], rounded);
    assert_int_equal(moments.frames[2], 2);
    assert_int_equal(moments.since[2], sampled);
    assert_int_equal(moments.frames[3], 4);
    assert_int_equal(ppi_outq_oldest(&queue), 0);
    ppi_outq_deinit(&queue, note_moment, &moments);
    ppi_outq_trim();
}

/* What the frames told were, and what they should be. */
struct told {
    struct stream *stream;
    const int *tags;
    size_t next;   /* frame */
    uint64_t at;   /* where it begins */
    uint64_t from; /* only what begins there or later */
};

static bool is_due(const struct told *told)
{
    return told->stream->frames[told->next].tag >= 0 && told->at >= told->from;
}

static void pass_over(struct told *told)
{
    while (told->next < told->stream->count && !is_due(told))
        told->at += told->stream->frames[told->next++].size;
}

static void check_told(void *context, void *tag, const uint8_t *frame, size_t size)
{
    struct told *told = context;

    pass_over(told);
    assert_true(told->next < told->stream->count);
    assert_int_equal(size, told->stream->frames[told->next].size);
    assert_ptr_equal(tag, &told->tags[told->stream->frames[told->next].tag]);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(frame[i], (uint8_t)(told->at + i));
    told->at += told->stream->frames[told->next++].size;
}

/* Of a queue that ends, whole frames of which no byte can have gone are told, as they went in: not
 * those that a write may have begun, nor those that were written at once and so never queued. */
static void what_cannot_have_gone_is_told_whole(void **state)
{
    static struct stream stream;
    uint64_t seed = 11;

    (void)state;
    for (int round = 0; round < 300; round++) {
        struct ppi_outq queue = { 0 };
        struct tally tally = { 0 };
        uint8_t bytes[4000];
        uint64_t at = 0;
        size_t size, first = random_below(&seed, 2) * 700; /* never queued, and nothing taken */

        memset(&stream, 0, sizeof stream);
        for (int i = 0; i < 40; i++) {
            size_t length = i == 0 && first > 0 ? first : 1 + random_below(&seed, sizeof bytes);
            int tag = (int)random_below(&seed, TAGS + 1) - 1;
            const struct ppi_sizes sizes = { (uint32_t)length, 1 };
            const struct ppi_parcel parcel = { bytes, length, tag >= 0 ? &tally.tags[tag] : NULL,
                                               &sizes, 1 };
            const pp_piece piece = { bytes, length };

            for (size_t k = 0; k < length; k++)
                bytes[k] = (uint8_t)(at + k);
            at += length;
            stream.frames[stream.count].size = (uint32_t)length;
            stream.frames[stream.count++].tag = tag;
            assert_int_equal(ppi_outq_mark(&queue, &parcel, 0), PP_OK);
            if (i > 0 || first == 0)
                assert_int_equal(ppi_outq_append(&queue, &piece, 1), PP_OK);
        }
        uint64_t gone = first == 0 ? random_below(&seed, 60000) : 0;
        for (uint64_t left = gone; left > 0;) {
            assert_non_null(ppi_outq_front(&queue, &size));
            size = size < left ? size : (size_t)left;
            ppi_outq_taken(&queue, size, true, count, &tally);
            left -= size;
        }
        size_t doubtful = random_below(&seed, 9000);
        struct told told = { &stream, tally.tags, 0, 0, first + gone + doubtful };
        ppi_outq_unsent(&queue, doubtful, check_told, &told);
        pass_over(&told);
        assert_int_equal(told.next, stream.count); /* none was left out */
        ppi_outq_deinit(&queue, count, &tally);
    }
    ppi_outq_trim();
}

int outq_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_and_accounts_agree_whatever_is_taken),
        TEST(a_remainder_goes_in_front),
        TEST(marks_know_since_when_they_wait),
        TEST(what_cannot_have_gone_is_told_whole),
    };
    int failures = 0;

    RUN_GROUP(&failures, "the outgoing queue", tests);
    return failures;
}
