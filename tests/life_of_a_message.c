/* life_of_a_message.c: one message from the hand that writes it to the hand that reads it, and what
 * happens when nobody does. Read it from top to bottom: each chapter says what happens, asserts it,
 * and names the functions that do it. The files are in client-lib/ and broker/.
 *
 * Everything here is the broker's own code. Only the operating system is a make-believe one
 * (tests/sim): pipes are byte buffers that hold PIPE_BYTES, time stands still unless we let it
 * pass, and the broker works only when we, its one worker, let it. */
#include "sim/sim.h"
#include "support/support.h"

#include "broker.h"
#include "state.h"
#include "traffic.h"
#include "worker.h"

enum { PIPE_BYTES = 16, MESSAGE_BYTES = 8, QUEUE_HIGH = 80, STALL_MS = 1000 };

/* The message: [2, "ink", [n]], MessagePack-RPC's notification. "ink" is the subject, [n] are the
 * params. The broker will never look inside the params, and never change a byte of it. */
static const char *message(uint8_t n)
{
    static char bytes[MESSAGE_BYTES];

    memcpy(bytes, "\x93\x02\xA3ink\x91", MESSAGE_BYTES - 1);
    bytes[MESSAGE_BYTES - 1] = (char)n;
    return bytes;
}

static pp_port *port;
static struct broker *broker;
static pp_handle *writer, *reader;             /* our ends of the two connections */
static struct peer *writer_peer, *reader_peer; /* what the broker has for them */
static unsigned published;

/* Lets the broker do all it can do now: the worker's loop is pp_port_get (io/port.c), which takes
 * packets from the port's queue (io/queue_user.c) and runs their handlers. No time passes. */
static void let_it_work(void)
{
    sim_pass_ms(0);
}

static uint64_t routed(void)
{
    struct traffic_sums sums = { 0 };

    traffic_sum(broker->workers[0]->traffic, &sums);
    return sums.published;
}

static struct sub *subscription(void)
{
    return PP_CONTAINER(reader_peer->subs.next, struct sub, in_peer);
}

/* broker_open takes the name (broker/listener.c), with several accepts waiting on the port: each is
 * an operation in flight, pp_accept (io/pipe.c), that will end as a packet when somebody comes. */
static void chapter_0_a_broker_listens(void **state)
{
    static const struct sim_script script = { .capacity = PIPE_BYTES };
    static const struct broker_events nothing = { 0 };
    struct settings settings;

    (void)state;
    settings_defaults(&settings);
    strcpy(settings.name, "life");
    settings.queue_low = QUEUE_HIGH / 2;
    settings.queue_high = QUEUE_HIGH;
    settings.stall_ms = STALL_MS;
    sim_begin(&script);
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    assert_int_equal(broker_open(&broker, &settings, port, &nothing), PP_OK);
    pp_port_stats stats = { .size = sizeof stats };
    assert_int_equal(pp_port_info(port, &stats), PP_OK);
    assert_true(stats.outstanding > 1); /* the accepts */
}

static pp_handle *dial(void)
{
    pp_op op = PP_OP_INIT;
    pp_handle *pipe;

    assert_int_equal(pp_dial(&pipe, "life", NULL), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_connect(pipe, &op), PP_PENDING);
    assert_int_equal(wait_for(&op), PP_OK);
    return pipe;
}

/* The system connects us before the broker knows. Then the accept's packet comes: on_accept in
 * listener.c, session_open in session.c, which looks at who it is and makes a struct peer with a
 * link (link/link.c). The link starts its first read, which takes no memory while it waits. */
static void chapter_1_two_programs_connect(void **state)
{
    (void)state;
    reader = dial();
    writer = dial();
    assert_int_equal(broker->peer_count, 0);
    let_it_work();
    assert_int_equal(broker->peer_count, 2);
    reader_peer = PP_CONTAINER(broker->peers.next, struct peer, in_broker);
    writer_peer = PP_CONTAINER(broker->peers.next->next, struct peer, in_broker);
    assert_int_equal(reader_peer->who.flags & PP_PEER_PID, PP_PEER_PID); /* the system says who */
    assert_true(reader_peer->link.reading && writer_peer->link.reading);
}

/* One subscribes: [0, 1, "$sub", ["ink"]], a request to the broker itself (control.c), which enters
 * the pattern into the index (subjects.c). The answer is its id. */
static void chapter_2_one_of_them_subscribes(void **state)
{
    char answer[5];

    (void)state;
    write_all(reader, "\x94\x00\x01\xA4$sub\x91\xA3ink", 13);
    let_it_work();
    assert_int_equal(broker->sub_count, 1);
    assert_memory_equal(subscription()->pattern, "ink", 3);
    assert_true(read_all(reader, answer, sizeof answer));
    assert_memory_equal(answer, "\x94\x01\x01\xC0\x01", 5); /* [1, 1, nil, 1] */
}

/* The other one writes the message, cut in two as pipes may do. The first half lies in the pipe;
 * the read takes it (a buffer of the port's pool, io/pool.c), and the reader (link/reader.c) has
 * the scanner (wire/scan.c) look for the end of the frame. It is not there: the half is kept, and
 * so is the scanner's place in it, so that no byte is looked at twice. Nothing is routed. */
static void chapter_3_half_a_message_waits_for_the_rest(void **state)
{
    (void)state;
    write_all(writer, message(1), 5);
    assert_int_equal(writer_peer->link.read_bytes, 0);
    let_it_work();
    assert_int_equal(writer_peer->link.read_bytes, 5);
    assert_int_equal(writer_peer->link.half_bytes, 5);
    assert_int_equal(routed(), 0);
}

/* The rest comes: the frame is whole. on_frame in session.c sees a publish; router.c finds the
 * subject's receivers (asking the index only the first time) and reserves room in each receiver's
 * link, ppi_link_reserve: first all say yes, then it is sent. worker.c collects what each receiver
 * gets from the whole batch; ppi_link_send writes it at once, from the bytes as they came, because
 * the pipe takes it: no copy, no queue. */
static void chapter_4_the_message_is_routed_and_written_at_once(void **state)
{
    char bytes[MESSAGE_BYTES];

    (void)state;
    write_all(writer, message(1) + 5, MESSAGE_BYTES - 5);
    let_it_work();
    published = 1;
    assert_int_equal(writer_peer->link.half_bytes, 0);
    assert_int_equal(routed(), 1);
    assert_int_equal(subscription()->accepted, 1);
    assert_int_equal(subscription()->delivered, 1); /* its last byte is with the system */
    assert_int_equal(reader_peer->link.load, 0);    /* what was reserved is given back */
    assert_true(read_all(reader, bytes, sizeof bytes));
    assert_memory_equal(bytes, message(1), MESSAGE_BYTES); /* byte for byte */
}

static void publish_next(void)
{
    write_all(writer, message((uint8_t)++published), MESSAGE_BYTES);
    let_it_work();
}

/* Now the reader sleeps. Its pipe takes two more; the third waits in the link's queue
 * (link/outq.c), copied once, with a mark that says whose it is. */
static void chapter_5_what_the_pipe_does_not_take_waits_in_the_readers_queue(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        publish_next();
    assert_int_equal(routed(), 4);
    assert_int_equal(subscription()->accepted, 4);
    assert_int_equal(subscription()->delivered, 3);
    assert_int_equal(reader_peer->link.outq.bytes, MESSAGE_BYTES);
    assert_int_equal(reader_peer->link.load, MESSAGE_BYTES);
    assert_true(reader_peer->link.writing); /* a write is in flight that ends when there is room */
}

/* It wakes up for a moment and reads one: there is room in the pipe, the write ends as a packet
 * (on_write in link.c), the mark is counted as delivered (on_sent in session.c). */
static void chapter_6_when_the_reader_reads_the_queue_goes_out(void **state)
{
    char bytes[MESSAGE_BYTES];

    (void)state;
    assert_true(read_all(reader, bytes, sizeof bytes));
    assert_memory_equal(bytes, message(2), MESSAGE_BYTES);
    let_it_work();
    assert_int_equal(reader_peer->link.outq.bytes, 0);
    assert_int_equal(subscription()->delivered, 4);
}

/* It sleeps again, and the writer goes on. When more than queue_high waits, the reservation is
 * refused (reserve in router.c): the writer's frame is held (PPI_HOLD, link/reader.c), and the
 * writer's link waits for room in the reader's (ppi_link_wait_for_room). Soon nobody reads the
 * writer's pipe any more: it is held up. Nothing is lost. */
static void chapter_7_a_slow_reader_holds_its_writer_up(void **state)
{
    (void)state;
    while (!writer_peer->link.holding) {
        assert_true(published < 100);
        publish_next();
    }
    assert_true(reader_peer->link.load > QUEUE_HIGH);
    assert_int_equal(routed(), published - 1); /* the last one is held */
    assert_int_equal(subscription()->accepted, published - 1);
    assert_false(ppi_list_empty(&writer_peer->link.waiting));
}

/* It reads: the queue falls to queue_low, and the writer is let on (wake_waiters in link.c,
 * on_resume): the message that was held comes in its turn. */
static void chapter_8_when_there_is_room_the_writer_goes_on(void **state)
{
    char bytes[MESSAGE_BYTES];

    (void)state;
    for (uint8_t n = 3; n <= published; n++) {
        assert_true(read_all(reader, bytes, sizeof bytes));
        assert_memory_equal(bytes, message(n), MESSAGE_BYTES);
        let_it_work();
    }
    assert_false(writer_peer->link.holding);
    assert_int_equal(routed(), published);
    assert_int_equal(subscription()->delivered, published);
    assert_int_equal(subscription()->lost, 0);
}

/* Should it never wake up, its writer must not wait for ever. The ticker (broker/ticker.c) sees
 * that it has been above queue_high for `stall`, tells it so if it can be told, and ends it:
 * session_end, ppi_link_close. What was queued is counted as lost; nothing vanishes uncounted. The
 * writer is let on; its message now has no receiver. */
static void chapter_9_a_reader_that_never_wakes_up_is_cut(void **state)
{
    (void)state;
    while (!writer_peer->link.holding)
        publish_next();
    sim_pass_ms(STALL_MS / 2);
    assert_int_equal(broker->peer_count, 2); /* not yet */
    assert_true(reader_peer->slow_since_ns != 0);
    sim_pass_ms(2 * STALL_MS);
    assert_int_equal(broker->peer_count, 1);
    assert_int_equal(broker->sub_count, 0);
    assert_int_equal(broker->gone_lost, QUEUE_HIGH / MESSAGE_BYTES + 1);
    assert_false(writer_peer->link.holding);
    assert_int_equal(routed(), published);
}

/* The reader finds what was in its pipe, then the end. */
static void chapter_10_after_the_last_byte_comes_the_end(void **state)
{
    char bytes[MESSAGE_BYTES];

    (void)state;
    for (int i = 0; i < PIPE_BYTES / MESSAGE_BYTES; i++) {
        assert_true(read_all(reader, bytes, sizeof bytes));
        assert_memory_equal(bytes, "\x93\x02\xA3ink\x91", MESSAGE_BYTES - 1);
    }
    assert_false(read_all(reader, bytes, 1));
    pp_close(reader);
}

/* The writer leaves: its read ends with PP_EPEERCLOSED (on_read in link.c), the link closes; when
 * its last operation has come back, and not before, its memory goes (on_closed in session.c). */
static void chapter_11_the_writer_leaves_and_nothing_is_left(void **state)
{
    (void)state;
    pp_close(writer);
    let_it_work();
    assert_int_equal(broker->peer_count, 0);
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    broker_close(broker);
    pp_port_close(port);
    sim_end(); /* which checks that no handle is left */
}

int main(void)
{
    const struct CMUnitTest chapters[] = {
        TEST(chapter_0_a_broker_listens),
        TEST(chapter_1_two_programs_connect),
        TEST(chapter_2_one_of_them_subscribes),
        TEST(chapter_3_half_a_message_waits_for_the_rest),
        TEST(chapter_4_the_message_is_routed_and_written_at_once),
        TEST(chapter_5_what_the_pipe_does_not_take_waits_in_the_readers_queue),
        TEST(chapter_6_when_the_reader_reads_the_queue_goes_out),
        TEST(chapter_7_a_slow_reader_holds_its_writer_up),
        TEST(chapter_8_when_there_is_room_the_writer_goes_on),
        TEST(chapter_9_a_reader_that_never_wakes_up_is_cut),
        TEST(chapter_10_after_the_last_byte_comes_the_end),
        TEST(chapter_11_the_writer_leaves_and_nothing_is_left),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("life of a message", chapters, NULL, NULL) == 0 ? 0 : 1;
}
