/* stop.c: asks the broker to send what is queued and to leave. */
#include "ask.h"
#include "commands.h"

int stop(const struct cli *cli)
{
    return ask(cli, "$sys.stop", NULL, NULL);
}
