/* use_tests.c: a broker and the program around it: its threads, its clients, its wishes. */
#include "embed/host.h"

#include "state.h"

enum { GUESTS = 300 };

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
    assert_int_equal(pp_client_connect(client, NULL), PP_EDEADLOCK); /* it would wait for itself */
    assert_int_equal(pp_client_connect(client, &op), PP_PENDING);
    work_until(host.port, &op);
    assert_int_equal(op.status, PP_OK);
    served = client;
    serve_config.on_call = on_call;
    assert_int_equal(pp_serve(client, &op, "echo", &serve_config, &service), PP_PENDING);
    work_until(host.port, &op);
    assert_int_equal(pp_call(client, NULL, "echo", "\x91\x07", 2, NULL, &answer), PP_EDEADLOCK);
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
    assert_int_equal(pp_broker_stop(NULL), PP_EINVAL);
    assert_int_equal(pp_broker_path(NULL, NULL, 0), PP_EINVAL);
    pp_broker_close(NULL);
    assert_int_equal(outstanding(&host), 0);
    assert_int_equal(pp_port_shutdown(host.port, PP_SHUT_FAST, 0, NULL, NULL), PP_OK);
    assert_int_equal(pp_broker_open(&broker, host.port, &good), PP_ECLOSED);
    host_close(&host);
}

int use_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(threads_come_and_go_and_leave_nothing_behind),
        TEST(a_program_of_one_thread_may_be_its_own_client),
        TEST(its_log_goes_to_who_asked_for_it),
        TEST(limits_come_from_the_config_and_the_file),
        TEST(what_is_wrong_is_named),
    };
    int failures = 0;

    RUN_GROUP(&failures, "the program around a broker", tests);
    return failures;
}
