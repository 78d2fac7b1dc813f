/* embed_tests.c: a broker inside a program, by its public header: the port lives on, threads and
 * brokers come and go. */
#include <panpipe/broker.h>
#include <panpipe/client.h>

#include "base/check.h"
#include "state.h"
#include "support/support.h"

enum { ROUNDS = 1000, THREADS = 3, VISITORS = 3, GUESTS = 300 };

/* --- a program with a port and some threads -------------------------------------------------- */

struct host {
    pp_port *port;
    struct runner threads[THREADS];
    int count;
};

static void work(void *argument)
{
    pp_packet packet;

    while (pp_port_get(argument, &packet, -1) == 1)
        ;
}

static void host_open(struct host *host, int threads)
{
    *host = (struct host){ .count = threads };
    assert_int_equal(pp_port_open(&host->port, NULL), PP_OK);
    for (int i = 0; i < threads; i++)
        runner_start(&host->threads[i], work, host->port);
}

static void host_close(struct host *host)
{
    assert_int_equal(pp_port_shutdown(host->port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    for (int i = 0; i < host->count; i++)
        runner_join(&host->threads[i]);
    pp_port_close(host->port);
}

static uint64_t outstanding(const struct host *host)
{
    pp_port_stats stats = { .size = sizeof stats };

    assert_int_equal(pp_port_info(host->port, &stats), PP_OK);
    return stats.outstanding;
}

/* --- its broker ------------------------------------------------------------------------------- */

struct ending {
    atomic_uint times;
    bool close; /* from on_stopped */
    bool refused_to_wait;
};

static void on_stopped(void *context, pp_broker *broker)
{
    struct ending *ending = context;
    pp_client *client;

    ending->refused_to_wait = pp_client_open(&client, NULL) == PP_ESTATE;
    if (ending->close)
        pp_broker_close(broker);
    atomic_fetch_add(&ending->times, 1);
}

static pp_broker_config config_of(const char *name, struct ending *ending)
{
    pp_broker_config config = PP_BROKER_CONFIG_INIT;

    config.name = name;
    config.context = ending;
    config.on_stopped = on_stopped;
    return config;
}

static pp_broker *open_broker(const struct host *host, const char *name, struct ending *ending)
{
    pp_broker_config config = config_of(name, ending);
    pp_broker *broker;

    assert_int_equal(pp_broker_open(&broker, host->port, &config), PP_OK);
    return broker;
}

static pp_client *open_client(const char *name)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_client *client;

    config.broker = name;
    config.connect_ms = TEST_PATIENCE_MS;
    assert_int_equal(pp_client_open(&client, &config), PP_OK);
    return client;
}

static void on_message(void *context, const pp_message *message)
{
    (void)message;
    atomic_fetch_add((atomic_uint *)context, 1);
}

static void subscribe(pp_client *client, const char *pattern, atomic_uint *count)
{
    pp_sub_config config = PP_SUB_CONFIG_INIT;
    pp_sub *sub;

    config.on_message = on_message;
    config.context = count;
    assert_int_equal(pp_subscribe(client, NULL, pattern, &config, &sub), PP_OK);
}

/* --- brokers come and go ---------------------------------------------------------------------- */

struct visitor {
    const char *path;
    atomic_bool over;
    atomic_uint met;
};

/* Connects whenever there is somebody, says something, and leaves, some after an answer. */
static void visit(void *argument)
{
    struct visitor *visitor = argument;

    for (unsigned turn = 0; !atomic_load(&visitor->over); turn++) {
        pp_op op = PP_OP_INIT;
        pp_handle *pipe;
        char answer[64];

        if (pp_dial(&pipe, visitor->path, NULL) != PP_OK || pp_op_use_wait(&op) != PP_OK)
            return;
        pp_connect(pipe, &op);
        pp_op_wait(&op, -1);
        if (op.status == PP_OK) {
            atomic_fetch_add(&visitor->met, 1);
            pp_op_use_wait(&op);
            pp_write(pipe, &op, "\x94\x00\x01\xA4$sub\x91\xA1x\x94\x00\x02\xA1x\x90", 17);
            pp_op_wait(&op, -1);
        }
        if (op.status == PP_OK && turn % 2 == 0) {
            pp_op_use_wait(&op);
            pp_read(pipe, &op, answer, sizeof answer);
            pp_op_wait(&op, -1);
        }
        pp_close(pipe);
        ppi_yield();
    }
}

static void one_round(const struct host *host, const char *name, unsigned round)
{
    struct ending ending = { .close = round % 3 == 2 };
    uint64_t until_ns = ppi_now_ns() + ppi_random() % 500000;
    pp_broker *broker = open_broker(host, name, &ending);

    while (round % 4 != 0 && ppi_now_ns() < until_ns)
        ppi_yield(); /* somebody may come meanwhile */
    if (round % 3 == 0) {
        pp_broker_close(broker);
    } else {
        pp_broker_stop(broker);
        if (round % 2 == 0 && !ending.close)
            pp_broker_stop(broker);
    }
    EVENTUALLY(atomic_load(&ending.times) == 1);
    assert_true(ending.refused_to_wait);
    if (round % 3 == 1)
        pp_broker_close(broker);
}

static void a_broker_comes_and_goes_a_thousand_times_on_a_living_port(void **state)
{
    struct visitor visitor = { .path = test_path() };
    struct runner visitors[VISITORS];
    struct host host;

    (void)state;
    host_open(&host, 2);
    one_round(&host, visitor.path, 0); /* what is made once is there */
    uint64_t handles = ppi_process_handles();
    for (int i = 0; i < VISITORS; i++)
        runner_start(&visitors[i], visit, &visitor);
    for (unsigned round = 0; round < ROUNDS; round++)
        one_round(&host, visitor.path, round);
    atomic_store(&visitor.over, true);
    for (int i = 0; i < VISITORS; i++)
        runner_join(&visitors[i]);
    EVENTUALLY(outstanding(&host) == 0);
    EVENTUALLY(ppi_process_handles() <= handles);
    assert_true(atomic_load(&visitor.met) > 0);
    host_close(&host);
}

static void a_stop_lets_what_is_queued_go_out(void **state)
{
    const char *name = test_path();
    struct ending ending = { 0 };
    atomic_uint count = 0;
    struct host host;
    char text[64];

    (void)state;
    host_open(&host, 2);
    pp_broker *broker = open_broker(&host, name, &ending);
    pp_client *listener = open_client(name), *speaker = open_client(name);
    subscribe(listener, "news", &count);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pp_publish(speaker, "news", "\x91\x01", 2), PP_OK);
    assert_int_equal(pp_client_flush(speaker, NULL), PP_OK);
    assert_int_equal(pp_broker_stop(broker), PP_OK);
    EVENTUALLY(atomic_load(&ending.times) == 1);
    EVENTUALLY(atomic_load(&count) == 1000);
    EVENTUALLY(pp_publish(speaker, "news", "\x91\x01", 2) == PP_ECLOSED);
    assert_non_null(strstr(pp_client_error(speaker, text, sizeof text), "E_SHUTDOWN"));
    assert_int_equal(pp_broker_stop(broker), PP_OK); /* over already */
    pp_broker_close(broker);
    assert_int_equal(outstanding(&host), 0);
    assert_int_equal(atomic_load(&ending.times), 1);
    pp_client_close(listener);
    pp_client_close(speaker);
    host_close(&host);
}

static void a_broker_may_be_closed_with_clients_that_never_leave(void **state)
{
    const char *name = test_path();
    struct ending ending = { 0 };
    struct host host;

    (void)state;
    host_open(&host, 1);
    pp_broker *broker = open_broker(&host, name, &ending);
    pp_client *client = open_client(name);
    pp_broker_close(broker);
    EVENTUALLY(atomic_load(&ending.times) == 1);
    assert_int_equal(outstanding(&host), 0);
    EVENTUALLY(pp_publish(client, "news", "\x90", 1) == PP_ECLOSED);
    pp_client_close(client);
    host_close(&host);
}

static void a_port_that_is_shut_down_ends_its_broker(void **state)
{
    const char *name = test_path();

    (void)state;
    for (int clients = 0; clients < 2; clients++) {
        struct ending ending = { 0 };
        struct host host;
        pp_client *client = NULL;

        host_open(&host, 2);
        pp_broker *broker = open_broker(&host, name, &ending);
        if (clients > 0)
            client = open_client(name);
        host_close(&host);
        assert_int_equal(atomic_load(&ending.times), 1);
        assert_int_equal(pp_broker_stop(broker), PP_OK);
        pp_broker_close(broker);
        pp_client_close(client);
    }
}

/* --- several of them -------------------------------------------------------------------------- */

static void a_name_that_is_taken_is_refused_and_leaves_nothing(void **state)
{
    struct ending first_ending = { 0 }, ending = { 0 };
    pp_broker_config config = config_of(test_path(), &ending);
    pp_broker *second = NULL;
    struct host host;

    (void)state;
    host_open(&host, 1);
    pp_broker *first = open_broker(&host, config.name, &first_ending);
    assert_int_equal(pp_broker_open(&second, host.port, &config), PP_EINUSE);
    uint64_t handles = ppi_process_handles(), before = outstanding(&host);
    for (int i = 0; i < 100; i++)
        assert_int_equal(pp_broker_open(&second, host.port, &config), PP_EINUSE);
    assert_null(second);
    assert_int_equal(ppi_process_handles(), handles);
    assert_int_equal(outstanding(&host), before);
    assert_int_equal(atomic_load(&ending.times), 0);
    pp_client_close(open_client(config.name)); /* the first one is as it was */
    pp_broker_close(first);
    EVENTUALLY(atomic_load(&first_ending.times) == 1);
    assert_int_equal(pp_broker_open(&second, host.port, &config), PP_OK);
    pp_broker_close(second);
    host_close(&host);
    assert_int_equal(atomic_load(&ending.times), 1);
}

static void two_brokers_on_one_port_know_nothing_of_each_other(void **state)
{
    struct ending endings[2] = { { 0 }, { 0 } };
    const char *names[2] = { test_path(), test_path() };
    pp_client *listeners[2], *speakers[2];
    atomic_uint counts[2] = { 0, 0 };
    pp_broker *brokers[2];
    struct host host;

    (void)state;
    host_open(&host, 2);
    for (int i = 0; i < 2; i++) {
        brokers[i] = open_broker(&host, names[i], &endings[i]);
        listeners[i] = open_client(names[i]);
        speakers[i] = open_client(names[i]);
        subscribe(listeners[i], "news", &counts[i]);
    }
    for (unsigned turn = 0; turn < 500; turn++)
        for (int i = 0; i < 2; i++) {
            if (turn % 2 == 0 || i == 0)
                assert_int_equal(pp_publish(speakers[i], "news", "\x90", 1), PP_OK);
            assert_int_equal(pp_client_flush(speakers[i], NULL), PP_OK);
        }
    EVENTUALLY(atomic_load(&counts[0]) == 500 && atomic_load(&counts[1]) == 250);
    for (int i = 0; i < 2; i++) { /* the port's two threads, and this one, which opened them */
        const struct broker *inside = (const struct broker *)(const void *)brokers[i];

        assert_in_range(atomic_load(&inside->worker_count), 1, 3);
    }
    pp_broker_close(brokers[0]);
    EVENTUALLY(atomic_load(&endings[0].times) == 1);
    assert_int_equal(pp_client_flush(speakers[1], NULL), PP_OK);
    pp_broker_close(brokers[1]);
    EVENTUALLY(atomic_load(&endings[1].times) == 1);
    for (int i = 0; i < 2; i++) {
        pp_client_close(listeners[i]);
        pp_client_close(speakers[i]);
    }
    host_close(&host);
}

/* --- threads and clients of the program's own ------------------------------------------------- */

/* A thread that takes a few packets and ends. */
static void be_a_guest(void *argument)
{
    pp_packet packet;

    for (int i = 0; i < 3; i++)
        pp_port_get(argument, &packet, 0);
}

static void threads_come_and_go_and_leave_nothing_behind(void **state)
{
    const char *name = test_path();
    struct ending ending = { 0 };
    atomic_uint count = 0;
    struct host host;

    (void)state;
    host_open(&host, 1);
    pp_broker *broker = open_broker(&host, name, &ending);
    pp_client *listener = open_client(name), *speaker = open_client(name);
    subscribe(listener, "news", &count);
    for (unsigned i = 0; i < GUESTS; i++) {
        struct runner guest;

        assert_int_equal(pp_publish(speaker, "news", "\x90", 1), PP_OK);
        runner_start(&guest, be_a_guest, host.port);
        runner_join(&guest);
    }
    EVENTUALLY(atomic_load(&count) == GUESTS);
    const struct broker *inside = (const struct broker *)(const void *)broker;
    assert_in_range(atomic_load(&inside->worker_count), 1,
                    3); /* this thread, the host's, a guest */
    pp_broker_close(broker);
    EVENTUALLY(atomic_load(&ending.times) == 1);
    pp_client_close(listener);
    pp_client_close(speaker);
    host_close(&host);
}

static void work_until(pp_port *port, const pp_op *op)
{
    pp_packet packet = { 0 };

    while (packet.op != op)
        packet = next_packet(port);
}

static pp_client *served;

static void on_call(void *context, const pp_message *message)
{
    (void)context;
    assert_int_equal(pp_reply(served, message->call, message->params, message->params_size), PP_OK);
}

static void a_program_of_one_thread_may_be_its_own_client(void **state)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_serve_config serve_config = PP_SERVE_CONFIG_INIT;
    struct ending ending = { 0 };
    pp_op op = PP_OP_INIT;
    pp_answer answer = { 0 };
    struct host host;
    pp_client *client;
    pp_sub *service;
    pp_packet packet;

    (void)state;
    host_open(&host, 0);
    config.broker = test_path();
    config.port = host.port;
    pp_broker *broker = open_broker(&host, config.broker, &ending);
    assert_int_equal(pp_port_get(host.port, &packet, 0), 0); /* now it is the port's thread */
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    assert_int_equal(pp_client_connect(client, NULL), PP_ESTATE); /* it would wait for itself */
    assert_int_equal(pp_client_connect(client, &op), PP_PENDING);
    work_until(host.port, &op);
    assert_int_equal(op.status, PP_OK);
    served = client;
    serve_config.on_call = on_call;
    assert_int_equal(pp_serve(client, &op, "echo", &serve_config, &service), PP_PENDING);
    work_until(host.port, &op);
    assert_int_equal(pp_call(client, NULL, "echo", "\x91\x07", 2, NULL, &answer), PP_ESTATE);
    assert_int_equal(pp_call(client, &op, "echo", "\x91\x07", 2, NULL, &answer), PP_PENDING);
    work_until(host.port, &op);
    assert_int_equal(op.status, PP_OK);
    assert_memory_equal(answer.data, "\x91\x07", 2);
    pp_answer_free(&answer);
    pp_client_close(client);
    pp_broker_stop(broker);
    while (atomic_load(&ending.times) == 0)
        assert_int_equal(pp_port_get(host.port, &packet, 10), 0);
    pp_broker_close(broker);
    host_close(&host);
}

/* --- what is asked of it ---------------------------------------------------------------------- */

struct lines {
    struct ending ending; /* first: on_stopped's context */
    atomic_uint count, wrong;
    atomic_bool hello, leave;
};

static void on_log(void *context, uint32_t level, const char *line)
{
    struct lines *lines = context;

    atomic_fetch_add(&lines->count, 1);
    if (level < PP_LOG_ERROR || level > PP_LOG_INFO || strchr(line, '\n') != NULL ||
        strlen(line) == 0)
        atomic_fetch_add(&lines->wrong, 1);
    if (strncmp(line, "hello client=1 name=\"pid-", 24) == 0)
        atomic_store(&lines->hello, true);
    if (strcmp(line, "leave") == 0)
        atomic_store(&lines->leave, true);
}

static void its_log_goes_to_who_asked_for_it(void **state)
{
    struct lines lines = { .count = 0 };
    pp_broker_config config = config_of(test_path(), &lines.ending);
    pp_broker *broker;
    struct host host;

    (void)state;
    host_open(&host, 2);
    config.on_log = on_log;
    assert_int_equal(pp_broker_open(&broker, host.port, &config), PP_OK);
    assert_int_equal(atomic_load(&lines.count), 1); /* listen */
    pp_client_close(open_client(config.name));
    pp_broker_close(broker);
    EVENTUALLY(atomic_load(&lines.ending.times) == 1);
    assert_true(atomic_load(&lines.hello) && atomic_load(&lines.leave));
    assert_int_equal(atomic_load(&lines.wrong), 0);
    unsigned count = atomic_load(&lines.count);
    config.log_level = PP_LOG_ERROR;
    assert_int_equal(pp_broker_open(&broker, host.port, &config), PP_OK);
    pp_client_close(open_client(config.name));
    pp_broker_close(broker);
    EVENTUALLY(atomic_load(&lines.ending.times) == 2);
    assert_int_equal(atomic_load(&lines.count), count);
    host_close(&host);
}

static void limits_come_from_the_config_and_the_file(void **state)
{
    enum { FILE_PATH_MAX = PP_PATH_MAX + 64 };
    char *file = malloc(FILE_PATH_MAX), path[PP_PATH_MAX], small[3];
    struct ending ending = { 0 };
    pp_broker_config config = config_of(NULL, &ending);
    pp_broker *broker;
    struct host host;

    (void)state;
    host_open(&host, 1);
    ppi_temporary_folder(path, sizeof path);
    snprintf(file, FILE_PATH_MAX, "%s/embed-%llu", path, (unsigned long long)ppi_process_id());
    FILE *text = fopen(file, "wb");
    assert_non_null(text);
    fprintf(text, "name = \"embed-%llu\"; subs = 7; calls_open = 8;",
            (unsigned long long)ppi_process_id());
    fclose(text);
    config.settings = file;
    config.calls_open = 9;
    config.queue_bytes = 64 * 1024;
    config.frame_max = 1024 * 1024;
    assert_int_equal(pp_broker_open(&broker, host.port, &config), PP_OK);
    remove(file);
    free(file);
    const struct broker *inside = (const struct broker *)(const void *)broker;
    assert_int_equal(inside->settings.subs, 7);
    assert_int_equal(inside->settings.calls_open, 9);
    assert_int_equal(inside->settings.queue_low, 16 * 1024);
    assert_int_equal(inside->settings.queue_hard, 1024 * 1024);
    assert_int_equal(pp_broker_path(broker, path, sizeof path), PP_OK);
    assert_non_null(strstr(path, "embed-"));
    assert_int_equal(pp_broker_path(broker, small, sizeof small), PP_EINVAL);
    pp_client_close(open_client(path));
    pp_broker_close(broker);
    host_close(&host);
}

static void what_is_wrong_is_named(void **state)
{
    const pp_broker_config good = config_of(test_path(), NULL);
    pp_broker_config bad[8];
    pp_broker *broker;
    struct host host;

    (void)state;
    host_open(&host, 0);
    for (size_t i = 0; i < PPI_COUNT(bad); i++)
        bad[i] = good;
    bad[0].size--;
    bad[1].scope = 7;
    bad[2].access = 7;
    bad[3].log_level = 7;
    bad[4].name = "No Such Name";
    bad[5].settings = "there/is/no/such/file";
    bad[6].queue_bytes = 1;
    bad[7].frame_max = 1;
    for (size_t i = 0; i < PPI_COUNT(bad); i++) {
        assert_int_equal(pp_broker_open(&broker, host.port, &bad[i]), PP_EINVAL);
        assert_true(strlen(pp_detail()) > 0);
    }
    assert_int_equal(pp_broker_open(NULL, host.port, &good), PP_EINVAL);
    assert_int_equal(pp_broker_open(&broker, NULL, &good), PP_EINVAL);
    assert_int_equal(pp_broker_stop(NULL), PP_EINVAL);
    assert_int_equal(pp_broker_path(NULL, NULL, 0), PP_EINVAL);
    pp_broker_close(NULL);
    assert_int_equal(outstanding(&host), 0);
    assert_int_equal(pp_port_shutdown(host.port, PP_SHUT_FAST, 0, NULL, NULL), PP_OK);
    assert_int_equal(pp_broker_open(&broker, host.port, &good), PP_ECLOSED);
    host_close(&host);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_broker_comes_and_goes_a_thousand_times_on_a_living_port),
        TEST(a_stop_lets_what_is_queued_go_out),
        TEST(a_broker_may_be_closed_with_clients_that_never_leave),
        TEST(a_port_that_is_shut_down_ends_its_broker),
        TEST(a_name_that_is_taken_is_refused_and_leaves_nothing),
        TEST(two_brokers_on_one_port_know_nothing_of_each_other),
        TEST(threads_come_and_go_and_leave_nothing_behind),
        TEST(a_program_of_one_thread_may_be_its_own_client),
        TEST(its_log_goes_to_who_asked_for_it),
        TEST(limits_come_from_the_config_and_the_file),
        TEST(what_is_wrong_is_named),
    };
    int failures = 0;

    ppi_check_set_hook(ppi_check_abort);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    RUN_GROUP(&failures, "embedding", tests);
    return failures == 0 ? 0 : 1;
}
