/* commands.h: the commands, one file each; commands.c is their table. A function returns the exit
 * code. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "cli.h"

/* In the order of --help; one without a name ends it. */
extern const struct command commands[];
extern const char *const command_groups[GROUP_COUNT];

/* Options of every command (main.c). */
extern const struct option global_options[];

/* The command of that name, or NULL. _unknown: says that there is none, and which could have been
 * meant; the exit code. */
const struct command *command_find(const char *name);
int command_unknown(const char *name);

/* Which of the words that is, or -1; says what is wrong. */
int command_word(const struct command *command, const char *name);

extern const struct option bench_options[];
extern const struct option check_options[];
extern const struct option events_options[];
extern const struct option help_options[];
extern const struct option kick_options[];
extern const struct option ls_options[];
extern const struct option monitor_options[];
extern const struct option ping_options[];
extern const struct option pub_options[];
extern const struct option req_options[];
extern const struct option serve_options[];
extern const struct option stop_options[];
extern const struct option sub_options[];
extern const struct option top_options[];

int bench(const struct cli *cli);
int check(const struct cli *cli);
int describe(const struct cli *cli);
int doctor(const struct cli *cli);
int errors(const struct cli *cli);
int events(const struct cli *cli);
int help(const struct cli *cli);
int kick(const struct cli *cli);
int list(const struct cli *cli);
int monitor(const struct cli *cli);
int ping(const struct cli *cli);
int pub(const struct cli *cli);
int req(const struct cli *cli);
int serve(const struct cli *cli);
int show(const struct cli *cli);
int stats(const struct cli *cli);
int stop(const struct cli *cli);
int stream(const struct cli *cli); /* stdio */
int sub(const struct cli *cli);
int top(const struct cli *cli);
int where(const struct cli *cli);

#endif
