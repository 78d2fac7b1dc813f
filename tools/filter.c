#include "filter.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "macros.h"
#include "options.h"
#include "text.h"

enum { WORD_MAX = 300 };
#define SPACE " \t\r\n"

/* Each takes the value of a word; false: problem says what is wrong. */
typedef bool take(struct filter *filter, const char *value, char *problem);

static bool wrong(char *problem, const char *format, ...) PRINTF_LIKE(2, 3);

static bool wrong(char *problem, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(problem, FILTER_PROBLEM_MAX, format, arguments);
    va_end(arguments);
    return false;
}

/* --- values ---------------------------------------------------------------------------------- */

/* A word that is not yet given: given is its place, of size bytes. */
static bool take_text(const char *word, const char *value, char *given, size_t size, char *problem)
{
    if (value[0] == '\0')
        return wrong(problem, "%s: wants something behind the colon", word);
    if (given[0] != '\0')
        return wrong(problem, "%s: is there twice; a message has only one", word);
    if (strlen(value) >= size)
        return wrong(problem, "%s: is too long", word);
    memcpy(given, value, strlen(value) + 1);
    return true;
}

static bool take_subject(struct filter *filter, const char *value, char *problem)
{
    return take_text("subj", value, filter->subject, sizeof filter->subject, problem);
}

static bool take_client(const char *word, const char *value, char given[FILTER_CLIENT_MAX + 1],
                        char *problem)
{
    uint64_t pid;

    if (strncmp(value, "pid:", 4) == 0 && !text_to_number(value + 4, &pid))
        return wrong(problem, "\"%.60s\" is no process: pid:812", value);
    return take_text(word, value, given, FILTER_CLIENT_MAX + 1, problem);
}

static bool take_from(struct filter *filter, const char *value, char *problem)
{
    return take_client("from", value, filter->from, problem);
}

static bool take_to(struct filter *filter, const char *value, char *problem)
{
    return take_client("to", value, filter->to, problem);
}

static bool take_kind(struct filter *filter, const char *value, char *problem)
{
    static const char *const names[] = { "pub", "call", "answer", "error", "req", "request", NULL };
    const char *meant = options_meant(value, names);

    if (filter->kind != NULL)
        return wrong(problem, "kind: is there twice; a message has only one");
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcmp(value, names[i]) == 0)
            filter->kind = i < 4 ? names[i] : "call";
    if (filter->kind != NULL)
        return true;
    if (meant != NULL)
        return wrong(problem, "there is no kind:%.60s; did you mean kind:%s?", value, meant);
    return wrong(problem, "kind: is pub, call, answer or error, not \"%.60s\"", value);
}

/* "64k" as bytes; false: it is none, or too large to be one. */
static bool take_bytes(const char *text, uint64_t *bytes)
{
    static const char units[] = "kmg";
    char *end;

    errno = 0;
    *bytes = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || errno != 0)
        return false;
    const char *unit = *end != '\0' ? strchr(units, tolower((unsigned char)*end)) : NULL;
    if (unit == NULL)
        return *end == '\0';
    unsigned shift = 10 * (unsigned)(unit - units + 1);
    if (end[1] != '\0' || *bytes > UINT64_MAX >> shift)
        return false;
    *bytes <<= shift;
    return true;
}

static bool take_size(struct filter *filter, const char *value, char *problem)
{
    bool more = value[0] == '>', equal = value[0] != '\0' && value[1] == '=';
    uint64_t bytes;

    if ((!more && value[0] != '<') || !take_bytes(value + 1 + equal, &bytes))
        return wrong(problem, "\"size:%.60s\" is no size: size:>64k, size:<=1m", value);
    if (more) {
        bytes += !equal && bytes < UINT64_MAX;
        filter->size_min = bytes > filter->size_min ? bytes : filter->size_min;
        return true;
    }
    if (bytes <= (equal ? 0 : 1))
        return wrong(problem, "size:%.60s: no message is so small", value);
    bytes -= !equal;
    if (filter->size_max == 0 || bytes < filter->size_max)
        filter->size_max = bytes;
    return true;
}

static bool take_drop(struct filter *filter, const char *value, char *problem)
{
    filter->dropped = strcmp(value, "yes") == 0;
    return filter->dropped || wrong(problem, "drop: is yes, not \"%.60s\"", value);
}

/* --- words ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    take *take;
} words[] = { { "subj", take_subject }, { "from", take_from }, { "to", take_to },
              { "kind", take_kind },    { "size", take_size }, { "drop", take_drop } };

static bool unknown(const char *name, char *problem)
{
    const char *names[COUNT_OF(words) + 1] = { NULL };

    for (size_t i = 0; i < COUNT_OF(words); i++)
        names[i] = words[i].name;
    const char *meant = options_meant(name, names);
    if (meant != NULL)
        return wrong(problem, "there is no %.60s: in a filter; did you mean %s:?", name, meant);
    return wrong(
        problem,
        "there is no %.60s: in a filter, only subj:, from:, to:, kind:, size:, drop:", name);
}

/* A word that has no colon is a subject. */
static bool take_word(struct filter *filter, char *word, char *problem)
{
    char *colon = strchr(word, ':');

    if (colon == NULL)
        return take_subject(filter, word, problem);
    *colon = '\0';
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(word, words[i].name) == 0)
            return words[i].take(filter, colon + 1, problem);
    return unknown(word, problem);
}

bool filter_add(struct filter *filter, const char *text, char problem[FILTER_PROBLEM_MAX])
{
    char word[WORD_MAX];

    for (text += strspn(text, SPACE); *text != '\0'; text += strspn(text, SPACE)) {
        size_t length = strcspn(text, SPACE);

        if (length >= sizeof word)
            return wrong(problem, "a word of the filter is too long: \"%.60s\"", text);
        memcpy(word, text, length);
        word[length] = '\0';
        if (!take_word(filter, word, problem))
            return false;
        text += length;
    }
    if (filter->size_max != 0 && filter->size_min > filter->size_max)
        return wrong(problem, "no message is both so large and so small");
    return true;
}

/* --- to the broker, and back ----------------------------------------------------------------- */

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str(packer, strlen(text));
    msgpack_pack_str_body(packer, text, strlen(text));
}

static void pack_pair(msgpack_packer *packer, const char *name, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    pack_text(packer, name);
    pack_text(packer, text);
}

static void pack_number(msgpack_packer *packer, const char *name, uint64_t number)
{
    if (number == 0)
        return;
    pack_text(packer, name);
    msgpack_pack_uint64(packer, number);
}

static void pack_client(msgpack_packer *packer, const char *name, const char *client)
{
    uint64_t number;

    if (!text_to_number(client, &number)) {
        pack_pair(packer, name, client);
        return;
    }
    pack_text(packer, name);
    msgpack_pack_uint64(packer, number);
}

void filter_pack(const struct filter *filter, uint64_t cut, uint64_t max, struct bytes *out)
{
    msgpack_packer packer;
    size_t count = (filter->subject[0] != '\0') + (filter->from[0] != '\0') +
                   (filter->to[0] != '\0') + (filter->kind != NULL) + (filter->size_min > 0) +
                   (filter->size_max > 0) + filter->dropped + (cut > 0) + (max > 0);

    msgpack_packer_init(&packer, out, bytes_write);
    msgpack_pack_array(&packer, 1);
    msgpack_pack_map(&packer, count);
    pack_pair(&packer, "subject", filter->subject);
    pack_client(&packer, "from", filter->from);
    pack_client(&packer, "to", filter->to);
    pack_pair(&packer, "kind", filter->kind);
    pack_number(&packer, "size_min", filter->size_min);
    pack_number(&packer, "size_max", filter->size_max);
    if (filter->dropped) {
        pack_text(&packer, "dropped");
        msgpack_pack_true(&packer);
    }
    pack_number(&packer, "cut", cut);
    pack_number(&packer, "max", max);
}

void filter_show(const json_t *map, struct bytes *out)
{
    static const struct {
        const char *field, *word;
    } forms[] = { { "subject", "subj:" },   { "from", "from:" },       { "to", "to:" },
                  { "kind", "kind:" },      { "size_min", "size:>=" }, { "size_max", "size:<=" },
                  { "dropped", "drop:yes" } };
    char number[24];

    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        const json_t *value = json_object_get(map, forms[i].field);
        const char *text = json_is_string(value) ? json_string_value(value) : "";

        if (value == NULL || json_is_null(value) || json_is_false(value))
            continue;
        if (json_is_integer(value)) {
            snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
            text = number;
        }
        if (out->size > 0)
            bytes_add(out, " ", 1);
        bytes_add(out, forms[i].word, strlen(forms[i].word));
        bytes_add(out, text, strlen(text));
    }
}
