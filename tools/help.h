/* help.h: what the table of commands (commands.h) is made into: --help, manual pages, completions.
 * All print to standard output. */
#ifndef HELP_H
#define HELP_H

#include "cli.h"

/* For --help. */
void help_all(void);
void help_command(const struct command *command);

/* The exit codes of every command; code -1 ends them. */
struct help_exit {
    int code;
    const char *what;
};
extern const struct help_exit help_exits[];

/* The page panpipe(1), and that of one command, for man. */
void manual_all(void);
void manual_command(const struct command *command);

/* A script for a shell. */
void complete_bash(void);
void complete_zsh(void);
void complete_fish(void);

#endif
