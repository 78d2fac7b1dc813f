#include "clients.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cell.h"
#include "error.h"
#include "json.h"
#include "text.h"

enum { WORDS_MAX = 400, LISTED_MAX = 10 };

/* --- which ----------------------------------------------------------------------------------- */

static bool is_number(const json_t *json, const char *text)
{
    uint64_t number;

    return json_is_integer(json) && text_to_number(text, &number) &&
           (uint64_t)json_integer_value(json) == number;
}

static bool is_meant(const json_t *client, const char *word)
{
    const char *name = json_string_value(json_object_get(client, "name"));

    if (strncmp(word, "pid:", 4) == 0)
        return is_number(cell_follow(client, "who.pid"), word + 4);
    if (is_number(json_object_get(client, "id"), word))
        return true;
    return name != NULL && strcmp(name, word) == 0;
}

json_t *clients_meant(const json_t *clients, const char *word)
{
    json_t *meant = json_must(json_array());

    for (size_t i = 0; i < json_array_size(clients); i++)
        if (is_meant(json_array_get(clients, i), word))
            json_array_append(meant, json_array_get(clients, i));
    return meant;
}

int clients_nobody(const char *word)
{
    char why[WORDS_MAX];

    snprintf(why, sizeof why, "no client is %.100s", word);
    return error_say(EXIT_NOT_FOUND, "E_NOTFOUND", why,
                     "panpipe ls clients shows who is there, panpipe events who left and why");
}

int clients_several(const char *word, const json_t *meant)
{
    char why[WORDS_MAX];
    int length = snprintf(why, sizeof why, "%zu clients are %.100s:", json_array_size(meant), word);

    for (size_t i = 0; i < json_array_size(meant) && i < LISTED_MAX; i++) {
        const json_t *client = json_array_get(meant, i);

        length +=
            snprintf(why + length, sizeof why - (size_t)length, "%s %" PRId64, i > 0 ? "," : "",
                     (int64_t)json_integer_value(json_object_get(client, "id")));
    }
    if (json_array_size(meant) > LISTED_MAX)
        snprintf(why + length, sizeof why - (size_t)length, ", ...");
    return error_say(EXIT_WRONG_USE, "E_USAGE", why, "say which by its number");
}

const json_t *clients_the(const json_t *clients, const char *word, int *code)
{
    json_t *meant = clients_meant(clients, word);
    const json_t *client = NULL;

    if (json_array_size(meant) == 1)
        client = json_array_get(meant, 0);
    else
        *code = json_array_size(meant) == 0 ? clients_nobody(word) : clients_several(word, meant);
    json_decref(meant); /* the clients hold it, too */
    return client;
}

/* --- state ----------------------------------------------------------------------------------- */

static const char *name_of(const json_t *clients, json_int_t id)
{
    for (size_t i = 0; i < json_array_size(clients); i++) {
        const json_t *client = json_array_get(clients, i);

        if (json_integer_value(json_object_get(client, "id")) == id)
            return json_string_value(json_object_get(client, "name"));
    }
    return NULL;
}

void clients_state(struct bytes *cell, const json_t *client, const json_t *clients)
{
    const char *state = json_string_value(json_object_get(client, "state"));
    const json_t *by = json_object_get(client, "held_by");
    const char *name = name_of(clients, json_integer_value(by));
    char text[WORDS_MAX];

    if (state != NULL && strcmp(state, "slow") == 0)
        cell_text(cell, "SLOW");
    else if (state == NULL || strcmp(state, "blocked") != 0)
        cell_text(cell, state != NULL ? state : "-");
    else if (name == NULL && !json_is_integer(by))
        cell_text(cell, "BLOCKED");
    else {
        if (name != NULL)
            snprintf(text, sizeof text, "BLOCKED by %s", name);
        else
            snprintf(text, sizeof text, "BLOCKED by client %" PRId64,
                     (int64_t)json_integer_value(by));
        cell_text(cell, text);
    }
}
