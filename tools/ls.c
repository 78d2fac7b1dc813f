/* ls.c: lists of clients, subscriptions and subjects. With --rate it asks twice, and each counter
 * that there is a rate of gets one: NAME_per_s. */
#include <stdio.h>
#include <string.h>

#include <panpipe/sys.h>

#include "ask.h"
#include "cell.h"
#include "clients.h"
#include "commands.h"
#include "error.h"
#include "fields.h"
#include "json.h"
#include "macros.h"
#include "out.h"
#include "print.h"
#include "select.h"
#include "text.h"

enum {
    RATE_MS = 1000,
    RATES_MAX = 4,
    FIELD_MAX = 64,
    NS_PER_MS = 1000000,
    NAMES_SHOWN = 4,
    GONE_MAX = 32
};

static struct {
    struct select select;
    int rate_ms;
} given;

const struct option ls_options[] = {
    SELECT_OPTIONS(given.select),
    { 0, "rate", "D", "look twice, D apart (1s, 500ms), and show what came of it a second",
      OPTION_TIME, &given.rate_ms, NULL },
    { 0 },
};

static struct session session;
static json_t *everybody; /* for the names of who holds others up */

/* --- columns --------------------------------------------------------------------------------- */

static void say_state(struct bytes *cell, const json_t *row)
{
    clients_state(cell, row, everybody);
}

/* The program's name without its folders. */
static void say_exe(struct bytes *cell, const json_t *row)
{
    const char *name = text_base_name(json_string_value(cell_follow(row, "who.exe")));

    cell_text(cell, name != NULL ? name : "-");
}

/* The names in a list of clients, "ui, cli, 3 more". */
static void say_names(struct bytes *cell, const json_t *list, json_int_t all)
{
    char text[400];
    int length = 0;

    for (size_t i = 0; i < json_array_size(list) && i < NAMES_SHOWN; i++) {
        const json_t *one = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        char gone[GONE_MAX];

        snprintf(gone, sizeof gone, "%lld (gone)",
                 (long long)json_integer_value(json_object_get(one, "client")));
        length += snprintf(text + length, sizeof text - (size_t)length, "%s%.64s",
                           i > 0 ? ", " : "", name != NULL ? name : gone);
        all--;
    }
    if (length > 0 && all > 0)
        snprintf(text + length, sizeof text - (size_t)length, ", %lld more", (long long)all);
    cell_text(cell, length > 0 ? text : "-");
}

static void say_from(struct bytes *cell, const json_t *row)
{
    const json_t *from = json_object_get(row, "from");

    say_names(cell, from, (json_int_t)json_array_size(from));
}

static void say_to(struct bytes *cell, const json_t *row)
{
    say_names(cell, json_object_get(row, "to"),
              json_integer_value(json_object_get(row, "receivers")));
}

static const struct print_column clients[] = {
    { .field = "id" },
    { .field = "name" },
    { .field = "who.pid", .spare = 1 },
    { .field = "who.user|who.uid|who.sid", .spare = 4 },
    { .field = "age_ms", .spare = 6 },
    { .field = "subs", .spare = 5 },
    { .field = "published", .spare = 1 },
    { .field = "delivered", .spare = 2 },
    { .field = "bytes_in", .spare = 8 },
    { .field = "bytes_out", .spare = 7 },
    { .field = "lost", .spare = 3 },
    { .field = "queued_bytes" },
    { .field = "oldest_ms" },
    { .field = "state", .say = say_state },
    { .field = "who.exe", .say = say_exe, .spare = 9 },
};

static const struct print_column client_rates[] = {
    { .field = "id" },
    { .field = "name" },
    { .field = "who.pid", .spare = 1 },
    { .field = "published_per_s", .spare = 1 },
    { .field = "delivered_per_s", .spare = 2 },
    { .field = "bytes_in_per_s", .spare = 5 },
    { .field = "bytes_out_per_s", .spare = 4 },
    { .field = "queued_bytes" },
    { .field = "oldest_ms", .spare = 3 },
    { .field = "state", .say = say_state },
};

static const struct print_column subs[] = {
    { .field = "pattern" },
    { .field = "kind", .spare = 1 },
    { .field = "client", .spare = 3 },
    { .field = "name" },
    { .field = "group", .spare = 5 },
    { .field = "policy", .spare = 6 },
    { .field = "accepted", .spare = 4 },
    { .field = "delivered", .spare = 2 },
    { .field = "queued" },
    { .field = "lost" },
    { .field = "in_flight", .spare = 7 },
};

static const struct print_column sub_rates[] = {
    { .field = "pattern" },
    { .field = "kind", .spare = 2 },
    { .field = "client", .spare = 4 },
    { .field = "name" },
    { .field = "accepted_per_s", .spare = 3 },
    { .field = "delivered_per_s", .spare = 1 },
    { .field = "queued" },
    { .field = "lost" },
};

static const struct print_column subjects[] = {
    { .field = "subject" },
    { .field = "published" },
    { .field = "calls", .spare = 2 },
    { .field = "deliveries", .spare = 3 },
    { .field = "no_receiver", .spare = 4 },
    { .field = "refused", .spare = 5 },
    { .field = "from", .say = say_from },
    { .field = "to", .say = say_to },
};

static const struct print_column subject_rates[] = {
    { .field = "subject" },
    { .field = "published_per_s" },
    { .field = "calls_per_s", .spare = 1 },
    { .field = "deliveries_per_s", .spare = 2 },
    { .field = "from", .say = say_from },
    { .field = "to", .say = say_to },
};

static const struct list {
    const char *method, *key;
    const struct print_column *columns, *with_rates;
    size_t count, rate_count;
    const char *counters[RATES_MAX + 1];
} lists[] = {
    { "$sys.clients",
      "id",
      clients,
      client_rates,
      COUNT_OF(clients),
      COUNT_OF(client_rates),
      { "published", "delivered", "bytes_in", "bytes_out" } },
    { "$sys.subs",
      NULL,
      subs,
      sub_rates,
      COUNT_OF(subs),
      COUNT_OF(sub_rates),
      { "accepted", "delivered" } },
    { "$sys.subjects",
      "subject",
      subjects,
      subject_rates,
      COUNT_OF(subjects),
      COUNT_OF(subject_rates),
      { "published", "calls", "deliveries" } },
};

/* --- rates ----------------------------------------------------------------------------------- */

/* Are a and b the same client, subscription or subject? */
static bool same(const struct list *list, const json_t *a, const json_t *b)
{
    if (list->key != NULL)
        return json_equal(json_object_get(a, list->key), json_object_get(b, list->key));
    return json_equal(json_object_get(a, "client"), json_object_get(b, "client")) &&
           json_equal(json_object_get(a, "sid"), json_object_get(b, "sid"));
}

/* The row as it was before; NULL: it is new. Lists keep their order, mostly: it is near. */
static const json_t *find_before(const struct list *list, const json_t *before, const json_t *row,
                                 size_t near)
{
    size_t count = json_array_size(before);

    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(before, (near + i) % count);

        if (same(list, one, row))
            return one;
    }
    return NULL;
}

/* What is new counts from 0. */
static void add_rates(const struct list *list, json_t *rows, const json_t *before, double seconds)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const json_t *old = find_before(list, before, row, i);

        for (size_t k = 0; list->counters[k] != NULL; k++) {
            const char *counter = list->counters[k];
            double since = json_number_value(json_object_get(row, counter)) -
                           json_number_value(json_object_get(old, counter));
            char name[FIELD_MAX];

            snprintf(name, sizeof name, "%s_per_s", counter);
            json_object_set_new(row, name, json_must(json_real(since > 0 ? since / seconds : 0)));
        }
    }
}

/* --- the command ----------------------------------------------------------------------------- */

/* Is a rate asked for by its name? */
static bool mentions_rate(const struct cli *cli)
{
    bool found = (given.select.sort != NULL && strstr(given.select.sort, "_per_s") != NULL) ||
                 (cli->format != NULL && strstr(cli->format, "_per_s") != NULL);

    for (size_t i = 0; i < given.select.where.count; i++)
        found = found || strstr(given.select.where.items[i], "_per_s") != NULL;
    return found;
}

/* A new array of rows; NULL: *code. *others is what the broker tells beside. */
static json_t *get(const struct list *list, json_t **others, int *code)
{
    json_t *answer = ask_here(&session, list->method, ask_with(cli_operand(session.cli, 1)), code);

    if (json_is_object(answer)) {
        json_t *rows = json_incref(json_object_get(answer, "subjects"));

        *others = json_incref(json_object_get(answer, "others"));
        json_decref(answer);
        return rows;
    }
    return answer;
}

static json_t *get_with_rates(const struct list *list, json_t **others, int *code)
{
    uint64_t begin_ns = pp_now_ns();
    json_t *before = get(list, others, code);

    if (before == NULL)
        return NULL;
    json_decref(*others);
    *others = NULL;
    *code = session_sleep(&session, begin_ns + (uint64_t)given.rate_ms * NS_PER_MS);
    json_t *rows = *code == GO_ON ? get(list, others, code) : NULL;
    add_rates(list, rows, before, (double)(pp_now_ns() - begin_ns) / 1e9);
    json_decref(before);
    return rows;
}

static void print_others(const json_t *others)
{
    json_int_t count = json_integer_value(json_object_get(others, "subjects"));

    if (count > 0 && print_is_text())
        out_format("not shown: %lld subject%s, with %lld messages and %lld calls in all\n",
                   (long long)count, count == 1 ? "" : "s",
                   (long long)json_integer_value(json_object_get(others, "published")),
                   (long long)json_integer_value(json_object_get(others, "calls")));
}

static int print_list(const struct list *list)
{
    bool rates = given.rate_ms > 0;
    json_t *others = NULL;
    int code = EXIT_DONE;
    json_t *rows = rates ? get_with_rates(list, &others, &code) : get(list, &others, &code);

    if (rows == NULL)
        return code;
    everybody = json_copy(rows);
    select_rows(&given.select, rows);
    print_table(rows, rates ? list->with_rates : list->columns,
                rates ? list->rate_count : list->count);
    print_others(others);
    json_decref(everybody);
    json_decref(rows);
    json_decref(others);
    return EXIT_DONE;
}

int list(const struct cli *cli)
{
    const struct command_word *word = &cli->command->words[cli->word];

    if (cli->operand_count > 1 && word->next == OPERAND_NONE)
        return error_use("\"%.60s\" is one too many: panpipe ls %s", cli->operands[1], word->name);
    int code = select_check(&given.select, word->fields);
    if (code != GO_ON)
        return code;
    if (given.rate_ms == 0 && mentions_rate(cli))
        given.rate_ms = RATE_MS;
    code = session_open(&session, cli);
    if (code == GO_ON)
        code = print_list(&lists[cli->word]);
    return session_close(&session, code);
}
