/* ls.c: who is connected, and what for. */
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "error.h"
#include "macros.h"
#include "print.h"

static const struct print_column clients[] = {
    { "ID", "id", NULL, "" },
    { "NAME", "name", NULL, "" },
    { "PID", "who.pid", NULL, "" },
    { "USER", "who.uid", "who.sid", "" },
    { "AGE", "age_ms", NULL, "ms" },
    { "SUBS", "subs", NULL, "" },
    { "PUBLISHED", "published", NULL, "" },
    { "IN", "bytes_in", NULL, "bytes" },
    { "OUT", "bytes_out", NULL, "bytes" },
    { "QUEUED", "queued_bytes", NULL, "bytes" },
    { "CALLS", "calls_open", NULL, "" },
    { "SERVING", "serving", NULL, "" },
    { "STATE", "state", NULL, "" },
    { "EXE", "who.exe", NULL, "" },
};

static const struct print_column subs[] = {
    { "PATTERN", "pattern", NULL, "" },     { "KIND", "kind", NULL, "" },
    { "CLIENT", "client", NULL, "" },       { "NAME", "name", NULL, "" },
    { "GROUP", "group", NULL, "" },         { "POLICY", "policy", NULL, "" },
    { "ACCEPTED", "accepted", NULL, "" },   { "DELIVERED", "delivered", NULL, "" },
    { "QUEUED", "queued", NULL, "" },       { "LOST", "lost", NULL, "" },
    { "IN FLIGHT", "in_flight", NULL, "" },
};

static void print_clients(const struct cli *cli, const json_t *answer)
{
    print_table(answer, clients, COUNT_OF(clients), cli->json);
}

static void print_subs(const struct cli *cli, const json_t *answer)
{
    print_table(answer, subs, COUNT_OF(subs), cli->json);
}

int list(const struct cli *cli)
{
    static const char *const names[] = { "clients", "subs", NULL };
    const char *what = cli->operands[0], *meant = options_meant(what, names);

    if (strcmp(what, names[0]) == 0)
        return ask(cli, "$sys.clients", NULL, print_clients);
    if (strcmp(what, names[1]) == 0)
        return ask(cli, "$sys.subs", NULL, print_subs);
    if (meant != NULL)
        return error_use("there is no list of %s; did you mean %s?", what, meant);
    return error_use("there is no list of %s, only of clients and subs", what);
}
