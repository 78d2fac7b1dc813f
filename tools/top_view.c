#include "top_view.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/sys.h>

#include "macros.h"
#include "top_table.h"
#include "units.h"

enum { ALARMS_MAX = 3, FIELD_MAX = 64, FIELDS_MAX = 12, HEADER_LINES = 4, TITLES = 2 };

/* --- lines of fields ------------------------------------------------------------------------- */

/* What stands beside each other in one line; those of the highest rank are left out first. */
struct fields {
    size_t count;
    struct field {
        char text[FIELD_MAX];
        int rank;
        enum style style;
    } list[FIELDS_MAX];
};

static void add(struct fields *fields, int rank, const char *name, const char *value)
{
    struct field *field = &fields->list[fields->count++];

    snprintf(field->text, sizeof field->text, "%s%s%.48s", name, name[0] != '\0' ? " " : "", value);
    field->rank = rank;
    field->style = STYLE_PLAIN;
}

static void add_count(struct fields *fields, int rank, const char *name, double number)
{
    char text[UNITS_MAX];

    units_count(text, number);
    add(fields, rank, name, text);
}

/* A figure that should be 0: if it is not it is shown before all others. */
static void add_fault(struct fields *fields, int rank, const char *name, double number, bool alarm)
{
    add_count(fields, number > 0 ? 0 : rank, name, number);
    if (alarm)
        fields->list[fields->count - 1].style = STYLE_ALARM;
}

static int width_of(const struct fields *fields, int rank)
{
    int width = 0;

    for (size_t i = 0; i < fields->count; i++)
        if (fields->list[i].rank <= rank)
            width += canvas_width(fields->list[i].text) + 2;
    return width - 2;
}

static void put_fields(struct canvas *canvas, int line, const struct fields *fields)
{
    int rank = 9, column = 0;

    while (rank > 0 && width_of(fields, rank) > canvas->columns)
        rank--;
    for (size_t i = 0; i < fields->count; i++)
        if (fields->list[i].rank <= rank)
            column = 2 + canvas_put(canvas, line, column, canvas->columns, fields->list[i].style,
                                    fields->list[i].text);
}

/* --- the header ------------------------------------------------------------------------------ */

static void put_broker(struct canvas *canvas, int line, const struct top_broker *broker)
{
    struct fields fields = { 0 };
    char text[UNITS_MAX], pair[FIELD_MAX];

    snprintf(pair, sizeof pair, "%.32s (%.16s)", broker->name != NULL ? broker->name : "broker",
             broker->scope != NULL ? broker->scope : "-");
    add(&fields, 0, "", pair);
    fields.list[0].style = STYLE_STRONG;
    units_time(text, broker->uptime_ms * 1e6);
    add(&fields, 1, "up", text);
    snprintf(pair, sizeof pair, isnan(broker->pid) ? "-" : "%.0f", broker->pid);
    add(&fields, 2, "pid", pair);
    snprintf(pair, sizeof pair, isnan(broker->cpu_share) ? "-" : "%.1f%%", broker->cpu_share * 100);
    add(&fields, 1, "cpu", pair);
    units_bytes(text, broker->memory_bytes);
    add(&fields, 1, "mem", text);
    snprintf(pair, sizeof pair, isnan(broker->handles_max) ? "%.0f" : "%.0f/%.0f", broker->handles,
             broker->handles_max);
    add(&fields, 3, "handles", pair);
    add_count(&fields, 4, "workers", broker->workers);
    if (broker->version != NULL)
        add(&fields, 5, "panpiped", broker->version);
    put_fields(canvas, line, &fields);
}

static void add_rate(struct fields *fields, const char *name, double messages, double bytes)
{
    char count[UNITS_MAX], size[UNITS_MAX], pair[FIELD_MAX];

    units_count(count, messages);
    units_bytes(size, bytes);
    snprintf(pair, sizeof pair, isnan(messages) ? "-" : "%s msg/s %s/s", count, size);
    add(fields, 0, name, pair);
}

static void put_rates(struct canvas *canvas, int line, const struct top_broker *broker)
{
    struct fields fields = { 0 };
    char text[UNITS_MAX];

    add_rate(&fields, "in", broker->in, broker->bytes_in);
    add_rate(&fields, "out", broker->out, broker->bytes_out);
    units_time(text, broker->p50_ns);
    add(&fields, 1, "p50", text);
    units_time(text, broker->p99_ns);
    add(&fields, 1, "p99", text);
    put_fields(canvas, line, &fields);
}

static void put_counts(struct canvas *canvas, int line, const struct top_broker *broker)
{
    struct fields fields = { 0 };

    add_count(&fields, 0, "clients", broker->clients);
    add_count(&fields, 1, "subs", broker->subs);
    add_count(&fields, 3, "calls", broker->calls_open);
    add_fault(&fields, 1, "lost", broker->lost, broker->loses);
    add_fault(&fields, 1, "denied", broker->denied, false);
    add_fault(&fields, 2, "missed", broker->missed, false);
    add_count(&fields, 3, "taps", broker->taps);
    put_fields(canvas, line, &fields);
}

/* The last minute in room columns, the greatest of what falls into one; 0 is not nothing. */
static void put_history(struct canvas *canvas, int line, int column, int room, const char *name,
                        const double history[TOP_HISTORY])
{
    char text[UNITS_MAX], most_text[UNITS_MAX + 8];
    double most = 0;

    for (int i = 0; i < TOP_HISTORY; i++)
        most = history[i] > most ? history[i] : most;
    units_count(text, most);
    snprintf(most_text, sizeof most_text, "max %s", text);
    int begin = canvas_put(canvas, line, column, room, STYLE_PLAIN, name) + 1;
    int width = room - (begin - column) - 11;
    width = width < TOP_HISTORY ? width : TOP_HISTORY;
    for (int i = 0; i < width; i++) {
        double value = 0;

        for (int k = i * TOP_HISTORY / width; k < (i + 1) * TOP_HISTORY / width; k++)
            value = history[k] > value ? history[k] : value;
        canvas_put_level(canvas, line, begin + i, STYLE_PLAIN,
                         value > 0 ? 1 + (int)(value / most * 7.0 + 0.5) : 0);
    }
    if (width > 0)
        canvas_put(canvas, line, begin + width + 1, 10, STYLE_FAINT, most_text);
}

static int put_header(struct canvas *canvas, const struct top_model *model)
{
    int half = canvas->columns / 2;

    put_broker(canvas, 0, &model->broker);
    put_rates(canvas, 1, &model->broker);
    put_counts(canvas, 2, &model->broker);
    put_history(canvas, 3, 0, half, "in ", model->history_in);
    put_history(canvas, 3, half, half, "out", model->history_out);
    return HEADER_LINES;
}

/* --- alarms ---------------------------------------------------------------------------------- */

static const char *name_of(const char *name)
{
    return name != NULL ? name : "-";
}

/* "; blocks ui, updater" */
static void add_victims(char *text, size_t size, const struct top_model *model, uint64_t id)
{
    const char *before = "; blocks ";

    for (size_t i = 0; i < model->client_count; i++) {
        const struct top_client *client = &model->clients[i];
        size_t length = strlen(text);

        if (!client->blocked || client->held_by != id)
            continue;
        snprintf(text + length, size - length, "%s%.40s", before, name_of(client->name));
        before = ", ";
    }
}

static void tell_slow(char *text, size_t size, const struct top_model *model,
                      const struct top_client *client)
{
    char bytes[UNITS_MAX], oldest[UNITS_MAX];

    units_bytes(bytes, client->queued_bytes);
    units_time(oldest, client->oldest_ms * 1e6);
    snprintf(text, size, "!! %.64s (pid %.0f) is SLOW: queue %s, oldest %s", name_of(client->name),
             isnan(client->pid) ? 0 : client->pid, bytes, oldest);
    add_victims(text, size, model, client->id);
}

static bool holder_is_slow(const struct top_model *model, const struct top_client *client)
{
    for (size_t i = 0; i < model->client_count; i++)
        if (model->clients[i].id == client->held_by && model->clients[i].slow)
            return true;
    return false;
}

/* false: there is nothing to tell of this client, or another line does. */
static bool tell_of(char *text, size_t size, const struct top_model *model,
                    const struct top_client *client)
{
    if (client->slow) {
        tell_slow(text, size, model, client);
        return true;
    }
    if (!client->blocked || holder_is_slow(model, client))
        return false;
    snprintf(text, size, "!! %.64s (pid %.0f) is BLOCKED%s%.64s", name_of(client->name),
             isnan(client->pid) ? 0 : client->pid, client->held_name != NULL ? " by " : "",
             client->held_name != NULL ? client->held_name : "");
    return true;
}

/* The next line. */
static int put_alarms(struct canvas *canvas, int line, const struct top_model *model,
                      const struct top_ui *ui)
{
    char text[512];
    int count = 0;

    if (ui->gone[0] != '\0')
        canvas_put(canvas, line++, 0, canvas->columns, STYLE_ALARM, ui->gone);
    for (size_t i = 0; i < model->client_count; i++)
        if (tell_of(text, sizeof text, model, &model->clients[i]) && count++ < ALARMS_MAX)
            canvas_put(canvas, line++, 0, canvas->columns, STYLE_ALARM, text);
    if (count > ALARMS_MAX) {
        snprintf(text, sizeof text, "!! and %d more", count - ALARMS_MAX);
        canvas_put(canvas, line++, 0, canvas->columns, STYLE_ALARM, text);
    }
    return line;
}

/* --- events ---------------------------------------------------------------------------------- */

static const char *word(const json_t *event, const char *name)
{
    const char *text = json_string_value(json_object_get(event, name));

    return text != NULL ? text : "";
}

static void tell_event(char *text, size_t size, const json_t *event)
{
    char time[PP_TIME_TEXT];
    const char *why = word(event, "why"), *words = word(event, "text");

    pp_time_text((uint64_t)json_integer_value(json_object_get(event, "ts")), time);
    snprintf(text, size, "%.8s %-8.16s %.64s (pid %" PRId64 ")%s%.64s%s%.160s", time + 11,
             word(event, "event"), word(event, "name"),
             (int64_t)json_integer_value(json_object_get(event, "pid")), why[0] != '\0' ? " " : "",
             why, words[0] != '\0' ? ": " : "", words);
}

/* The latest, of those the last at the bottom. */
static void put_events(struct canvas *canvas, int first, int count, const struct top_ui *ui)
{
    size_t all = json_array_size(ui->events), room = count > 1 ? (size_t)count - 1 : 0;
    size_t begin = all > room ? all - room : 0;
    char text[512];

    canvas_put(canvas, first, 0, canvas->columns, STYLE_PLAIN,
               ui->events != NULL ? "EVENTS (UTC)" : "EVENTS: not known yet");
    canvas_style(canvas, first, STYLE_BAR);
    for (size_t i = begin; i < all; i++) {
        tell_event(text, sizeof text, json_array_get(ui->events, i));
        canvas_put(canvas, first + 1 + (int)(i - begin), 0, canvas->columns, STYLE_PLAIN, text);
    }
}

/* --- the bar --------------------------------------------------------------------------------- */

static const struct top_client *selected(const struct top_model *model, const struct top_ui *ui)
{
    for (size_t i = 0; i < model->client_count; i++)
        if (model->clients[i].id == ui->selected)
            return &model->clients[i];
    return NULL;
}

static void tell_state(char *text, size_t size, const struct top_ui *ui)
{
    char interval[UNITS_MAX];

    units_time(interval, ui->interval_ms * 1e6);
    snprintf(text, size, "%severy %s  sort %s%s%s%s", ui->paused ? "PAUSED  " : "", interval,
             top_sorts[ui->sort], ui->reverse ? " (reverse)" : "",
             ui->filter[0] != '\0' ? "  filter " : "", ui->filter);
}

static void put_bar(struct canvas *canvas, const struct top_model *model, const struct top_ui *ui)
{
    const char *keys = ui->edits_filter || ui->asks_kick ? "" : "? help  q quit";
    const struct top_client *client = selected(model, ui);
    int line = canvas->lines - 1;
    char text[512];

    if (ui->edits_filter)
        snprintf(text, sizeof text, "filter: %s_", ui->filter);
    else if (ui->asks_kick && client != NULL)
        snprintf(text, sizeof text, "kick %.64s (pid %.0f)? y/n", name_of(client->name),
                 isnan(client->pid) ? 0 : client->pid);
    else if (ui->message[0] != '\0')
        snprintf(text, sizeof text, "%s", ui->message);
    else
        tell_state(text, sizeof text, ui);
    canvas_put(canvas, line, 0, canvas->columns, STYLE_PLAIN, text);
    if (canvas->columns > canvas_width(text) + canvas_width(keys) + 2)
        canvas_put_right(canvas, line, 0, canvas->columns, STYLE_PLAIN, keys);
    canvas_style(canvas, line, STYLE_BAR);
}

/* --- help ------------------------------------------------------------------------------------ */

static void put_help(struct canvas *canvas, int line)
{
    static const char *const lines[] = {
        "q, Ctrl-C     quit",
        "s, S          sort by the next column; the other way round",
        "f, /          filter by name, subject or pid; Enter keeps it, Escape drops it",
        "p, space      pause",
        "up, down      select a client; Escape: none",
        "k             kick the selected client (y/n)",
        "e             the last events, or the subjects",
        "+, -          look more often, less often",
        "",
        "IN/s   frames it sent     OUT/s  messages handed to it",
        "QUEUE  waits to go to it  OLDEST for how long  DROP  messages it lost",
        "SLOW     its queue is too long, or others wait for it",
        "BLOCKED  it waited for more than a tenth of the time, or does now",
        "Any key goes back.",
    };

    for (size_t i = 0; i < COUNT_OF(lines); i++)
        canvas_put(canvas, line + (int)i, 2, canvas->columns - 2, STYLE_PLAIN, lines[i]);
}

/* --- all of it ------------------------------------------------------------------------------- */

/* Clients have the first word, but leave some lines to what is below them. */
static void put_body(struct canvas *canvas, int line, const struct top_model *model,
                     const struct top_ui *ui)
{
    int room = canvas->lines - line - (ui->interactive ? 1 : 0);
    int clients = (int)top_list_clients(model, ui->filter, ui->sort, ui->reverse, NULL) + 1;
    int others = ui->shows_events ? (int)json_array_size(ui->events) + 1
                                  : (int)top_list_subjects(model, ui->filter, NULL) + 1;
    int least = room / 3 > 4 ? room / 3 : 4;

    if (clients + 1 + others > room) {
        int kept = others < least ? others : least;

        if (room < least + 3)
            kept = 0;
        clients = clients < room - kept - 1 ? clients : room - kept - (kept > 0 ? 1 : 0);
    }
    top_table_clients(canvas, line, clients, model, ui);
    line += clients + 1;
    room -= clients + 1;
    if (room < 2)
        return;
    if (ui->shows_events)
        put_events(canvas, line, room, ui);
    else
        top_table_subjects(canvas, line, room, model, ui);
}

int top_view_lines(const struct top_model *model)
{
    return HEADER_LINES + 1 + ALARMS_MAX + 1 + TITLES + 1 + (int)model->client_count +
           (int)model->subject_count;
}

void top_view(struct canvas *canvas, const struct top_model *model, const struct top_ui *ui)
{
    int line = put_header(canvas, model);

    line = put_alarms(canvas, line, model, ui);
    if (ui->shows_help)
        put_help(canvas, line + 1);
    else
        put_body(canvas, line, model, ui);
    if (ui->interactive)
        put_bar(canvas, model, ui);
}
