/* report.h: what the broker tells about itself, as MessagePack maps. In the write section, where
 * everything stands still, so that the figures agree with each other. */
#ifndef REPORT_H
#define REPORT_H

#include <msgpack.h>

#include "state.h"

/* {pid, exe, uid or sid, gids ...}: who the operating system says the peer is. Needs a view only.
 */
void report_who(msgpack_packer *packer, const struct peer *peer);

/* The path of the program it runs, freed with free; NULL: not known. Asks the system, for
 * peer->exe, which is set in the write section. Needs a view only. */
char *report_exe(struct peer *peer);

/* May the peer use the operator's verbs? */
bool report_is_operator(const struct peer *peer);

void report_stats(msgpack_packer *packer, struct broker *broker);
void report_clients(msgpack_packer *packer, struct broker *broker);
void report_subs(msgpack_packer *packer, struct broker *broker);

#endif
