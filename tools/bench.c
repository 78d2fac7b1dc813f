/* bench.c: what a measurement is asked for and tells; bench_*.c measure. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

#include <panpipe/sys.h>

#include "body.h"
#include "bytes.h"
#include "commands.h"
#include "error.h"
#include "json.h"
#include "out.h"
#include "print.h"
#include "progress.h"
#include "value.h"

enum { SIZE = 128, FOR_MS = 1000, CLIENTS = 4, CLIENTS_MAX = 1000, OUTSTANDING_MAX = 1000 };

static struct bench_plan given;

const struct option bench_options[] = {
    { 0, "size", "BYTES", "of a body (default: 128, at least 16)", OPTION_COUNT, &given.size,
      NULL },
    { 0, "for", "D", "send for so long: 500ms, 2s, 1m (default: 1s)", OPTION_TIME, &given.for_ms,
      NULL },
    { 'n', "count", "N", "send N messages, however long it takes", OPTION_COUNT, &given.count,
      NULL },
    { 0, "rate", "R", "send R messages a second", OPTION_RATE, &given.rate, NULL },
    { 0, "clients", "N", "fan: so many subscribers (default: 4)", OPTION_COUNT, &given.clients,
      NULL },
    { 0, "outstanding", "K", "req: so many calls at once (default: 1)", OPTION_COUNT,
      &given.outstanding, NULL },
    { 0 },
};

static struct session session;

static const struct kind {
    const char *name;
    int (*measure)(struct session *, const struct bench_plan *, struct bench_result *);
} kinds[] = {
    { "pub", bench_flow }, { "sub", bench_watch }, { "fan", bench_flow }, { "req", bench_calls }
};

/* --- what they share ------------------------------------------------------------------------- */

static int broker_cpu_ns(struct session *at, uint64_t *ns)
{
    int status = session_call(at, "$sys.stats", "\x90", 1, 0, 0);

    if (status != PP_OK)
        return session_fail(at, status);
    json_t *stats = json_from_value(at->answer.data, at->answer.size);
    *ns = (uint64_t)json_integer_value(json_object_get(stats, "cpu_ns"));
    json_decref(stats);
    return GO_ON;
}

int bench_begin(struct session *at, struct bench_result *result)
{
    int code = broker_cpu_ns(at, &result->broker_cpu_ns);

    result->own_cpu_ns = pp_cpu_ns();
    result->begin_ns = pp_now_ns();
    return code;
}

int bench_end(struct session *at, struct bench_result *result)
{
    uint64_t before_ns = result->broker_cpu_ns;
    int code;

    if (result->end_ns == 0)
        result->end_ns = pp_now_ns();
    result->own_cpu_ns = pp_cpu_ns() - result->own_cpu_ns;
    code = broker_cpu_ns(at, &result->broker_cpu_ns);
    result->broker_cpu_ns -= before_ns;
    return code;
}

bool bench_goes_on(const struct bench_plan *plan, const struct bench_result *result,
                   uint64_t now_ns)
{
    progress_show(now_ns, result->sent);
    return plan->count > 0 ? result->sent < plan->count
                           : now_ns < result->begin_ns + (uint64_t)plan->for_ms * 1000000;
}

void bench_body_init(struct bench_body *body, size_t size)
{
    uint8_t head[VALUE_HEAD_MAX];

    bytes_add(&body->params, "\x91", 1);
    bytes_add(&body->params, head, value_head(head, size, false));
    body->at = body->params.size;
    memset(bytes_room(&body->params, size), 'x', size);
    body->params.size += size;
}

void bench_body_set(struct bench_body *body, uint64_t number, uint64_t time_ns)
{
    memcpy(body->params.data + body->at, &number, sizeof number);
    memcpy(body->params.data + body->at + sizeof number, &time_ns, sizeof time_ns);
}

bool bench_body_get(const pp_message *message, uint64_t *number, uint64_t *time_ns, size_t *size)
{
    const char *bytes = value_only_bytes(message->params, message->params_size, size);

    if (bytes == NULL || *size < BENCH_SIZE_MIN)
        return false;
    memcpy(number, bytes, sizeof *number);
    memcpy(time_ns, bytes + sizeof *number, sizeof *time_ns);
    return true;
}

static void work(void *port)
{
    pp_packet packet;

    while (pp_port_get(port, &packet, -1) == 1)
        ; /* everything happens in callbacks */
}

int bench_side_open(struct session *at, struct bench_side *side)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    config.concurrency = 1;
    int status = pp_port_open(&side->port, &config);
    if (status == PP_OK)
        status = pp_thread_start(&side->thread, work, side->port);
    return status == PP_OK ? GO_ON : session_fail_here(at, status);
}

void bench_side_close(struct bench_side *side)
{
    enum { PATIENCE_MS = 2000 };

    if (side->port == NULL)
        return;
    pp_port_shutdown(side->port, PP_SHUT_FAST, PATIENCE_MS, NULL, NULL);
    pp_thread_join(side->thread);
    pp_port_close(side->port);
}

int bench_side_fail(struct session *at, int status)
{
    int code = session_poll(at);

    return code == GO_ON ? session_fail_here(at, status) : code;
}

int bench_side_client(struct session *at, const struct bench_side *side, pp_client_config *config,
                      pp_client **client)
{
    config->name = "panpipe-bench-side";
    config->broker = session_broker(at->cli);
    config->scope = at->cli->system ? PP_SCOPE_SYSTEM : PP_SCOPE_USER;
    config->connect_ms = session_patience(at->cli);
    config->port = side->port;
    config->flags = PP_CLIENT_ONCE;
    int status = pp_client_new(client, config);
    if (status == PP_OK)
        status = pp_client_connect(*client, NULL);
    return status == PP_OK ? GO_ON : bench_side_fail(at, status);
}

/* --- the report ------------------------------------------------------------------------------ */

static void set_number(json_t *report, const char *name, uint64_t number)
{
    json_object_set_new(report, name, json_must(json_integer((json_int_t)number)));
}

static void set_real(json_t *report, const char *name, double number)
{
    json_object_set_new(report, name, json_must(json_real(number)));
}

static void report_on(const struct bench_result *result)
{
    double seconds = (double)(result->end_ns - result->begin_ns) / 1e9;
    double each = result->received > 0 ? (double)result->received : 1;
    json_t *report = json_must(json_object());

    json_object_set_new(report, "bench", json_must(json_string(given.kind)));
    if (result->sent > 0)
        set_number(report, "size_bytes", given.size);
    if (given.clients > 0)
        set_number(report, "clients", given.clients);
    if (given.outstanding > 0)
        set_number(report, "outstanding", given.outstanding);
    set_real(report, "time_ms", seconds * 1e3);
    if (result->sent > 0)
        set_number(report, "sent", result->sent);
    set_number(report, "received", result->received);
    set_real(report, "messages_per_s", (double)result->received / seconds);
    set_real(report, "mb_per_s", (double)result->bytes / seconds / 1e6);
    if (result->meter != NULL) {
        meter_report(result->meter, report);
        set_number(report, "lost", result->lost);
        set_number(report, "reordered", result->reordered);
    }
    set_real(report, "own_cpu_per_message_ns", (double)result->own_cpu_ns / each);
    set_real(report, "broker_cpu_per_message_ns", (double)result->broker_cpu_ns / each);
    print_record(report);
    json_decref(report);
}

/* --- the command ----------------------------------------------------------------------------- */

/* Fills in what the user did not say. */
static int settle(const struct cli *cli)
{
    static char subject[64];
    bool calls = strcmp(given.kind, "req") == 0, fan = strcmp(given.kind, "fan") == 0;

    given.size = given.size > 0 ? given.size : SIZE;
    given.for_ms = given.for_ms > 0 ? given.for_ms : FOR_MS;
    given.subject = cli_operand(cli, 1);
    if (given.subject == NULL && strcmp(given.kind, "sub") == 0)
        return error_use("on which SUBJECT? panpipe bench sub SUBJECT");
    if (given.subject == NULL) {
        snprintf(subject, sizeof subject, "bench.%llx", (unsigned long long)pp_now_ns());
        given.subject = subject;
    }
    if ((given.clients > 0 && !fan) || (given.outstanding > 0 && !calls))
        return error_use("--clients is for fan, --outstanding for req");
    if (fan && given.clients == 0)
        given.clients = CLIENTS;
    if (calls && given.outstanding == 0)
        given.outstanding = 1;
    if (given.size < BENCH_SIZE_MIN || given.size > BODY_MAX / 2)
        return error_use("--size is from 16 to 8388608");
    if (given.clients > CLIENTS_MAX || given.outstanding > OUTSTANDING_MAX)
        return error_use("--clients and --outstanding are at most 1000");
    return GO_ON;
}

static int judge(const struct bench_result *result)
{
    char why[100];

    if (result->lost == 0 && result->reordered == 0)
        return EXIT_DONE;
    snprintf(why, sizeof why, "%llu messages were lost, %llu came out of order",
             (unsigned long long)result->lost, (unsigned long long)result->reordered);
    return error_say(EXIT_FAILED, "E_LOST", why, "please report this, with the broker's log");
}

int bench(const struct cli *cli)
{
    struct bench_result result = { 0 };
    const struct kind *kind = &kinds[cli->word];

    given.kind = kind->name;
    int code = settle(cli);
    if (code == GO_ON)
        code = session_open(&session, cli);
    progress_begin(cli, given.count, given.count > 0 ? 0 : given.for_ms);
    if (code == GO_ON)
        code = kind->measure(&session, &given, &result);
    progress_end();
    if (code == GO_ON) {
        report_on(&result);
        code = judge(&result);
    }
    return session_close(&session, code);
}
