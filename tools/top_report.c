#include "top_report.h"

#include <math.h>

#include "json.h"

/* What is not known is null. */
static void set(json_t *object, const char *name, double value)
{
    json_object_set_new(object, name, isnan(value) ? json_null() : json_must(json_real(value)));
}

static json_t *stats_of(const struct top_model *model)
{
    const struct top_broker *broker = &model->broker;
    json_t *stats = json_must(json_copy(model->stats));

    json_object_del(stats, "times");
    set(stats, "in_per_s", broker->in);
    set(stats, "out_per_s", broker->out);
    set(stats, "bytes_in_per_s", broker->bytes_in);
    set(stats, "bytes_out_per_s", broker->bytes_out);
    set(stats, "cpu_per_s", broker->cpu_share);
    set(stats, "p50_us", broker->p50_ns / 1e3);
    set(stats, "p99_us", broker->p99_ns / 1e3);
    return stats;
}

static json_t *client_of(const struct top_model *model, const struct top_client *client)
{
    char key[TOP_KEY_MAX];
    json_t *object =
        json_must(json_copy(json_object_get(model->client_index, top_key(client->id, key))));

    set(object, "in_per_s", client->in);
    set(object, "out_per_s", client->out);
    set(object, "bytes_in_per_s", client->bytes_in);
    set(object, "bytes_out_per_s", client->bytes_out);
    json_object_set_new(object, "slow", json_boolean(client->slow));
    json_object_set_new(object, "blocked", json_boolean(client->blocked));
    json_object_set_new(object, "held_by_name",
                        client->held_name != NULL ? json_string(client->held_name) : json_null());
    return object;
}

static json_t *subject_of(const struct top_model *model, const struct top_subject *subject)
{
    json_t *object = json_must(json_copy(json_object_get(model->subject_index, subject->subject)));

    set(object, "messages_per_s", subject->messages);
    set(object, "bytes_per_s", subject->bytes);
    set(object, "drops_per_s", subject->drops);
    return object;
}

json_t *top_report(const struct top_model *model)
{
    json_t *clients = json_must(json_array()), *subjects = json_must(json_array());

    for (size_t i = 0; i < model->client_count; i++)
        json_array_append_new(clients, client_of(model, &model->clients[i]));
    for (size_t i = 0; i < model->subject_count; i++)
        json_array_append_new(subjects, subject_of(model, &model->subjects[i]));
    return json_must(json_pack("{s:f,s:o,s:o,s:o}", "interval_ms", model->interval_s * 1e3, "stats",
                               stats_of(model), "clients", clients, "subjects", subjects));
}
