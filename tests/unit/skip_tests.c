/* skip_tests.c: the quick way through a frame, and the parser's: nobody can tell which was taken.
 * A scanner that is given the first byte alone parses the rest of that frame. */
#include "support/random.h"
#include "support/support.h"
#include "unit/samples.h"
#include "unit/unit.h"

#include "wire/scan.h"
#include "wire/skip.h"

struct verdict {
    enum ppi_scan scan;
    uint32_t missing;
    struct ppi_frame frame;
};

static struct verdict verdict_on(const uint8_t *bytes, size_t size, uint32_t frame_max,
                                 bool first_alone)
{
    _Alignas(16) uint8_t memory[PPI_SCANNER_BYTES];
    struct ppi_scanner *scanner = ppi_scanner_init(memory, frame_max);
    struct verdict verdict = { .scan = PPI_SCAN_MORE };

    if (first_alone)
        verdict.scan = ppi_scan(scanner, bytes, 1, &verdict.frame);
    if (verdict.scan == PPI_SCAN_MORE)
        verdict.scan = ppi_scan(scanner, bytes, size, &verdict.frame);
    if (verdict.scan == PPI_SCAN_MORE)
        verdict.missing = ppi_scan_missing(scanner);
    return verdict;
}

/* Compares both ways, field by field; what came out. The bytes are where nothing follows them, so
 * that a sanitizer sees who reads on. */
static enum ppi_scan agree(const uint8_t *data, size_t size, uint32_t frame_max)
{
    uint8_t *bytes = malloc(size);

    memcpy(bytes, data, size);
    struct verdict quick = verdict_on(bytes, size, frame_max, false);
    struct verdict parsed = verdict_on(bytes, size, frame_max, true);
    assert_int_equal(quick.scan, parsed.scan);
    assert_int_equal(quick.missing, parsed.missing);
    if (quick.scan == PPI_SCAN_FRAME) {
        assert_ptr_equal(quick.frame.data, parsed.frame.data);
        assert_int_equal(quick.frame.size, parsed.frame.size);
        assert_int_equal(quick.frame.type, parsed.frame.type);
        assert_int_equal(quick.frame.id, parsed.frame.id);
        assert_int_equal(quick.frame.subject, parsed.frame.subject);
        assert_int_equal(quick.frame.subject_length, parsed.frame.subject_length);
        assert_int_equal(quick.frame.rest, parsed.frame.rest);
        assert_int_equal(quick.frame.params, parsed.frame.params);
        assert_int_equal(quick.frame.depth, parsed.frame.depth);
    }
    free(bytes);
    return quick.scan;
}

static void both_ways_agree_on_every_sample_at_every_cut(void **state)
{
    (void)state;
    for (int i = 0; i < SAMPLES; i++) {
        struct ppi_buf buf = { 0 };

        sample_append(&buf, i);
        for (size_t size = 1; size < ppi_buf_size(&buf); size++)
            assert_int_equal(agree(ppi_buf_data(&buf), size, PPI_FRAME_MAX), PPI_SCAN_MORE);
        assert_int_equal(agree(ppi_buf_data(&buf), ppi_buf_size(&buf), PPI_FRAME_MAX),
                         PPI_SCAN_FRAME);
        ppi_buf_deinit(&buf);
    }
}

/* The limit is the same one, to the byte. */
static void both_ways_agree_on_what_is_too_large(void **state)
{
    (void)state;
    for (int i = 0; i < SAMPLES; i++) {
        struct ppi_buf buf = { 0 };

        sample_append(&buf, i);
        uint32_t size = (uint32_t)ppi_buf_size(&buf);
        assert_int_equal(agree(ppi_buf_data(&buf), size, size), PPI_SCAN_FRAME);
        assert_int_equal(agree(ppi_buf_data(&buf), size, size - 1), PPI_SCAN_LARGE);
        ppi_buf_deinit(&buf);
    }
}

/* Changes bytes: one is another, or gone, or there twice; or the end is gone, or noise. */
static void mutate(struct ppi_buf *buf, uint64_t *seed)
{
    size_t size = ppi_buf_size(buf), at = random_below(seed, (uint32_t)size);
    uint8_t *bytes = buf->memory + buf->start;

    switch (random_below(seed, 6)) {
    case 0: bytes[at] = (uint8_t)random_below(seed, 256); break;
    case 1: bytes[at] ^= (uint8_t)(1u << random_below(seed, 8)); break;
    case 2: bytes[at] = (uint8_t)(0xC0 + random_below(seed, 32)); break; /* another type */
    case 3:
        if (size > 2) {
            memmove(bytes + at, bytes + at + 1, size - at - 1);
            buf->end--;
        }
        break;
    case 4:
        assert_int_equal(ppi_buf_append(buf, "x", 1), PP_OK);
        bytes = buf->memory + buf->start;
        memmove(bytes + at + 1, bytes + at, size - at);
        break;
    default: buf->end -= random_below(seed, (uint32_t)(size < 8 ? size : 8)); break;
    }
}

static void both_ways_agree_on_samples_that_were_tampered_with(void **state)
{
    enum { ROUNDS = 60000, KINDS = PPI_SCAN_LARGE + 1 };
    unsigned seen[KINDS] = { 0 };
    uint64_t seed = 11;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct ppi_buf buf = { 0 };

        sample_append(&buf, (int)random_below(&seed, SAMPLES));
        if (round % 2 == 0) /* there is often something behind a frame */
            sample_append(&buf, (int)random_below(&seed, SAMPLES));
        for (uint32_t changes = 1 + random_below(&seed, 3); changes > 0; changes--)
            mutate(&buf, &seed);
        uint32_t size = (uint32_t)ppi_buf_size(&buf);
        uint32_t frame_max = round % 8 == 0 ? 8 + size / 2 : PPI_FRAME_MAX;
        seen[agree(ppi_buf_data(&buf), size, frame_max)]++;
        ppi_buf_deinit(&buf);
    }
    for (int kind = 0; kind < KINDS; kind++)
        if (kind != PPI_SCAN_DEEP) /* which a few changes hardly make */
            assert_true(seen[kind] > ROUNDS / 200);
}

/* What the quick way knows is what the parser finds; and it knows everything that nests as deep
 * as it looks. The parser sees the value as the result in an answer. */
static void a_skipped_value_is_the_parsed_one(void **state)
{
    enum { HEAD = 4, ROUNDS = 60000 };
    uint64_t seed = 12;
    unsigned known = 0;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[HEAD + 40] = "\x94\x01\x05\xC0";
        unsigned depth;

        for (size_t i = HEAD; i < sizeof bytes; i++) /* mostly small: lengths that fit */
            bytes[i] = (uint8_t)(random_below(&seed, 3) == 0 ? random_below(&seed, 256)
                                                             : random_below(&seed, 8));
        bytes[HEAD] = (uint8_t)round; /* every first byte */
        struct verdict parsed = verdict_on(bytes, sizeof bytes, PPI_FRAME_MAX, true);
        size_t size = ppi_skip(bytes + HEAD, sizeof bytes - HEAD, &depth);
        if (size > 0) {
            assert_int_equal(parsed.scan, PPI_SCAN_FRAME);
            assert_int_equal(parsed.frame.size, HEAD + size);
            assert_int_equal(parsed.frame.depth, depth);
            known++;
        } else {
            assert_true(parsed.scan != PPI_SCAN_FRAME || parsed.frame.depth > PPI_SKIP_DEPTH);
        }
    }
    assert_true(known > ROUNDS / 2);
}

static void numbers_and_texts_are_read_in_every_form(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        enum ppi_value_kind kind;
        uint64_t number;
        const char *text;
    } values[] = {
#define VALUE(bytes, ...) { bytes, sizeof bytes - 1, __VA_ARGS__ }
        VALUE("\x7F", PPI_VALUE_NUMBER, 127, NULL),
        VALUE("\xCC\x05", PPI_VALUE_NUMBER, 5, NULL),
        VALUE("\xCD\x01\x02", PPI_VALUE_NUMBER, 0x102, NULL),
        VALUE("\xCE\x01\x02\x03\x04", PPI_VALUE_NUMBER, 0x1020304, NULL),
        VALUE("\xCF\x01\x02\x03\x04\x05\x06\x07\x08", PPI_VALUE_NUMBER, 0x102030405060708, NULL),
        VALUE("\xD0\x05", PPI_VALUE_NUMBER, 5, NULL),
        VALUE("\xD1\x01\x02", PPI_VALUE_NUMBER, 0x102, NULL),
        VALUE("\xD0\x80", PPI_VALUE_OTHER, 0, NULL), /* negative */
        VALUE("\xFF", PPI_VALUE_OTHER, 0, NULL),
        VALUE("\xA0", PPI_VALUE_TEXT, 0, ""),
        VALUE("\xA3one", PPI_VALUE_TEXT, 0, "one"),
        VALUE("\xD9\x03one", PPI_VALUE_TEXT, 0, "one"),
        VALUE("\xDA\x00\x03one", PPI_VALUE_TEXT, 0, "one"),
        VALUE("\xDB\x00\x00\x00\x03one", PPI_VALUE_TEXT, 0, "one"),
        VALUE("\xC4\x03one", PPI_VALUE_OTHER, 0, NULL),
        VALUE("\xC0", PPI_VALUE_OTHER, 0, NULL),
#undef VALUE
    };

    (void)state;
    for (size_t i = 0; i < PPI_COUNT(values); i++) {
        struct ppi_value value = ppi_value_at((const uint8_t *)values[i].bytes, values[i].size);

        assert_int_equal(value.size, values[i].size);
        assert_int_equal(value.kind, values[i].kind);
        if (value.kind == PPI_VALUE_NUMBER)
            assert_true(value.number == values[i].number);
        if (value.kind == PPI_VALUE_TEXT) {
            assert_int_equal(value.text_length, strlen(values[i].text));
            assert_memory_equal(value.text, values[i].text, value.text_length);
        }
        for (size_t cut = 0; cut < values[i].size; cut++) /* not whole is nothing */
            assert_int_equal(ppi_value_at((const uint8_t *)values[i].bytes, cut).size, 0);
    }
}

int skip_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_ways_agree_on_every_sample_at_every_cut),
        TEST(both_ways_agree_on_what_is_too_large),
        TEST(both_ways_agree_on_samples_that_were_tampered_with),
        TEST(a_skipped_value_is_the_parsed_one),
        TEST(numbers_and_texts_are_read_in_every_form),
    };
    int failures = 0;

    RUN_GROUP(&failures, "the quick way", tests);
    return failures;
}
