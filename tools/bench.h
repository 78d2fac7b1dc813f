/* bench.h: what the kinds of measurement have in common. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <panpipe/sys.h>

#include "bytes.h"
#include "meter.h"
#include "session.h"

/* As the user asked for it. */
struct bench_plan {
    const char *kind, *subject;
    uint64_t size, count; /* count 0: until for_ms are over */
    uint64_t clients, outstanding;
    int for_ms;
    double rate; /* messages a second; 0: as fast as it goes */
};

/* What came out, beside the times. */
struct bench_result {
    uint64_t sent, received; /* messages */
    uint64_t lost, reordered;
    uint64_t bytes; /* of bodies, received */
    uint64_t begin_ns, end_ns;
    const struct meter *meter; /* NULL: times are not known */
    uint64_t own_cpu_ns, broker_cpu_ns;
};

/* The session's client measures; each opens what else it needs. GO_ON, or the exit code. */
int bench_flow(struct session *session, const struct bench_plan *plan, struct bench_result *result);
int bench_calls(struct session *session, const struct bench_plan *plan,
                struct bench_result *result);
int bench_watch(struct session *session, const struct bench_plan *plan,
                struct bench_result *result);

/* Around the measurement: begin and end, processor time of this process and of the broker. */
int bench_begin(struct session *session, struct bench_result *result);
int bench_end(struct session *session, struct bench_result *result);

/* Should one more be sent, after so many? Shows the progress. */
bool bench_goes_on(const struct bench_plan *plan, const struct bench_result *result,
                   uint64_t now_ns);

/* The body of a measured message: one binary with a number and a time in front. */
enum { BENCH_SIZE_MIN = 16 };
struct bench_body {
    struct bytes params;
    size_t at; /* where number and time lie */
};
void bench_body_init(struct bench_body *body, size_t size);
void bench_body_set(struct bench_body *body, uint64_t number, uint64_t time_ns);
/* false: it is none. *size is that of the body. */
bool bench_body_get(const pp_message *message, uint64_t *number, uint64_t *time_ns, size_t *size);

/* A port with a thread of its own, for clients other than the session's. */
struct bench_side {
    pp_port *port;
    pp_thread *thread;
};
int bench_side_open(struct session *session, struct bench_side *side);
void bench_side_close(struct bench_side *side);
/* Says what failed there; or that the broker has gone meanwhile, if that is why. The exit code. */
int bench_side_fail(struct session *session, int status);
/* A connected client on it. GO_ON, or the exit code. */
int bench_side_client(struct session *session, const struct bench_side *side,
                      pp_client_config *config, pp_client **client);

#endif
