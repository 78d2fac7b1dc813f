#include "select.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "cell.h"
#include "cli.h"
#include "error.h"
#include "macros.h"

enum { PATH_MAX_BYTES = 96, KEYS_MAX = 8 };

enum relation { IS, IS_NOT, MORE, LESS, MORE_OR_IS, LESS_OR_IS };

static const struct {
    const char *text;
    enum relation relation;
} relations[] = { /* the longer ones first */
                  { "!=", IS_NOT }, { ">=", MORE_OR_IS }, { "<=", LESS_OR_IS },
                  { "=", IS },      { ">", MORE },        { "<", LESS }
};

struct test {
    char path[PATH_MAX_BYTES];
    enum relation relation;
    const char *value;
    bool is_number;
    double number;
};

/* --- reading --------------------------------------------------------------------------------- */

/* A field that these objects have. GO_ON, or the exit code. */
static int check_path(const char *option, const char *path, unsigned of)
{
    if (fields_find(of, path) != NULL)
        return GO_ON;
    const char *meant = fields_meant(of, path);
    if (meant != NULL)
        return error_use("--%s: there is no field %.60s; did you mean %s?", option, path, meant);
    return error_use("--%s: there is no field \"%.60s\"; --format help lists them", option, path);
}

bool select_number(const char *text, enum unit unit, double *number)
{
    static const struct {
        const char *name;
        double bytes, ns;
    } suffixes[] = { { "", 1, 0 },          { "k", 1024, 0 },   { "M", 1048576, 0 },
                     { "G", 1 << 30, 0 },   { "KiB", 1024, 0 }, { "MiB", 1048576, 0 },
                     { "GiB", 1 << 30, 0 }, { "ns", 0, 1 },     { "us", 0, 1e3 },
                     { "ms", 0, 1e6 },      { "s", 0, 1e9 },    { "m", 0, 60e9 },
                     { "h", 0, 3600e9 } };
    static const double ns_of[] = { [UNIT_NS] = 1, [UNIT_US] = 1e3, [UNIT_MS] = 1e6 };
    char *end;

    *number = strtod(text, &end);
    if (end == text || !isfinite(*number))
        return false;
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        bool time = unit == UNIT_NS || unit == UNIT_US || unit == UNIT_MS;

        if (strcmp(end, suffixes[i].name) != 0 || (suffixes[i].bytes <= 0 && !time) ||
            (suffixes[i].bytes > 1 && time))
            continue;
        *number *= suffixes[i].bytes > 0 ? suffixes[i].bytes : suffixes[i].ns / ns_of[unit];
        return true;
    }
    return false;
}

/* The relation that begins at text; how long it is, 0: none. */
static size_t relation_at(const char *text, enum relation *relation)
{
    for (size_t i = 0; i < COUNT_OF(relations); i++) {
        if (strncmp(text, relations[i].text, strlen(relations[i].text)) == 0) {
            *relation = relations[i].relation;
            return strlen(relations[i].text);
        }
    }
    return 0;
}

/* false: there is no relation in it, or no field before that. */
static bool take_test(struct test *test, const char *text)
{
    size_t length = strcspn(text, "!=<>"), size = relation_at(text + length, &test->relation);

    if (size == 0 || length == 0 || strspn(text + length + size, "!=<>") > 0 ||
        length >= sizeof test->path)
        return false;
    snprintf(test->path, sizeof test->path, "%.*s", (int)length, text);
    test->value = text + length + size;
    test->is_number = select_number(test->value, fields_unit(test->path), &test->number);
    return true;
}

/* The next key of --sort; false: there is none. */
static bool next_key(const char **sort, char key[PATH_MAX_BYTES], bool *down)
{
    if (*sort == NULL || **sort == '\0')
        return false;
    size_t length = strcspn(*sort, ",");
    *down = **sort == '-';
    snprintf(key, PATH_MAX_BYTES, "%.*s", (int)(length - *down), *sort + *down);
    *sort += length + ((*sort)[length] == ',');
    return true;
}

int select_check(const struct select *select, unsigned of)
{
    const char *sort = select->sort;
    char key[PATH_MAX_BYTES];
    struct test test;
    int code = GO_ON;
    bool down;

    while (code == GO_ON && next_key(&sort, key, &down))
        code = check_path("sort", key, of);
    for (size_t i = 0; i < select->where.count && code == GO_ON; i++) {
        if (!take_test(&test, select->where.items[i]))
            return error_use("--where is like name=ui or queued_bytes>64k, not \"%.60s\"",
                             select->where.items[i]);
        code = check_path("where", test.path, of);
        if (code == GO_ON && !test.is_number && test.relation >= MORE)
            return error_use("--where: %.60s is compared with a number, not \"%.60s\"", test.path,
                             test.value);
    }
    return code;
}

/* --- choosing -------------------------------------------------------------------------------- */

static bool relates(enum relation relation, double difference)
{
    switch (relation) {
    case IS: return difference == 0;
    case IS_NOT: return difference != 0;
    case MORE: return difference > 0;
    case LESS: return difference < 0;
    case MORE_OR_IS: return difference >= 0;
    case LESS_OR_IS: return difference <= 0;
    }
    return false;
}

/* Tables say SLOW where JSON says slow: either is meant. */
static bool same_text(const char *a, const char *b)
{
    while (*a != '\0' && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
        a++;
        b++;
    }
    return *a == '\0' && *b == '\0';
}

static bool holds(const struct test *test, const json_t *row, struct bytes *cell)
{
    const json_t *value = cell_follow(row, test->path);

    if (json_is_number(value) && test->is_number)
        return relates(test->relation, json_number_value(value) - test->number);
    if (test->relation >= MORE)
        return false;
    cell_raw(cell, value);
    return same_text(cell->data, test->value) == (test->relation == IS);
}

static void keep_those(const struct select *select, json_t *rows)
{
    struct bytes cell = { 0 };
    struct test test;

    for (size_t i = 0; i < select->where.count; i++) {
        if (!take_test(&test, select->where.items[i]))
            continue;
        for (size_t row = json_array_size(rows); row-- > 0;)
            if (!holds(&test, json_array_get(rows, row), &cell))
                json_array_remove(rows, row);
    }
    bytes_free(&cell);
}

/* --- sorting --------------------------------------------------------------------------------- */

struct entry {
    json_t *row;
    size_t at; /* who are equal keep their order */
};

static const char *sort_by; /* qsort has no context */

/* Numbers before texts, nothing behind both. */
static int rank(const json_t *value)
{
    return json_is_number(value) ? 0 : json_is_string(value) ? 1 : 2;
}

static int compare_values(const json_t *a, const json_t *b)
{
    double x = json_number_value(a), y = json_number_value(b);

    return rank(a) == 0 ? (x > y) - (x < y) : strcmp(json_string_value(a), json_string_value(b));
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    const char *sort = sort_by;
    char key[PATH_MAX_BYTES];
    bool down;

    while (next_key(&sort, key, &down)) {
        const json_t *x = cell_follow(a->row, key), *y = cell_follow(b->row, key);
        int order = rank(x) - rank(y);

        if (order != 0)
            return order;
        order = rank(x) < 2 ? compare_values(x, y) : 0;
        if (order != 0)
            return down ? -order : order;
    }
    return a->at < b->at ? -1 : 1;
}

static void sort_rows(json_t *rows)
{
    size_t count = json_array_size(rows);
    struct entry *entries = bytes_must(calloc(count + 1, sizeof *entries));

    for (size_t i = 0; i < count; i++)
        entries[i] = (struct entry){ json_incref(json_array_get(rows, i)), i };
    qsort(entries, count, sizeof *entries, compare);
    for (size_t i = 0; i < count; i++)
        json_array_set_new(rows, i, entries[i].row);
    free(entries);
}

void select_rows(const struct select *select, json_t *rows)
{
    keep_those(select, rows);
    sort_by = select->sort;
    if (sort_by != NULL)
        sort_rows(rows);
    while (select->count > 0 && json_array_size(rows) > select->count)
        json_array_remove(rows, json_array_size(rows) - 1);
}
