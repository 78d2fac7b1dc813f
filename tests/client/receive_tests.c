/* receive_tests.c: subscriptions: callbacks, inboxes, groups, slow readers, the end of them. */
#include "client/party.h"

static struct bus bus;

static pp_sub *subscribe(pp_client *client, const char *pattern, const char *group, uint32_t flags)
{
    pp_sub_config config = PP_SUB_CONFIG_INIT;
    pp_sub *sub;

    config.group = group;
    config.flags = flags;
    assert_int_equal(pp_subscribe(client, NULL, pattern, &config, &sub), PP_OK);
    return sub;
}

static void without_a_callback_messages_wait_for_pp_next(void **state)
{
    pp_message message;
    pp_op op = PP_OP_INIT;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_client(&bus), *other = open_client(&bus);
    pp_sub *sub = subscribe(client, "a.>", NULL, 0);
    assert_int_equal(pp_next(sub, &message), 0);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_receive(sub, &op), PP_PENDING);
    assert_int_equal(pp_receive(sub, NULL), PP_ESTATE); /* one at a time */
    assert_int_equal(publish(other, "a.b", "[0]"), PP_OK);
    assert_int_equal(wait_for(&op), PP_OK);
    assert_int_equal(pp_next(sub, &message), 1);
    assert_ptr_equal(message.sub, sub);
    assert_int_equal(message.subject_length, 3);
    assert_memory_equal(message.subject, "a.b", 3);
    assert_int_equal(message.params_size, 2);
    assert_memory_equal(message.params, "\x91\x00", 2);
    assert_int_equal(message.call, 0);
    assert_int_equal(pp_next(sub, &message), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(publish(other, "a.c", "[1]"), PP_OK);
    for (int i = 0; i < 3;) {
        assert_int_equal(pp_receive(sub, NULL), PP_OK);
        while (pp_next(sub, &message) == 1)
            i++;
    }
    pp_client_close(client);
    pp_client_close(other);
    bus_close(&bus);
}

static void a_group_shares_and_a_pattern_matches(void **state)
{
    enum { COUNT = 300 };
    pp_message message;
    unsigned got[2] = { 0, 0 };
    pp_sub *members[2];

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_client(&bus), *other = open_client(&bus);
    members[0] = subscribe(client, "job.*", "workers", 0);
    members[1] = subscribe(other, "job.>", "workers", PP_SUB_ECHO);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(publish(other, "job.x", "[]"), PP_OK);
    EVENTUALLY((got[0] += (unsigned)pp_next(members[0], &message),
                got[1] += (unsigned)pp_next(members[1], &message), got[0] + got[1] == COUNT));
    assert_true(got[0] > 0 && got[1] > 0);
    assert_int_equal(pp_client_flush(other, NULL), PP_OK);
    assert_int_equal(pp_next(members[0], &message) + pp_next(members[1], &message), 0);
    pp_client_close(client);
    pp_client_close(other);
    bus_close(&bus);
}

static void ones_own_messages_come_back_only_with_echo(void **state)
{
    struct listener mine = { 0 }, all = { 0 };
    pp_sub_config config = PP_SUB_CONFIG_INIT;
    pp_sub *sub;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_client(&bus);
    listen_to(client, "a", &mine);
    config.flags = PP_SUB_ECHO;
    config.on_message = on_message;
    config.context = &all;
    assert_int_equal(pp_subscribe(client, NULL, "a", &config, &sub), PP_OK);
    assert_int_equal(publish(client, "a", "[0]"), PP_OK);
    EVENTUALLY(all.count == 1);
    assert_int_equal(pp_client_flush(client, NULL), PP_OK);
    assert_int_equal(mine.count, 0);
    pp_client_close(client);
    bus_close(&bus);
}

/* --- slow readers ----------------------------------------------------------------------------- */

enum { COUNT = 4000, BODY_BYTES = 1000 };

struct publisher {
    pp_client *client;
    atomic_uint published;
};

static void publish_numbers(void *context)
{
    struct publisher *publisher = context;
    struct large large = large_of(BODY_BYTES);

    for (unsigned i = 0; i < COUNT; i++) {
        large.data[0] = 0x92; /* [i, bin] */
        large.data[1] = 0xCD;
        large.data[2] = (uint8_t)(i >> 8);
        large.data[3] = (uint8_t)i;
        large.data[4] = 0xC5;
        large.data[5] = (BODY_BYTES - 1) >> 8;
        large.data[6] = (BODY_BYTES - 1) & 255;
        if (pp_publish(publisher->client, "data", large.data, large.size) != PP_OK)
            break;
        publisher->published++;
    }
    free(large.data);
}

/* A reader with a small inbox, which it does not empty; a publisher that is held up by that. */
static pp_client *reader;
static struct publisher publisher;
static struct runner runner;

static void open_slow(const char *settings, struct ending *ending)
{
    pp_client_config config;

    bus_open(&bus, settings);
    config = config_for(&bus);
    config.inbox_bytes = 16 * 1024;
    config.queue_bytes = 64 * 1024;
    config.context = ending;
    config.on_closed = ending != NULL ? on_closed : NULL;
    config.flags = ending != NULL ? PP_CLIENT_ONCE : 0;
    assert_int_equal(pp_client_open(&reader, &config), PP_OK);
    config.on_closed = NULL;
    assert_int_equal(pp_client_open(&publisher.client, &config), PP_OK);
    publisher.published = 0;
}

static void await_held_up(void)
{
    unsigned before;

    runner_start(&runner, publish_numbers, &publisher);
    EVENTUALLY(publisher.published > 50);
    do {
        before = publisher.published;
        ppi_sleep_ms(100);
    } while (before != publisher.published);
    assert_true(publisher.published < COUNT);
}

static void close_slow(void)
{
    runner_join(&runner);
    assert_int_equal(publisher.published, COUNT);
    pp_client_close(reader);
    pp_client_close(publisher.client);
    bus_close(&bus);
}

static const char small_queues[] = "queue_low = 65536;\nqueue_high = 131072;\n";

static void a_slow_pp_next_holds_the_publisher_up_and_loses_nothing(void **state)
{
    pp_message message;
    unsigned next = 0;

    (void)state;
    open_slow(small_queues, NULL);
    pp_sub *sub = subscribe(reader, "data", NULL, 0);
    await_held_up();
    while (next < COUNT) {
        assert_int_equal(pp_receive(sub, NULL), PP_OK);
        while (pp_next(sub, &message) == 1)
            assert_int_equal(number_in(&message), next++);
    }
    close_slow();
}

static void an_inbox_that_is_full_can_be_unsubscribed(void **state)
{
    struct listener other = { 0 };

    (void)state;
    open_slow(small_queues, NULL);
    pp_sub *sub = subscribe(reader, "data", NULL, 0);
    listen_to(reader, "other", &other);
    await_held_up();
    assert_int_equal(pp_unsubscribe(sub, NULL), PP_OK);
    runner_join(&runner);
    assert_int_equal(publisher.published, COUNT);
    assert_int_equal(publish(publisher.client, "other", "[0]"), PP_OK);
    EVENTUALLY(other.count == 1);
    pp_client_close(reader);
    pp_client_close(publisher.client);
    bus_close(&bus);
}

static void who_wants_to_be_cut_is_and_is_told_why(void **state)
{
    struct ending ending = { 0 };
    pp_message message;
    unsigned next = 0;

    (void)state;
    open_slow(small_queues, &ending);
    pp_sub *sub = subscribe(reader, "data", NULL, PP_SUB_CUT);
    runner_start(&runner, publish_numbers, &publisher);
    runner_join(&runner); /* it is not held up */
    assert_int_equal(publisher.published, COUNT);
    assert_int_equal(pp_client_flush(publisher.client, NULL), PP_OK);
    while (pp_receive(sub, NULL) == PP_OK) /* what came before the cut is still there */
        while (pp_next(sub, &message) == 1)
            assert_int_equal(number_in(&message), next++);
    assert_true(next < COUNT);
    EVENTUALLY(ending.times == 1);
    assert_true(ending.why == PP_ESLOW || ending.why == PP_EPEERCLOSED);
    pp_client_close(reader);
    pp_client_close(publisher.client);
    bus_close(&bus);
}

static void nothing_arrives_after_an_unsubscribe(void **state)
{
    struct listener listener = { 0 };
    pp_message message;
    pp_op op = PP_OP_INIT;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_client(&bus), *other = open_client(&bus);
    pp_sub *sub = listen_to(client, "a", &listener);
    assert_int_equal(publish(other, "a", "[0]"), PP_OK);
    assert_int_equal(pp_client_flush(other, NULL), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_unsubscribe(sub, &op), PP_PENDING);
    assert_int_equal(wait_for(&op), PP_OK);
    unsigned count = listener.count;
    assert_int_equal(publish(other, "a", "[1]"), PP_OK);
    assert_int_equal(pp_client_flush(other, NULL), PP_OK);
    assert_int_equal(pp_client_flush(client, NULL), PP_OK);
    assert_int_equal(listener.count, count);
    sub = subscribe(client, "a", NULL, 0); /* one that waits for a message ends too */
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_receive(sub, &op), PP_PENDING);
    assert_int_equal(pp_unsubscribe(sub, &op), PP_ESTATE); /* op is in flight: nothing happens */
    assert_int_equal(publish(other, "a", "[2]"), PP_OK);
    assert_int_equal(wait_for(&op), PP_OK);
    assert_int_equal(pp_next(sub, &message), 1);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_receive(sub, &op), PP_PENDING);
    assert_int_equal(pp_unsubscribe(sub, NULL), PP_OK);
    assert_int_equal(wait_for(&op), PP_ECANCELED);
    pp_client_close(client);
    pp_client_close(other);
    bus_close(&bus);
}

int receive_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(without_a_callback_messages_wait_for_pp_next),
        BUS_TEST(a_group_shares_and_a_pattern_matches),
        BUS_TEST(ones_own_messages_come_back_only_with_echo),
        BUS_TEST(a_slow_pp_next_holds_the_publisher_up_and_loses_nothing),
        BUS_TEST(an_inbox_that_is_full_can_be_unsubscribed),
        BUS_TEST(who_wants_to_be_cut_is_and_is_told_why),
        BUS_TEST(nothing_arrives_after_an_unsubscribe),
    };
    int failures = 0;

    RUN_GROUP(&failures, "receiving", tests);
    return failures;
}
