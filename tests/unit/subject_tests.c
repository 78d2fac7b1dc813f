/* subject_tests.c: subjects, patterns, and which of them match. */
#include "support/random.h"
#include "support/support.h"
#include "unit/unit.h"

#include "wire/subject.h"

static enum ppi_subject check(const char *text)
{
    return ppi_subject_check(text, strlen(text));
}

static void subjects_are_told_from_what_is_none(void **state)
{
    char longest[257];

    (void)state;
    assert_int_equal(check("a"), PPI_SUBJECT_PLAIN);
    assert_int_equal(check("ui.tick.1"), PPI_SUBJECT_PLAIN);
    assert_int_equal(check("a*b.c>d"), PPI_SUBJECT_PLAIN); /* wildcards are whole tokens */
    assert_int_equal(check("gr\xC3\xBC\xC3\x9F"
                           "e.\xE2\x82\xAC.\xF0\x9F\x98\x80"),
                     PPI_SUBJECT_PLAIN);
    assert_int_equal(check("$sys.stats"), PPI_SUBJECT_PLAIN);
    assert_int_equal(check("*"), PPI_SUBJECT_PATTERN);
    assert_int_equal(check("a.*.b"), PPI_SUBJECT_PATTERN);
    assert_int_equal(check("a.>"), PPI_SUBJECT_PATTERN);
    assert_int_equal(check(">"), PPI_SUBJECT_PATTERN);
    assert_int_equal(check(">.a"), PPI_SUBJECT_REST);
    assert_int_equal(check(""), PPI_SUBJECT_LENGTH);
    assert_int_equal(check("."), PPI_SUBJECT_TOKEN);
    assert_int_equal(check("a..b"), PPI_SUBJECT_TOKEN);
    assert_int_equal(check(".a"), PPI_SUBJECT_TOKEN);
    assert_int_equal(check("a."), PPI_SUBJECT_TOKEN);
    assert_int_equal(check("a b"), PPI_SUBJECT_BYTES);
    assert_int_equal(check("a\tb"), PPI_SUBJECT_BYTES);
    assert_int_equal(check("a\x7F"), PPI_SUBJECT_BYTES);
    assert_int_equal(ppi_subject_check("a\0b", 3), PPI_SUBJECT_BYTES);
    assert_int_equal(check("\xC3"), PPI_SUBJECT_BYTES);             /* cut */
    assert_int_equal(check("\xC0\xAF"), PPI_SUBJECT_BYTES);         /* overlong */
    assert_int_equal(check("\xED\xA0\x80"), PPI_SUBJECT_BYTES);     /* a surrogate */
    assert_int_equal(check("\xF4\x90\x80\x80"), PPI_SUBJECT_BYTES); /* beyond Unicode */
    memset(longest, 'x', 256);
    longest[255] = '\0';
    assert_int_equal(check(longest), PPI_SUBJECT_PLAIN);
    longest[255] = 'x';
    longest[256] = '\0';
    assert_int_equal(check(longest), PPI_SUBJECT_LENGTH);
}

static bool match(const char *pattern, const char *subject)
{
    return ppi_subject_match(pattern, strlen(pattern), subject, strlen(subject));
}

static void wildcards_match_tokens(void **state)
{
    (void)state;
    assert_true(match("a.b", "a.b"));
    assert_false(match("a.b", "a.bc"));
    assert_false(match("a.b", "a"));
    assert_false(match("a", "a.b"));
    assert_true(match("*", "a"));
    assert_false(match("*", "a.b"));
    assert_true(match("a.*", "a.b"));
    assert_true(match("*.b", "a.b"));
    assert_false(match("a.*", "a"));
    assert_true(match("a.*.c", "a.b.c"));
    assert_true(match(">", "a"));
    assert_true(match(">", "a.b.c"));
    assert_true(match("a.>", "a.b"));
    assert_true(match("a.>", "a.b.c"));
    assert_false(match("a.>", "a"));
    assert_true(match("*.>", "a.b"));
}

/* What begins with $ or @ is matched by those who name it. */
static void wildcards_do_not_match_reserved_first_tokens(void **state)
{
    (void)state;
    assert_false(match(">", "$sys.stats"));
    assert_false(match("*", "@ui"));
    assert_false(match("*.stats", "$sys.stats"));
    assert_true(match("$sys.>", "$sys.stats"));
    assert_true(match("@ui.*", "@ui.x"));
    assert_true(match("a.*", "a.$x"));
    assert_true(match("a.>", "a.@x"));
}

static bool overlap(const char *pattern, const char *other)
{
    bool there = ppi_subject_overlap(pattern, strlen(pattern), other, strlen(other));

    assert_true(there == ppi_subject_overlap(other, strlen(other), pattern, strlen(pattern)));
    return there;
}

static void patterns_overlap_where_a_subject_is_both(void **state)
{
    (void)state;
    assert_true(overlap("a.b", "a.b"));
    assert_false(overlap("a.b", "a.c"));
    assert_false(overlap("a.b", "a"));
    assert_true(overlap("a.*", "*.b"));
    assert_false(overlap("a.*", "*"));
    assert_false(overlap("a.*.c", "a.b.d"));
    assert_true(overlap("a.>", "*.b.c"));
    assert_true(overlap("a.>", "a.b.>"));
    assert_false(overlap("a.>", "a"));
    assert_false(overlap("a.>", "b.>"));
    assert_true(overlap(">", "*"));
    assert_false(overlap(">", "$sys.stats"));
    assert_false(overlap("*.x", "@me.*"));
    assert_true(overlap("@me.>", "@me.*"));
    assert_true(overlap("a.>", "a.$x"));
}

int subject_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(subjects_are_told_from_what_is_none),
        TEST(wildcards_match_tokens),
        TEST(wildcards_do_not_match_reserved_first_tokens),
        TEST(patterns_overlap_where_a_subject_is_both),
    };
    int failures = 0;

    RUN_GROUP(&failures, "subjects", tests);
    return failures;
}
