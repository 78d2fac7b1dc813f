/* subject_fuzz.c: subjects, patterns and the broker's index, against matchers of a few lines.
 *
 * The input is a pattern, a newline, a subject. */
#include <stdlib.h>
#include <string.h>

#include <panpipe/port.h>

#include "../tools/text.h"
#include "fuzz/fuzz.h"
#include "subjects.h"
#include "wire/subject.h"

struct text {
    const char *data;
    size_t size;
};

/* The text up to the first '.', which is taken off with it. */
static struct text cut_token(struct text *text, bool *last)
{
    const char *dot = text->size > 0 ? memchr(text->data, '.', text->size) : NULL;
    struct text token = { text->data, dot != NULL ? (size_t)(dot - text->data) : text->size };

    *last = dot == NULL;
    text->data += token.size + !*last;
    text->size -= token.size + !*last;
    return token;
}

static bool is_one(struct text token, char letter)
{
    return token.size == 1 && token.data[0] == letter;
}

/* Decodes the letters and looks at their numbers. */
static bool is_utf8(struct text text)
{
    static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };

    for (size_t at = 0; at < text.size;) {
        unsigned char first = (unsigned char)text.data[at++];
        unsigned more = first < 0x80   ? 0
                        : first < 0xC0 ? 9
                        : first < 0xE0 ? 1
                        : first < 0xF0 ? 2
                                       : 3;
        uint32_t letter = more == 0 ? first : first & (0x3Fu >> more);

        if (more == 9 || first >= 0xF8 || text.size - at < more)
            return false;
        for (unsigned i = 0; i < more; i++, at++) {
            if (((unsigned char)text.data[at] & 0xC0) != 0x80)
                return false;
            letter = letter << 6 | ((unsigned char)text.data[at] & 0x3F);
        }
        if (letter < least[more] || letter > 0x10FFFF || (letter >= 0xD800 && letter < 0xE000))
            return false;
    }
    return true;
}

/* 0: it is none; 1: a subject; 2: a pattern. */
static int judge(struct text text)
{
    bool last = false, wildcard = false;

    if (text.size < 1 || text.size > 255 || !is_utf8(text))
        return 0;
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7F)
            return 0;
    while (!last) {
        struct text token = cut_token(&text, &last);

        if (token.size == 0 || (is_one(token, '>') && !last))
            return 0;
        wildcard = wildcard || is_one(token, '*') || is_one(token, '>');
    }
    return wildcard ? 2 : 1;
}

static bool matches(struct text pattern, struct text subject, bool first)
{
    bool last_p, last_s;
    struct text p = cut_token(&pattern, &last_p), s = cut_token(&subject, &last_s);
    bool reserved = first && (s.data[0] == '$' || s.data[0] == '@');

    if (is_one(p, '>'))
        return !reserved;
    bool same =
        is_one(p, '*') ? !reserved : p.size == s.size && memcmp(p.data, s.data, p.size) == 0;
    if (!same || last_p || last_s)
        return same && last_p && last_s;
    return matches(pattern, subject, false);
}

static void count_visit(void *context, void *item)
{
    (void)item;
    ++*(int *)context;
}

static int visits(struct text pattern, struct text subject)
{
    struct subjects *subjects = subjects_new();
    int item = 0, count = 0;

    FUZZ_CHECK(subjects != NULL);
    size_t before = subjects_size(subjects);
    FUZZ_CHECK(subjects_add(subjects, pattern.data, pattern.size, &item) == PP_OK);
    FUZZ_CHECK(subjects_add(subjects, "a.*", 3, &count) == PP_OK);
    subjects_remove(subjects, "a.*", 3, &count);
    subjects_match(subjects, subject.data, subject.size, count_visit, &count);
    subjects_remove(subjects, pattern.data, pattern.size, &item);
    FUZZ_CHECK(subjects_size(subjects) == before);
    subjects_free(subjects);
    return count;
}

static int check(struct text text)
{
    uint8_t *copy = fuzz_copy(text.data, text.size);
    enum ppi_subject verdict = ppi_subject_check((const char *)copy, text.size);
    int expected = judge(text);

    FUZZ_CHECK((verdict == PPI_SUBJECT_PLAIN) == (expected == 1));
    FUZZ_CHECK((verdict == PPI_SUBJECT_PATTERN) == (expected == 2));
    FUZZ_CHECK((ppi_subject_problem(verdict)[0] == '\0') == (expected != 0));
    FUZZ_CHECK(ppi_utf8((const char *)copy, text.size) == is_utf8(text));
    FUZZ_CHECK(text_is_utf8((const char *)copy, text.size) == is_utf8(text));
    free(copy);
    return expected;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t length = newline != NULL ? (size_t)(newline - data) : size;
    struct text pattern = { (const char *)data, length };
    struct text subject = { (const char *)data + length + (newline != NULL),
                            size - length - (newline != NULL) };

    int pattern_is = check(pattern), subject_is = check(subject);
    if (pattern_is == 0 || subject_is != 1)
        return 0;
    bool expected = matches(pattern, subject, true);
    FUZZ_CHECK(ppi_subject_match(pattern.data, pattern.size, subject.data, subject.size) ==
               expected);
    FUZZ_CHECK(visits(pattern, subject) == expected);
    return 0;
}
