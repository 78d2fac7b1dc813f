/* cli.h: what main.c and the commands have in common. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>

#include "options.h"

/* Functions on the way to the end of a command return its exit code (error.h), or this. */
enum { GO_ON = -1 };

/* One run of the program, as it was asked for. */
struct cli {
    const struct command *command;
    const char **operands;
    int operand_count;

    const char *broker; /* NULL: PANPIPE in the environment, or "default" */
    const char *name;   /* NULL: after the command */
    int timeout_ms;     /* 0: not given */
    bool system, json, quiet, verbose, no_start, help, version;
};

enum { CLI_OPERANDS_MANY = 1000 };

struct command {
    const char *name, *summary;
    const char *synopsis; /* what comes behind the name */
    int operands_min, operands_max;
    const struct option *options; /* NULL: none of its own */
    const char *details;          /* for --help; "" if there is no more to say */
    const char *example;
    int (*run)(const struct cli *cli); /* the exit code */
    bool starts; /* the user's broker, if it is not there; else it asks about what is there */
};

/* The operand at i, or NULL. */
static inline const char *cli_operand(const struct cli *cli, int i)
{
    return i < cli->operand_count ? cli->operands[i] : NULL;
}

#endif
