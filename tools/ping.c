/* ping.c: how long a round trip to the broker takes. */

#include <panpipe/sys.h>

#include "commands.h"
#include "error.h"
#include "json.h"
#include "out.h"
#include "print.h"
#include "session.h"

enum { NS_PER_MS = 1000000, TIMES = 4, INTERVAL_MS = 250 };

static struct {
    uint64_t count;
    int interval_ms;
} given;

const struct option ping_options[] = {
    { 'n', "count", "N", "so many round trips (default: 4)", OPTION_COUNT, &given.count, NULL },
    { 0, "interval", "D", "the time from one to the next (default: 250ms)", OPTION_TIME,
      &given.interval_ms, NULL },
    { 0 },
};

static struct session session;

static struct {
    uint64_t count, sum_ns, min_ns, max_ns;
} trips;

static double in_us(uint64_t ns)
{
    return (double)ns / 1e3;
}

static int once(void)
{
    uint64_t begin_ns = pp_now_ns();
    int status = session_await(&session, pp_client_flush(session.client, session_op(&session)),
                               session_patience(session.cli));
    uint64_t ns = pp_now_ns() - begin_ns;

    if (status != PP_OK)
        return session_fail(&session, status);
    trips.min_ns = trips.count == 0 || ns < trips.min_ns ? ns : trips.min_ns;
    trips.max_ns = ns > trips.max_ns ? ns : trips.max_ns;
    trips.sum_ns += ns;
    trips.count++;
    json_t *event =
        json_must(json_pack("{s:I,s:f}", "trip", (json_int_t)trips.count, "time_us", in_us(ns)));
    print_event(event);
    json_decref(event);
    return out_flush();
}

static int sum_up(void)
{
    json_t *event = json_must(json_pack(
        "{s:I,s:f,s:f,s:f}", "trips", (json_int_t)trips.count, "min_us", in_us(trips.min_ns),
        "avg_us", in_us(trips.sum_ns / trips.count), "max_us", in_us(trips.max_ns)));

    print_event(event);
    json_decref(event);
    return EXIT_DONE;
}

int ping(const struct cli *cli)
{
    uint64_t count = given.count > 0 ? given.count : TIMES;
    int interval_ms = given.interval_ms > 0 ? given.interval_ms : INTERVAL_MS;
    int code = session_open(&session, cli);
    uint64_t begin_ns = pp_now_ns();

    while (code == GO_ON && trips.count < count) {
        if (trips.count > 0)
            code =
                session_sleep(&session, begin_ns + trips.count * (uint64_t)interval_ms * NS_PER_MS);
        if (code == GO_ON)
            code = once();
    }
    if (trips.count > 0 && (code == GO_ON || code == EXIT_INTERRUPTED))
        code = code == GO_ON ? sum_up() : (sum_up(), code);
    return session_close(&session, code);
}
