/* call_tests.c: calls and their one answer. */
#include <panpipe/pack.h>

#include "client/party.h"

#include "support/text.h"

static struct bus bus;
static pp_client *client, *other;
static pp_answer answer;

static void open_two(const char *settings)
{
    bus_open(&bus, settings);
    client = open_client(&bus);
    other = open_client(&bus);
    answer = (pp_answer){ 0 };
}

static void close_two(void)
{
    pp_answer_free(&answer);
    pp_client_close(client);
    pp_client_close(other);
    bus_close(&bus);
}

static const char *words(void)
{
    static char text[256];

    return pp_client_error(client, text, sizeof text);
}

static void a_call_gets_its_answer(void **state)
{
    struct server server = { 0 };
    struct large large = large_of(300 * 1000);

    (void)state;
    open_two(NULL);
    serve(other, "q.*", &server);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(call(client, "q.x", "[1, 'two']", &answer), PP_OK);
        assert_true(text_matches("[1, 'two']", answer.data, answer.size));
    }
    assert_int_equal(pp_call(client, NULL, "q.y", large.data, large.size, NULL, &answer), PP_OK);
    assert_int_equal(answer.size, large.size); /* it grows with what comes */
    assert_memory_equal(answer.data, large.data, large.size);
    assert_int_equal(server.calls, 101);
    free(large.data);
    close_two();
}

static void answer_packed(void *context, const pp_message *message)
{
    msgpack_unpacked unpacked;
    msgpack_sbuffer result;
    msgpack_packer packer;

    (void)context;
    msgpack_unpacked_init(&unpacked);
    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    if (pp_message_unpack(message, &unpacked) &&
        msgpack_pack_object(&packer, unpacked.data.via.array.ptr[0]) == 0)
        pp_reply_packed(other, message->call, &result);
    msgpack_sbuffer_destroy(&result);
    msgpack_unpacked_destroy(&unpacked);
}

static void msgpack_c_packs_and_unpacks_what_is_sent(void **state)
{
    pp_serve_config config = PP_SERVE_CONFIG_INIT;
    msgpack_unpacked unpacked;
    msgpack_sbuffer params;
    msgpack_packer packer;
    pp_sub *service;

    (void)state;
    open_two(NULL);
    config.on_call = answer_packed;
    assert_int_equal(pp_serve(other, NULL, "first", &config, &service), PP_OK);
    msgpack_sbuffer_init(&params);
    msgpack_packer_init(&packer, &params, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 1);
    msgpack_pack_int(&packer, 42);
    assert_int_equal(pp_publish_packed(client, "first", &params), PP_OK);
    assert_int_equal(pp_call(client, NULL, "first", params.data, params.size, NULL, &answer),
                     PP_OK);
    msgpack_sbuffer_destroy(&params);
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(pp_answer_unpack(&answer, &unpacked), 1);
    assert_int_equal(unpacked.data.via.i64, 42);
    assert_int_equal(pp_answer_unpack(&(pp_answer){ 0 }, &unpacked), 0);
    msgpack_unpacked_destroy(&unpacked);
    close_two();
}

static void an_error_has_a_status_words_and_its_bytes(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = { { "no such user", PP_EREMOTE },    { "E_MINE own name", PP_EREMOTE },
                  { "E_ARG no such user", PP_EARG }, { "E_PERM not you", PP_EPERM },
                  { "E_QUOTA enough", PP_EQUOTA },   { "E_NOTFOUND it", PP_ENOTFOUND },
                  { "E_NONAME x", PP_ENAME } };
    struct server server = { 0 };
    char expected[64];

    (void)state;
    open_two(NULL);
    serve(other, "q", &server);
    for (size_t i = 0; i < PPI_COUNT(cases); i++) {
        server.error = cases[i].text;
        assert_int_equal(call(client, "q", "[]", &answer), cases[i].status);
        assert_string_equal(words(), cases[i].text);
        assert_string_equal(pp_detail(), cases[i].text);
        snprintf(expected, sizeof expected, "'%s'", cases[i].text);
        assert_true(text_matches(expected, answer.data, answer.size));
    }
    close_two();
}

static void the_brokers_own_errors_have_their_names(void **state)
{
    pp_call_config config = PP_CALL_CONFIG_INIT;
    struct server server = { .keeps = true };
    struct bytes none = bytes_of("[]");
    pp_sub *service;

    (void)state;
    open_two(NULL);
    assert_int_equal(call(client, "nobody", "[]", &answer), PP_ENORESP);
    assert_non_null(strstr(words(), "E_NORESP"));
    assert_int_equal(call(client, "$nonsense", "[]", &answer), PP_EMETHOD);
    assert_int_equal(call(client, "$sub", "[7]", &answer), PP_EARG);
    assert_int_equal(call(client, "$unsub", "[7]", &answer), PP_ENOTFOUND);
    serve(other, "q", &server);
    config.deadline_ms = 30;
    assert_int_equal(pp_call(client, NULL, "q", none.data, none.size, &config, &answer),
                     PP_ETIMEDOUT);
    EVENTUALLY(server.cancels == 1); /* nobody waits for it any more */
    pp_serve_config wanted = PP_SERVE_CONFIG_INIT;
    wanted.flags = PP_SERVE_EXCLUSIVE;
    assert_int_equal(pp_serve(client, NULL, "q", &wanted, &service), PP_ENAME);
    close_two();
}

static void limits_are_told(void **state)
{
    pp_serve_config wanted = PP_SERVE_CONFIG_INIT;
    struct server server = { .keeps = true };
    struct bytes none = bytes_of("[]");
    pp_answer answers[2] = { { 0 }, { 0 } };
    pp_op ops[2] = { PP_OP_INIT, PP_OP_INIT };
    pp_sub *sub;

    (void)state;
    open_two("calls_open = 2;\nsubs = 2;\n");
    wanted.max_inflight = 1;
    wanted.on_call = on_call;
    wanted.context = &server;
    server.client = other;
    assert_int_equal(pp_serve(other, NULL, "one", &wanted, &sub), PP_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pp_op_use_wait(&ops[i]), PP_OK);
    assert_int_equal(pp_call(client, &ops[0], "one", none.data, none.size, NULL, &answers[0]),
                     PP_PENDING);
    assert_int_equal(call(client, "one", "[]", &answer), PP_EBUSY);
    serve(other, "two", &server);
    assert_int_equal(pp_call(client, &ops[1], "two", none.data, none.size, NULL, &answers[1]),
                     PP_PENDING);
    assert_int_equal(call(client, "two", "[]", &answer), PP_ELIMIT);
    assert_int_equal(pp_subscribe(other, NULL, "third", NULL, &sub), PP_ELIMIT);
    pp_client_close(other); /* without its answers */
    other = NULL;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wait_for(&ops[i]), PP_EGONE);
        pp_answer_free(&answers[i]);
    }
    close_two();
}

static void a_call_can_be_canceled_and_its_server_is_told(void **state)
{
    struct server server = { .keeps = true };
    struct bytes none = bytes_of("[]");
    pp_op op = PP_OP_INIT;

    (void)state;
    open_two(NULL);
    pp_sub *service = serve(other, "q", &server);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_call(client, &op, "q", none.data, none.size, NULL, &answer), PP_PENDING);
    EVENTUALLY(server.calls == 1);
    assert_int_equal(pp_call_cancel(client, &op), PP_OK);
    assert_int_equal(wait_for(&op), PP_ECANCELED);
    assert_int_equal(pp_call_cancel(client, &op), PP_ENOTFOUND);
    EVENTUALLY(server.cancels == 1);
    assert_int_equal(server.canceled, server.last);
    assert_int_equal(pp_reply(other, server.last, "\xC0", 1), PP_OK); /* too late: ignored */

    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_call(client, &op, "q", none.data, none.size, NULL, &answer), PP_PENDING);
    EVENTUALLY(server.calls == 2);
    assert_int_equal(pp_unsubscribe(service, NULL), PP_OK); /* gone, but the call is still open */
    assert_int_equal(pp_call_cancel(client, &op), PP_OK);
    assert_int_equal(wait_for(&op), PP_ECANCELED);
    assert_int_equal(pp_client_flush(other, NULL), PP_OK);
    assert_int_equal(server.cancels, 1);
    close_two();
}

static void a_call_may_be_answered_later_and_after_the_service_has_ended(void **state)
{
    struct server server = { .keeps = true };
    struct bytes none = bytes_of("[]");
    pp_op op = PP_OP_INIT;

    (void)state;
    open_two(NULL);
    pp_sub *service = serve(other, "q", &server);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_call(client, &op, "q", none.data, none.size, NULL, &answer), PP_PENDING);
    EVENTUALLY(server.calls == 1);
    assert_int_equal(pp_unsubscribe(service, NULL), PP_OK);
    assert_int_equal(pp_reply(other, server.last, "\x2A", 1), PP_OK);
    assert_int_equal(pp_reply(other, server.last, "\x2B", 1), PP_OK); /* once is enough */
    assert_int_equal(wait_for(&op), PP_OK);
    assert_true(text_matches("42", answer.data, answer.size));
    assert_int_equal(call(client, "q", "[]", &answer), PP_ENORESP);
    close_two();
}

struct patient {
    atomic_bool over;
    unsigned calls;
    atomic_int status; /* of the first call that failed */
};

static void call_on(void *argument)
{
    pp_call_config config = { .size = sizeof config, .wait_ms = TEST_PATIENCE_MS };
    struct patient *patient = argument;

    while (!atomic_load(&patient->over) && patient->status == PP_OK) {
        patient->status = pp_call(client, NULL, "q", "\x91\x2A", 2, &config, &answer);
        patient->calls++;
    }
}

static void a_service_that_ends_and_comes_back_is_not_noticed_by_who_waits_for_it(void **state)
{
    struct patient patient = { 0 };
    struct server server = { 0 };
    struct runner runner;

    (void)state;
    open_two(NULL);
    runner_start(&runner, call_on, &patient);
    for (int i = 0; i < 300; i++) {
        pp_sub *service = serve(other, "q", &server);
        unsigned calls = server.calls;

        EVENTUALLY(server.calls > calls || patient.status != PP_OK);
        assert_int_equal(pp_unsubscribe(service, NULL), PP_OK);
    }
    serve(other, "q", &server); /* whoever waits is let go */
    atomic_store(&patient.over, true);
    runner_join(&runner);
    assert_int_equal(patient.status, PP_OK);
    assert_int_equal(server.calls, patient.calls);
    close_two();
}

static void a_service_without_a_callback_takes_its_calls_with_pp_next(void **state)
{
    pp_serve_config config = PP_SERVE_CONFIG_INIT;
    struct bytes params = bytes_of("['x']");
    struct server server = { 0 };
    pp_message message;
    pp_op op = PP_OP_INIT;
    pp_sub *service;

    (void)state;
    open_two(NULL);
    config.on_cancel = on_cancel;
    config.context = &server;
    assert_int_equal(pp_serve(other, NULL, "q", &config, &service), PP_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pp_op_use_wait(&op), PP_OK);
        assert_int_equal(pp_call(client, &op, "q", params.data, params.size, NULL, &answer),
                         PP_PENDING);
        assert_int_equal(pp_receive(service, NULL), PP_OK);
        assert_int_equal(pp_next(service, &message), 1);
        assert_true(message.call != 0);
        if (i == 0)
            assert_int_equal(pp_reply(other, message.call, message.params, message.params_size),
                             PP_OK);
        else
            assert_int_equal(pp_call_cancel(client, &op), PP_OK);
        assert_int_equal(wait_for(&op), i == 0 ? PP_OK : PP_ECANCELED);
    }
    EVENTUALLY(server.cancels == 1);
    assert_int_equal(server.canceled, message.call);
    close_two();
}

static void an_answer_can_be_an_operation(void **state)
{
    pp_op call = PP_OP_INIT, reply = PP_OP_INIT;
    struct bytes params = bytes_of("[7]");
    pp_message message;
    pp_sub *service;

    (void)state;
    open_two(NULL);
    assert_int_equal(pp_serve(other, NULL, "q", NULL, &service), PP_OK);
    assert_int_equal(pp_op_use_wait(&call), PP_OK);
    assert_int_equal(pp_call(client, &call, "q", params.data, params.size, NULL, &answer),
                     PP_PENDING);
    assert_int_equal(pp_receive(service, NULL), PP_OK);
    assert_int_equal(pp_next(service, &message), 1);
    assert_int_equal(pp_op_use_wait(&reply), PP_OK);
    assert_int_equal(pp_reply_start(other, &reply, message.call, "\x91\xC1", 2), PP_EINVAL);
    assert_int_equal(
        pp_reply_start(other, &reply, message.call, message.params, message.params_size),
        PP_PENDING);
    assert_int_equal(wait_for(&reply), PP_OK);
    assert_int_equal(wait_for(&call), PP_OK);
    assert_int_equal(answer.size, params.size);
    assert_memory_equal(answer.data, params.data, params.size);
    close_two();
}

/* A callback that calls on, and answers when that is answered. */
static struct {
    pp_op op, waited;
    pp_answer answer;
    uint64_t call;
    atomic_int allowed; /* waits that should have been refused */
} relay;

static void on_relayed(pp_op *op)
{
    relay.allowed += op->status != PP_OK;
    pp_reply(other, relay.call, relay.answer.data, relay.answer.size);
}

static void on_relay(void *context, const pp_message *message)
{
    pp_answer none = { 0 };
    pp_receipt receipt;
    pp_sub *sub;

    (void)context;
    relay.call = message->call;
    const int refused[] = {
        pp_client_flush(other, NULL),
        pp_client_flush(client, NULL), /* another client's, just the same */
        pp_client_drain(other, NULL),
        pp_subscribe(other, NULL, "a", NULL, &sub),
        pp_serve(other, NULL, "a", NULL, &sub),
        pp_unsubscribe(message->sub, NULL),
        pp_receive(message->sub, NULL),
        pp_call(other, NULL, "a", "\x90", 1, NULL, &none),
        pp_publish_confirmed(other, NULL, "a", "\x90", 1, &receipt),
        pp_client_close(other),
        pp_client_abort(other),
    };
    for (size_t i = 0; i < PPI_COUNT(refused); i++)
        relay.allowed += refused[i] != PP_EDEADLOCK;
    pp_op_use_wait(&relay.waited);
    relay.allowed += pp_client_flush(other, &relay.waited) != PP_PENDING;
    relay.allowed += pp_op_wait(&relay.waited, -1) != PP_EDEADLOCK;
    pp_op_use_call(&relay.op, on_relayed);
    pp_call(other, &relay.op, "deeper", message->params, message->params_size, NULL, &relay.answer);
}

static void a_callback_may_do_anything_but_wait(void **state)
{
    pp_serve_config config = PP_SERVE_CONFIG_INIT;
    struct server server = { 0 };
    pp_sub *service;

    (void)state;
    open_two(NULL);
    serve(client, "deeper", &server);
    config.on_call = on_relay;
    assert_int_equal(pp_serve(other, NULL, "q", &config, &service), PP_OK);
    assert_int_equal(call(client, "q", "['x']", &answer), PP_OK);
    assert_true(text_matches("['x']", answer.data, answer.size));
    assert_int_equal(relay.allowed, 0);
    assert_int_equal(wait_for(&relay.waited), PP_OK); /* outside it can be */
    pp_answer_free(&relay.answer);
    close_two();
}

int call_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_call_gets_its_answer),
        BUS_TEST(msgpack_c_packs_and_unpacks_what_is_sent),
        BUS_TEST(an_error_has_a_status_words_and_its_bytes),
        BUS_TEST(the_brokers_own_errors_have_their_names),
        BUS_TEST(limits_are_told),
        BUS_TEST(a_call_can_be_canceled_and_its_server_is_told),
        BUS_TEST(a_call_may_be_answered_later_and_after_the_service_has_ended),
        BUS_TEST(a_service_that_ends_and_comes_back_is_not_noticed_by_who_waits_for_it),
        BUS_TEST(a_service_without_a_callback_takes_its_calls_with_pp_next),
        BUS_TEST(an_answer_can_be_an_operation),
        BUS_TEST(a_callback_may_do_anything_but_wait),
    };
    int failures = 0;

    RUN_GROUP(&failures, "calling", tests);
    return failures;
}
