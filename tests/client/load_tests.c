/* load_tests.c: many threads, many times, no memory. */
#include "client/party.h"

#include "link/outq.h"
#include "support/count_allocations.h"

static struct bus bus;

/* --- many threads ----------------------------------------------------------------------------- */

enum { THREADS = 8, EACH = 5000 };

struct writer {
    struct runner runner;
    pp_client *client;
    unsigned number;
    atomic_int status;
};

/* A subject for each thread; some by other means, which keep the order too. */
static void write_many(void *context)
{
    struct writer *writer = context;
    char subject[32];

    snprintf(subject, sizeof subject, "t.%u", writer->number);
    for (unsigned i = 0; i < EACH && writer->status == PP_OK; i++) {
        uint8_t params[] = { 0x91, 0xCD, (uint8_t)(i >> 8), (uint8_t)i };
        pp_receipt receipt;
        pp_op op = PP_OP_INIT;

        if (i % 100 == 7) {
            writer->status = pp_op_use_wait(&op);
            writer->status = pp_publish_start(writer->client, &op, subject, params, sizeof params);
            if (writer->status == PP_PENDING && pp_op_wait(&op, -1) == 1)
                writer->status = op.status;
        } else if (i % 500 == 9) {
            writer->status = pp_publish_confirmed(writer->client, NULL, subject, params,
                                                  sizeof params, &receipt);
        } else {
            writer->status = pp_publish(writer->client, subject, params, sizeof params);
        }
    }
}

static void on_threads_message(void *context, const pp_message *message)
{
    struct listener *listeners = context;

    on_message(&listeners[message->subject[2] - '0'], message);
}

static void threads_that_share_a_client_keep_their_order(void **state)
{
    static struct writer writers[THREADS];
    struct listener listeners[THREADS] = { { 0 } };
    pp_sub_config config = PP_SUB_CONFIG_INIT;
    pp_sub *sub;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_client(&bus), *reader = open_client(&bus);
    config.on_message = on_threads_message;
    config.context = listeners;
    assert_int_equal(pp_subscribe(reader, NULL, "t.*", &config, &sub), PP_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){ .client = client, .number = i };
        runner_start(&writers[i].runner, write_many, &writers[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        runner_join(&writers[i].runner);
    pp_client_close(client);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(writers[i].status, PP_OK);
        EVENTUALLY(listeners[i].count == EACH);
        assert_int_equal(listeners[i].disorder, 0);
    }
    pp_client_close(reader);
    bus_close(&bus);
}

/* Callers and servers in both directions, while subscriptions come and go. */
static atomic_bool enough;

static void call_many(void *context)
{
    struct writer *writer = context;
    struct bytes params = bytes_of("[1]");
    pp_answer answer = { 0 };

    for (unsigned i = 0; i < EACH / 10 && writer->status == PP_OK; i++)
        writer->status =
            pp_call(writer->client, NULL, "q", params.data, params.size, NULL, &answer);
    pp_answer_free(&answer);
}

static void come_and_go(void *context)
{
    struct writer *writer = context;

    while (!enough && writer->status == PP_OK) {
        pp_sub *sub;

        writer->status = pp_subscribe(writer->client, NULL, "q.news", NULL, &sub);
        if (writer->status == PP_OK)
            writer->status = publish(writer->client, "q.news", "[]");
        if (writer->status == PP_OK)
            writer->status = pp_unsubscribe(sub, NULL);
    }
}

static void threads_may_do_everything_at_once(void **state)
{
    static struct writer writers[THREADS];
    struct server server = { 0 };

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_client(&bus), *other = open_client(&bus);
    serve(other, "q", &server);
    enough = false;
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){ .client = i % 2 == 0 ? client : other };
        runner_start(&writers[i].runner, i < 2 ? come_and_go : call_many, &writers[i]);
    }
    for (unsigned i = THREADS; i-- > 0;) {
        enough = i < 2;
        runner_join(&writers[i].runner);
        assert_int_equal(writers[i].status, PP_OK);
    }
    assert_int_equal(server.calls, (THREADS - 2) * (EACH / 10));
    pp_client_close(client);
    pp_client_close(other);
    bus_close(&bus);
}

/* --- many times ------------------------------------------------------------------------------- */

static unsigned cycles(void)
{
    const char *given = ppi_environment("TEST_CYCLES");

    return given != NULL ? (unsigned)strtoul(given, NULL, 10) : 2000;
}

static void opening_and_closing_leaves_nothing_behind(void **state)
{
    struct listener listener = { 0 };
    uint64_t memory = 0, handles = 0;
    int64_t blocks = 0;
    unsigned times = cycles();

    (void)state;
    bus_open(&bus, NULL);
    for (unsigned i = 0; i < times; i++) {
        pp_client *client = open_client(&bus);

        if (i % 4 == 1)
            listen_to(client, "a", &listener);
        if (i % 4 == 2)
            assert_int_equal(publish(client, "a", "[]"), PP_OK);
        assert_int_equal(i % 8 == 3 ? pp_client_abort(client) : pp_client_close(client), PP_OK);
        if (i == times / 2) {
            memory = ppi_process_memory();
            handles = ppi_process_handles();
            blocks = allocations_live();
        }
    }
    assert_int_equal(ppi_process_handles(), handles);
    assert_int_equal(allocations_live(), blocks);
    if (memory != 0)
        assert_true(ppi_process_memory() < memory + 2 * 1024 * 1024);
    bus_close(&bus);
}

/* --- no memory -------------------------------------------------------------------------------- */

/* Statuses that an honest function may have when there is no memory, here or behind the link. */
static bool is_fair(int status)
{
    return status == PP_OK || status == PP_ENOMEM || status == PP_ECLOSED ||
           status == PP_EPEERCLOSED || status == PP_ELIMIT;
}

static int worst; /* the first status that is not fair */

static bool fair(int status)
{
    if (!is_fair(status) && worst == PP_OK)
        worst = status;
    return status == PP_OK;
}

/* Everything once, as far as it gets. */
static void live_a_life(const pp_client_config *config, const struct large *large)
{
    struct listener listener = { 0 };
    pp_sub_config wanted = PP_SUB_CONFIG_INIT;
    pp_serve_config offered = PP_SERVE_CONFIG_INIT;
    struct server server = { 0 };
    pp_answer answer = { 0 };
    pp_client *client;
    pp_receipt receipt;
    pp_op op = PP_OP_INIT;
    pp_sub *sub, *inbox, *service;

    if (!fair(pp_client_new(&client, config)))
        return;
    server.client = client;
    wanted.on_message = on_message;
    wanted.context = &listener;
    wanted.group = "0123456789012345678901234567890123456789012345678901234567890123";
    offered.on_call = on_call;
    offered.on_cancel = on_cancel;
    offered.context = &server;
    if (fair(pp_client_connect(client, NULL))) {
        bool subscribed = fair(pp_subscribe(client, NULL, "a", &wanted, &sub));
        bool received = fair(pp_subscribe(client, NULL, "a", NULL, &inbox));

        fair(pp_serve(client, NULL, "q", &offered, &service));
        fair(pp_publish(client, "a", "\x90", 1));
        fair(pp_publish(client, "a", large->data, large->size));
        if (fair(pp_op_use_wait(&op)) &&
            fair(pp_publish_start(client, &op, "a", large->data, large->size)))
            fair(pp_op_wait(&op, -1) == 1 ? op.status : PP_EIO);
        fair(pp_publish_confirmed(client, NULL, "a", "\x90", 1, &receipt));
        int status = pp_call(client, NULL, "q", "\x90", 1, NULL, &answer);
        fair(status == PP_ENORESP ? PP_OK : status); /* there was no memory to serve it */
        fair(pp_client_flush(client, NULL));
        if (subscribed)
            fair(pp_unsubscribe(sub, NULL));
        if (received)
            fair(pp_unsubscribe(inbox, NULL));
    }
    fair(pp_client_close(client));
    pp_answer_free(&answer);
}

static void without_memory_nothing_breaks(void **state)
{
    struct large large = large_of(1000 * 1000); /* more than a pipe takes at once */
    pp_client_config config;
    int64_t blocks;
    unsigned n = 0;

    (void)state;
    only_on_linux("mingw allocates thread-local variables, and aborts when it cannot; with MSVC "
                  "allocations cannot be made to fail");
    bus_open(&bus, NULL);
    config = config_for(&bus);
    config.name = "somebody";
    worst = PP_OK;
    ppi_thread_event();
    live_a_life(&config, &large);
    ppi_outq_trim();
    blocks = allocations_live();
    do {
        allocations_fail_after(n++);
        live_a_life(&config, &large);
        if (worst != PP_OK)
            print_error("without allocation %u: %s\n", n - 1, pp_strerror(worst));
        assert_int_equal(worst, PP_OK);
        ppi_outq_trim();
        if (allocations_live() != blocks)
            print_error("without allocation %u: a leak\n", n - 1);
        assert_int_equal(allocations_live(), blocks);
    } while (allocations_failed());
    print_message("# %u allocations\n", n - 1);
    assert_true(n > 20);
    free(large.data);
    bus_close(&bus);
}

int load_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(threads_that_share_a_client_keep_their_order),
        BUS_TEST(threads_may_do_everything_at_once),
        BUS_TEST(opening_and_closing_leaves_nothing_behind),
        BUS_TEST(without_memory_nothing_breaks),
    };
    int failures = 0;

    RUN_GROUP(&failures, "load", tests);
    return failures;
}
