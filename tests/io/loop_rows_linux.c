/* loop_rows_linux.c: a loop that is not the port's waits for the descriptor that the port lends. */
#include "io/rows.h"
#include "support/support.h"

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io/driver.h"
#include "io/queue.h"
#include "io/timer.h"

/* How a loop waits and takes: all of them must get everything. */
struct manner {
    bool edge;               /* epoll, edge-triggered; else poll, which is level-triggered */
    bool one;                /* takes one packet a turn; else until nothing comes */
    unsigned loops, workers; /* threads that wait for the descriptor, or in pp_port_get */
    uint32_t concurrency;
};

struct loop {
    struct manner manner;
    pp_port *port;
    int descriptor, epoll;
    unsigned turns;
};

static void loop_open(struct loop *loop, const struct manner *manner)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };

    *loop = (struct loop){ .manner = *manner, .epoll = epoll_create1(EPOLL_CLOEXEC) };
    config.concurrency = manner->concurrency;
    assert_int_equal(pp_port_open(&loop->port, &config), PP_OK);
    assert_int_equal(pp_port_pollable(loop->port, &loop->descriptor), PP_OK);
    assert_int_equal(epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->descriptor, &event), 0);
}

static void loop_open_plain(struct loop *loop)
{
    const struct manner plain = { .concurrency = 1 };

    loop_open(loop, &plain);
}

static void loop_close(struct loop *loop)
{
    close(loop->epoll);
    pp_port_close(loop->port);
}

static bool readable(const struct loop *loop, int timeout_ms)
{
    struct pollfd watched = { loop->descriptor, POLLIN, 0 };
    struct epoll_event event;

    if (loop->manner.edge)
        return epoll_wait(loop->epoll, &event, 1, timeout_ms) == 1;
    return poll(&watched, 1, timeout_ms) == 1;
}

/* Takes what is there; how much. */
static unsigned turn(struct loop *loop)
{
    pp_packet packet;
    unsigned count = 0;

    loop->turns++;
    while (pp_port_get(loop->port, &packet, 0) == 1)
        count++;
    return count;
}

static void a_lent_descriptor_is_readable_while_packets_wait(void **state)
{
    struct loop loop;
    pp_op posts[3] = { PP_OP_INIT };
    pp_packet packet;

    (void)state;
    loop_open_plain(&loop);
    assert_false(readable(&loop, 0));
    for (int i = 0; i < 3; i++)
        assert_int_equal(pp_port_post(loop.port, 0, 0, &posts[i]), PP_OK);
    assert_true(readable(&loop, 0));
    assert_true(readable(&loop, 0)); /* whoever asks */
    assert_int_equal(pp_port_get(loop.port, &packet, 0), 1);
    assert_true(readable(&loop, 0));
    assert_int_equal(turn(&loop), 2);
    assert_false(readable(&loop, 0));
    loop_close(&loop);
}

static void a_lent_descriptor_knows_what_came_before_it_was_lent(void **state)
{
    struct loop loop = { .turns = 0 };
    pp_op post = PP_OP_INIT;
    int descriptor;

    (void)state;
    assert_int_equal(pp_port_open(&loop.port, NULL), PP_OK);
    assert_int_equal(pp_port_post(loop.port, 0, 0, &post), PP_OK);
    uint64_t handles = ppi_process_handles();
    assert_int_equal(pp_port_pollable(loop.port, &loop.descriptor), PP_OK);
    assert_int_equal(pp_port_pollable(loop.port, &descriptor), PP_OK);
    assert_int_equal(descriptor, loop.descriptor);
    assert_int_equal(ppi_process_handles(), handles); /* it costs none */
    assert_true(readable(&loop, 0));
    assert_int_equal(turn(&loop), 1);
    pp_port_close(loop.port);
}

static void a_lent_descriptor_is_readable_when_an_operation_can_end(void **state)
{
    struct loop loop;
    struct streams streams;
    pp_op read = PP_OP_INIT;
    char byte = 0;

    (void)state;
    loop_open_plain(&loop);
    streams_open(&streams);
    assert_int_equal(pp_port_attach(loop.port, streams.server, 7), PP_OK);
    turn(&loop);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(pp_read(streams.server, &read, &byte, 1), PP_PENDING);
        assert_false(readable(&loop, 0));
        write_all(streams.client, "x", 1);
        assert_true(readable(&loop, TEST_PATIENCE_MS));
        assert_int_equal(turn(&loop), 1);
        assert_false(readable(&loop, 0));
    }
    streams_close(&streams);
    loop_close(&loop);
}

static void count_run(pp_op *op)
{
    ++*(int *)op->user;
}

/* The loop waits without a deadline of its own: the port's timers wake it. */
static void a_lent_descriptor_is_readable_when_a_deadline_is_over(void **state)
{
    struct loop loop;
    struct ppi_timer timers[3] = { 0 };
    int ran = 0;

    (void)state;
    loop_open_plain(&loop);
    for (int i = 0; i < 3; i++) {
        timers[i].op.priv_.handler = count_run;
        timers[i].op.user = &ran;
        assert_int_equal(
            ppi_timer_start(&timers[i], loop.port, ppi_deadline_ns(i == 0 ? 1000000 : 20 * i)),
            PP_OK);
        if (i == 0)
            assert_false(readable(&loop, 0));
    }
    while (ran < 2) {
        assert_true(readable(&loop, TEST_PATIENCE_MS));
        assert_int_equal(turn(&loop), 0);
    }
    assert_true(loop.turns <= 4);
    assert_false(readable(&loop, 0));
    assert_true(ppi_timer_stop(&timers[0], loop.port));
    loop_close(&loop);
}

/* A worker of the port, step by step: in each round it takes a packet and has the only token until
 * it is let go, in one way or the other. */
struct holder {
    pp_port *port;
    struct runner runner;
    int rounds;
    bool brackets; /* gives the token away inside a bracket; else by leaving the port */
    atomic_int begun, held, let_go;
};

static void hold_tokens(void *argument)
{
    struct holder *holder = argument;
    pp_packet packet;

    for (int round = 1; round <= holder->rounds; round++) {
        while (holder->begun < round)
            ppi_yield();
        if (pp_port_get(holder->port, &packet, TEST_PATIENCE_MS) == 1)
            holder->held = round;
        while (holder->let_go < round)
            ppi_yield();
        if (holder->brackets)
            pp_blocking_begin();
        else
            pp_thread_detach();
    }
    while (holder->let_go <= holder->rounds)
        ppi_yield();
}

static void holder_start(struct holder *holder, pp_port *port, int rounds)
{
    holder->port = port;
    holder->rounds = rounds;
    runner_start(&holder->runner, hold_tokens, holder);
}

/* It takes post, and has the token then. */
static void holder_begin(struct holder *holder, pp_op *post)
{
    int round = ++holder->begun;

    assert_int_equal(pp_port_post(holder->port, 0, 0, post), PP_OK);
    while (holder->held < round)
        ppi_yield();
}

static void holder_end(struct holder *holder)
{
    holder->let_go = holder->rounds + 1;
    runner_join(&holder->runner);
}

/* Nothing can be taken while others have every token: then it must not spin, and not forget. */
static void quiet_while_no_token_is_free(bool brackets)
{
    struct loop loop;
    struct streams streams;
    struct holder holder = { .brackets = brackets };
    pp_op posts[3] = { PP_OP_INIT }, read = PP_OP_INIT;
    char byte;

    loop_open_plain(&loop);
    streams_open(&streams);
    assert_int_equal(pp_port_attach(loop.port, streams.server, 7), PP_OK);
    assert_int_equal(pp_read(streams.server, &read, &byte, 1), PP_PENDING);
    holder_start(&holder, loop.port, 1);
    holder_begin(&holder, &posts[0]);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(pp_port_post(loop.port, 0, 0, &posts[i]), PP_OK);
        assert_int_equal(turn(&loop), 0);
        assert_false(readable(&loop, 0));
    }
    write_all(streams.client, "x", 1);
    assert_true(readable(&loop, TEST_PATIENCE_MS));
    assert_int_equal(turn(&loop), 0);
    assert_false(readable(&loop, 0));
    holder.let_go = 1;
    assert_true(readable(&loop, TEST_PATIENCE_MS));
    assert_int_equal(turn(&loop), 3);
    assert_false(readable(&loop, 0));
    holder_end(&holder);
    streams_close(&streams);
    loop_close(&loop);
}

static void a_lent_descriptor_is_quiet_while_no_token_is_free(void **state)
{
    (void)state;
    quiet_while_no_token_is_free(false);
}

static void a_lent_descriptor_says_when_a_bracket_frees_a_token(void **state)
{
    (void)state;
    quiet_while_no_token_is_free(true);
}

/* The token may become free in the very moment in which the loop has looked and found none. */
static void a_token_that_becomes_free_during_a_visit_is_not_missed(void **state)
{
    enum { VISITS = 5000 };
    struct loop loop;
    struct holder holder = { .port = NULL };
    pp_op first = PP_OP_INIT, second = PP_OP_INIT;
    unsigned taken;

    (void)state;
    loop_open_plain(&loop);
    holder_start(&holder, loop.port, VISITS);
    for (int round = 1; round <= VISITS; round++) {
        holder_begin(&holder, &first);
        assert_int_equal(pp_port_post(loop.port, 0, 0, &second), PP_OK);
        holder.let_go = round;
        while ((taken = turn(&loop)) == 0)
            assert_true(readable(&loop, TEST_PATIENCE_MS));
        assert_int_equal(taken, 1);
    }
    holder_end(&holder);
    loop_close(&loop);
}

static void a_lent_descriptor_is_readable_after_shutdown(void **state)
{
    struct loop loop;
    pp_packet packet;

    (void)state;
    loop_open_plain(&loop);
    assert_int_equal(pp_port_shutdown(loop.port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    for (int i = 0; i < 3; i++) {
        assert_true(readable(&loop, 0));
        assert_int_equal(pp_port_get(loop.port, &packet, 0), PP_ECLOSED);
    }
    loop_close(&loop);
}

static struct ppi_port_driver interrupted;

/* The port ends after the look has begun, and before it asks the system. */
static void poll_at_the_end(pp_port *port, uint64_t deadline_ns)
{
    ppi_queue_end(port);
    ppi_system_transport.port_driver->poll(port, deadline_ns);
}

/* Who looks at that moment has the wake that was meant for all, and passes it on. */
static void a_lent_descriptor_tells_of_an_end_that_a_look_has_swallowed(void **state)
{
    struct ppi_transport transport = ppi_system_transport;
    struct loop loop;

    (void)state;
    interrupted = *transport.port_driver;
    interrupted.poll = poll_at_the_end;
    transport.port_driver = &interrupted;
    ppi_set_transport(&transport);
    loop_open_plain(&loop);
    ppi_set_transport(NULL);
    assert_int_equal(turn(&loop), 0);
    assert_true(readable(&loop, 0));
    loop_close(&loop);
}

/* --- a storm: others post, and read and write, as they like ------------------------------------
 */

enum { SOURCES = 4, ROUNDS = 2000, TAKERS_MAX = 4 };

struct source {
    struct storm *storm;
    pp_op posts[8], writes[8];
    pp_handle *server, *client;
    pp_op read;
    char byte;
};
struct storm {
    struct loop loop;
    struct source sources[SOURCES];
    struct runner runners[SOURCES + TAKERS_MAX];
    atomic_uint_fast64_t started, taken;
};

/* Posts and writes, each as soon as the one before is over: the loop is empty again and again. */
static void source_run(void *argument)
{
    struct source *source = argument;
    struct storm *storm = source->storm;

    for (int i = 0; i < ROUNDS; i++) {
        pp_op *post = &source->posts[i % 8], *write = &source->writes[i % 8];

        while (pp_port_post(storm->loop.port, 0, 0, post) != PP_OK)
            ppi_yield(); /* in flight: the loop must take it */
        storm->started++;
        while (pp_write(source->client, write, "x", 1) != PP_PENDING)
            ppi_yield();
        storm->started++;
        if (i % 64 == 0)
            while (storm->taken < storm->started)
                ppi_yield();
    }
}

/* Each read that ends is started again. */
static void on_packet(struct storm *storm, const pp_packet *packet)
{
    for (int i = 0; i < SOURCES; i++) {
        struct source *source = &storm->sources[i];

        if (packet->op == &source->read && packet->status == PP_OK)
            pp_read(source->server, &source->read, &source->byte, 1);
        if (packet->op == &source->read)
            return;
    }
    storm->taken++;
}

/* The foreign loop: waits for the descriptor only, as long as that takes. */
static void loop_run(void *argument)
{
    struct storm *storm = argument;
    pp_packet packet;
    int got = 0;

    while (got >= 0) {
        readable(&storm->loop, -1);
        while ((got = pp_port_get(storm->loop.port, &packet, 0)) == 1) {
            on_packet(storm, &packet);
            if (storm->loop.manner.one)
                break;
        }
    }
}

static void worker_run(void *argument)
{
    struct storm *storm = argument;
    pp_packet packet;

    while (pp_port_get(storm->loop.port, &packet, -1) == 1)
        on_packet(storm, &packet);
}

static void storm_begin(struct storm *storm, const struct manner *manner, struct streams *streams)
{
    struct runner *runner = &storm->runners[SOURCES];

    memset(storm, 0, sizeof *storm);
    loop_open(&storm->loop, manner);
    for (unsigned i = 0; i < manner->loops; i++)
        runner_start(runner++, loop_run, storm);
    for (unsigned i = 0; i < manner->workers; i++)
        runner_start(runner++, worker_run, storm);
    for (int i = 0; i < SOURCES; i++) {
        struct source *source = &storm->sources[i];

        streams_open(&streams[i]);
        source->storm = storm;
        source->server = streams[i].server;
        source->client = streams[i].client;
        assert_int_equal(pp_port_attach(storm->loop.port, source->server, 1), PP_OK);
        assert_int_equal(pp_port_attach(storm->loop.port, source->client, 2), PP_OK);
        assert_int_equal(pp_read(source->server, &source->read, &source->byte, 1), PP_PENDING);
        runner_start(&storm->runners[i], source_run, source);
    }
}

static void weather(const struct manner *manner)
{
    struct streams streams[SOURCES];
    struct storm storm;

    storm_begin(&storm, manner, streams);
    EVENTUALLY(storm.taken == (uint64_t)SOURCES * ROUNDS * 2);
    for (int i = 0; i < SOURCES; i++)
        runner_join(&storm.runners[i]);
    assert_int_equal(pp_port_shutdown(storm.loop.port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    for (unsigned i = 0; i < manner->loops + manner->workers; i++)
        runner_join(&storm.runners[SOURCES + i]);
    for (int i = 0; i < SOURCES; i++)
        streams_close(&streams[i]);
    loop_close(&storm.loop);
}

/* One worker at once, and more than there are. */
static void weathers(struct manner manner)
{
    for (manner.concurrency = 1; manner.concurrency <= 5; manner.concurrency += 4)
        weather(&manner);
}

static void a_loop_misses_nothing_however_it_waits_and_takes(void **state)
{
    (void)state;
    weathers((struct manner){ .loops = 1 });
    weathers((struct manner){ .loops = 1, .one = true });
    weathers((struct manner){ .loops = 1, .edge = true });
}

static void loops_and_workers_share_a_port_and_miss_nothing(void **state)
{
    (void)state;
    weathers((struct manner){ .loops = 3 });
    weathers((struct manner){ .loops = 2, .edge = true });
    weathers((struct manner){ .loops = 1, .workers = 1 });
    weathers((struct manner){ .loops = 2, .workers = 2, .edge = true });
}

int foreign_loop_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lent_descriptor_is_readable_while_packets_wait),
        TEST(a_lent_descriptor_knows_what_came_before_it_was_lent),
        TEST(a_lent_descriptor_is_readable_when_an_operation_can_end),
        TEST(a_lent_descriptor_is_readable_when_a_deadline_is_over),
        TEST(a_lent_descriptor_is_quiet_while_no_token_is_free),
        TEST(a_lent_descriptor_says_when_a_bracket_frees_a_token),
        TEST(a_token_that_becomes_free_during_a_visit_is_not_missed),
        TEST(a_lent_descriptor_is_readable_after_shutdown),
        TEST(a_lent_descriptor_tells_of_an_end_that_a_look_has_swallowed),
        TEST(a_loop_misses_nothing_however_it_waits_and_takes),
        TEST(loops_and_workers_share_a_port_and_miss_nothing),
    };

    return test_group_run("loops of others", tests, PPI_COUNT(tests));
}
