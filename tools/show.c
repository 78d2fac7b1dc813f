/* show.c: all about one client, one subject, or the broker. */
#include "show.h"

#include <stdbool.h>
#include <string.h>

#include "ask.h"
#include "clients.h"
#include "commands.h"
#include "error.h"
#include "fields.h"
#include "json.h"
#include "macros.h"
#include "out.h"
#include "print.h"

enum { EVENTS_SHOWN = 10 };

static struct session session;

/* --- a client -------------------------------------------------------------------------------- */

static const struct print_column sub_columns[] = {
    { .field = "pattern" },
    { .field = "kind" },
    { .field = "group" },
    { .field = "policy", .spare = 1 },
    { .field = "accepted", .spare = 2 },
    { .field = "delivered" },
    { .field = "queued" },
    { .field = "lost" },
};
static const struct print_column held_columns[] = { { .field = "client" }, { .field = "name" } };
static const struct print_column sent_columns[] = { { .field = "subject" },
                                                    { .field = "messages" } };
static const struct print_column event_columns[] = {
    { .field = "ts" }, { .field = "event" }, { .field = "why" }, { .field = "text" }
};

/* Its subjects: [{subject, messages}], of those that it is one of the busiest of. */
static json_t *sent_by(const json_t *subjects, json_int_t id)
{
    json_t *rows = json_must(json_array());

    for (size_t i = 0; i < json_array_size(subjects); i++) {
        const json_t *subject = json_array_get(subjects, i);
        const json_t *from = json_object_get(subject, "from");

        for (size_t k = 0; k < json_array_size(from); k++) {
            const json_t *one = json_array_get(from, k);

            if (json_integer_value(json_object_get(one, "client")) == id)
                json_array_append_new(
                    rows, json_must(json_pack("{s:O, s:O}", "subject",
                                              json_object_get(subject, "subject"), "messages",
                                              json_object_get(one, "messages"))));
        }
    }
    return rows;
}

/* The last of the events that are about it. */
static json_t *events_of(const json_t *events, json_int_t id)
{
    json_t *rows = json_must(json_array());

    for (size_t i = json_array_size(events); i-- > 0 && json_array_size(rows) < EVENTS_SHOWN;) {
        json_t *event = json_array_get(events, i);

        if (json_integer_value(json_object_get(event, "client")) == id)
            json_array_insert(rows, 0, event);
    }
    return rows;
}

/* Whom it slows: [{client, name}], of those who wait for it now. */
static json_t *held_up_by(const json_t *clients, json_int_t id)
{
    json_t *rows = json_must(json_array());

    for (size_t i = 0; i < json_array_size(clients); i++) {
        const json_t *client = json_array_get(clients, i);
        const char *state = json_string_value(json_object_get(client, "state"));

        if (state != NULL && strcmp(state, "blocked") == 0 &&
            json_integer_value(json_object_get(client, "held_by")) == id)
            json_array_append_new(
                rows, json_must(json_pack("{s:O, s:O}", "client", json_object_get(client, "id"),
                                          "name", json_object_get(client, "name"))));
    }
    return rows;
}

/* NULL: *code is the exit code; it may have gone meanwhile. */
static json_t *subs_of(struct session *at, json_int_t id, const char *word, int *code)
{
    json_t *subs;
    int status = ask_quietly(at, "$sys.subs", json_pack("[I]", id), &subs);

    if (status != PP_OK)
        *code = status == PP_ENOTFOUND ? clients_nobody(word) : session_fail(at, status);
    return subs;
}

/* Asks for the rest, and puts it into the record. */
static int add_details(struct session *at, const char *word, const json_t *clients, json_t *record)
{
    json_int_t id = json_integer_value(json_object_get(record, "id"));
    int code = EXIT_DONE;
    json_t *subs = subs_of(at, id, word, &code);
    json_t *subjects = subs != NULL ? ask_here(at, "$sys.subjects", NULL, &code) : NULL;
    json_t *events = subjects != NULL ? ask_here(at, "$sys.events", NULL, &code) : NULL;

    if (events != NULL) {
        json_object_set_new(record, "holds_up", held_up_by(clients, id));
        json_object_set(record, "subscriptions", subs);
        json_object_set_new(record, "publishes",
                            sent_by(json_object_get(subjects, "subjects"), id));
        json_object_set_new(record, "events", events_of(json_object_get(events, "events"), id));
    }
    json_decref(subs);
    json_decref(subjects);
    json_decref(events);
    return code;
}

static void print_client(json_t *record, const json_t *clients)
{
    struct bytes cell = { 0 };

    if (print_is_text()) {
        clients_state(&cell, record, clients);
        json_object_set_new(record, "state", json_must(json_string(cell.data)));
        bytes_free(&cell);
    }
    print_record(record);
    print_section("Holds up", FIELDS_SENDERS, json_object_get(record, "holds_up"), held_columns,
                  COUNT_OF(held_columns));
    print_section("Subscriptions", FIELDS_SUBS, json_object_get(record, "subscriptions"),
                  sub_columns, COUNT_OF(sub_columns));
    print_section("Publishes, or calls", FIELDS_SENDERS, json_object_get(record, "publishes"),
                  sent_columns, COUNT_OF(sent_columns));
    print_section("Events", FIELDS_EVENTS, json_object_get(record, "events"), event_columns,
                  COUNT_OF(event_columns));
}

int show_client(struct session *at, const char *word)
{
    int code = EXIT_DONE;
    json_t *clients = ask_here(at, "$sys.clients", NULL, &code);
    const json_t *client = clients != NULL ? clients_the(clients, word, &code) : NULL;
    json_t *record = client != NULL ? json_must(json_copy((json_t *)(uintptr_t)client)) : NULL;

    if (record != NULL)
        code = add_details(at, word, clients, record);
    if (record != NULL && code == EXIT_DONE)
        print_client(record, clients);
    json_decref(record);
    json_decref(clients);
    return code;
}

/* --- the broker ------------------------------------------------------------------------------ */

int show_broker(struct session *at)
{
    int code = EXIT_DONE;
    json_t *stats = ask_here(at, "$sys.stats", NULL, &code);
    json_t *settings = stats != NULL ? ask_here(at, "$sys.settings", NULL, &code) : NULL;

    if (settings != NULL) {
        if (print_is_text()) {
            print_record(stats);
            out_text("\nSettings\n");
            print_record(settings);
        } else {
            json_object_set(stats, "settings", settings);
            print_record(stats);
        }
    }
    json_decref(settings);
    json_decref(stats);
    return code;
}

/* --- the command ----------------------------------------------------------------------------- */

int show(const struct cli *cli)
{
    const struct command_word *word = &cli->command->words[cli->word];
    const char *which = cli_operand(cli, 1);

    if (which == NULL && word->next != OPERAND_NONE)
        return error_use("which %s?", word->name);
    if (which != NULL && word->next == OPERAND_NONE)
        return error_use("\"%.60s\" is one too many: panpipe show %s", which, word->name);
    int code = session_open(&session, cli);
    if (code == GO_ON)
        code = word->next == OPERAND_CLIENT    ? show_client(&session, which)
               : word->next == OPERAND_SUBJECT ? show_subject(&session, which)
                                               : show_broker(&session);
    return session_close(&session, code);
}
