#include "e2e/bus.h"

#include "support/random.h"
#include "support/support.h"

#include <panpipe/port.h>

#include "broker.h"
#include "sim/turns.h"

static enum bus_kind kind = BUS_REAL;
static unsigned worker_count;

void bus_use(enum bus_kind kind_, unsigned workers)
{
    kind = kind_;
    worker_count = workers;
}

bool bus_is_simulated(void)
{
    return kind == BUS_SIM;
}

/* --- workers that take turns ------------------------------------------------------------------ */

enum { WORKERS_MAX = 4 };

static struct {
    uint64_t seed;    /* of the next broker */
    unsigned workers; /* of the broker there is; 0: there is one thread, the test's */
    struct runner runners[WORKERS_MAX];
} turns;

void bus_use_seed(uint64_t seed)
{
    turns.seed = seed;
}

uint64_t bus_seed(void)
{
    return turns.seed;
}

/* What a test that failed has left never goes on. */
static void give_turns_up(void)
{
    if (turns.workers == 0)
        return;
    print_error("again: SIM_SEED=%llu test_e2e_turns\n", (unsigned long long)turns.seed);
    sim_turns_end();
    turns.workers = 0;
}

static void work(void *port)
{
    pp_packet packet;

    while (pp_port_get(port, &packet, -1) == 1)
        ;
}

/* Begins with turns, if they are wanted; how many workers there are to be. */
static unsigned take_turns(void)
{
    enum { SHORT_OR_LATE = 10, LOCKS_A_TURN = 8 };

    uint64_t draws = turns.seed;
    if (!sim_has_turns)
        return 0;
    sim_chance(turns.seed, SHORT_OR_LATE);
    turns.workers = 1 + random_below(&draws, WORKERS_MAX);
    sim_turns_begin(LOCKS_A_TURN);
    return turns.workers;
}

/* Lets everything happen that can happen now, or in so much time. */
static void pass_ms(unsigned milliseconds)
{
    enum { QUIET_MS = 20 }; /* an event is late by less */

    if (turns.workers != 0)
        ppi_sleep_ms(milliseconds > QUIET_MS ? milliseconds : QUIET_MS);
    else
        sim_pass_ms(milliseconds);
}

/* --- brokers ---------------------------------------------------------------------------------- */

/* A file beside the test's sockets. */
static void file_name(char *out, size_t size, const struct bus *bus, const char *what)
{
    char folder[PP_PATH_MAX];

    ppi_temporary_folder(folder, sizeof folder);
    snprintf(out, size, "%.200s/%.60s-%.20s", folder, bus->name, what);
}

static void write_settings(const char *path, const char *settings)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    fputs(settings, file);
    fclose(file);
}

/* Beside this program's folder, unless the environment says otherwise. */
const char *bus_program(void)
{
    static char path[PP_PATH_MAX * 2];
    const char *given = ppi_environment("PANPIPED"), *own = ppi_program_path();
    const char *slash = strrchr(own, '/') != NULL ? strrchr(own, '/') : strrchr(own, '\\');
    const char *dot = strrchr(own, '.');

    if (given != NULL)
        return given;
    snprintf(path, sizeof path, "%.*s/../panpiped%s", (int)(slash - own), own,
             dot != NULL && strcmp(dot, ".exe") == 0 ? ".exe" : "");
    return path;
}

static bool somebody_listens(const char *name)
{
    pp_handle *client;
    pp_op op = PP_OP_INIT;

    assert_int_equal(pp_dial(&client, name, NULL), PP_OK);
    pp_op_use_wait(&op);
    pp_connect(client, &op);
    pp_op_wait(&op, -1);
    pp_close(client);
    return op.status == PP_OK;
}

/* What a test that fails leaves behind ends with it. */
static struct bus *open_ones[4];

static void keep_in_mind(struct bus *bus)
{
    for (size_t i = 0; i < PPI_COUNT(open_ones); i++)
        if (open_ones[i] == NULL) {
            open_ones[i] = bus;
            bus->running = true;
            return;
        }
    fail_msg("more brokers in one test than %d", (int)PPI_COUNT(open_ones));
}

static void forget(struct bus *bus)
{
    for (size_t i = 0; i < PPI_COUNT(open_ones); i++)
        if (open_ones[i] == bus)
            open_ones[i] = NULL;
    bus->running = false;
}

static void remove_files(struct bus *bus)
{
    char config[PP_PATH_MAX];

    file_name(config, sizeof config, bus, "config");
    remove(config);
    remove(bus->log);
}

void bus_kill(struct bus *bus)
{
    int code;

    forget(bus);
    ppi_process_signal(&bus->process, PPI_KILL);
    assert_int_equal(ppi_process_wait(&bus->process, TEST_PATIENCE_MS, &code), 1);
    remove_files(bus);
}

static void show_log(const struct bus *bus)
{
    char line[400];
    FILE *file = fopen(bus->log, "rb");

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        print_error("%s", line);
    if (file != NULL)
        fclose(file);
}

int bus_clean_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < PPI_COUNT(open_ones); i++) {
        struct bus *bus = open_ones[i];

        if (bus == NULL)
            continue;
        forget(bus);
        if (kind == BUS_SIM) {
            give_turns_up();
            continue;
        }
        show_log(bus);
        bus_kill(bus);
    }
    return 0;
}

static bool is_not_begun(struct bus *bus)
{
    int code;

    return ppi_process_wait(&bus->process, 0, &code) == 1 &&
           was_not_begun(code, bus_log_has(bus, "\n"));
}

/* Begins it, and waits until it listens. The try that succeeds is client 1 in every test. */
static void begin(struct bus *bus, const char *const *arguments)
{
    const struct ppi_stdio stdio = { NULL, NULL, bus->log };
    bool listens = false;

    for (int times = 0; !listens && times < 2; times++) {
        assert_int_equal(ppi_process_start(&bus->process, arguments, &stdio), PP_OK);
        EVENTUALLY((listens = somebody_listens(bus->name)) || is_not_begun(bus));
    }
    assert_true(listens);
    EVENTUALLY(bus_log_has(bus, "disconnect client=")); /* that was we */
}

static void open_real(struct bus *bus, const char *settings)
{
    char config[PP_PATH_MAX], workers[16];
    const char *arguments[12] = { bus_program(), "-b", bus->name, "--log-level", "debug" };
    int count = 5;

    file_name(bus->log, sizeof bus->log, bus, "log");
    if (settings != NULL) {
        file_name(config, sizeof config, bus, "config");
        write_settings(config, settings);
        arguments[count++] = "--config";
        arguments[count++] = config;
    }
    if (worker_count != 0) {
        snprintf(workers, sizeof workers, "%u", worker_count);
        arguments[count++] = "--workers";
        arguments[count++] = workers;
    }
    keep_in_mind(bus);
    begin(bus, arguments);
}

static void on_stopped(void *context, pp_broker *broker)
{
    (void)broker;
    *(bool *)context = true;
}

static bool stopped;

static void open_simulated(struct bus *bus, const char *settings)
{
    struct settings values;
    pp_port_config config = PP_PORT_CONFIG_INIT;
    char path[PP_PATH_MAX], problem[256];
    static const struct sim_script script = { 0 };
    const struct broker_events events = { &stopped, NULL, on_stopped };

    settings_defaults(&values);
    if (settings != NULL) {
        file_name(path, sizeof path, bus, "config");
        write_settings(path, settings);
        assert_int_equal(settings_load(&values, path, problem, sizeof problem), PP_OK);
        remove(path);
    }
    snprintf(values.name, sizeof values.name, "%s", bus->name);
    sim_begin(&script);
    stopped = false;
    config.concurrency = take_turns();
    assert_int_equal(pp_port_open(&bus->port, &config), PP_OK);
    assert_int_equal(broker_open(&bus->broker, &values, bus->port, &events), PP_OK);
    keep_in_mind(bus);
    for (unsigned i = 0; i < turns.workers; i++)
        runner_start(&turns.runners[i], work, bus->port);
}

void bus_name(struct bus *bus)
{
    static unsigned count;

    memset(bus, 0, sizeof *bus);
    snprintf(bus->name, sizeof bus->name, "bus-%llu-%u", (unsigned long long)ppi_process_id(),
             count++);
}

void bus_open(struct bus *bus, const char *settings)
{
    bus_name(bus);
    bus_open_again(bus, settings);
}

void bus_open_again(struct bus *bus, const char *settings)
{
    if (kind == BUS_SIM)
        open_simulated(bus, settings);
    else
        open_real(bus, settings);
}

static void await_real(struct bus *bus)
{
    int code = -1;

    assert_int_equal(ppi_process_wait(&bus->process, TEST_PATIENCE_MS, &code), 1);
    forget(bus);
    if (code != 0)
        print_error("the broker ended with %d; its log is %s\n", code, bus->log);
    assert_int_equal(code, 0);
    remove_files(bus);
}

static void await_simulated(struct bus *bus)
{
    if (turns.workers != 0)
        EVENTUALLY(stopped);
    while (!stopped && sim_step())
        ;
    assert_true(stopped);
    forget(bus);
    assert_int_equal(pp_port_shutdown(bus->port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    for (; turns.workers > 0; turns.workers--)
        runner_join(&turns.runners[turns.workers - 1]);
    broker_close(bus->broker);
    pp_port_close(bus->port);
    assert_true(sim_turns_end());
    sim_end();
}

void bus_await_end(struct bus *bus)
{
    if (kind == BUS_SIM)
        await_simulated(bus);
    else
        await_real(bus);
}

void bus_stop(struct bus *bus)
{
    if (kind == BUS_SIM)
        broker_stop(bus->broker);
    else
        assert_int_equal(ppi_process_signal(&bus->process, PPI_TERMINATE), PP_OK);
}

void bus_close(struct bus *bus)
{
    bus_stop(bus);
    bus_await_end(bus);
}

bool bus_log_has(struct bus *bus, const char *text)
{
    static char log[1024 * 1024];
    FILE *file;

    if (kind == BUS_SIM) {
        pass_ms(0);
        return true;
    }
    file = fopen(bus->log, "rb");
    if (file == NULL)
        return false;
    size_t size = fread(log, 1, sizeof log - 1, file);
    fclose(file);
    log[size] = '\0';
    return strstr(log, text) != NULL;
}

void bus_pass_ms(struct bus *bus, unsigned milliseconds)
{
    (void)bus;
    if (kind == BUS_SIM)
        pass_ms(milliseconds);
    else
        ppi_sleep_ms(milliseconds);
}
