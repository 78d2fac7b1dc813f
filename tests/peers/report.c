/* report.c: medians, and ratios of neighbours.
 *
 * A run in a slow phase of the machine (the piece of work before it took long, the host stole
 * processor time, or other programs used it) is left out where three others are there. A ratio is
 * made of two runs of the same round; what is given is the median of the rounds' ratios. */
#include <stdio.h>
#include <stdlib.h>

#include "results.h"

enum { ENOUGH = 3, COLUMNS_MAX = 8 };
static const double slow_calibration = 1.35; /* times the best */
static const double slow_steal = 0.06;       /* of one processor */
static const double slow_others = 0.15;      /* the same */

typedef double metric(const struct result *result);

static double rate(const struct result *result)
{
    return (double)result->count / result->seconds;
}

static double per_message(const struct result *result, double cpu)
{
    return cpu * 1e9 / (double)result->count;
}

static double broker_ns(const struct result *result)
{
    return per_message(result, result->broker_cpu);
}

static double senders_ns(const struct result *result)
{
    return per_message(result, result->senders_cpu);
}

static double receivers_ns(const struct result *result)
{
    return per_message(result, result->receivers_cpu);
}

static double p50(const struct result *result)
{
    return result->p50_us;
}

static double p99(const struct result *result)
{
    return result->p99_us;
}

static double p999(const struct result *result)
{
    return result->p999_us;
}

static double idle_none(const struct result *result)
{
    return result->idle_kib[0];
}

static double idle_many(const struct result *result)
{
    return result->idle_kib[2];
}

static double idle_bytes(const struct result *result)
{
    return (result->idle_kib[2] - result->idle_kib[0]) * 1024 / IDLE_MANY;
}

/* --- statistics ------------------------------------------------------------------------------- */

struct spread {
    double median, min, max;
    int count; /* 0: nothing to say */
    bool lost; /* messages, in one of the runs */
};

static double best_calibration(void)
{
    double best = 1e18;

    for (int i = 0; i < result_count; i++)
        if (results[i].calibration_us > 0 && results[i].calibration_us < best)
            best = results[i].calibration_us;
    return best;
}

static bool is_slow(const struct result *result)
{
    static double best;

    if (best == 0)
        best = best_calibration();
    return result->calibration_us > slow_calibration * best ||
           result->steal > slow_steal * result->seconds ||
           result->others > slow_others * result->seconds;
}

static bool is_bad(const struct result *result)
{
    return result->lost > 0 || result->wrong > 0;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return a < b ? -1 : a > b;
}

static struct spread spread_of_values(double *values, int count)
{
    struct spread spread = { .count = count };

    if (count == 0)
        return spread;
    qsort(values, (size_t)count, sizeof *values, compare);
    spread.median = (values[(count - 1) / 2] + values[count / 2]) / 2;
    spread.min = values[0];
    spread.max = values[count - 1];
    return spread;
}

static struct spread spread_of(const struct variant *variant, const struct cell *cell, metric *get)
{
    static double values[RESULTS_MAX];
    bool lost = false;
    int count = 0;

    for (int slow_too = 0; slow_too <= 1 && count < ENOUGH; slow_too++) {
        count = 0;
        for (int i = 0; i < result_count; i++) {
            const struct result *result = &results[i];

            if (result->variant != variant || result->cell != cell)
                continue;
            lost = lost || is_bad(result);
            if (!is_bad(result) && (slow_too || !is_slow(result)))
                values[count++] = get(result);
        }
    }
    struct spread spread = spread_of_values(values, count);
    spread.lost = lost;
    return spread;
}

static const struct result *find(const struct variant *variant, const struct cell *cell, int round)
{
    for (int i = 0; i < result_count; i++)
        if (results[i].variant == variant && results[i].cell == cell && results[i].round == round)
            return &results[i];
    return NULL;
}

static int last_round(void)
{
    return result_count > 0 ? results[result_count - 1].round : 0;
}

static struct spread ratio_of(const struct variant *left, const struct variant *right,
                              const struct cell *cell, metric *get)
{
    static double values[RESULTS_MAX];
    bool lost = false;
    int count = 0;

    for (int slow_too = 0; slow_too <= 1 && count < ENOUGH; slow_too++) {
        count = 0;
        for (int round = 1; round <= last_round(); round++) {
            const struct result *a = find(left, cell, round), *b = find(right, cell, round);

            if (a == NULL || b == NULL)
                continue;
            lost = lost || is_bad(a);
            if (!is_bad(a) && !is_bad(b) && (slow_too || (!is_slow(a) && !is_slow(b))))
                values[count++] = get(a) / get(b);
        }
    }
    struct spread spread = spread_of_values(values, count);
    spread.lost = lost;
    return spread;
}

/* --- tables ----------------------------------------------------------------------------------- */

static const struct cell *cell_named(const char *name)
{
    for (int i = 0; i < cell_count; i++)
        if (strcmp(cells[i].name, name) == 0)
            return &cells[i];
    return NULL;
}

static void print_number(double x)
{
    if (x >= 1e6)
        printf("%.2fM", x / 1e6);
    else if (x >= 1e4)
        printf("%.0fk", x / 1e3);
    else if (x >= 1e3)
        printf("%.2fk", x / 1e3);
    else if (x >= 100)
        printf("%.0f", x);
    else if (x >= 10)
        printf("%.1f", x);
    else
        printf("%.2f", x);
}

static void print_spread(struct spread spread)
{
    if (spread.count == 0) {
        printf(spread.lost ? " LOST |" : " - |");
        return;
    }
    printf(" ");
    print_number(spread.median);
    printf(" (");
    print_number(spread.min);
    printf("-");
    print_number(spread.max);
    printf(spread.lost ? "), LOST |" : ") |");
}

/* A column: a workload and what is told of it. */
struct column {
    const char *head, *cell;
    metric *get;
};

static struct spread spread_in(const struct variant *variant, const struct column *column)
{
    return spread_of(variant, cell_named(column->cell), column->get);
}

static bool is_known(const struct variant *variant, const struct column *column)
{
    struct spread spread = spread_in(variant, column);

    return spread.count > 0 || spread.lost;
}

/* The columns, and the rows, of which something was measured. */
static void print_table(const char *title, const struct column *columns, int count)
{
    bool shown[COLUMNS_MAX] = { false }, any = false;

    for (int i = 0; i < count; i++)
        for (int v = 0; v < variant_count; v++)
            any = (shown[i] = shown[i] || is_known(all[v], &columns[i])) || any;
    if (!any)
        return;
    printf("\n### %s\n\n| |", title);
    for (int i = 0; i < count; i++)
        if (shown[i])
            printf(" %s |", columns[i].head);
    printf("\n|---|");
    for (int i = 0; i < count; i++)
        if (shown[i])
            printf("---|");
    printf("\n");
    for (int v = 0; v < variant_count; v++) {
        bool row = false;

        for (int i = 0; i < count; i++)
            row = row || is_known(all[v], &columns[i]);
        if (!row)
            continue;
        printf("| %s |", all[v]->name);
        for (int i = 0; i < count; i++)
            if (shown[i])
                print_spread(spread_in(all[v], &columns[i]));
        printf("\n");
    }
}

#define TABLE(title, columns) print_table(title, columns, (int)(sizeof columns / sizeof *columns))

static void print_tables(void)
{
    static const struct column rates[] = {
        { "16 B", "W1 16 B", rate },       { "128 B", "W1 128 B", rate },
        { "1 KiB", "W1 1 KiB", rate },     { "16 KiB", "W1 16 KiB", rate },
        { "256 KiB", "W1 256 KiB", rate }, { "1 MiB", "W1 1 MiB", rate },
    };
    static const struct column brokers[] = {
        { "16 B", "W1 16 B", broker_ns },       { "128 B", "W1 128 B", broker_ns },
        { "1 KiB", "W1 1 KiB", broker_ns },     { "16 KiB", "W1 16 KiB", broker_ns },
        { "256 KiB", "W1 256 KiB", broker_ns }, { "1 MiB", "W1 1 MiB", broker_ns },
    };
    static const struct column costs[] = {
        { "broker", "W1 128 B", broker_ns },
        { "publisher", "W1 128 B", senders_ns },
        { "subscriber", "W1 128 B", receivers_ns },
    };
    static const struct column many[] = {
        { "W2 1->8", "W2 1->8", rate },   { "broker ns", "W2 1->8", broker_ns },
        { "W2 1->64", "W2 1->64", rate }, { "broker ns", "W2 1->64", broker_ns },
        { "W3 4->4", "W3 4->4", rate },   { "broker ns", "W3 4->4", broker_ns },
    };
    static const struct column calls[] = {
        { "p50 us", "W4 1", p50 },
        { "p99 us", "W4 1", p99 },
        { "p99.9 us", "W4 1", p999 },
        { "broker ns", "W4 1", broker_ns },
        { "64 outstanding, 1/s", "W4 64", rate },
        { "broker ns", "W4 64", broker_ns },
    };
    static const struct column idle[] = {
        { "no connection, KiB", "W5", idle_none },
        { "5000, KiB", "W5", idle_many },
        { "bytes for each", "W5", idle_bytes },
    };

    TABLE("W1: one publisher, one subscriber: messages/s", rates);
    TABLE("W1: the broker's processor time, ns a message", brokers);
    TABLE("W1, 128 B: processor time, ns a message", costs);
    TABLE("W2, W3: 128 B to several: deliveries/s, and the broker's ns for each", many);
    TABLE("W4: requests with 64 B, and their replies", calls);
    TABLE("W5: the broker's memory for idle connections", idle);
}

/* --- ratios ----------------------------------------------------------------------------------- */

struct target {
    const char *what;
    const struct variant *left, *right;
    const char *cell;
    metric *get;
    bool at_least;
    double bound; /* 0: told only */
};

static const struct target targets[] = {
    { "panpipe-raw / L-scaniov, messages/s at 128 B", &panpipe_raw, &limit_scaniov, "W1 128 B",
      rate, true, 0.25 },
    { "panpipe / zmq, messages/s at 128 B", &panpipe, &zmq, "W1 128 B", rate, true, 3 },
    { "panpipe-raw / L-scaniov, the broker's time for a message at 128 B", &panpipe_raw,
      &limit_scaniov, "W1 128 B", broker_ns, false, 4 },
    { "panpipe-raw / L-scan, p50 of a call", &panpipe_raw, &limit_scan, "W4 1", p50, false, 1.5 },
    { "panpipe / L-scan, p50 of a call", &panpipe, &limit_scan, "W4 1", p50, false, 1.5 },
    { "panpipe-sync / L-scan, p50 of a call", &panpipe_sync, &limit_scan, "W4 1", p50, false, 1.5 },
    { "panpipe / panpipe-raw, messages/s at 128 B", &panpipe, &panpipe_raw, "W1 128 B", rate, true,
      0 },
    { "panpipe-sync / panpipe-raw, p50 of a call", &panpipe_sync, &panpipe_raw, "W4 1", p50, false,
      0 },
    { "panpipe / zmq, p50 of a call", &panpipe, &zmq, "W4 1", p50, false, 0 },
    { "panpipe / zmq, calls/s with 64 outstanding", &panpipe, &zmq, "W4 64", rate, true, 0 },
};

enum outcome { MET, MISSED, NOT_MEASURED };

static enum outcome print_target(const struct target *target)
{
    struct spread spread =
        ratio_of(target->left, target->right, cell_named(target->cell), target->get);
    bool met = target->at_least ? spread.median >= target->bound : spread.median <= target->bound;

    printf("| %s |", target->what);
    if (spread.count == 0)
        printf(" - |");
    else
        printf(" %.2f (%.2f-%.2f) |", spread.median, spread.min, spread.max);
    if (target->bound == 0) {
        printf(" | |\n");
        return MET;
    }
    printf(" %s %.2f | %s |\n", target->at_least ? "at least" : "at most", target->bound,
           spread.lost         ? "NO: messages were lost"
           : spread.count == 0 ? "not measured"
           : met               ? "met"
                               : "NO");
    return spread.lost ? MISSED : spread.count == 0 ? NOT_MEASURED : met ? MET : MISSED;
}

static bool print_losses(void)
{
    bool any = false;

    for (int i = 0; i < result_count; i++) {
        const struct result *result = &results[i];

        if (!is_bad(result))
            continue;
        any = true;
        printf("- %s, %s, round %d: %llu lost, %llu wrong\n", result->variant->name,
               result->cell->name, result->round, (unsigned long long)result->lost,
               (unsigned long long)result->wrong);
    }
    if (!any)
        printf("Nothing was lost, out of order, or cut short in any run.\n");
    return !any;
}

int report(void)
{
    unsigned outcomes[NOT_MEASURED + 1] = { 0 };
    int slow = 0;

    for (int i = 0; i < result_count; i++)
        slow += is_slow(&results[i]);
    printf("%d runs in %d rounds, %d of them in slow phases of the machine, which are left out "
           "where %d others are there. Medians, (lowest-highest).\n",
           result_count, last_round(), slow, ENOUGH);
    print_tables();
    printf("\n### Ratios, each of two runs in the same round\n\n"
           "| | median (lowest-highest) | target | met |\n|---|---|---|---|\n");
    for (unsigned i = 0; i < sizeof targets / sizeof *targets; i++)
        outcomes[print_target(&targets[i])]++;
    printf("\n");
    if (!print_losses() || outcomes[MISSED] > 0)
        return 1;
    return outcomes[NOT_MEASURED] > 0 ? 2 : 0;
}

void write_line(FILE *file, const struct result *result)
{
    if (ftell(file) == 0)
        fprintf(file, "round,variant,workload,size,count,seconds,broker_cpu,senders_cpu,"
                      "receivers_cpu,lost,wrong,p50_us,p99_us,p999_us,idle0_kib,idle1000_kib,"
                      "idle5000_kib,calibration_us,steal_s,others_s\n");
    fprintf(file,
            "%d,%s,%s,%zu,%llu,%.6f,%.6f,%.6f,%.6f,%llu,%llu,%.2f,%.2f,%.2f,%.0f,%.0f,%.0f,%.0f,"
            "%.2f,%.2f\n",
            result->round, result->variant->name, result->cell->name, result->cell->size,
            (unsigned long long)result->count, result->seconds, result->broker_cpu,
            result->senders_cpu, result->receivers_cpu, (unsigned long long)result->lost,
            (unsigned long long)result->wrong, result->p50_us, result->p99_us, result->p999_us,
            result->idle_kib[0], result->idle_kib[1], result->idle_kib[2], result->calibration_us,
            result->steal, result->others);
    fflush(file);
}
