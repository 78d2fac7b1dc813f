/* scan_tests.c: every rule of the framing. */
#include "support/random.h"
#include "support/support.h"
#include "unit/samples.h"
#include "unit/unit.h"

#include "wire/envelope.h"
#include "wire/scan.h"

struct memory {
    _Alignas(16) uint8_t bytes[PPI_SCANNER_BYTES];
};

static struct ppi_scanner *scanner_in(struct memory *memory)
{
    return ppi_scanner_init(memory->bytes, PPI_FRAME_MAX);
}

static enum ppi_scan scan_whole(const char *bytes, size_t size, uint32_t frame_max)
{
    struct memory memory;
    struct ppi_frame frame;

    return ppi_scan(ppi_scanner_init(memory.bytes, frame_max), (const uint8_t *)bytes, size,
                    &frame);
}
#define SCAN(text) scan_whole(text, sizeof text - 1, PPI_FRAME_MAX)

static void same_frame(const struct ppi_frame *a, const struct ppi_frame *b)
{
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->subject, b->subject);
    assert_int_equal(a->subject_length, b->subject_length);
    assert_int_equal(a->rest, b->rest);
    assert_int_equal(a->params, b->params);
    assert_int_equal(a->depth, b->depth);
}

/* A frame may arrive in any two pieces: no cut is special, a piece is never a frame, and what is
 * said to be missing is never more than what is. */
static void a_frame_survives_every_cut(void **state)
{
    (void)state;
    for (int i = 0; i < SAMPLES; i++) {
        struct ppi_buf buf = { 0 };
        struct memory memory;
        struct ppi_frame whole, cut;

        sample_append(&buf, i);
        size_t size = ppi_buf_size(&buf);
        struct ppi_scanner *scanner = scanner_in(&memory);
        assert_int_equal(ppi_scan(scanner, ppi_buf_data(&buf), size, &whole), PPI_SCAN_FRAME);
        assert_int_equal(whole.size, size);
        for (size_t at = 1; at < size; at++) {
            assert_int_equal(ppi_scan(scanner, ppi_buf_data(&buf), at, &cut), PPI_SCAN_MORE);
            assert_in_range(ppi_scan_missing(scanner), 1, size - at);
            uint8_t *moved = malloc(size); /* the bytes may have moved meanwhile */
            memcpy(moved, ppi_buf_data(&buf), size);
            assert_int_equal(ppi_scan(scanner, moved, size, &cut), PPI_SCAN_FRAME);
            same_frame(&cut, &whole);
            free(moved);
        }
        ppi_buf_deinit(&buf);
    }
}

static void a_frame_survives_arriving_byte_by_byte(void **state)
{
    (void)state;
    for (int i = 0; i < SAMPLES; i++) {
        struct ppi_buf buf = { 0 };
        struct memory memory;
        struct ppi_frame frame;

        sample_append(&buf, i);
        struct ppi_scanner *scanner = scanner_in(&memory);
        for (size_t at = 1; at < ppi_buf_size(&buf); at++)
            assert_int_equal(ppi_scan(scanner, ppi_buf_data(&buf), at, &frame), PPI_SCAN_MORE);
        assert_int_equal(ppi_scan(scanner, ppi_buf_data(&buf), ppi_buf_size(&buf), &frame),
                         PPI_SCAN_FRAME);
        ppi_buf_deinit(&buf);
    }
}

/* What follows a frame is not looked at. */
static void frames_in_a_row_are_found_one_by_one(void **state)
{
    struct ppi_buf buf = { 0 };
    struct memory memory;
    struct ppi_frame frame;
    size_t at = 0;

    (void)state;
    for (int i = 0; i < SAMPLES; i++)
        sample_append(&buf, i);
    struct ppi_scanner *scanner = scanner_in(&memory);
    for (int i = 0; i < SAMPLES; i++) {
        assert_int_equal(
            ppi_scan(scanner, ppi_buf_data(&buf) + at, ppi_buf_size(&buf) - at, &frame),
            PPI_SCAN_FRAME);
        at += frame.size;
    }
    assert_int_equal(at, ppi_buf_size(&buf));
    ppi_buf_deinit(&buf);
}

static void the_fields_of_the_envelope_are_noted(void **state)
{
    static const char call[] = "\x94\x00\xCD\x01\x02\xA5hello\x92\x01\x91\x02";
    struct memory memory;
    struct ppi_frame frame;

    (void)state;
    assert_int_equal(ppi_scan(scanner_in(&memory), (const uint8_t *)call, sizeof call - 1, &frame),
                     PPI_SCAN_FRAME);
    assert_int_equal(frame.type, PPI_CALL);
    assert_int_equal(frame.id, 0x102);
    assert_int_equal(frame.subject_length, 5);
    assert_memory_equal(ppi_frame_subject(&frame), "hello", 5);
    assert_int_equal(frame.rest, 5);
    assert_int_equal(frame.params, 11);
    assert_int_equal(frame.depth, 2);
}

/* Each of these is wrong at its last byte at the latest: no more is needed to see it. */
static void what_is_no_envelope_is_refused(void **state)
{
    (void)state;
    assert_int_equal(SCAN("\x93\x03"), PPI_SCAN_BAD);  /* no such type */
    assert_int_equal(SCAN("\x93\x00"), PPI_SCAN_BAD);  /* a call has four */
    assert_int_equal(SCAN("\x94\x02"), PPI_SCAN_BAD);  /* a notification three */
    assert_int_equal(SCAN("\x93\xFF"), PPI_SCAN_BAD);  /* negative */
    assert_int_equal(SCAN("\x93\xA1x"), PPI_SCAN_BAD); /* a text */
    assert_int_equal(SCAN("\x93\xC3"), PPI_SCAN_BAD);
    assert_int_equal(SCAN("\x93\x02\x01"), PPI_SCAN_BAD);      /* the subject is a text */
    assert_int_equal(SCAN("\x93\x02\xC4\x01s"), PPI_SCAN_BAD); /* not a binary */
    assert_int_equal(SCAN("\x93\x02\xA1s\x80"), PPI_SCAN_BAD); /* params are an array */
    assert_int_equal(SCAN("\x93\x02\xA1s\xC0"), PPI_SCAN_BAD);
    assert_int_equal(SCAN("\x94\x00\xFF"), PPI_SCAN_BAD); /* ids are not negative */
    assert_int_equal(SCAN("\x94\x00\xCF\x00\x00\x00\x01\x00\x00\x00\x00"), PPI_SCAN_BAD);
    assert_int_equal(SCAN("\x94\x00\xCA\x00\x00\x00\x00"), PPI_SCAN_BAD);
    assert_int_equal(SCAN("\x93\x02\xA1s\x91\xC1"), PPI_SCAN_BAD); /* never used by anybody */
    assert_int_equal(SCAN("\x94\x01\x01\xC1"), PPI_SCAN_BAD);
}

static void what_begins_with_another_byte_is_another_language(void **state)
{
    (void)state;
    for (int first = 0; first < 256; first++) {
        char byte = (char)first;
        enum ppi_scan expected = first == 0x93 || first == 0x94 ? PPI_SCAN_MORE : PPI_SCAN_ALIEN;

        assert_int_equal(scan_whole(&byte, 1, PPI_FRAME_MAX), expected);
    }
    assert_int_equal(SCAN("GET / HTTP/1.1\r\n"), PPI_SCAN_ALIEN);
    assert_int_equal(SCAN("\xDC\x00\x03\x02\xA1s\x90"), PPI_SCAN_ALIEN); /* only the short form */
}

static void nesting_ends_at_32(void **state)
{
    static const char *const opens[] = { "\x91", "\x81\xC0", "\xDC\x00\x01" };
    static const size_t sizes[] = { 1, 2, 3 };

    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        for (int levels = 30; levels <= 31; levels++) { /* below the params, with 2 above */
            struct ppi_buf buf = { 0 };

            ppi_buf_append(&buf, "\x93\x02\xA1s\x91", 5);
            for (int i = 0; i < levels - 1; i++)
                ppi_buf_append(&buf, opens[kind], sizes[kind]);
            ppi_buf_append(&buf, "\x90", 1);
            assert_int_equal(
                scan_whole((const char *)ppi_buf_data(&buf), ppi_buf_size(&buf), PPI_FRAME_MAX),
                levels == 30 ? PPI_SCAN_FRAME : PPI_SCAN_DEEP);
            ppi_buf_deinit(&buf);
        }
    }
}

/* What is claimed is compared with the limit as soon as it is claimed, in every place. */
static void giant_claims_are_refused_at_once(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } claims[] = {
        { "\xDD\xFF\xFF\xFF\xFF", 5 }, { "\xDF\xFF\xFF\xFF\xFF", 5 }, { "\xC6\xFF\xFF\xFF\xFF", 5 },
        { "\xDB\xFF\xFF\xFF\xFF", 5 }, { "\xC9\xFF\xFF\xFF\xFE", 5 }, { "\xC9\xFF\xFF\xFF\xFF", 5 },
        { "\xDD\x01\x00\x00\x00", 5 }, { "\xDB\x01\x00\x00\x00", 5 }, { "\xDF\x00\x80\x00\x00", 5 },
    };
    static const struct {
        const char *bytes;
        size_t size;
    } places[] = {
        { "\x93\x02\xA1s\x91", 5 },
        { "\x93\x02\xA1s\x91\x91\x91\x81\xA1k", 10 },
        { "\x94\x01\x01", 3 },
        { "\x94\x01\x01\xC0", 4 },
    };

    (void)state;
    for (size_t c = 0; c < PPI_COUNT(claims); c++)
        for (size_t p = 0; p < PPI_COUNT(places); p++) {
            char bytes[32];

            memcpy(bytes, places[p].bytes, places[p].size);
            memcpy(bytes + places[p].size, claims[c].bytes, claims[c].size);
            enum ppi_scan result =
                scan_whole(bytes, places[p].size + claims[c].size, PPI_FRAME_MAX);
            assert_true(result == PPI_SCAN_LARGE || result == PPI_SCAN_BAD);
        }
    /* many small claims that together are too much */
    struct ppi_buf buf = { 0 };
    ppi_buf_append(&buf, "\x93\x02\xA1s\x91", 5);
    for (int i = 0; i < 20; i++)
        ppi_buf_append(&buf, "\xDD\x00\x0F\x00\x00", 5);
    assert_int_equal(
        scan_whole((const char *)ppi_buf_data(&buf), ppi_buf_size(&buf), PPI_FRAME_MAX),
        PPI_SCAN_LARGE);
    ppi_buf_deinit(&buf);
}

static void a_frame_may_be_as_large_as_the_limit_and_no_larger(void **state)
{
    struct ppi_buf buf = { 0 };
    struct memory memory;
    struct ppi_frame frame;

    (void)state;
    sample_publish(&buf, "large", 10000);
    size_t size = ppi_buf_size(&buf);
    const char *bytes = (const char *)ppi_buf_data(&buf);
    assert_int_equal(scan_whole(bytes, size, (uint32_t)size), PPI_SCAN_FRAME);
    assert_int_equal(scan_whole(bytes, size, (uint32_t)size - 1), PPI_SCAN_LARGE);
    /* and is refused before its bytes have come */
    assert_int_equal(scan_whole(bytes, 20, (uint32_t)size), PPI_SCAN_MORE);
    assert_int_equal(scan_whole(bytes, 20, (uint32_t)size - 1), PPI_SCAN_LARGE);
    /* one that needs all of its bytes to be seen through */
    struct ppi_scanner *scanner = ppi_scanner_init(memory.bytes, 64);
    uint8_t many[80] = "\x93\x02\xA1s\xDC\x00\x40";
    assert_int_equal(ppi_scan(scanner, many, sizeof many, &frame), PPI_SCAN_LARGE);
    ppi_buf_deinit(&buf);
}

/* A megabyte in single bytes costs a look at each, not at all of them each time: if it were
 * quadratic this test would not end. */
static void a_large_frame_in_single_bytes_is_no_work(void **state)
{
    enum { SIZE = 4 * 1024 * 1024 };
    struct ppi_buf buf = { 0 };
    struct memory memory;
    struct ppi_frame frame;
    enum ppi_scan result = PPI_SCAN_MORE;

    (void)state;
    sample_publish(&buf, "large", SIZE);
    struct ppi_scanner *scanner = scanner_in(&memory);
    for (size_t at = 1; at <= ppi_buf_size(&buf); at++)
        result = ppi_scan(scanner, ppi_buf_data(&buf), at, &frame);
    assert_int_equal(result, PPI_SCAN_FRAME);
    ppi_buf_deinit(&buf);
}

/* Whatever comes, the scanner says something about it, and the same in one piece or in two. */
static void noise_gets_the_same_verdict_in_any_pieces(void **state)
{
    uint64_t seed = 3;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[64];
        struct memory memory;
        struct ppi_frame frame;
        size_t size = 1 + random_below(&seed, sizeof bytes - 1);

        bytes[0] = (uint8_t)(0x93 + round % 2);
        bytes[1] = (uint8_t)(round % 2 == 0 ? 2 : random_below(&seed, 2));
        for (size_t i = 2; i < size; i++)
            bytes[i] = (uint8_t)random_below(&seed, 256);
        if (size > 2 && round % 4 == 0)
            bytes[2] = 0xA0;
        enum ppi_scan whole = ppi_scan(scanner_in(&memory), bytes, size, &frame);
        for (size_t at = 1; at < size; at++) {
            struct ppi_scanner *scanner = scanner_in(&memory);
            enum ppi_scan first = ppi_scan(scanner, bytes, at, &frame);

            if (first != PPI_SCAN_MORE) {
                if (first != PPI_SCAN_FRAME && whole != first)
                    assert_true(whole != PPI_SCAN_FRAME && whole != PPI_SCAN_MORE);
                break;
            }
            assert_int_equal(ppi_scan(scanner, bytes, size, &frame), whole);
        }
    }
}

static void heads_are_frames_with_their_rest(void **state)
{
    static const char rest[] = "\xA1s\x91\x05";
    uint8_t out[PPI_HEAD_MAX + sizeof rest];
    struct memory memory;
    struct ppi_frame frame;
    const uint64_t numbers[] = { 0, 127, 128, 255, 256, 65535, 65536, UINT32_MAX };

    (void)state;
    for (size_t i = 0; i < PPI_COUNT(numbers); i++) {
        uint32_t number = (uint32_t)numbers[i];
        const size_t sizes[] = { ppi_head_call(out, number),
                                 ppi_head_rich_call(out, number, 9, false),
                                 ppi_head_message(out, number, false) };
        for (int kind = 0; kind < 3; kind++) {
            size_t size = kind == 0   ? ppi_head_call(out, number)
                          : kind == 1 ? ppi_head_rich_call(out, number, 9, false)
                                      : ppi_head_message(out, number, false);

            assert_int_equal(size, sizes[kind]);
            memcpy(out + size, rest, sizeof rest - 1);
            assert_int_equal(ppi_scan(scanner_in(&memory), out, size + sizeof rest - 1, &frame),
                             PPI_SCAN_FRAME);
            assert_int_equal(frame.size, size + sizeof rest - 1);
            assert_int_equal(frame.id, kind == 2 ? frame.id : number);
        }
        size_t size = ppi_head_answer(out, number);
        memcpy(out + size, "\xC0\x05", 2);
        assert_int_equal(ppi_scan(scanner_in(&memory), out, size + 2, &frame), PPI_SCAN_FRAME);
        assert_int_equal(frame.id, number);
    }
    char longest[PPI_SUBJECT_MAX];
    memset(longest, 'x', sizeof longest);
    size_t size = ppi_head_request(out, UINT32_MAX, longest, sizeof longest);
    assert_true(size <= PPI_HEAD_MAX);
    out[size] = 0x90;
    assert_int_equal(ppi_scan(scanner_in(&memory), out, size + 1, &frame), PPI_SCAN_FRAME);
    assert_int_equal(frame.subject_length, sizeof longest);
}

static void arrays_are_cut_into_their_elements(void **state)
{
    static const uint8_t array[] = "\x94\xA3one\x02\x92\x01\x02\xC0";
    struct ppi_slice slices[4];

    (void)state;
    assert_int_equal(ppi_slices(array, sizeof array - 1, slices, 4), 4);
    assert_int_equal(slices[0].size, 4);
    assert_int_equal(slices[1].size, 1);
    assert_int_equal(slices[2].size, 3);
    assert_ptr_equal(slices[3].data, array + 9);
    assert_int_equal(ppi_slices(array, sizeof array - 1, slices, 2), 4); /* more than asked for */
    assert_int_equal(ppi_slices((const uint8_t *)"\x80", 1, slices, 4), -1);
    struct ppi_value value = ppi_value_at(slices[0].data, slices[0].size);
    assert_int_equal(value.kind, PPI_VALUE_TEXT);
    assert_int_equal(value.text_length, 3);
    assert_memory_equal(value.text, "one", 3);
}

int scan_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_frame_survives_every_cut),
        TEST(a_frame_survives_arriving_byte_by_byte),
        TEST(frames_in_a_row_are_found_one_by_one),
        TEST(the_fields_of_the_envelope_are_noted),
        TEST(what_is_no_envelope_is_refused),
        TEST(what_begins_with_another_byte_is_another_language),
        TEST(nesting_ends_at_32),
        TEST(giant_claims_are_refused_at_once),
        TEST(a_frame_may_be_as_large_as_the_limit_and_no_larger),
        TEST(a_large_frame_in_single_bytes_is_no_work),
        TEST(noise_gets_the_same_verdict_in_any_pieces),
        TEST(heads_are_frames_with_their_rest),
        TEST(arrays_are_cut_into_their_elements),
    };
    int failures = 0;

    RUN_GROUP(&failures, "the scanner", tests);
    return failures;
}
