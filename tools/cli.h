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
    int word; /* which of the command's words the first operand is; -1: none */

    const char *broker; /* NULL: PANPIPE in the environment, or "default" */
    const char *name;   /* NULL: after the command */
    const char *format; /* NULL: not given */
    int timeout_ms;     /* 0: not given */
    bool system, json, quiet, verbose, no_start, help, version;
};

enum { CLI_OPERANDS_MANY = 1000 };

enum command_group { GROUP_TALK, GROUP_LOOK, GROUP_MEASURE, GROUP_OPERATE, GROUP_COUNT };

/* What an operand is: completions know where to look for it. */
enum operand {
    OPERAND_NONE,
    OPERAND_TEXT,
    OPERAND_BODY,
    OPERAND_SUBJECT,
    OPERAND_CLIENT,
    OPERAND_COMMAND
};

/* A word that may be a command's first operand. */
struct command_word {
    const char *name, *summary; /* name NULL ends the list */
    unsigned fields;            /* as a command's */
    enum operand next;          /* what comes behind it */
};

struct command {
    const char *name, *summary;
    enum command_group group;
    const char *synopsis; /* what comes behind the name */
    int operands_min, operands_max;
    enum operand first, next;         /* of the operands; the last one is as those before */
    const struct command_word *words; /* what first may be; NULL: anything */
    unsigned fields;                  /* of what it prints, enum fields; with words: if none came */
    const struct option *options;     /* NULL: none of its own */
    const char *details;              /* for --help; "" if there is no more to say */
    const char *examples;             /* a line each */
    const char *exits;                /* exit codes that mean something else here, a line each */
    int (*run)(const struct cli *cli); /* the exit code */
    bool starts; /* the user's broker, if it is not there; else it asks about what is there */
};

/* The operand at i, or NULL. */
static inline const char *cli_operand(const struct cli *cli, int i)
{
    return i < cli->operand_count ? cli->operands[i] : NULL;
}

#endif
