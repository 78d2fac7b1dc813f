/* report.h: what the broker tells about itself, as MessagePack; SYS.md says what it is. Reports are
 * made in the view of a packet's worker. Where figures must agree with each other they are copied
 * in the write section, where everything stands still, and packed after it. */
#ifndef REPORT_H
#define REPORT_H

#include <msgpack.h>

#include "worker.h"

/* {pid, exe, uid or sid, user, gids ...}: who the operating system says the peer is. */
void report_who(msgpack_packer *packer, const struct peer *peer);

/* May the peer use the operator's verbs? */
bool report_is_operator(const struct peer *peer);

/* Why there is no report. */
#define REPORT_NO_MEMORY "E_LIMIT the broker is out of memory"
#define REPORT_NO_CLIENT "E_NOTFOUND there is no such client"

/* They leave the view and enter it again: what was found before may be gone. client 0: all. NULL:
 * packed; else why not. */
void report_stats(struct worker *worker, msgpack_packer *packer);
const char *report_clients(struct worker *worker, msgpack_packer *packer, uint64_t client);
const char *report_subs(struct worker *worker, msgpack_packer *packer, uint64_t client);

/* Which subjects. */
struct subject_query {
    const char *pattern; /* a valid one; NULL: all */
    size_t pattern_length;
    uint64_t max; /* the busiest */
};
const char *report_subjects(struct worker *worker, msgpack_packer *packer,
                            const struct subject_query *query);

#endif
