/* peers.c: the harness: measures Panpipe and others beside each other, in one run.
 *
 *     peers [--rounds N] [--ms N] [--quick] [--csv FILE] [VARIANT...]
 *
 * In each round every workload is given to one variant after the other, so that a machine that is
 * fast now and slow then is so to all of them, and ratios are made of runs that were neighbours.
 * See README.md. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "processes.h"
#include "results.h"

enum {
    ROUNDS = 5,
    QUICK_ROUNDS = 3,
    SENDING_MS = 350,
    WARMING_MS = 60,
    SETTLE_MS = 60,  /* between the last process that is ready, and the start */
    STALL_MS = 2000, /* nothing arrives for so long: it is lost */
    RUN_MS_MAX = 20000,
    READY_MS = 10000,
    IDLE_READY_MS = 60000,
    IDLE_SETTLE_MS = 400,
    WINDOW_MIN = 1024 /* of one channel, if there are several subscribers */
};

const struct cell cells[] = {
    { "W1 16 B", MESSAGES, false, 1, 1, 16, 0 },
    { "W1 128 B", MESSAGES, true, 1, 1, 128, 0 },
    { "W1 1 KiB", MESSAGES, false, 1, 1, 1024, 0 },
    { "W1 16 KiB", MESSAGES, false, 1, 1, 16384, 0 },
    { "W1 256 KiB", MESSAGES, false, 1, 1, 262144, 0 },
    { "W1 1 MiB", MESSAGES, false, 1, 1, 1048576, 0 },
    { "W2 1->8", MESSAGES, false, 1, 8, 128, 0 },
    { "W2 1->64", MESSAGES, false, 1, 64, 128, 0 },
    { "W3 4->4", MESSAGES, false, 4, 1, 128, 0 },
    { "W4 1", REQUESTS, true, 1, 1, REQUEST_BYTES, 1 },
    { "W4 64", REQUESTS, true, 1, 1, REQUEST_BYTES, 64 },
    { "W5", IDLE, false, 1, 1, 0, 0 },
};
const int cell_count = sizeof cells / sizeof *cells;

static const struct cell warming = { "warming", MESSAGES, false, 1, 1, 128, 0 };

const struct variant *const all[] = { &limit_scan, &limit_scaniov, &panpipe_raw,
                                      &panpipe,    &panpipe_sync,  &zmq };
enum { VARIANTS = sizeof all / sizeof *all };
const int variant_count = VARIANTS;

/* A variant that takes part, with its broker. */
struct entry {
    const struct variant *variant;
    pid_t broker;
};

struct options {
    int rounds, sending_ms;
    bool quick;
    FILE *csv; /* NULL: none */
};

struct result results[RESULTS_MAX];
int result_count;

/* --- one run ---------------------------------------------------------------------------------- */

static uint64_t all_received(void)
{
    uint64_t sum = atomic_load(&board->replies);

    for (int c = 0; c < board->channel_count; c++)
        for (int i = 0; i < board->connections; i++)
            sum += atomic_load(&board->channels[c].received[i].count);
    return sum;
}

static bool wait_ready(unsigned count, int milliseconds)
{
    uint64_t end = now_ns() + (uint64_t)milliseconds * 1000000;

    for (unsigned ready; (ready = atomic_load(&board->ready)) < count;) {
        if (now_ns() > end || client_died())
            return false;
        futex_wait(&board->ready, ready, 100);
    }
    return true;
}

/* Waits until all channels are done; false: nothing arrives any more. */
static bool wait_done(unsigned count)
{
    uint64_t begin = now_ns(), moved = begin, last = 0;

    for (unsigned done; (done = atomic_load(&board->done)) < count;) {
        futex_wait(&board->done, done, 100);
        uint64_t received = all_received(), now = now_ns();
        if (received != last) {
            last = received;
            moved = now;
        }
        if (now - moved > (uint64_t)STALL_MS * 1000000 ||
            now - begin > (uint64_t)RUN_MS_MAX * 1000000 || client_died())
            return atomic_load(&board->done) >= count;
    }
    return true;
}

/* What may be on its way on each channel. */
static uint64_t window_of(const struct variant *variant, const struct cell *cell)
{
    uint64_t window = variant->window_messages,
             shares = (uint64_t)(cell->channels * cell->connections);

    if (window == 0)
        return 0;
    if (variant->window_bytes / cell->size < window)
        window = variant->window_bytes / cell->size;
    if (shares > 1)
        window = window / shares < WINDOW_MIN ? WINDOW_MIN : window / shares;
    return window < 2 ? 2 : window;
}

static void set_board(const struct variant *variant, const struct cell *cell, int sending_ms)
{
    memset(board, 0, offsetof(struct board, latencies_ns));
    board->channel_count = cell->channels;
    board->connections = cell->connections;
    board->size = cell->size;
    board->duration_ns = (uint64_t)sending_ms * 1000000;
    board->outstanding = cell->outstanding;
    if (cell->kind == MESSAGES)
        board->window = window_of(variant, cell);
    for (int c = 0; c < cell->channels; c++)
        atomic_store(&board->channels[c].total, NOT_KNOWN);
}

/* What a client process does with its life. */
static void live(const struct variant *variant, const struct cell *cell, int channel, bool sends)
{
    if (cell->kind == MESSAGES && sends)
        variant->publish(variant, channel);
    else if (cell->kind == MESSAGES)
        variant->subscribe(variant, channel, cell->connections);
    else if (sends)
        variant->request(variant, cell->outstanding);
    else
        variant->respond(variant);
    for (;;)
        pause();
}

/* Starts the clients, first those that receive. false: they do not get ready. */
static bool start_clients(const struct variant *variant, const struct cell *cell)
{
    unsigned started = 0;

    for (int sends = 0; sends <= 1; sends++) {
        for (int c = 0; c < cell->channels; c++, started++)
            if (fork_client() == 0)
                live(variant, cell, c, sends == 1);
        if (!wait_ready(started, READY_MS))
            return false;
        sleep_ms(SETTLE_MS);
    }
    return true;
}

static void take_times(struct result *result)
{
    uint64_t first = board->replies_first_ns, last = board->replies_last_ns;

    for (int c = 0; result->cell->kind == MESSAGES && c < board->channel_count; c++) {
        const struct channel *channel = &board->channels[c];

        first = c == 0 || channel->first_ns < first ? channel->first_ns : first;
        last = channel->last_ns > last ? channel->last_ns : last;
    }
    result->seconds = last > first ? (double)(last - first) * 1e-9 : 0;
}

static int compare_latencies(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return a < b ? -1 : a > b;
}

static void take_latencies(struct result *result)
{
    size_t count = result->count < LATENCIES_MAX ? result->count : LATENCIES_MAX;
    uint32_t *ns = board->latencies_ns;

    if (board->outstanding != 1 || count == 0)
        return;
    qsort(ns, count, sizeof *ns, compare_latencies);
    result->p50_us = ns[count / 2] / 1e3;
    result->p99_us = ns[count * 99 / 100] / 1e3;
    result->p999_us = ns[count * 999 / 1000] / 1e3;
}

static void take_counts(struct result *result, bool done)
{
    uint64_t total = 0;

    result->count = all_received();
    for (int c = 0; c < board->channel_count; c++) {
        uint64_t sent = atomic_load(&board->channels[c].total);

        total += sent == NOT_KNOWN ? 0 : sent * (uint64_t)board->connections;
        result->wrong += atomic_load(&board->channels[c].wrong);
    }
    if (!done)
        result->lost = total > result->count ? total - result->count : 1;
}

/* false: messages were lost, or the clients did not work; the broker is of no use any more. */
static bool run(const struct entry *entry, const struct cell *cell, int sending_ms,
                struct result *result)
{
    int channels = cell->channels;

    *result = (struct result){ .variant = entry->variant, .cell = cell, .lost = 1 };
    set_board(entry->variant, cell, sending_ms);
    if (!start_clients(entry->variant, cell)) {
        end_clients();
        fprintf(stderr, "peers: %s, %s: clients do not get ready\n", entry->variant->name,
                cell->name);
        return false;
    }
    result->lost = 0;
    result->calibration_us = calibrate();
    struct machine_time before = machine_time();
    double broker = process_cpu(entry->broker);
    double receivers = clients_cpu(0, channels - 1);
    double senders = clients_cpu(channels, 2 * channels - 1);
    atomic_store(&board->go, 1);
    futex_wake(&board->go);
    bool done = wait_done((unsigned)channels);
    result->broker_cpu = process_cpu(entry->broker) - broker;
    result->receivers_cpu = clients_cpu(0, channels - 1) - receivers;
    result->senders_cpu = clients_cpu(channels, 2 * channels - 1) - senders;
    struct machine_time after = machine_time();
    result->steal = after.stolen - before.stolen;
    result->others =
        after.used - before.used - result->broker_cpu - result->receivers_cpu - result->senders_cpu;
    end_clients();
    take_counts(result, done);
    take_times(result);
    if (cell->kind == REQUESTS)
        take_latencies(result);
    return done && result->seconds > 0;
}

/* Memory without clients, with some, and with many. The broker is a fresh one. */
static bool run_idle(const struct entry *entry, const struct cell *cell, struct result *result)
{
    static const int steps[] = { 0, IDLE_FEW, IDLE_MANY - IDLE_FEW };

    *result = (struct result){ .variant = entry->variant, .cell = cell, .seconds = 1, .count = 1 };
    set_board(entry->variant, cell, 0);
    for (unsigned i = 0; i < 3; i++) {
        if (steps[i] > 0 && fork_client() == 0) {
            entry->variant->idle(entry->variant, steps[i]);
            client_ready();
            for (;;)
                pause();
        }
        if (!wait_ready(i, IDLE_READY_MS)) {
            result->lost = 1;
            break;
        }
        sleep_ms(IDLE_SETTLE_MS);
        result->idle_kib[i] = process_memory(entry->broker);
    }
    end_clients();
    return false; /* a used broker: the next round has a new one */
}

/* --- all of them ------------------------------------------------------------------------------ */

static void restart(struct entry *entry)
{
    end_server(entry->broker);
    entry->broker = entry->variant->start(entry->variant);
}

static bool takes_part(const struct variant *variant, const struct cell *cell)
{
    switch (cell->kind) {
    case MESSAGES: return variant->publish != NULL;
    case REQUESTS:
        return variant->request != NULL &&
               (variant->outstanding_max == 0 || cell->outstanding <= variant->outstanding_max);
    case IDLE: return variant->idle != NULL;
    }
    return false;
}

static void measure(struct entry *entry, const struct cell *cell, int round,
                    const struct options *options)
{
    /* one request at a time gives few of them: longer */
    int sending_ms = options->sending_ms * (cell->outstanding == 1 ? 3 : 2) / 2;

    if (!takes_part(entry->variant, cell) || (cell->kind == IDLE && round > 1))
        return;
    must(result_count < RESULTS_MAX);
    struct result *result = &results[result_count++];
    if (cell->kind == IDLE)
        restart(entry);
    bool good =
        cell->kind == IDLE ? run_idle(entry, cell, result) : run(entry, cell, sending_ms, result);
    result->round = round;
    if (options->csv != NULL)
        write_line(options->csv, result);
    if (!good)
        restart(entry);
}

/* Every variant takes its turn in every workload; each round begins with another one. */
static void measure_round(struct entry *entries, int count, int round,
                          const struct options *options)
{
    struct result ignored;

    for (int i = 0; i < count; i++) {
        restart(&entries[i]);
        if (takes_part(entries[i].variant, &warming) &&
            !run(&entries[i], &warming, WARMING_MS, &ignored))
            restart(&entries[i]);
    }
    for (int c = 0; c < cell_count; c++)
        for (int i = 0; i < count && (cells[c].quick || !options->quick); i++)
            measure(&entries[(i + round) % count], &cells[c], round, options);
    for (int i = 0; i < count; i++) {
        end_server(entries[i].broker);
        entries[i].broker = 0;
    }
}

static bool wanted(const char *name, char **names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return count == 0;
}

static bool is_known(const char *name)
{
    for (int i = 0; i < VARIANTS; i++)
        if (strcmp(all[i]->name, name) == 0)
            return true;
    return false;
}

/* Those that were asked for, and can be started; 0: there are none, or a name is not known. */
static int choose(struct entry *entries, char **names, int name_count)
{
    int count = 0;

    for (int i = 0; i < name_count; i++)
        if (!is_known(names[i]))
            return 0;
    for (int i = 0; i < VARIANTS; i++) {
        if (!wanted(all[i]->name, names, name_count))
            continue;
        if (server_exists(all[i]->server))
            entries[count++] = (struct entry){ all[i], 0 };
        else
            fprintf(stderr, "peers: %s is left out: %s is not there\n", all[i]->name,
                    all[i]->server);
    }
    return count;
}

static int usage(void)
{
    fputs("usage: peers [--rounds N] [--ms N] [--quick] [--csv FILE] [VARIANT...]\nvariants:",
          stderr);
    for (int i = 0; i < VARIANTS; i++)
        fprintf(stderr, " %s", all[i]->name);
    fputc('\n', stderr);
    return 2;
}

/* The index of the first argument that is no option; -1: they are wrong. */
static int parse(struct options *options, int argc, char **argv)
{
    int at = 1;

    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        const char *value = at + 1 < argc ? argv[at + 1] : "";

        if (strcmp(argv[at], "--quick") == 0) {
            options->quick = true;
            continue;
        }
        at++;
        if (strcmp(argv[at - 1], "--rounds") == 0 && atoi(value) > 0)
            options->rounds = atoi(value);
        else if (strcmp(argv[at - 1], "--ms") == 0 && atoi(value) > 0)
            options->sending_ms = atoi(value);
        else if (strcmp(argv[at - 1], "--csv") != 0 || (options->csv = fopen(value, "w")) == NULL)
            return -1;
    }
    if (options->rounds == 0)
        options->rounds = options->quick ? QUICK_ROUNDS : ROUNDS;
    return at;
}

int main(int argc, char **argv)
{
    struct options options = { .sending_ms = SENDING_MS };
    struct entry entries[VARIANTS];
    int names = parse(&options, argc, argv);

    if (names < 0)
        return usage();
    int count = choose(entries, argv + names, argc - names);
    if (count == 0)
        return usage();
    signal(SIGPIPE, SIG_IGN);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(board != MAP_FAILED);
    run_folder_make();
    uint64_t begin = now_ns();
    for (int round = 1; round <= options.rounds; round++) {
        measure_round(entries, count, round, &options);
        fprintf(stderr, "peers: round %d of %d, %.0f s\n", round, options.rounds,
                (double)(now_ns() - begin) * 1e-9);
    }
    run_folder_remove();
    if (options.csv != NULL)
        fclose(options.csv);
    return report();
}
