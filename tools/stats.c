/* stats.c: the broker's counters. */
#include "ask.h"
#include "commands.h"
#include "print.h"

static void print(const struct cli *cli, const json_t *answer)
{
    (void)cli;
    print_record(answer);
}

int stats(const struct cli *cli)
{
    return ask(cli, "$sys.stats", NULL, print);
}
