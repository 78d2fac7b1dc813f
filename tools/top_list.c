#include "top_list.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const top_sorts[] = { "state", "id",    "name",   "pid",  "in",
                                  "out",   "queue", "oldest", "drop", NULL };

/* --- filters --------------------------------------------------------------------------------- */

static bool begins_with(const char *text, const char *part)
{
    for (; *part != '\0'; text++, part++)
        if (tolower((unsigned char)*text) != tolower((unsigned char)*part))
            return false;
    return true;
}

static bool contains(const char *text, const char *part)
{
    if (text == NULL)
        return false;
    for (; *text != '\0'; text++)
        if (begins_with(text, part))
            return true;
    return false;
}

static bool client_matches(const struct top_client *client, const char *filter)
{
    char pid[32];

    snprintf(pid, sizeof pid, "%.0f", isnan(client->pid) ? 0 : client->pid);
    return filter[0] == '\0' || contains(client->name, filter) || contains(client->exe, filter) ||
           contains(client->user, filter) || contains(pid, filter);
}

static bool subject_matches(const struct top_subject *subject, const char *filter)
{
    return filter[0] == '\0' || contains(subject->subject, filter) ||
           contains(subject->from, filter) || contains(subject->to, filter);
}

/* --- order ----------------------------------------------------------------------------------- */

static double known(double value)
{
    return isnan(value) ? 0 : value;
}

static int trouble(const struct top_client *client)
{
    return client->blocked ? 2 : client->slow ? 3 : 0;
}

/* The greater, the further up. */
static double weight(const struct top_client *client, enum top_sort sort)
{
    switch (sort) {
    case TOP_BY_STATE: return known(client->in) + known(client->out);
    case TOP_BY_IN: return known(client->in);
    case TOP_BY_OUT: return known(client->out);
    case TOP_BY_QUEUE: return known(client->queued_bytes);
    case TOP_BY_OLDEST: return known(client->oldest_ms);
    case TOP_BY_DROP: return known(client->lost);
    case TOP_BY_PID: return -known(client->pid);
    case TOP_BY_ID:
    case TOP_BY_NAME:
    case TOP_SORTS: break;
    }
    return 0;
}

static struct {
    enum top_sort sort;
    bool reverse;
} order; /* for qsort, which passes nothing on */

static int compare(const struct top_client *a, const struct top_client *b)
{
    double left = weight(a, order.sort), right = weight(b, order.sort);
    int result = 0;

    if (order.sort == TOP_BY_STATE)
        result = trouble(b) - trouble(a);
    if (order.sort == TOP_BY_NAME)
        result = strcmp(a->name != NULL ? a->name : "", b->name != NULL ? b->name : "");
    if (result == 0 && left != right)
        result = left > right ? -1 : 1;
    if (result == 0)
        result = a->id < b->id ? -1 : a->id > b->id;
    return order.reverse ? -result : result;
}

static int compare_rows(const void *one, const void *other)
{
    return compare(*(const struct top_client *const *)one,
                   *(const struct top_client *const *)other);
}

size_t top_list_clients(const struct top_model *model, const char *filter, enum top_sort sort,
                        bool reverse, const struct top_client **rows)
{
    size_t count = 0;

    for (size_t i = 0; i < model->client_count; i++)
        if (client_matches(&model->clients[i], filter) && ++count > 0 && rows != NULL)
            rows[count - 1] = &model->clients[i];
    if (rows == NULL)
        return count;
    order.sort = sort;
    order.reverse = reverse;
    qsort(rows, count, sizeof *rows, compare_rows);
    return count;
}

size_t top_list_subjects(const struct top_model *model, const char *filter,
                         const struct top_subject **rows)
{
    size_t count = 0;

    for (size_t i = 0; i < model->subject_count; i++)
        if (subject_matches(&model->subjects[i], filter) && ++count > 0 && rows != NULL)
            rows[count - 1] = &model->subjects[i];
    return count;
}
