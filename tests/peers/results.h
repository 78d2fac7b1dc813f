/* results.h: what is measured, and what came out. */
#ifndef PEERS_RESULTS_H
#define PEERS_RESULTS_H

#include <stdio.h>

#include "variant.h"

enum cell_kind { MESSAGES, REQUESTS, IDLE };

/* One workload at one size. */
struct cell {
    const char *name;
    enum cell_kind kind;
    bool quick; /* part of the short run */
    int channels, connections;
    size_t size;
    unsigned outstanding;
};
extern const struct cell cells[];
extern const int cell_count;

/* Every variant there is, in the order of the tables. */
extern const struct variant *const all[];
extern const int variant_count;

/* One run of one variant. Times in seconds, of processors where it says so. */
struct result {
    int round;
    const struct variant *variant;
    const struct cell *cell;
    uint64_t count;       /* messages that arrived, over all connections; or replies */
    uint64_t lost, wrong; /* wrong: out of order, or of another length */
    double seconds;
    double broker_cpu, senders_cpu, receivers_cpu; /* requests: requester, responder */
    double p50_us, p99_us, p999_us;                /* one request outstanding */
    double idle_kib[3];                            /* memory with 0, 1000, 5000 connections */
    double calibration_us;                         /* how long a fixed piece of work took before */
    double steal, others; /* processor time that the host took away, and that others used */
};

enum { RESULTS_MAX = 8192, IDLE_FEW = 1000, IDLE_MANY = 5000 };
extern struct result results[RESULTS_MAX];
extern int result_count;

/* Writes the tables, and the ratios with their targets. 0: every target was measured and is met,
 * and nothing was lost; 1: not so; 2: not every target was measured. */
int report(void);

/* Writes a result as one line of comma-separated values; before the first, their names. */
void write_line(FILE *file, const struct result *result);

#endif
