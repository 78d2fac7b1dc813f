/* progress.h: a line on standard error that tells how far a long command is: a bar where the end
 * is known, the rate in any case. Only for a person who watches: standard output and standard
 * error are terminals, and neither --json nor --quiet was given. It comes after a while, at most
 * ten times a second, and is wiped at the end, and before an error is said. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

#include "cli.h"

/* total: of messages; for_ms: of time; 0: not known. The command begins now. */
void progress_begin(const struct cli *cli, uint64_t total, int for_ms);

/* So many messages are done: of no cost before the next line is due, which is at progress_due. Who
 * has not the time at hand asks for it every thousand messages or so. */
void progress_show(uint64_t now_ns, uint64_t done);

/* When that is; UINT64_MAX: never. */
uint64_t progress_due_ns(void);

void progress_end(void);

#endif
