/* index_tests.c: the broker's index of subjects, against matching each pattern by itself. */
#include "support/random.h"
#include "support/support.h"
#include "unit/unit.h"

#include "subjects.h"
#include "wire/subject.h"

enum { PATTERNS = 400, TOKENS_MAX = 4 };

struct entry {
    char pattern[64];
    bool entered;
    int visits;
};

static void count_visit(void *context, void *item)
{
    struct entry *entry = item;

    (void)context;
    entry->visits++;
}

/* Few tokens, so that patterns and subjects often meet. */
static void make_text(uint64_t *seed, char *text, bool pattern)
{
    static const char *const tokens[] = { "a", "b", "c", "dd", "$s", "@n", "*", ">" };
    int count = 1 + (int)random_below(seed, TOKENS_MAX);

    text[0] = '\0';
    for (int i = 0; i < count; i++) {
        uint32_t token = random_below(seed, pattern ? 8 : 6);

        if (i > 0)
            strcat(text, ".");
        strcat(text, tokens[token]);
        if (token == 7)
            return; /* ">" is the last */
    }
}

static void the_index_finds_what_matching_one_by_one_finds(void **state)
{
    static struct entry entries[PATTERNS];
    struct subjects *subjects = subjects_new();
    uint64_t seed = 4;

    (void)state;
    for (int i = 0; i < PATTERNS; i++)
        make_text(&seed, entries[i].pattern, true);
    for (int round = 0; round < 3000; round++) {
        struct entry *entry = &entries[random_below(&seed, PATTERNS)];
        char subject[64];

        if (entry->entered)
            subjects_remove(subjects, entry->pattern, strlen(entry->pattern), entry);
        else
            assert_int_equal(subjects_add(subjects, entry->pattern, strlen(entry->pattern), entry),
                             PP_OK);
        entry->entered = !entry->entered;
        make_text(&seed, subject, false);
        subjects_match(subjects, subject, strlen(subject), count_visit, NULL);
        for (int i = 0; i < PATTERNS; i++) {
            bool matches = entries[i].entered &&
                           ppi_subject_match(entries[i].pattern, strlen(entries[i].pattern),
                                             subject, strlen(subject));

            assert_int_equal(entries[i].visits, matches);
            entries[i].visits = 0;
        }
    }
    for (int i = 0; i < PATTERNS; i++)
        if (entries[i].entered)
            subjects_remove(subjects, entries[i].pattern, strlen(entries[i].pattern), &entries[i]);
    assert_int_equal(subjects_size(subjects), 0); /* nothing stays behind */
    subjects_free(subjects);
}

static void a_hundred_thousand_subjects_are_no_burden(void **state)
{
    enum { COUNT = 100000 };
    struct subjects *subjects = subjects_new();
    static struct entry entries[COUNT];
    char text[64];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "device.%d.state", i);
        assert_int_equal(subjects_add(subjects, text, strlen(text), &entries[i]), PP_OK);
    }
    for (int i = 0; i < COUNT; i += 7) {
        snprintf(text, sizeof text, "device.%d.state", i);
        subjects_match(subjects, text, strlen(text), count_visit, NULL);
        assert_int_equal(entries[i].visits, 1);
    }
    subjects_free(subjects);
}

int index_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_index_finds_what_matching_one_by_one_finds),
        TEST(a_hundred_thousand_subjects_are_no_burden),
    };
    int failures = 0;

    RUN_GROUP(&failures, "the index", tests);
    return failures;
}
