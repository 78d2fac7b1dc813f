#include "support/support.h"

enum { PATHS = 8 };

const char *test_path(void)
{
    static char paths[PATHS][PP_PATH_MAX];
    static unsigned count;
    char name[64], *path = paths[count % PATHS];
    pp_handle *listener;

    if (count == 0 && pp_listen(&listener, "test-folder", NULL) == PP_OK)
        pp_close(listener); /* now the folder is there */
    snprintf(name, sizeof name, "test-%llu-%u", (unsigned long long)ppi_process_id(), count++);
    assert_int_equal(pp_pipe_path(name, PP_SCOPE_USER, path, PP_PATH_MAX), PP_OK);
    return path;
}

bool was_not_begun(int code, bool said)
{
    return ppi_on_wine() && code == 1 && !said;
}

bool took_no_time(uint64_t begin_ns)
{
    return ppi_now_ns() - begin_ns < TEST_SOON_MS * (uint64_t)PPI_NS_PER_MS;
}

void exempt_on_wine(const char *reason)
{
    if (!ppi_on_wine())
        return;
    print_message("# exempt on Wine: %s\n", reason);
    skip();
}

void only_on_linux(const char *reason)
{
    if (ppi_on_linux())
        return;
    print_message("# Linux only: %s\n", reason);
    skip();
}

static int run_group(const char *name, const struct CMUnitTest *tests, size_t count)
{
    return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

static test_visitor visitor = run_group;

int test_group_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    return visitor(name, tests, count);
}

void test_groups_visit(test_visitor visit)
{
    visitor = visit != NULL ? visit : run_group;
}

void needs_processes(int started)
{
    if (started != PP_ENOTSUP)
        return;
    print_message("# the model of Windows has one process\n");
    skip();
}

pp_packet next_packet(pp_port *port)
{
    pp_packet packet;

    assert_int_equal(pp_port_get(port, &packet, TEST_PATIENCE_MS), 1);
    return packet;
}

int wait_for(pp_op *op)
{
    assert_int_equal(pp_op_wait(op, TEST_PATIENCE_MS), 1);
    return op->status;
}

void streams_open(struct streams *streams)
{
    pp_op accepted = PP_OP_INIT, connected = PP_OP_INIT;
    pp_dial_config config = PP_DIAL_CONFIG_INIT;
    const char *path = test_path();

    config.timeout_ms = TEST_PATIENCE_MS;
    assert_int_equal(pp_listen(&streams->listener, path, NULL), PP_OK);
    assert_int_equal(pp_dial(&streams->client, path, &config), PP_OK);
    assert_int_equal(pp_op_use_wait(&accepted), PP_OK);
    assert_int_equal(pp_op_use_wait(&connected), PP_OK);
    assert_int_equal(pp_accept(streams->listener, &accepted, &streams->server), PP_PENDING);
    assert_int_equal(pp_connect(streams->client, &connected), PP_PENDING);
    assert_int_equal(wait_for(&connected), PP_OK);
    assert_int_equal(wait_for(&accepted), PP_OK);
}

void streams_close(struct streams *streams)
{
    pp_close(streams->server);
    pp_close(streams->client);
    pp_close(streams->listener);
}

bool test_single_consumers;

void pair_open(struct pair *pair, const pp_port_config *config)
{
    const pp_port_config defaults = PP_PORT_CONFIG_INIT;
    pp_port_config own = config != NULL ? *config : defaults;

    if (test_single_consumers)
        own.flags |= PP_PORT_SINGLE_CONSUMER;
    assert_int_equal(pp_port_open(&pair->port, &own), PP_OK);
    streams_open(&pair->streams);
    pair->server = pair->streams.server;
    pair->client = pair->streams.client;
    assert_int_equal(pp_port_attach(pair->port, pair->server, 1), PP_OK);
    assert_int_equal(pp_port_attach(pair->port, pair->client, 2), PP_OK);
}

void pair_close(struct pair *pair)
{
    pp_close(pair->server);
    pp_close(pair->client);
    pp_close(pair->streams.listener);
    assert_int_equal(pp_port_shutdown(pair->port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    pp_port_close(pair->port);
}

void write_all(pp_handle *stream, const void *data, size_t size)
{
    pp_op op = PP_OP_INIT;

    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_write(stream, &op, data, size), PP_PENDING);
    assert_int_equal(wait_for(&op), PP_OK);
    assert_int_equal(op.bytes, size);
}

bool read_all(pp_handle *stream, void *data, size_t size)
{
    pp_op op = PP_OP_INIT;

    for (size_t done = 0; done < size; done += (size_t)op.bytes) {
        assert_int_equal(pp_op_use_wait(&op), PP_OK);
        assert_int_equal(pp_read(stream, &op, (char *)data + done, size - done), PP_PENDING);
        if (wait_for(&op) != PP_OK)
            return false;
    }
    return true;
}

static bool move(struct transfer *transfer, bool writing)
{
    pp_op op = PP_OP_INIT;
    char *data = transfer->data + transfer->done;
    size_t size = transfer->size - transfer->done;

    if (pp_op_use_wait(&op) != PP_OK)
        return false;
    if ((writing ? pp_write(transfer->stream, &op, data, size)
                 : pp_read(transfer->stream, &op, data, size)) != PP_PENDING)
        return false;
    if (pp_op_wait(&op, TEST_PATIENCE_MS) != 1) {
        pp_cancel(transfer->stream, &op);
        pp_op_wait(&op, -1);
    }
    transfer->done += op.status == PP_OK ? (size_t)op.bytes : 0;
    return op.status == PP_OK && transfer->done < transfer->size;
}

static void move_all(struct transfer *transfer, bool writing)
{
    while (move(transfer, writing))
        ;
    transfer->over = true;
}

void read_transfer(void *transfer)
{
    move_all(transfer, false);
}

void write_transfer(void *transfer)
{
    move_all(transfer, true);
}

FILE *own_state(void)
{
    FILE *state = ppi_on_wine() ? NULL : fopen("/proc/thread-self/stat", "rb");

    if (state != NULL)
        setvbuf(state, NULL, _IONBF, 0);
    return state;
}

bool sleeps(FILE *state)
{
    char line[256] = "";

    if (state == NULL)
        return true;
    rewind(state);
    line[fread(line, 1, sizeof line - 1, state)] = '\0';
    const char *name_end = strrchr(line, ')');
    return name_end != NULL && strncmp(name_end, ") S", 3) == 0;
}

static void run_runner(void *argument)
{
    struct runner *runner = argument;

    runner->run(runner->argument);
}

void runner_start(struct runner *runner, void (*run)(void *argument), void *argument)
{
    runner->run = run;
    runner->argument = argument;
    assert_int_equal(ppi_thread_start(&runner->thread, run_runner, runner), PP_OK);
}

void runner_join(struct runner *runner)
{
    ppi_thread_join(&runner->thread);
}
