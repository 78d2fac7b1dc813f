/* ask.h: for commands that are one question to the broker. */
#ifndef ASK_H
#define ASK_H

#include <jansson.h>

#include "bytes.h"
#include "cli.h"

/* Connects, asks with a control method, has the answer printed, and leaves. params NULL: none;
 * print may be NULL. The exit code. */
int ask(const struct cli *cli, const char *method, const struct bytes *params,
        void (*print)(const struct cli *cli, const json_t *answer));

#endif
