#include "options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "text.h"

enum { NAMES_MAX = 64, WORD_MAX = 32, TYPOS_MAX = 2, HELP_COLUMN = 26 };

/* --- what was meant -------------------------------------------------------------------------- */

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* How many letters must be put in, left out, changed or swapped with their neighbour to make one
 * word of the other. */
static size_t typos(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1], length = strlen(b);
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    if (length > WORD_MAX)
        return SIZE_MAX;
    for (size_t k = 0; k <= length; k++)
        last[k] = before[k] = k;
    for (size_t i = 1; i <= strlen(a); i++) {
        row[0] = i;
        for (size_t k = 1; k <= length; k++) {
            row[k] = smallest(last[k] + 1, row[k - 1] + 1, last[k - 1] + (a[i - 1] != b[k - 1]));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                row[k] = smallest(row[k], before[k - 2] + 1, SIZE_MAX);
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[length];
}

const char *options_meant(const char *text, const char *const *names)
{
    const char *best = NULL;
    size_t least = TYPOS_MAX + 1, length = strlen(text);

    for (size_t i = 0; names[i] != NULL; i++) {
        size_t count = typos(text, names[i]);

        if (length >= 2 && strncmp(text, names[i], length) == 0)
            count = 0; /* a beginning of it */
        if (count < least && count < strlen(names[i])) {
            best = names[i];
            least = count;
        }
    }
    return best;
}

/* --- values ---------------------------------------------------------------------------------- */

int options_time(const char *text)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    char *end;
    double number = strtod(text, &end);

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (end != text && strcmp(end, units[i].name) == 0 && number * units[i].ms >= 1 &&
            number * units[i].ms <= INT_MAX)
            return (int)(number * units[i].ms);
    return 0;
}

static bool take_count(const char *text, uint64_t *out)
{
    return text_to_number(text, out) && *out >= 1 && *out <= OPTION_COUNT_MAX;
}

static bool take_rate(const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    return end != text && *end == '\0' && *out > 0 && *out < 1e12;
}

static bool take_word(const char *text, const char *const *words, int *out)
{
    for (*out = 0; words[*out] != NULL; ++*out)
        if (strcmp(text, words[*out]) == 0)
            return true;
    return false;
}

void options_join(const char *const *words, char *text, size_t size)
{
    size_t at = 0;

    for (size_t i = 0; words[i] != NULL && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s",
                               i == 0                 ? ""
                               : words[i + 1] == NULL ? " or "
                                                      : ", ",
                               words[i]);
}

static bool take_one_more(const char *text, struct option_list *list)
{
    if (list->count == OPTION_LIST_MAX)
        return false;
    list->items[list->count++] = text;
    return true;
}

static bool take_value(const struct option *option, const char *text,
                       char problem[OPTION_PROBLEM_MAX])
{
    char words[80];
    const char *what = "";
    bool good = true;

    switch (option->kind) {
    case OPTION_FLAG: *(bool *)option->out = true; break;
    case OPTION_TEXT: *(const char **)option->out = text; break;
    case OPTION_COUNT:
        good = take_count(text, option->out);
        what = "a whole number from 1 to 1,000,000,000,000";
        break;
    case OPTION_RATE:
        good = take_rate(text, option->out);
        what = "a number above 0";
        break;
    case OPTION_TIME:
        good = (*(int *)option->out = options_time(text)) > 0;
        what = "a time with its unit, like 500ms, 2s or 1m";
        break;
    case OPTION_MANY:
        good = take_one_more(text, option->out);
        what = "given at most 16 times";
        break;
    case OPTION_WORD:
        good = take_word(text, option->words, option->out);
        options_join(option->words, words, sizeof words);
        what = words;
        break;
    }
    if (!good)
        snprintf(problem, OPTION_PROBLEM_MAX, "--%s is %s, not \"%.60s\"", option->name, what,
                 text);
    return good;
}

/* --- options --------------------------------------------------------------------------------- */

/* The option that text, of length bytes, names: "n" or "count". */
static const struct option *find(const struct option *const tables[2], const char *text,
                                 size_t length, bool letter)
{
    for (int i = 0; i < 2; i++)
        for (const struct option *at = tables[i]; at != NULL && at->name != NULL; at++)
            if (letter ? at->letter == text[0]
                       : strlen(at->name) == length && memcmp(at->name, text, length) == 0)
                return at;
    return NULL;
}

static void unknown(const struct option *const tables[2], const char *argument,
                    char problem[OPTION_PROBLEM_MAX])
{
    const char *names[NAMES_MAX + 1] = { NULL }, *meant = NULL;
    char word[WORD_MAX + 1];
    int count = 0;

    for (int i = 0; i < 2; i++)
        for (const struct option *at = tables[i]; at != NULL && at->name != NULL; at++)
            if (count < NAMES_MAX)
                names[count++] = at->name;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(argument + 1, "="),
             argument + 1 + (argument[1] == '-'));
    word[strcspn(word, "=")] = '\0';
    if (strlen(word) > 1)
        meant = options_meant(word, names);
    if (meant != NULL)
        snprintf(problem, OPTION_PROBLEM_MAX, "unknown option %.60s; did you mean --%s?", argument,
                 meant);
    else
        snprintf(problem, OPTION_PROBLEM_MAX, "unknown option %.60s", argument);
}

bool options_take(const struct option *const tables[2], char **argv, int argc, int *at,
                  char problem[OPTION_PROBLEM_MAX])
{
    const char *argument = argv[*at], *value = NULL;
    bool is_long = argument[1] == '-';
    const char *name = argument + 1 + is_long;
    size_t length = is_long ? strcspn(name, "=") : 1;
    const struct option *option = find(tables, name, length, !is_long);

    if (option != NULL && option->value == NULL && name[length] != '\0') {
        if (is_long) {
            snprintf(problem, OPTION_PROBLEM_MAX, "--%s takes no value", option->name);
            return false;
        }
        option = NULL; /* "-json" is a mistyped "--json" */
    }
    if (option == NULL) {
        unknown(tables, argument, problem);
        return false;
    }
    ++*at;
    if (option->value != NULL) {
        if (name[length] != '\0')
            value = name + length + is_long; /* --count=5, -n5 */
        else if (*at < argc)
            value = argv[(*at)++];
        if (value == NULL) {
            snprintf(problem, OPTION_PROBLEM_MAX, "--%s wants a value: %s", option->name,
                     option->value);
            return false;
        }
    }
    return take_value(option, value, problem);
}

void options_help(const struct option *table)
{
    for (const struct option *at = table; at != NULL && at->name != NULL; at++) {
        char left[64];

        snprintf(left, sizeof left, "%s%c%s--%s%s%s", at->letter != 0 ? "-" : " ",
                 at->letter != 0 ? at->letter : ' ', at->letter != 0 ? ", " : "  ", at->name,
                 at->value != NULL ? " " : "", at->value != NULL ? at->value : "");
        out_format("  %-*s %s\n", HELP_COLUMN, left, at->help);
    }
}
