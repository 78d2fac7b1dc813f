/* misuse_tests.c: what is wrong is told at once, and changes nothing. */
#include "client/party.h"

static struct bus bus;

static void assert_all_invalid(const int *statuses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (statuses[i] != PP_EINVAL)
            fail_msg("call %zu: %s", i, pp_strerror(statuses[i]));
}

static void a_client_that_is_missing_is_told(void **state)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_answer answer = { 0 };
    pp_receipt receipt;
    pp_message message;
    pp_client *none;
    pp_op op = PP_OP_INIT;
    pp_sub *sub;
    char text[8] = "x";

    (void)state;
    config.size = 1;
    const int wrong[] = {
        pp_client_new(NULL, NULL),
        pp_client_new(&none, &config),
        pp_client_open(NULL, NULL),
        pp_client_open(&none, &config),
        pp_client_connect(NULL, NULL),
        pp_client_drain(NULL, NULL),
        pp_client_flush(NULL, NULL),
        pp_publish(NULL, "a", "\x90", 1),
        pp_publish_start(NULL, &op, "a", "\x90", 1),
        pp_publish_confirmed(NULL, NULL, "a", "\x90", 1, &receipt),
        pp_subscribe(NULL, NULL, "a", NULL, &sub),
        pp_serve(NULL, NULL, "a", NULL, &sub),
        pp_unsubscribe(NULL, NULL),
        pp_receive(NULL, NULL),
        pp_call(NULL, NULL, "a", "\x90", 1, NULL, &answer),
        pp_call_cancel(NULL, &op),
        pp_reply(NULL, 1, "\xC0", 1),
        pp_reply_error(NULL, 1, "x"),
    };
    assert_all_invalid(wrong, PPI_COUNT(wrong));
    assert_int_equal(pp_next(NULL, &message), 0);
    assert_int_equal(pp_client_close(NULL), PP_OK);
    assert_int_equal(pp_client_abort(NULL), PP_OK);
    pp_client_push(NULL);
    pp_answer_free(NULL);
    assert_string_equal(pp_client_error(NULL, text, sizeof text), "");
}

static void what_else_is_missing_is_told(void **state)
{
    pp_call_config call_config = { 0 };
    pp_sub_config sub_config = { 0 };
    pp_serve_config serve_config = { 0 };
    pp_answer answer = { 0 };
    pp_op op = PP_OP_INIT;
    pp_sub *sub;
    char text[8] = "x";

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_client(&bus);
    const int wrong[] = {
        pp_publish(client, NULL, "\x90", 1),
        pp_publish(client, "a", NULL, 1),
        pp_publish_start(client, NULL, "a", "\x90", 1),
        pp_publish_start(client, &op, "a", NULL, 1),
        pp_publish_confirmed(client, NULL, "a", "\x90", 1, NULL),
        pp_subscribe(client, NULL, NULL, NULL, &sub),
        pp_subscribe(client, NULL, "a", NULL, NULL),
        pp_subscribe(client, NULL, "a", &sub_config, &sub),
        pp_serve(client, NULL, NULL, NULL, &sub),
        pp_serve(client, NULL, "a", NULL, NULL),
        pp_serve(client, NULL, "a", &serve_config, &sub),
        pp_call(client, NULL, "a", "\x90", 1, NULL, NULL),
        pp_call(client, NULL, "a", "\x90", 1, &call_config, &answer),
        pp_call_cancel(client, NULL),
        pp_reply(client, 0, "\xC0", 1),
        pp_reply(client, 1, NULL, 1),
        pp_reply_error(client, 0, "x"),
        pp_reply_error(client, 1, NULL),
    };
    assert_all_invalid(wrong, PPI_COUNT(wrong));
    assert_string_equal(pp_client_error(client, NULL, 5), "");
    assert_string_equal(pp_client_error(client, text, 0), "");
    assert_int_equal(pp_client_flush(client, NULL), PP_OK);
    pp_client_close(client);
    bus_close(&bus);
}

static void names_and_subjects_are_looked_at(void **state)
{
    static const char *const bad_subjects[] = { "",    "a b",  "a..b", ".a", "a.",
                                                "a\n", "\xff", "a.*",  "a.>" };
    static const char *const bad_patterns[] = { "", "a b", "a..b", "a.>.b", "\xff" };
    char long_name[66], long_subject[257];
    const char *const bad_names[] = { "", "a\n", "\xff", long_name };
    pp_client_config config;
    pp_sub_config grouped = PP_SUB_CONFIG_INIT;
    pp_answer answer = { 0 };
    pp_client *client;
    pp_sub *sub;

    (void)state;
    bus_open(&bus, NULL);
    memset(long_name, 'n', sizeof long_name);
    long_name[65] = '\0';
    memset(long_subject, 's', sizeof long_subject);
    long_subject[256] = '\0';
    config = config_for(&bus);
    for (size_t i = 0; i < PPI_COUNT(bad_names); i++) {
        config.name = bad_names[i];
        assert_int_equal(pp_client_open(&client, &config), PP_EINVAL);
    }
    config.name = long_name + 1;
    config.broker = "Not A Name";
    assert_int_equal(pp_client_open(&client, &config), PP_EINVAL);
    config.broker = bus.name;
    assert_int_equal(pp_client_open(&client, &config), PP_OK);
    for (size_t i = 0; i < PPI_COUNT(bad_subjects); i++) {
        assert_int_equal(publish(client, bad_subjects[i], "[]"), PP_EINVAL);
        assert_int_equal(call(client, bad_subjects[i], "[]", &answer), PP_EINVAL);
    }
    for (size_t i = 0; i < PPI_COUNT(bad_patterns); i++) {
        assert_int_equal(pp_subscribe(client, NULL, bad_patterns[i], NULL, &sub), PP_EINVAL);
        assert_int_equal(pp_serve(client, NULL, bad_patterns[i], NULL, &sub), PP_EINVAL);
    }
    for (size_t i = 0; i < PPI_COUNT(bad_names); i++) {
        grouped.group = bad_names[i];
        assert_int_equal(pp_subscribe(client, NULL, "a", &grouped, &sub), PP_EINVAL);
    }
    assert_int_equal(publish(client, long_subject, "[]"), PP_EINVAL);
    assert_int_equal(publish(client, long_subject + 1, "[]"), PP_OK);
    grouped.group = long_name + 1;
    assert_int_equal(pp_subscribe(client, NULL, long_subject + 1, &grouped, &sub), PP_OK);
    assert_int_equal(pp_client_flush(client, NULL), PP_OK);
    pp_client_close(client);
    bus_close(&bus);
}

static void params_are_one_array_that_others_can_take(void **state)
{
    static const char *const bad[] = { "\xC0",     "\x80", "\x91", "\x90\x90",
                                       "\x91\xC1", "",     "\x2A", "\xDD\xFF\xFF\xFF\xFF" };
    struct listener listener = { 0 };
    struct large large;
    uint8_t deep[40];
    pp_receipt receipt;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_client(&bus), *other = open_client(&bus);
    listen_to(other, "a", &listener);
    for (size_t i = 0; i < PPI_COUNT(bad); i++) {
        assert_int_equal(pp_publish(client, "a", bad[i], strlen(bad[i])), PP_EINVAL);
        assert_int_equal(pp_publish_confirmed(client, NULL, "a", bad[i], strlen(bad[i]), &receipt),
                         PP_EINVAL);
    }
    memset(deep, 0x91, sizeof deep);
    deep[sizeof deep - 1] = 0x90;
    for (size_t depth = 29; depth <= sizeof deep; depth++) {
        assert_int_equal(pp_publish(client, "a", deep + sizeof deep - depth, depth), PP_ELIMIT);
        assert_int_equal(pp_reply(client, 1, deep + sizeof deep - depth, depth), PP_ELIMIT);
    }
    assert_int_equal(pp_publish(client, "a", deep + sizeof deep - 28, 28), PP_OK);
    large = large_of(16 * 1024 * 1024 - 4096 - 6 + 1);
    assert_int_equal(pp_publish(client, "a", large.data, large.size), PP_ELIMIT);
    assert_int_equal(pp_reply(client, 1, large.data, large.size), PP_ELIMIT);
    free(large.data);
    large = large_of(16 * 1024 * 1024 - 4096 - 6);
    assert_int_equal(pp_publish(client, "a", large.data, large.size), PP_OK);
    free(large.data);
    EVENTUALLY(listener.count == 2); /* and it is not closed for what was refused */
    assert_int_equal(pp_reply(client, 1, "\xC1", 1), PP_EINVAL);
    assert_int_equal(pp_reply(client, 1, "\xC0\xC0", 2), PP_EINVAL);
    pp_client_close(client);
    pp_client_close(other);
    bus_close(&bus);
}

static void the_wrong_moment_is_told(void **state)
{
    pp_answer answer = { 0 };
    struct listener listener = { 0 };
    pp_client_config config;
    struct server server = { .keeps = true };
    pp_client *client;
    pp_op op = PP_OP_INIT;
    pp_sub *sub;

    (void)state;
    bus_open(&bus, NULL);
    config = config_for(&bus);
    assert_int_equal(pp_client_new(&client, &config), PP_OK); /* not connected yet */
    assert_int_equal(publish(client, "a", "[]"), PP_ECLOSED);
    assert_int_equal(pp_publish_start(client, &op, "a", "\x90", 1), PP_ECLOSED);
    assert_int_equal(call(client, "a", "[]", &answer), PP_ECLOSED);
    assert_int_equal(pp_subscribe(client, NULL, "a", NULL, &sub), PP_ECLOSED);
    assert_int_equal(pp_client_drain(client, NULL), PP_ECLOSED);
    assert_int_equal(pp_reply(client, 1, "\xC0", 1), PP_ECLOSED);
    assert_int_equal(pp_client_connect(client, NULL), PP_OK);
    assert_int_equal(pp_client_connect(client, NULL), PP_OK); /* it is connected */
    serve(client, "q", &server);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_call(client, &op, "q", "\x90", 1, NULL, &answer), PP_PENDING);
    pp_answer second = { 0 }; /* op is in flight */
    assert_int_equal(pp_call(client, &op, "q", "\x90", 1, NULL, &second), PP_ESTATE);
    assert_int_equal(pp_client_flush(client, &op), PP_ESTATE);
    assert_int_equal(pp_client_drain(client, &op), PP_ESTATE);
    assert_int_equal(pp_publish_start(client, &op, "a", "\x90", 1), PP_ESTATE);
    assert_int_equal(pp_subscribe(client, &op, "a", NULL, &sub), PP_ESTATE);
    sub = listen_to(client, "a", &listener);
    assert_int_equal(pp_receive(sub, NULL), PP_ESTATE); /* it has a callback */
    assert_int_equal(pp_call_cancel(client, &op), PP_OK);
    assert_int_equal(wait_for(&op), PP_ECANCELED);
    pp_answer_free(&answer);
    pp_client_close(client);
    config.port = (pp_port *)(void *)&op; /* whatever it is */
    assert_int_equal(pp_client_open(&client, &config), PP_EINVAL);
    bus_close(&bus);
}

static void on_the_ports_own_thread_waiting_is_refused(void **state)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_packet packet;
    pp_port *port;

    (void)state;
    bus_open(&bus, NULL);
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    pp_client *client = open_on(port, &bus, config);
    assert_int_equal(pp_client_flush(client, NULL), PP_EDEADLOCK); /* this thread took a packet */
    pp_client_abort(client);
    while (pp_port_get(port, &packet, 0) == 1)
        ;
    close_port(port);
    bus_close(&bus);
}

int misuse_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_client_that_is_missing_is_told),
        BUS_TEST(what_else_is_missing_is_told),
        BUS_TEST(names_and_subjects_are_looked_at),
        BUS_TEST(params_are_one_array_that_others_can_take),
        BUS_TEST(the_wrong_moment_is_told),
        BUS_TEST(on_the_ports_own_thread_waiting_is_refused),
    };
    int failures = 0;

    RUN_GROUP(&failures, "misuse", tests);
    return failures;
}
