/* show_subject.c: who sends to a subject, and who gets it; also of one that nobody has sent to. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "error.h"
#include "fields.h"
#include "json.h"
#include "macros.h"
#include "print.h"
#include "show.h"

static const struct print_column from_columns[] = { { .field = "client" },
                                                    { .field = "name" },
                                                    { .field = "messages" } };
static const struct print_column to_columns[] = { { .field = "client" },
                                                  { .field = "name" },
                                                  { .field = "kind" },
                                                  { .field = "group" },
                                                  { .field = "lost" } };

/* The token that begins at text ends there. */
static size_t token(const char *text)
{
    return strcspn(text, ".");
}

static bool is_wild(const char *text)
{
    return (text[0] == '*' || text[0] == '>') && (text[1] == '.' || text[1] == '\0');
}

/* Does a pattern stand for more than one subject? */
static bool is_pattern(const char *text)
{
    for (;; text++) {
        if (is_wild(text))
            return true;
        text += token(text);
        if (*text == '\0')
            return false;
    }
}

static bool matches(const char *pattern, const char *subject)
{
    if (is_wild(pattern) && (subject[0] == '$' || subject[0] == '@'))
        return false;
    for (;; pattern++, subject++) {
        size_t length = token(pattern), other = token(subject);

        if (strcmp(pattern, ">") == 0)
            return true;
        if (!is_wild(pattern) && (length != other || memcmp(pattern, subject, length) != 0))
            return false;
        pattern += length;
        subject += other;
        if (*pattern == '\0' || *subject == '\0')
            return *pattern == *subject;
    }
}

/* Who would get it, from the list of all subscriptions. */
static json_t *receivers_of(const json_t *subs, const char *subject)
{
    static const char *const names[] = { "client", "name", "kind", "group", "lost" };
    json_t *rows = json_must(json_array());

    for (size_t i = 0; i < json_array_size(subs); i++) {
        const json_t *sub = json_array_get(subs, i);
        const char *pattern = json_string_value(json_object_get(sub, "pattern"));
        json_t *row;

        if (pattern == NULL || !matches(pattern, subject))
            continue;
        json_array_append_new(rows, row = json_must(json_object()));
        for (size_t k = 0; k < COUNT_OF(names); k++)
            json_object_set(row, names[k], json_object_get(sub, names[k]));
    }
    return rows;
}

static int not_found(const char *subject)
{
    char why[400];

    snprintf(why, sizeof why, "nobody has sent to %s lately, and nobody gets it", subject);
    return error_say(EXIT_NOT_FOUND, "E_NOTFOUND", why,
                     "panpipe ls subjects shows what is sent, panpipe ls subs who gets what");
}

/* A record of a subject that the broker has not seen, or has forgotten. NULL: *code says why. */
static json_t *unsent(struct session *session, const char *subject, int *code)
{
    static const char *const counters[] = { "published",  "calls",       "published_bytes",
                                            "deliveries", "no_receiver", "refused" };
    json_t *subs = ask_here(session, "$sys.subs", NULL, code);

    if (subs == NULL)
        return NULL;
    json_t *to = receivers_of(subs, subject);
    json_decref(subs);
    if (json_array_size(to) == 0) {
        json_decref(to);
        *code = not_found(subject);
        return NULL;
    }
    json_t *record = json_must(json_object());
    json_object_set_new(record, "subject", json_must(json_string(subject)));
    for (size_t i = 0; i < COUNT_OF(counters); i++)
        json_object_set_new(record, counters[i], json_must(json_integer(0)));
    json_object_set_new(record, "from", json_must(json_array()));
    json_object_set_new(record, "from_others", json_must(json_integer(0)));
    json_object_set_new(record, "receivers",
                        json_must(json_integer((json_int_t)json_array_size(to))));
    json_object_set_new(record, "to", to);
    return record;
}

int show_subject(struct session *session, const char *subject)
{
    int code = EXIT_DONE;

    if (is_pattern(subject))
        return error_use("%.255s is a pattern; see panpipe ls subjects '%.255s'", subject, subject);
    json_t *answer = ask_here(session, "$sys.subjects", ask_with(subject), &code);
    if (answer == NULL)
        return code;
    json_t *record = json_incref(json_array_get(json_object_get(answer, "subjects"), 0));
    json_decref(answer);
    if (record == NULL)
        record = unsent(session, subject, &code);
    if (record == NULL)
        return code;
    print_record(record);
    print_section("From", FIELDS_SENDERS, json_object_get(record, "from"), from_columns,
                  COUNT_OF(from_columns));
    print_section("To", FIELDS_SUBS, json_object_get(record, "to"), to_columns,
                  COUNT_OF(to_columns));
    json_decref(record);
    return EXIT_DONE;
}
