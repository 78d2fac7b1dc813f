/* base_tests.c: what everything else stands on: map, buf, status. */
#include "support/random.h"
#include "support/support.h"
#include "unit/unit.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/status.h"

/* The map against an array that cannot be wrong; keys collide on purpose. */
static void map_does_what_an_array_would_do(void **state)
{
    enum { KEYS = 300, STEPS = 200000 };
    struct ppi_map map = { 0 };
    void *model[KEYS] = { NULL };
    uint64_t seed = 1;
    size_t count = 0;

    (void)state;
    for (int step = 0; step < STEPS; step++) {
        uint32_t key = random_below(&seed, KEYS);
        uint64_t spread = (uint64_t)key << (key % 3 * 20);

        if (model[key] == NULL) {
            assert_null(ppi_map_get(&map, spread));
            assert_null(ppi_map_remove(&map, spread));
            model[key] = &model[random_below(&seed, KEYS)];
            assert_int_equal(ppi_map_add(&map, spread, model[key]), PP_OK);
            count++;
        } else {
            assert_ptr_equal(ppi_map_get(&map, spread), model[key]);
            assert_ptr_equal(ppi_map_remove(&map, spread), model[key]);
            model[key] = NULL;
            count--;
        }
        assert_int_equal(map.count, count);
    }
    size_t position = 0, walked = 0;
    while (ppi_map_next(&map, &position) != NULL)
        walked++;
    assert_int_equal(walked, count);
    ppi_map_deinit(&map);
}

static void an_empty_buf_takes_nothing_too(void **state)
{
    struct ppi_buf buf = { 0 };

    (void)state;
    assert_int_equal(ppi_buf_append(&buf, "", 0), PP_OK);
    assert_int_equal(ppi_buf_size(&buf), 0);
    assert_non_null(ppi_buf_room(&buf, 0));
    ppi_buf_consume(&buf, 0);
    ppi_buf_deinit(&buf);
}

static void buf_keeps_the_bytes_in_order(void **state)
{
    struct ppi_buf buf = { 0 };
    uint64_t seed = 2;
    uint8_t written = 0, read = 0;

    (void)state;
    for (int step = 0; step < 20000; step++) {
        uint8_t bytes[700];
        size_t size = random_below(&seed, sizeof bytes);

        for (size_t i = 0; i < size; i++)
            bytes[i] = written++;
        assert_int_equal(ppi_buf_append(&buf, bytes, size), PP_OK);
        size = random_below(&seed, 701);
        if (size > ppi_buf_size(&buf))
            size = ppi_buf_size(&buf);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(ppi_buf_data(&buf)[i], read++);
        ppi_buf_consume(&buf, size);
        assert_true(buf.capacity < 1024 * 1024); /* what was read is used again */
    }
    ppi_buf_deinit(&buf);
}

/* Not cut, either: a text that filled its array would go on with the next. */
static void has_words(int status)
{
    assert_int_equal(strncmp(pp_strerror(status), "PP_", 3), 0);
    assert_in_range(strlen(pp_strerror(status)), 8, 55);
}

static void every_status_has_words_and_every_error_name_a_status(void **state)
{
    (void)state;
    for (int status = PP_OK; status >= PP_EFULL; status--)
        has_words(status);
    for (int status = PP_EPROTO; status >= PP_EREMOTE; status--)
        has_words(status);
    assert_string_equal(pp_strerror(-1000), "unknown status");
    assert_int_equal(ppi_status_of_error("E_NORESP nobody", 15), PP_ENORESP);
    assert_int_equal(ppi_status_of_error("E_BUSY", 6), PP_EBUSY);
    assert_int_equal(ppi_status_of_error("E_BUSYBODY", 10), PP_EREMOTE);
    assert_int_equal(ppi_status_of_error("", 0), PP_EREMOTE);
}

static void time_is_written_as_people_do(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } times[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { 951782399999u, "2000-02-28T23:59:59.999Z" },
        { 951782400000u, "2000-02-29T00:00:00.000Z" },
        { 951868800000u, "2000-03-01T00:00:00.000Z" },
        { 1709164800000u, "2024-02-29T00:00:00.000Z" },
        { 1795294320123u, "2026-11-21T20:52:00.123Z" },
        { 4107542399000u, "2100-02-28T23:59:59.000Z" },
        { 4107542400000u, "2100-03-01T00:00:00.000Z" },
    };
    char text[PPI_TIME_TEXT];

    (void)state;
    for (size_t i = 0; i < PPI_COUNT(times); i++) {
        ppi_time_text(text, times[i].ms);
        assert_string_equal(text, times[i].text);
    }
}

int base_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(map_does_what_an_array_would_do),
        TEST(an_empty_buf_takes_nothing_too),
        TEST(buf_keeps_the_bytes_in_order),
        TEST(every_status_has_words_and_every_error_name_a_status),
        TEST(time_is_written_as_people_do),
    };
    int failures = 0;

    RUN_GROUP(&failures, "base", tests);
    return failures;
}
