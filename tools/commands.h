/* commands.h: the commands, one file each. A function returns the exit code. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "cli.h"

extern const struct option bench_options[];
extern const struct option ping_options[];
extern const struct option pub_options[];
extern const struct option req_options[];
extern const struct option serve_options[];
extern const struct option sub_options[];

int bench(const struct cli *cli);
int describe(const struct cli *cli);
int doctor(const struct cli *cli);
int list(const struct cli *cli);
int ping(const struct cli *cli);
int pub(const struct cli *cli);
int req(const struct cli *cli);
int serve(const struct cli *cli);
int stats(const struct cli *cli);
int stop(const struct cli *cli);
int stream(const struct cli *cli); /* stdio */
int sub(const struct cli *cli);
int where(const struct cli *cli);

#endif
