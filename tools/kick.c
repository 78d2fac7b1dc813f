/* kick.c: cuts the connection of a client, or of all that have a name or are of a process. */
#include "ask.h"
#include "clients.h"
#include "commands.h"
#include "error.h"
#include "json.h"
#include "out.h"
#include "print.h"

static struct {
    const char *text;
    int for_ms;
    bool all;
} given;

const struct option kick_options[] = {
    { 0, "text", "T", "why, for the client and the log", OPTION_TEXT, &given.text, NULL },
    { 0, "for", "D", "its process may not come back for so long: 30s, 10m", OPTION_TIME,
      &given.for_ms, NULL },
    { 0, "all", NULL, "all clients of that name or process", OPTION_FLAG, &given.all, NULL },
    { 0 },
};

static struct session session;

static void tell(const json_t *client)
{
    json_int_t id = json_integer_value(json_object_get(client, "id"));
    const char *name = json_string_value(json_object_get(client, "name"));
    const json_t *pid = json_object_get(json_object_get(client, "who"), "pid");
    char clean[100];

    if (print_is_text()) {
        snprintf(clean, sizeof clean, "%s", name != NULL ? name : "-");
        error_clean(clean);
        out_format("kicked %s (client %lld, pid %lld)\n", clean, (long long)id,
                   (long long)json_integer_value(pid));
        return;
    }
    json_t *event =
        json_must(json_pack("{s:I, s:s?, s:O?}", "client", id, "name", name, "pid", pid));
    print_event(event);
    json_decref(event);
}

/* Who has gone meanwhile is not kicked, and that is no failure. */
static int kick_one(const json_t *client, size_t *kicked)
{
    json_t *options = json_must(json_object()), *answer;

    if (given.text != NULL)
        json_object_set_new(options, "text", json_must(json_string_nocheck(given.text)));
    if (given.for_ms > 0)
        json_object_set_new(options, "for_ms", json_must(json_integer(given.for_ms)));
    int status = ask_quietly(&session, "$sys.kick",
                             json_pack("[O, o]", json_object_get(client, "id"), options), &answer);
    if (status == PP_ENOTFOUND)
        return GO_ON;
    if (status != PP_OK)
        return session_fail(&session, status);
    json_decref(answer);
    ++*kicked;
    tell(client);
    return out_flush();
}

static int kick_those(const json_t *meant, const char *word)
{
    size_t kicked = 0;
    int code = GO_ON;

    if (json_array_size(meant) > 1 && !given.all)
        return clients_several(word, meant);
    for (size_t i = 0; i < json_array_size(meant) && code == GO_ON; i++)
        code = kick_one(json_array_get(meant, i), &kicked);
    if (code == GO_ON && kicked == 0)
        return clients_nobody(word);
    return code == GO_ON ? EXIT_DONE : code;
}

int kick(const struct cli *cli)
{
    int code = session_open(&session, cli);
    json_t *clients = code == GO_ON ? ask_here(&session, "$sys.clients", NULL, &code) : NULL;

    if (clients != NULL) {
        json_t *meant = clients_meant(clients, cli->operands[0]);

        code = kick_those(meant, cli->operands[0]);
        json_decref(meant);
        json_decref(clients);
    }
    return session_close(&session, code);
}
