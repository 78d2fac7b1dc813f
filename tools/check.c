/* check.c: is the broker well? For what watches over machines: a line a check, and one exit code.
 *
 * What cannot be found out is unknown; only that no broker answers is critical, for alive. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/sys.h>

#include "ask.h"
#include "cell.h"
#include "commands.h"
#include "error.h"
#include "fields.h"
#include "json.h"
#include "macros.h"
#include "out.h"
#include "print.h"
#include "select.h"

static struct {
    const char *warn, *critical;
} given;

const struct option check_options[] = {
    { 0, "warn", "X", "a warning from X on: 200ms, 64M, 3; of one check", OPTION_TEXT, &given.warn,
      NULL },
    { 0, "crit", "Y", "critical from Y on", OPTION_TEXT, &given.critical, NULL },
    { 0 },
};

/* In the order of their exit codes. */
enum status { CHECK_OK, CHECK_WARN, CHECK_CRITICAL, CHECK_UNKNOWN };
static const char *const status_names[] = { "ok", "warn", "critical", "unknown" };

static struct session session;

/* What the checks look at. */
static struct {
    bool alive;
    double alive_ms;
    json_t *stats, *settings; /* NULL: not known */
    char why[300];            /* ... why not */
} seen;

/* One look. false: not known. */
static bool look_alive(double *value)
{
    *value = seen.alive_ms;
    return seen.alive;
}

static bool look_at(const char *field, double *value)
{
    const json_t *number = json_object_get(seen.stats, field);

    *value = json_number_value(number);
    return json_is_number(number);
}

static bool look_memory(double *value)
{
    return look_at("memory_bytes", value);
}

static bool look_slow(double *value)
{
    return look_at("slow", value);
}

static bool look_queues(double *value)
{
    return look_at("queued_max_bytes", value);
}

/* As the words of the command. */
static const struct check {
    const char *name, *what;
    enum unit unit;
    double warn, critical; /* from there on; queues: 0, see limits_of */
    bool (*look)(double *value);
} checks[] = {
    { "alive", "answers in", UNIT_MS, 100, 1000, look_alive },
    { "memory", "memory", UNIT_BYTES, 256 << 20, 1024 << 20, look_memory },
    { "slow", "slow clients", UNIT_NONE, 1, 10, look_slow },
    { "queues", "the longest queue", UNIT_BYTES, 0, 0, look_queues },
};

/* --- judging --------------------------------------------------------------------------------- */

struct limits {
    double warn, critical;
};

/* Those of a queue are the broker's own: where it holds publishers up, half way to cutting. */
static struct limits limits_of(const struct check *check)
{
    struct limits limits = { check->warn, check->critical };
    double high = json_number_value(json_object_get(seen.settings, "queue_high"));
    double hard = json_number_value(json_object_get(seen.settings, "queue_hard"));

    if (check->look == look_queues && high > 0)
        limits = (struct limits){ high, high + (hard - high) / 2 };
    if (given.warn != NULL)
        select_number(given.warn, check->unit, &limits.warn);
    if (given.critical != NULL)
        select_number(given.critical, check->unit, &limits.critical);
    return limits;
}

static enum status judge(double value, struct limits limits)
{
    return value >= limits.critical ? CHECK_CRITICAL : value >= limits.warn ? CHECK_WARN : CHECK_OK;
}

static const char *in_words(struct bytes *cell, double value, enum unit unit)
{
    json_t *number = json_must(json_real(value));

    cell_value(cell, number, unit);
    json_decref(number);
    return cell->data;
}

/* What value, warn and crit of its row count. */
static const char *unit_of(const struct check *check)
{
    return check->unit == UNIT_MS ? "ms" : check->unit == UNIT_BYTES ? "bytes" : "clients";
}

/* {check, status, text, unit, value, warn, crit} */
static json_t *finding(const struct check *check, enum status *status)
{
    struct limits limits = limits_of(check);
    struct bytes cell = { 0 };
    char text[360];
    double value;
    bool known = check->look(&value);

    *status = known                       ? judge(value, limits)
              : check->look == look_alive ? CHECK_CRITICAL
                                          : CHECK_UNKNOWN;
    if (!known)
        snprintf(text, sizeof text, "%s",
                 seen.why[0] != '\0' ? seen.why : "the broker does not tell");
    else
        snprintf(text, sizeof text, "%s: %s", check->what, in_words(&cell, value, check->unit));
    if (known && *status != CHECK_OK)
        snprintf(
            text + strlen(text), sizeof text - strlen(text), " (%s from %s on)",
            status_names[*status],
            in_words(&cell, *status == CHECK_WARN ? limits.warn : limits.critical, check->unit));
    bytes_free(&cell);
    json_t *row = json_must(json_pack(
        "{s:s, s:s, s:s, s:s, s:f, s:f}", "check", check->name, "status", status_names[*status],
        "text", text, "unit", unit_of(check), "warn", limits.warn, "crit", limits.critical));
    if (known)
        json_object_set_new(row, "value", json_must(json_real(value)));
    return row;
}

/* --- looking --------------------------------------------------------------------------------- */

static void look_around(const struct cli *cli)
{
    error_keep(seen.why, sizeof seen.why);
    int code = session_open(&session, cli);
    uint64_t begin_ns = pp_now_ns();

    if (code == GO_ON) {
        int status = session_await(&session, pp_client_flush(session.client, session_op(&session)),
                                   session_patience(cli));

        seen.alive = status == PP_OK;
        seen.alive_ms = (double)(pp_now_ns() - begin_ns) / 1e6;
        code = seen.alive ? GO_ON : session_fail(&session, status);
    }
    if (code == GO_ON)
        seen.stats = ask_here(&session, "$sys.stats", NULL, &code);
    if (code == GO_ON)
        seen.settings = ask_here(&session, "$sys.settings", NULL, &code);
    error_keep(NULL, 0);
}

/* The worst of all: critical, then warn, then unknown. */
static enum status worse(enum status a, enum status b)
{
    static const int weights[] = {
        [CHECK_OK] = 0, [CHECK_UNKNOWN] = 1, [CHECK_WARN] = 2, [CHECK_CRITICAL] = 3
    };

    return weights[a] > weights[b] ? a : b;
}

static int report(int only)
{
    static const struct print_column columns[] = { { .field = "check" },
                                                   { .field = "status" },
                                                   { .field = "text" } };
    json_t *rows = json_must(json_array());
    enum status status, worst = CHECK_OK;

    for (int i = 0; i < (int)COUNT_OF(checks); i++) {
        if (only >= 0 && only != i)
            continue;
        json_array_append_new(rows, finding(&checks[i], &status));
        worst = worse(worst, status);
    }
    print_rows(rows, columns, COUNT_OF(columns));
    json_decref(rows);
    return (int)worst;
}

/* --- the command ----------------------------------------------------------------------------- */

static int settle(int only)
{
    double number;

    if (given.warn == NULL && given.critical == NULL)
        return GO_ON;
    if (only < 0)
        return error_use("--warn and --crit are for one check: panpipe check memory --warn 64M");
    if (given.warn != NULL && !select_number(given.warn, checks[only].unit, &number))
        return error_use("--warn is no number of %s: \"%.60s\"", checks[only].what, given.warn);
    if (given.critical != NULL && !select_number(given.critical, checks[only].unit, &number))
        return error_use("--crit is no number of %s: \"%.60s\"", checks[only].what, given.critical);
    return GO_ON;
}

int check(const struct cli *cli)
{
    int only = cli->word < (int)COUNT_OF(checks) ? cli->word : -1; /* the word behind them is all */
    int code = settle(only);

    if (code != GO_ON)
        return code;
    look_around(cli);
    code = report(only);
    json_decref(seen.stats);
    json_decref(seen.settings);
    return session_close(&session, code);
}
