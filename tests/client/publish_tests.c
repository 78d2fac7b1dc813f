/* publish_tests.c: publishing, and what becomes of it. */
#include "client/party.h"

static struct bus bus;

static void a_publish_can_be_confirmed(void **state)
{
    struct listener listener = { 0 };
    struct bytes params = bytes_of("[0]");
    pp_receipt receipt = { 9, 9, 9 };

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_client(&bus), *other = open_client(&bus);
    assert_int_equal(pp_publish_confirmed(client, NULL, "a", params.data, params.size, &receipt),
                     PP_OK);
    assert_int_equal(receipt.matched + receipt.queued + receipt.refused, 0);
    pp_sub *first = listen_to(other, "a", &listener), *second = listen_to(other, ">", &listener);
    assert_int_equal(pp_publish_confirmed(client, NULL, "a", params.data, params.size, &receipt),
                     PP_OK);
    assert_int_equal(receipt.matched, 2);
    assert_int_equal(receipt.queued, 2);
    assert_int_equal(receipt.refused, 0);
    EVENTUALLY(listener.count == 2);
    assert_int_equal(pp_unsubscribe(first, NULL), PP_OK);
    assert_int_equal(pp_unsubscribe(second, NULL), PP_OK);
    pp_client_close(client);
    pp_client_close(other);
    bus_close(&bus);
}

static void after_a_flush_the_broker_has_all_of_it(void **state)
{
    enum { COUNT = 5000 };
    pp_answer answer = { 0 };
    char text[32];

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_client(&bus);
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "[%d]", i);
        assert_int_equal(publish(client, "a", text), PP_OK);
    }
    assert_int_equal(pp_client_flush(client, NULL), PP_OK);
    assert_int_equal(call(client, "$sys.stats", "[]", &answer), PP_OK);
    const char published[] = "\xA9published\xCD\x13\x88"; /* 5,000 */
    bool found = false;
    for (size_t at = 0; at + sizeof published - 1 <= answer.size && !found; at++)
        found = memcmp((const char *)answer.data + at, published, sizeof published - 1) == 0;
    assert_true(found);
    pp_answer_free(&answer);
    pp_client_close(client);
    bus_close(&bus);
}

/* Small and large ones, operations and none: in the order of the calls. */
static void everything_arrives_in_the_order_of_the_calls(void **state)
{
    enum { COUNT = 400 };
    static const size_t sizes[] = { 1, 100, 40 * 1000, 70 * 1000, 3, 1000 * 1000 };
    struct listener listener = { 0 };

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_client(&bus), *other = open_client(&bus);
    listen_to(other, "a", &listener);
    for (unsigned i = 0; i < COUNT; i++) {
        struct large large = large_of(sizes[i % PPI_COUNT(sizes)] + 4);
        pp_op op = PP_OP_INIT;
        pp_receipt receipt;

        memmove(large.data + 2, large.data + 1, large.size - 1 - 1); /* [n, bin] */
        large.data[0] = 0x92;
        large.data[1] = (uint8_t)(i % 100);
        large.data[6] = (uint8_t)(large.data[6] - 1);
        if (i % 3 == 0) {
            assert_int_equal(pp_op_use_wait(&op), PP_OK);
            assert_int_equal(pp_publish_start(client, &op, "a", large.data, large.size),
                             PP_PENDING);
            assert_int_equal(wait_for(&op), PP_OK);
        } else if (i % 7 == 0) {
            assert_int_equal(
                pp_publish_confirmed(client, NULL, "a", large.data, large.size, &receipt), PP_OK);
        } else {
            assert_int_equal(pp_publish(client, "a", large.data, large.size), PP_OK);
        }
        free(large.data);
        if (i % 100 == 99) {
            EVENTUALLY(listener.count == i + 1);
            listener.next = 0;
        }
    }
    assert_int_equal(listener.disorder, 0);
    pp_client_close(client);
    pp_client_close(other);
    bus_close(&bus);
}

/* --- a full queue ----------------------------------------------------------------------------- */

static const char small_queues[] = "queue_low = 65536;\nqueue_high = 131072;\nstall_ms = 60000;\n";

/* Somebody who subscribes and does not read, so that publishers are held up. */
static struct raw stuck;

static void open_stuck(void)
{
    bus_open(&bus, small_queues);
    raw_open(&stuck, &bus);
    say(&stuck, "[0, 1, '$sub', ['data']]");
    hear(&stuck, "[1, 1, null, 1]");
}

/* Reads on, a message of so many bytes of params each. */
static void read_messages(unsigned count, size_t params_size)
{
    for (size_t left = count * (params_size + 7); left > 0;) {
        size_t size = ppi_buf_size(&stuck.in);

        if (size == 0) {
            assert_true(raw_receive(&stuck));
            continue;
        }
        ppi_buf_consume(&stuck.in, size < left ? size : left);
        left -= size < left ? size : left;
    }
}

enum { MESSAGE = 10 * 1000, MANY = 200 };

struct publisher {
    pp_client *client;
    struct large params;
    atomic_uint published;
    atomic_int refused; /* how the last one in a callback was */
};

static void publish_many(void *context)
{
    struct publisher *publisher = context;

    while (publisher->published < MANY &&
           pp_publish(publisher->client, "data", publisher->params.data, publisher->params.size) ==
               PP_OK)
        publisher->published++;
}

static void a_full_queue_makes_publish_wait_and_loses_nothing(void **state)
{
    struct publisher publisher = { .params = large_of(MESSAGE) };
    struct runner runner;
    pp_client_config config;

    (void)state;
    open_stuck();
    config = config_for(&bus);
    config.queue_bytes = 64 * 1024;
    assert_int_equal(pp_client_open(&publisher.client, &config), PP_OK);
    runner_start(&runner, publish_many, &publisher);
    EVENTUALLY(publisher.published > 10);
    unsigned before;
    do {
        before = publisher.published;
        ppi_sleep_ms(100);
    } while (before != publisher.published);
    assert_true(publisher.published < MANY); /* two MB do not fit anywhere */
    read_messages(MANY, publisher.params.size);
    runner_join(&runner);
    assert_int_equal(publisher.published, MANY);
    free(publisher.params.data);
    pp_client_close(publisher.client);
    raw_close(&stuck);
    bus_close(&bus);
}

static void publish_in_callback(pp_op *op)
{
    struct publisher *publisher = op->user;

    publish_many(publisher);
    publisher->refused =
        pp_publish(publisher->client, "data", publisher->params.data, publisher->params.size);
}

static void where_one_may_not_wait_a_full_queue_is_busy(void **state)
{
    struct publisher publisher = { .params = large_of(MESSAGE) };
    pp_client_config config;
    pp_op op = PP_OP_INIT;
    pp_port *port;

    (void)state;
    open_stuck();
    config = config_for(&bus);
    config.queue_bytes = 64 * 1024;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    publisher.client = open_on(port, &bus, config);
    while (publisher.published < MANY && pp_publish(publisher.client, "data", publisher.params.data,
                                                    publisher.params.size) == PP_OK) {
        pp_packet packet;

        publisher.published++;
        pp_client_push(publisher.client);
        assert_int_equal(pp_port_get(port, &packet, 0), 0);
    }
    assert_int_equal(
        pp_publish(publisher.client, "data", publisher.params.data, publisher.params.size),
        PP_EBUSY);
    assert_true(publisher.published < MANY);
    pp_client_abort(publisher.client);
    close_port(port);

    assert_int_equal(pp_client_open(&publisher.client, &config), PP_OK);
    publisher.published = 0;
    op.user = &publisher;
    assert_int_equal(pp_op_use_call(&op, publish_in_callback), PP_OK);
    assert_int_equal(pp_client_flush(publisher.client, &op), PP_PENDING);
    EVENTUALLY(publisher.refused != PP_OK);
    assert_int_equal(publisher.refused, PP_EBUSY);
    assert_true(publisher.published > 3 && publisher.published < MANY);
    pp_client_abort(publisher.client);
    free(publisher.params.data);
    raw_close(&stuck);
    bus_close(&bus);
}

static void an_abort_ends_what_is_queued(void **state)
{
    struct large params = large_of(MESSAGE);
    struct called called[MANY];
    struct ending ending = { 0 };
    pp_client_config config;
    pp_client *client;
    unsigned lost = 0;

    (void)state;
    open_stuck();
    config = config_for(&bus);
    config.context = &ending;
    config.on_closed = on_closed;
    assert_int_equal(pp_client_open(&client, &config), PP_OK);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(pp_publish_start(client, start_called(&called[i], &ending), "data",
                                          params.data, params.size),
                         PP_PENDING);
    pp_client_abort(client);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(called[i].times, 1);
        assert_true(called[i].status == PP_OK || called[i].status == PP_ECANCELED);
        lost += called[i].status == PP_ECANCELED;
    }
    assert_true(lost > 0 && lost < MANY);
    assert_int_equal(ending.times, 1);
    assert_int_equal(ending.why, PP_ECLOSED);
    assert_int_equal(ending.ops_after, 0);
    free(params.data);
    raw_close(&stuck);
    bus_close(&bus);
}

static void a_close_waits_for_a_broker_that_is_stuck_no_longer_than_said(void **state)
{
    struct large params = large_of(MESSAGE);
    pp_client_config config;
    pp_client *client;
    pp_op op = PP_OP_INIT;

    (void)state;
    open_stuck();
    config = config_for(&bus);
    config.drain_ms = 150;
    for (int drained = 0; drained < 3; drained++) {
        assert_int_equal(pp_client_open(&client, &config), PP_OK);
        for (int i = 0; i < MANY; i++)
            assert_int_equal(pp_publish(client, "data", params.data, params.size), PP_OK);
        if (drained > 0) {
            assert_int_equal(pp_op_use_wait(&op), PP_OK);
            assert_int_equal(pp_client_drain(client, &op), PP_PENDING);
            assert_int_equal(publish(client, "data", "[]"), PP_ECLOSED);
            assert_int_equal(pp_client_flush(client, NULL), PP_ECLOSED);
        }
        uint64_t began_ns = ppi_now_ns();
        assert_int_equal(drained == 2 ? pp_client_abort(client) : pp_client_close(client), PP_OK);
        uint64_t took_ms = (ppi_now_ns() - began_ns) / PPI_NS_PER_MS;
        assert_true(took_ms < TEST_PATIENCE_MS);
        if (drained < 2)
            assert_true(took_ms >= 150);
        if (drained > 0)
            assert_int_equal(wait_for(&op), PP_ECANCELED);
    }
    free(params.data);
    raw_close(&stuck);
    bus_close(&bus);
}

int publish_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_publish_can_be_confirmed),
        BUS_TEST(after_a_flush_the_broker_has_all_of_it),
        BUS_TEST(everything_arrives_in_the_order_of_the_calls),
        BUS_TEST(a_full_queue_makes_publish_wait_and_loses_nothing),
        BUS_TEST(where_one_may_not_wait_a_full_queue_is_busy),
        BUS_TEST(an_abort_ends_what_is_queued),
        BUS_TEST(a_close_waits_for_a_broker_that_is_stuck_no_longer_than_said),
    };
    int failures = 0;

    RUN_GROUP(&failures, "publishing", tests);
    return failures;
}
