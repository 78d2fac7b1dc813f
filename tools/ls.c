/* ls.c: who is connected, and what for. */
#include "ask.h"
#include "commands.h"
#include "macros.h"
#include "print.h"

static const struct print_column clients[] = {
    { "id", NULL },         { "name", NULL },
    { "who.pid", NULL },    { "who.uid|who.sid", NULL },
    { "age_ms", NULL },     { "subs", NULL },
    { "published", NULL },  { "bytes_in", NULL },
    { "bytes_out", NULL },  { "queued_bytes", NULL },
    { "calls_open", NULL }, { "serving", NULL },
    { "state", NULL },      { "who.exe", NULL },
};

static const struct print_column subs[] = {
    { "pattern", NULL }, { "kind", NULL },   { "client", NULL },    { "name", NULL },
    { "group", NULL },   { "policy", NULL }, { "accepted", NULL },  { "delivered", NULL },
    { "queued", NULL },  { "lost", NULL },   { "in_flight", NULL },
};

static void print_clients(const struct cli *cli, const json_t *answer)
{
    (void)cli;
    print_table(answer, clients, COUNT_OF(clients));
}

static void print_subs(const struct cli *cli, const json_t *answer)
{
    (void)cli;
    print_table(answer, subs, COUNT_OF(subs));
}

int list(const struct cli *cli)
{
    return cli->word == 0 ? ask(cli, "$sys.clients", NULL, print_clients)
                          : ask(cli, "$sys.subs", NULL, print_subs);
}
