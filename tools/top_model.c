#include "top_model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "json.h"
#include "text.h"

enum { NAMES_SHOWN = 3 };

static const double NS_PER_S = 1e9, BLOCKED_SHARE = 0.1;

/* --- fields ---------------------------------------------------------------------------------- */

static double number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static const char *text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* How much more than before, which is NULL for what was not there then: from 0. What is less than
 * before has begun anew. NAN: not known. */
static double more(const json_t *now, const json_t *before, const char *name)
{
    double last = before != NULL ? number(before, name) : 0, value = number(now, name);

    return value < last ? value : value - last;
}

/* The same of several fields; what is not there counts as 0, unless all are not. */
static double more_of(const json_t *now, const json_t *before, const char *const *names)
{
    double sum = (double)NAN;

    for (; *names != NULL; names++) {
        double one = more(now, before, *names);

        if (!isnan(one))
            sum = isnan(sum) ? one : sum + one;
    }
    return sum;
}

static json_t *rows_of(const json_t *subjects)
{
    return json_is_array(subjects) ? (json_t *)(uintptr_t)subjects
                                   : json_object_get(subjects, "subjects");
}

/* --- times ----------------------------------------------------------------------------------- */

/* Takes the next class of the later list: its count, less what it had before. Both ascend. */
static double class_more(const json_t *class, const json_t *before, size_t *at, double *ns)
{
    double count = json_number_value(json_array_get(class, 1));

    *ns = json_number_value(json_array_get(class, 0));
    for (; *at < json_array_size(before); (*at)++) {
        const json_t *old = json_array_get(before, *at);
        double old_ns = json_number_value(json_array_get(old, 0));

        if (old_ns > *ns)
            break;
        if (old_ns >= *ns)
            count -= json_number_value(json_array_get(old, 1));
    }
    return count > 0 ? count : 0;
}

double top_quantile(const json_t *times, const json_t *before, double share)
{
    double all = 0, passed = 0, ns;
    size_t at = 0;

    for (size_t i = 0; i < json_array_size(times); i++)
        all += class_more(json_array_get(times, i), before, &at, &ns);
    at = 0;
    for (size_t i = 0; i < json_array_size(times) && all > 0; i++) {
        passed += class_more(json_array_get(times, i), before, &at, &ns);
        if (passed >= all * share)
            return ns;
    }
    return (double)NAN;
}

/* --- the broker ------------------------------------------------------------------------------ */

static void remember(double history[TOP_HISTORY], double value)
{
    memmove(history, history + 1, (TOP_HISTORY - 1) * sizeof *history);
    history[TOP_HISTORY - 1] = isnan(value) ? 0 : value;
}

static void take_rates(struct top_model *model, const json_t *now)
{
    static const char *const ins[] = { "published", "calls", "answers", NULL };
    static const char *const outs[] = { "deliveries", "calls", "answers", NULL };
    const json_t *before = model->compared ? model->stats : NULL;
    const json_t *old_times = json_object_get(before, "times");
    const json_t *times = json_object_get(now, "times");
    struct top_broker *broker = &model->broker;
    double s = before != NULL ? model->interval_s : (double)NAN;

    broker->cpu_share = more(now, before, "cpu_ns") / s / NS_PER_S;
    broker->in = more_of(now, before, ins) / s;
    broker->out = more_of(now, before, outs) / s;
    broker->bytes_in = more(now, before, "bytes_in") / s;
    broker->bytes_out = more(now, before, "bytes_out") / s;
    broker->loses = before != NULL && more(now, before, "lost") > 0;
    broker->p50_ns = before != NULL ? top_quantile(times, old_times, 0.5) : (double)NAN;
    broker->p99_ns = before != NULL ? top_quantile(times, old_times, 0.99) : (double)NAN;
    if (before == NULL)
        return;
    remember(model->history_in, broker->in);
    remember(model->history_out, broker->out);
    if (model->history_count < TOP_HISTORY)
        model->history_count++;
}

static void take_broker(struct top_model *model, const json_t *now)
{
    struct top_broker *broker = &model->broker;

    broker->name = text(now, "name");
    broker->scope = text(now, "scope");
    broker->version = text(now, "version");
    broker->pid = number(now, "pid");
    broker->uptime_ms = number(now, "uptime_ms");
    broker->memory_bytes = number(now, "memory_bytes");
    broker->handles = number(now, "handles");
    broker->handles_max = number(now, "handles_max");
    broker->workers = number(now, "workers");
    broker->clients = number(now, "clients");
    broker->subs = number(now, "subs");
    broker->calls_open = number(now, "calls_open");
    broker->taps = number(now, "taps");
    broker->lost = number(now, "lost");
    broker->denied = number(now, "denied");
    broker->missed = number(now, "missed");
    take_rates(model, now);
}

/* --- clients --------------------------------------------------------------------------------- */

const char *top_key(uint64_t client, char key[TOP_KEY_MAX])
{
    snprintf(key, TOP_KEY_MAX, "%" PRIu64, client);
    return key;
}

static void take_state(const struct top_model *model, struct top_client *client, const json_t *now,
                       const json_t *before)
{
    double held_s = more(now, before, "held_ms") / 1e3;
    bool compared = model->compared;

    client->state = text(now, "state");
    client->slow = (client->state != NULL && strcmp(client->state, "slow") == 0) ||
                   number(now, "holding") > 0 || (compared && more(now, before, "holds") > 0);
    client->blocked = (client->state != NULL && strcmp(client->state, "blocked") == 0) ||
                      (compared && held_s > BLOCKED_SHARE * model->interval_s);
    client->held_by = (uint64_t)json_integer_value(json_object_get(now, "held_by"));
}

static void take_client(const struct top_model *model, struct top_client *client, const json_t *now,
                        const json_t *before)
{
    const json_t *who = json_object_get(now, "who");
    double s = model->compared ? model->interval_s : (double)NAN;

    client->id = (uint64_t)json_integer_value(json_object_get(now, "id"));
    client->name = text(now, "name");
    client->pid = number(who, "pid");
    client->exe = text_base_name(text(who, "exe"));
    client->user = text(who, "user") != NULL ? text(who, "user") : text(who, "sid");
    client->uid = (uint64_t)json_integer_value(json_object_get(who, "uid"));
    client->subs = number(now, "subs");
    client->in = more(now, before, "frames_in") / s;
    client->out = more(now, before, "delivered") / s;
    client->bytes_in = more(now, before, "bytes_in") / s;
    client->bytes_out = more(now, before, "bytes_out") / s;
    client->queued_bytes = number(now, "queued_bytes");
    client->oldest_ms = number(now, "oldest_ms");
    client->waits = !isnan(client->oldest_ms) || client->queued_bytes > 0;
    client->lost = number(now, "lost");
    take_state(model, client, now, before);
}

static int by_id(const void *one, const void *other)
{
    const struct top_client *a = one, *b = other;

    return a->id < b->id ? -1 : a->id > b->id;
}

static void name_holders(struct top_model *model)
{
    for (size_t i = 0; i < model->client_count; i++)
        for (size_t k = 0; k < model->client_count && model->clients[i].held_by != 0; k++)
            if (model->clients[k].id == model->clients[i].held_by)
                model->clients[i].held_name = model->clients[k].name;
}

static void take_clients(struct top_model *model, const json_t *clients)
{
    json_t *index = json_must(json_object());
    size_t count = json_array_size(clients);
    char key[TOP_KEY_MAX];

    free(model->clients);
    model->clients = bytes_must(calloc(count + 1, sizeof *model->clients));
    model->client_count = count;
    for (size_t i = 0; i < count; i++) {
        json_t *now = json_array_get(clients, i);

        top_key((uint64_t)json_integer_value(json_object_get(now, "id")), key);
        take_client(model, &model->clients[i], now, json_object_get(model->client_index, key));
        json_object_set(index, key, now);
    }
    qsort(model->clients, count, sizeof *model->clients, by_id);
    name_holders(model);
    json_decref(model->client_index);
    model->client_index = index;
}

/* --- subjects -------------------------------------------------------------------------------- */

static double lost_by(const json_t *receivers)
{
    double sum = 0;

    for (size_t i = 0; i < json_array_size(receivers); i++)
        sum += json_number_value(json_object_get(json_array_get(receivers, i), "lost"));
    return sum;
}

/* "ui, cli +3": the first few names of who is still there; then how many more there are, or were.
 */
static void list_names(char list[TOP_LIST_MAX], const json_t *who, double all)
{
    size_t count = json_array_size(who), shown = 0, length = 0;

    list[0] = '\0';
    for (size_t i = 0; i < count && shown < NAMES_SHOWN && length < TOP_LIST_MAX - 8; i++) {
        const char *name = text(json_array_get(who, i), "name");

        if (name == NULL)
            continue;
        snprintf(list + length, TOP_LIST_MAX - length, "%s%.40s", shown > 0 ? ", " : "", name);
        length = strlen(list);
        shown++;
    }
    double rest = (all > (double)count ? all : (double)count) - (double)shown;
    if (rest > 0 && length < TOP_LIST_MAX - 1)
        snprintf(list + length, TOP_LIST_MAX - length, "%s+%.0f", shown > 0 ? " " : "", rest);
}

static void take_subject(const struct top_model *model, struct top_subject *subject,
                         const json_t *now, const json_t *before)
{
    static const char *const messages[] = { "published", "calls", NULL };
    const json_t *from = json_object_get(now, "from"), *to = json_object_get(now, "to");
    double s = model->compared ? model->interval_s : (double)NAN;
    double lost = lost_by(to) - lost_by(json_object_get(before, "to"));

    subject->subject = text(now, "subject");
    subject->calls = number(now, "calls") > 0 && !(number(now, "published") > 0);
    subject->messages = more_of(now, before, messages) / s;
    subject->bytes = subject->calls ? (double)NAN : more(now, before, "published_bytes") / s;
    subject->drops = (more(now, before, "refused") + (lost > 0 ? lost : 0)) / s;
    list_names(subject->from, from,
               (double)json_array_size(from) + (number(now, "from_others") > 0 ? 1 : 0));
    list_names(subject->to, to, number(now, "receivers"));
}

/* The busiest first; those that are as busy, by name. */
static int by_messages(const void *one, const void *other)
{
    const struct top_subject *a = one, *b = other;
    double left = isnan(a->messages) ? 0 : a->messages,
           right = isnan(b->messages) ? 0 : b->messages;

    if (left != right)
        return left > right ? -1 : 1;
    return strcmp(a->subject, b->subject);
}

static void take_subjects(struct top_model *model, const json_t *rows)
{
    json_t *index = json_must(json_object());
    size_t size = json_array_size(rows), count = 0;

    free(model->subjects);
    model->subjects = bytes_must(calloc(size + 1, sizeof *model->subjects));
    for (size_t i = 0; i < size; i++) {
        json_t *now = json_array_get(rows, i);
        const char *name = text(now, "subject");

        if (name == NULL)
            continue;
        take_subject(model, &model->subjects[count++], now,
                     json_object_get(model->subject_index, name));
        json_object_set(index, name, now);
    }
    model->subject_count = count;
    qsort(model->subjects, count, sizeof *model->subjects, by_messages);
    json_decref(model->subject_index);
    model->subject_index = index;
}

/* --- all of it ------------------------------------------------------------------------------- */

/* Is it the same run of the broker? */
static bool goes_on(const struct top_model *model, const json_t *stats)
{
    const char *before = text(model->stats, "broker"), *now = text(stats, "broker");

    return before != NULL && now != NULL && strcmp(before, now) == 0;
}

static void forget(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

void top_model_take(struct top_model *model, json_t *stats, json_t *clients, json_t *subjects,
                    uint64_t now_ns)
{
    json_t *answers = json_must(json_pack("[o,o?]", clients, subjects));

    model->compared = goes_on(model, stats) && now_ns > model->taken_ns;
    model->interval_s = (double)(now_ns - model->taken_ns) / NS_PER_S;
    if (!model->compared) {
        forget(&model->client_index);
        forget(&model->subject_index);
    }
    take_broker(model, stats);
    take_clients(model, clients);
    take_subjects(model, rows_of(subjects));
    json_decref(model->stats);
    json_decref(model->answers);
    model->stats = stats;
    model->answers = answers;
    model->taken_ns = now_ns;
    model->known = true;
}

void top_model_free(struct top_model *model)
{
    forget(&model->stats);
    forget(&model->answers);
    forget(&model->client_index);
    forget(&model->subject_index);
    free(model->clients);
    free(model->subjects);
    *model = (struct top_model){ 0 };
}
