/* wait_tests.c: starting in any order, and services that tell what they do. */
#include "client/party.h"

#include "support/text.h"

static struct bus bus;
static pp_client *client, *other;
static pp_answer answer;
static struct bytes params;

static void open_two(void)
{
    bus_open(&bus, NULL);
    client = open_client(&bus);
    other = open_client(&bus);
    answer = (pp_answer){ 0 };
    params = bytes_of("[1]");
}

static void close_two(void)
{
    pp_answer_free(&answer);
    pp_client_close(client);
    pp_client_close(other);
    bus_close(&bus);
}

/* The operation has been handed to the broker, and has not ended. */
static void assert_open(pp_op *op)
{
    assert_int_equal(pp_client_flush(client, NULL), PP_OK);
    assert_int_equal(pp_op_wait(op, 0), 0);
}

static void a_call_may_be_made_before_there_is_a_server(void **state)
{
    pp_call_config config = PP_CALL_CONFIG_INIT;
    struct server server = { 0 };
    pp_op op = PP_OP_INIT;

    (void)state;
    open_two();
    config.wait_ms = TEST_PATIENCE_MS;
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_call(client, &op, "q", params.data, params.size, &config, &answer),
                     PP_PENDING);
    assert_open(&op);
    serve(other, "q", &server);
    assert_int_equal(pp_op_wait(&op, TEST_PATIENCE_MS), 1);
    assert_int_equal(op.status, PP_OK);
    assert_true(text_matches("[1]", answer.data, answer.size));
    config.wait_ms = 30;
    assert_int_equal(pp_call(client, NULL, "nobody", params.data, params.size, &config, &answer),
                     PP_ENORESP);
    config.wait_ms = TEST_PATIENCE_MS;
    config.deadline_ms = 30;
    assert_int_equal(pp_call(client, NULL, "nobody", params.data, params.size, &config, &answer),
                     PP_ETIMEDOUT);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    config.deadline_ms = 0;
    assert_int_equal(pp_call(client, &op, "nobody", params.data, params.size, &config, &answer),
                     PP_PENDING);
    assert_int_equal(pp_call_cancel(client, &op), PP_OK);
    assert_int_equal(pp_op_wait(&op, TEST_PATIENCE_MS), 1);
    assert_int_equal(op.status, PP_ECANCELED);
    close_two();
}

static void a_publisher_waits_for_those_who_will_hear_it(void **state)
{
    struct listener first = { 0 }, second = { 0 };
    struct bytes zero = bytes_of("[0]");
    pp_op op = PP_OP_INIT;

    (void)state;
    open_two();
    assert_int_equal(pp_wait_subs(client, NULL, "news", 1, 30), PP_ETIMEDOUT);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_wait_subs(client, &op, "news", 2, -1), PP_PENDING);
    listen_to(other, "news", &first);
    assert_open(&op);
    listen_to(other, ">", &second);
    assert_int_equal(pp_op_wait(&op, TEST_PATIENCE_MS), 1);
    assert_int_equal(op.status, PP_OK);
    assert_int_equal(pp_publish(client, "news", zero.data, zero.size), PP_OK);
    EVENTUALLY(first.count == 1 && second.count == 1);
    assert_int_equal(pp_wait_subs(client, NULL, "news", 2, 0), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_wait_subs(client, &op, "news", 3, 0), PP_PENDING);
    assert_open(&op);
    assert_int_equal(pp_call_cancel(client, &op), PP_OK);
    assert_int_equal(pp_op_wait(&op, TEST_PATIENCE_MS), 1);
    assert_int_equal(op.status, PP_ECANCELED);
    assert_int_equal(pp_wait_subs(client, NULL, "news", 0, 0), PP_EINVAL);
    assert_int_equal(pp_wait_subs(client, NULL, "news.*", 1, 0), PP_EINVAL);
    assert_int_equal(pp_wait_subs(NULL, NULL, "news", 1, 0), PP_EINVAL);
    close_two();
}

static int serve_with(const char *text, const void *data, size_t size)
{
    pp_serve_config config = PP_SERVE_CONFIG_INIT;
    pp_sub *service;

    config.doc = text;
    config.doc_data = data;
    config.doc_size = size;
    config.max_inflight = 7;
    return pp_serve(other, NULL, text != NULL ? "q.text" : "q.data", &config, &service);
}

static void a_service_tells_what_it_does(void **state)
{
    struct bytes doc = bytes_of("{'text': 'adds', 'params': [['a', 'int']]}");
    struct bytes bad = bytes_of("{'words': 'adds'}");
    char large[5000];

    (void)state;
    open_two();
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    assert_int_equal(serve_with("answers", NULL, 0), PP_OK);
    assert_int_equal(serve_with(NULL, doc.data, doc.size), PP_OK);
    assert_int_equal(serve_with("both", doc.data, doc.size), PP_EINVAL);
    assert_int_equal(serve_with(NULL, doc.data, doc.size - 1), PP_EINVAL); /* half a value */
    assert_int_equal(serve_with(NULL, doc.data, 0), PP_EINVAL);
    assert_int_equal(serve_with(NULL, bad.data, bad.size), PP_EARG);
    assert_int_equal(serve_with(large, NULL, 0), PP_ELIMIT);
    assert_int_equal(call(client, "$describe", "['q.>']", &answer), PP_OK);
    assert_true(text_matches("[{'pattern': 'q.text', 'max_inflight': 7, 'doc': 'answers'},"
                             " {'pattern': 'q.data', 'doc': {'text': 'adds',"
                             " 'params': [['a', 'int']]}}]",
                             answer.data, answer.size));
    close_two();
}

int wait_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_call_may_be_made_before_there_is_a_server),
        BUS_TEST(a_publisher_waits_for_those_who_will_hear_it),
        BUS_TEST(a_service_tells_what_it_does),
    };
    int failures = 0;

    RUN_GROUP(&failures, "waiting and telling", tests);
    return failures;
}
