/* port_rows.c: the port itself, and taking packets from it with one thread. */
#include "io/rows.h"
#include "support/support.h"

#include "base/status.h"
#include "io/timer.h"

static pp_port *open_port(void)
{
    pp_port *port;

    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    return port;
}

static pp_port_stats info_of(pp_port *port)
{
    pp_port_stats stats = { .size = sizeof stats };

    assert_int_equal(pp_port_info(port, &stats), PP_OK);
    return stats;
}

static void row_01_ports_open_and_close_without_leaving_handles(void **state)
{
    (void)state;
    pp_port_close(open_port());
    uint64_t before = ppi_process_handles();
    for (int i = 0; i < 10000; i++)
        pp_port_close(open_port());
    assert_int_equal(ppi_process_handles(), before);
}

static void row_02_concurrency_is_the_processors_unless_given(void **state)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;
    pp_port *port = open_port();

    (void)state;
    assert_int_equal(info_of(port).concurrency, ppi_processors());
    assert_true(info_of(port).concurrency >= 1);
    pp_port_close(port);
    config.concurrency = 3;
    assert_int_equal(pp_port_open(&port, &config), PP_OK);
    assert_int_equal(info_of(port).concurrency, 3);
    pp_port_close(port);
}

static void row_02_bad_configurations_are_refused(void **state)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;
    pp_port *port;

    (void)state;
    assert_int_equal(pp_port_open(NULL, NULL), PP_EINVAL);
    config.size = 1;
    assert_int_equal(pp_port_open(&port, &config), PP_EINVAL);
    config.size = sizeof config;
    config.pool_bytes = 64 * 1024 * 1024;
    assert_int_equal(pp_port_open(&port, &config), PP_EINVAL);
    assert_string_not_equal(pp_detail(), "");
}

/* One port, one listener, two streams: packets of all arrive, each with its handle's key. */
static void row_04_listeners_and_streams_share_one_port(void **state)
{
    pp_port *port = open_port();
    pp_handle *listener, *client, *server = NULL;
    pp_op accepted = PP_OP_INIT, connected = PP_OP_INIT, read = PP_OP_INIT, written = PP_OP_INIT;
    const char *path = test_path();
    char byte = 0;
    unsigned seen = 0;

    (void)state;
    assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
    assert_int_equal(pp_dial(&client, path, NULL), PP_OK);
    assert_int_equal(pp_port_attach(port, listener, 10), PP_OK);
    assert_int_equal(pp_port_attach(port, client, 20), PP_OK);
    assert_int_equal(pp_accept(listener, &accepted, &server), PP_PENDING);
    assert_int_equal(pp_connect(client, &connected), PP_PENDING);
    for (int i = 0; i < 2; i++) {
        pp_packet packet = next_packet(port);

        assert_int_equal(packet.status, PP_OK);
        assert_int_equal(packet.key, packet.op == &accepted ? 10 : 20);
        seen |= packet.op == &accepted ? 1 : 2;
    }
    assert_int_equal(seen, 3);
    assert_int_equal(pp_port_attach(port, server, 30), PP_OK);
    assert_int_equal(pp_read(server, &read, &byte, 1), PP_PENDING);
    assert_int_equal(pp_write(client, &written, "x", 1), PP_PENDING);
    for (int i = 0; i < 2; i++) {
        pp_packet packet = next_packet(port);

        assert_int_equal(packet.key, packet.op == &read ? 30 : 20);
        assert_int_equal(packet.bytes, 1);
    }
    assert_int_equal(byte, 'x');
    pp_close(server);
    pp_close(client);
    pp_close(listener);
    pp_port_close(port);
}

static void row_05_a_handle_is_attached_once(void **state)
{
    struct pair pair;
    pp_port *other = open_port();

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_port_attach(pair.port, pair.server, 7), PP_ESTATE);
    assert_int_equal(pp_port_attach(other, pair.server, 7), PP_ESTATE);
    assert_int_equal(pp_port_attach(NULL, pair.server, 7), PP_EINVAL);
    pp_port_close(other);
    pair_close(&pair);
}

static void row_07_keys_are_never_interpreted(void **state)
{
    const uintptr_t keys[] = { 0, UINTPTR_MAX, 1 };
    pp_port *port = open_port();
    struct streams streams;
    pp_op posts[3] = { PP_OP_INIT }, read = PP_OP_INIT, written = PP_OP_INIT;
    char byte;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pp_port_post(port, keys[i], 5, &posts[i]), PP_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(next_packet(port).key, keys[i]);

    for (int i = 0; i < 2; i++) { /* two handles with one key */
        streams_open(&streams);
        assert_int_equal(pp_port_attach(port, streams.server, keys[i]), PP_OK);
        assert_int_equal(pp_port_attach(port, streams.client, keys[i]), PP_OK);
        assert_int_equal(pp_write(streams.client, &written, "x", 1), PP_PENDING);
        assert_int_equal(next_packet(port).key, keys[i]);
        assert_int_equal(pp_read(streams.server, &read, &byte, 1), PP_PENDING);
        assert_int_equal(next_packet(port).key, keys[i]);
        streams_close(&streams);
    }
    pp_port_close(port);
}

/* The port's memory lives as long as a handle of it does. */
static void row_09_the_port_may_be_closed_before_its_streams(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL);
    pp_port_close(pair.port);
    write_all(pair.client, "still", 5);
    char text[5];
    assert_true(read_all(pair.server, text, 5));
    assert_memory_equal(text, "still", 5);
    streams_close(&pair.streams);
}

static void close_port(pp_op *op)
{
    pp_port_close(op->user);
}

/* And as long as a worker is inside. */
static void row_09_the_port_may_be_closed_in_a_callback(void **state)
{
    pp_port *port = open_port();
    pp_op op = { .user = port };
    pp_packet packet;

    (void)state;
    assert_int_equal(pp_op_use_call(&op, close_port), PP_OK);
    assert_int_equal(pp_port_post(port, 0, 0, &op), PP_OK);
    assert_int_equal(pp_port_get(port, &packet, 0), 0);
}

static void row_14_get_waits_as_long_as_it_was_told(void **state)
{
    pp_port *port = open_port();
    pp_packet packet;
    uint64_t begin_ns = ppi_now_ns();

    (void)state;
    assert_int_equal(pp_port_get(port, &packet, 100), 0);
    uint64_t took_ms = (ppi_now_ns() - begin_ns) / PPI_NS_PER_MS;
    assert_in_range(took_ms, 90, TEST_SOON_MS);
    pp_port_close(port);
}

static void row_15_a_packet_has_bytes_key_and_operation(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT;
    char text[16];

    (void)state;
    pair_open(&pair, NULL);
    write_all(pair.client, "12345", 5);
    assert_int_equal(pp_read(pair.server, &op, text, sizeof text), PP_PENDING);
    pp_packet packet = next_packet(pair.port);
    assert_ptr_equal(packet.op, &op);
    assert_int_equal(packet.key, 1);
    assert_int_equal(packet.bytes, 5);
    assert_int_equal(packet.status, PP_OK);
    assert_int_equal(packet.flags, 0);
    assert_int_equal(op.bytes, 5);
    pair_close(&pair);
}

/* Four outcomes, told apart by one number: packet, failed packet, timeout, bad call. */
static void row_16_outcomes_need_no_decoding(void **state)
{
    struct pair pair;
    pp_op op = PP_OP_INIT, post = PP_OP_INIT;
    pp_packet packet;
    char byte;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_port_get(pair.port, &packet, 0), 0);
    assert_int_equal(pp_port_post(pair.port, 9, 0, &post), PP_OK);
    assert_int_equal(pp_port_get(pair.port, &packet, 0), 1);
    assert_int_equal(packet.status, PP_OK);
    assert_int_equal(packet.flags, PP_PACKET_POSTED);
    assert_int_equal(pp_read(pair.server, &op, &byte, 1), PP_PENDING);
    assert_int_equal(pp_cancel(pair.server, &op), PP_OK);
    packet = next_packet(pair.port);
    assert_int_equal(packet.status, PP_ECANCELED);
    assert_int_equal(pp_port_get(NULL, &packet, 0), PP_EINVAL);
    assert_int_equal(pp_port_get(pair.port, NULL, 0), PP_EINVAL);
    pair_close(&pair);
}

static void late_post(void *argument)
{
    static pp_op op;

    ppi_sleep_ms(30); /* the getter most likely waits by now; the test holds either way */
    assert_int_equal(pp_port_post(argument, 1, 0, &op), PP_OK);
}

static void row_17_timeout_zero_polls_and_negative_waits_for_ever(void **state)
{
    pp_port *port = open_port();
    struct runner runner;
    pp_packet packet;

    (void)state;
    uint64_t begin_ns = ppi_now_ns();
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pp_port_get(port, &packet, 0), 0);
    assert_true(took_no_time(begin_ns));
    runner_start(&runner, late_post, port);
    assert_int_equal(pp_port_get(port, &packet, -1), 1);
    runner_join(&runner);
    pp_port_close(port);
}

static void row_18_a_bad_call_is_not_a_packet(void **state)
{
    pp_packet packet;
    pp_op op = PP_OP_INIT;

    (void)state;
    assert_int_equal(pp_port_get(NULL, &packet, -1), PP_EINVAL);
    assert_int_equal(pp_port_get_many(NULL, &packet, 1, -1), PP_EINVAL);
    assert_int_equal(pp_port_post(NULL, 0, 0, &op), PP_EINVAL);
    pp_port *port = open_port();
    assert_int_equal(pp_port_get_many(port, &packet, 0, 0), PP_EINVAL);
    assert_int_equal(pp_port_post(port, 0, 0, NULL), PP_EINVAL);
    pp_port_close(port);
}

static void row_19_packets_leave_first_in_first_out(void **state)
{
    enum { COUNT = 1000 };
    static pp_op ops[COUNT];
    pp_port *port = open_port();

    (void)state;
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(pp_port_post(port, (uintptr_t)i, 0, &ops[i]), PP_OK);
    assert_int_equal(info_of(port).outstanding, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(next_packet(port).key, i);
    assert_int_equal(info_of(port).outstanding, 0);
    pp_port_close(port);
}

static void row_23_get_many_takes_what_is_there(void **state)
{
    pp_port *port = open_port();
    pp_op ops[10] = { PP_OP_INIT };
    pp_packet packets[16];

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(pp_port_post(port, (uintptr_t)i, 0, &ops[i]), PP_OK);
    assert_int_equal(pp_port_get_many(port, packets, 16, TEST_PATIENCE_MS), 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(packets[i].key, i);
    assert_int_equal(pp_port_get_many(port, packets, 16, 0), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(pp_port_post(port, (uintptr_t)i, 0, &ops[i]), PP_OK);
    assert_int_equal(pp_port_get_many(port, packets, 4, 0), 4);
    assert_int_equal(pp_port_get_many(port, packets, 16, 0), 6);
    pp_port_close(port);
}

static void row_23_get_many_waits_for_the_first_only(void **state)
{
    pp_port *port = open_port();
    struct runner runner;
    pp_packet packets[2];

    (void)state;
    uint64_t begin_ns = ppi_now_ns();
    runner_start(&runner, late_post, port);
    assert_int_equal(pp_port_get_many(port, packets, 2, TEST_PATIENCE_MS), 1);
    assert_true(took_no_time(begin_ns));
    runner_join(&runner);
    assert_int_equal(packets[0].key, 1);
    pp_port_close(port);
}

/* Success, end of stream, canceled and posted, in one batch: each has its own status. */
static void row_24_every_packet_of_a_batch_has_its_status(void **state)
{
    struct pair one, two;
    pp_op done = PP_OP_INIT, ended = PP_OP_INIT, canceled = PP_OP_INIT, posted = PP_OP_INIT;
    pp_packet packets[4];
    char bytes[3];
    int taken = 0;

    (void)state;
    pair_open(&one, NULL);
    pair_open(&two, NULL);
    write_all(one.client, "x", 1);
    assert_int_equal(pp_read(one.server, &done, &bytes[0], 1), PP_PENDING);
    assert_int_equal(pp_read(one.client, &canceled, &bytes[1], 1), PP_PENDING);
    assert_int_equal(pp_cancel(one.client, &canceled), PP_OK);
    assert_int_equal(pp_port_post(one.port, 4, 77, &posted), PP_OK);
    pp_close(one.client);
    one.client = NULL;
    assert_int_equal(pp_read(one.server, &ended, &bytes[2], 1), PP_PENDING);
    while (taken < 4) {
        int count = pp_port_get_many(one.port, packets + taken, 4 - taken, TEST_PATIENCE_MS);

        assert_true(count > 0);
        taken += count;
    }
    for (int i = 0; i < 4; i++) {
        const pp_op *op = packets[i].op;
        int expected = op == &canceled ? PP_ECANCELED : op == &ended ? PP_EPEERCLOSED : PP_OK;

        assert_int_equal(packets[i].status, expected);
        assert_int_equal(packets[i].bytes, op == &posted ? 77 : op == &done ? 1 : 0);
    }
    pair_close(&two);
    pair_close(&one);
}

/* Only who lent a port of the system's own has foreign packets to ask about. */
static void nothing_can_be_claimed_without_a_native_port(void **state)
{
    pp_packet packet;
    pp_port *port;

    (void)state;
    only_on_linux("Windows has native ports");
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    assert_int_equal(pp_port_claim(port, &packet, 1, 0, &packet), PP_ENOTSUP);
    pp_port_close(port);
}

/* Timers are the library's own: a stopped one must not take the next one's alarm with it. */
static struct {
    pp_port *port;
    pp_op told;
    uint64_t ran_ns;
} timed;

static void on_timer(pp_op *op)
{
    if (op->status != PP_OK)
        return;
    timed.ran_ns = ppi_now_ns();
    pp_port_post(timed.port, 0, 0, &timed.told);
}

static void a_timer_runs_also_when_an_earlier_one_was_stopped(void **state)
{
    const uint64_t ms = PPI_NS_PER_MS;
    static struct ppi_timer first = { .op.priv_.handler = on_timer };
    static struct ppi_timer second = { .op.priv_.handler = on_timer };
    pp_port *port = open_port();

    (void)state;
    timed.port = port;
    uint64_t now_ns = ppi_timer_now_ns(port), due_ns = now_ns + 1100 * ms;
    assert_int_equal(ppi_timer_start(&first, port, now_ns + 1000 * ms), PP_OK);
    assert_int_equal(ppi_timer_start(&second, port, due_ns), PP_OK);
    assert_true(ppi_timer_stop(&first, port));
    assert_ptr_equal(next_packet(port).op, &timed.told);
    assert_in_range(timed.ran_ns, due_ns, due_ns + TEST_SOON_MS * ms);
    pp_port_close(port);
}

int port_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_01_ports_open_and_close_without_leaving_handles),
        TEST(row_02_concurrency_is_the_processors_unless_given),
        TEST(row_02_bad_configurations_are_refused),
        TEST(row_04_listeners_and_streams_share_one_port),
        TEST(row_05_a_handle_is_attached_once),
        TEST(row_07_keys_are_never_interpreted),
        TEST(row_09_the_port_may_be_closed_before_its_streams),
        TEST(row_09_the_port_may_be_closed_in_a_callback),
        TEST(nothing_can_be_claimed_without_a_native_port),
        TEST(a_timer_runs_also_when_an_earlier_one_was_stopped),
        TEST(row_14_get_waits_as_long_as_it_was_told),
        TEST(row_15_a_packet_has_bytes_key_and_operation),
        TEST(row_16_outcomes_need_no_decoding),
        TEST(row_17_timeout_zero_polls_and_negative_waits_for_ever),
        TEST(row_18_a_bad_call_is_not_a_packet),
        TEST(row_19_packets_leave_first_in_first_out),
        TEST(row_23_get_many_takes_what_is_there),
        TEST(row_23_get_many_waits_for_the_first_only),
        TEST(row_24_every_packet_of_a_batch_has_its_status),
    };
    int failures = 0;

    RUN_GROUP(&failures, "the port", tests);
    return failures;
}
