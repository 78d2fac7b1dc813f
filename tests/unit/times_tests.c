/* times_tests.c: times as counts of classes. */
#include "support/support.h"
#include "unit/unit.h"

#include "times.h"

static unsigned class_of(uint64_t ns)
{
    struct times times = { { 0 } };
    unsigned class = 0;

    times_add(&times, ns, 1);
    while (times.counts[class] == 0)
        class ++;
    return class;
}

/* From one to the next without a gap, and none wider than an eighth of where it begins. */
static void classes_lie_side_by_side(void **state)
{
    uint64_t begin = 0;

    (void)state;
    for (unsigned class = 0; class < TIMES_CLASSES - 1; class ++) {
        uint64_t end = times_ns(class);

        assert_int_equal(class_of(begin), class);
        assert_int_equal(class_of(end), class);
        assert_int_equal(class_of(end + 1), class + 1);
        assert_true(end - begin <= begin / 8);
        begin = end + 1;
    }
    assert_true(begin > (uint64_t)1000 * 1000 * 1000 * 60); /* a minute is not the last class */
    assert_int_equal(class_of(UINT64_MAX), TIMES_CLASSES - 1);
}

static void a_part_of_all_took_no_longer(void **state)
{
    struct times times = { { 0 } }, more = { { 0 } };

    (void)state;
    assert_int_equal(times_quantile_ns(&times, 0.5), 0);
    times_add(&times, 10, 98);
    times_add(&more, 12, 1);
    times_add(&more, 100000, 1);
    times_sum(&times, &more);
    assert_int_equal(times_quantile_ns(&times, 0.01), 10);
    assert_int_equal(times_quantile_ns(&times, 0.5), 10);
    assert_int_equal(times_quantile_ns(&times, 0.99), 12);
    assert_in_range(times_quantile_ns(&times, 0.999), 100000, 100000 * 9 / 8);
}

int times_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(classes_lie_side_by_side),
        TEST(a_part_of_all_took_no_longer),
    };
    int failures = 0;

    RUN_GROUP(&failures, "times", tests);
    return failures;
}
