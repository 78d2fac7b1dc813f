#include "nt/faults.h"

#include "nt/model.h"
#include "support/count_allocations.h"
#include "support/random.h"
#include "support/support.h"

/* --- one call fails, each in turn ------------------------------------------------------------ */

/* A short life of a port and two streams; each step may fail. */
struct life {
    pp_port *port;
    pp_handle *listener, *client, *server;
    pp_op accept, connect, read, write;
    unsigned started, ended;
    char byte;
};

static bool take_packets(struct life *life, unsigned until)
{
    pp_packet packet;

    while (life->ended < until) {
        if (pp_port_get(life->port, &packet, TEST_PATIENCE_MS) != 1)
            return false;
        life->ended++;
        if (packet.status != PP_OK)
            return false;
    }
    return true;
}

static bool start(struct life *life, int result)
{
    life->started += result == PP_PENDING;
    return result == PP_PENDING;
}

static void live(struct life *life, const char *path)
{
    bool good = pp_port_open(&life->port, NULL) == PP_OK &&
                pp_listen(&life->listener, path, NULL) == PP_OK &&
                pp_dial(&life->client, path, NULL) == PP_OK &&
                pp_port_attach(life->port, life->listener, 1) == PP_OK &&
                pp_port_attach(life->port, life->client, 2) == PP_OK &&
                start(life, pp_connect(life->client, &life->connect)) && take_packets(life, 1) &&
                start(life, pp_accept(life->listener, &life->accept, &life->server)) &&
                take_packets(life, 2) && pp_port_attach(life->port, life->server, 3) == PP_OK &&
                start(life, pp_read_pooled(life->server, &life->read, 0)) &&
                start(life, pp_write(life->client, &life->write, "x", 1));

    if (good)
        take_packets(life, 4);
    if (life->read.buffer != NULL && life->read.status == PP_OK && life->ended == 4)
        pp_buffer_release(life->read.buffer);
}

static void count_discarded(void *context, const pp_packet *packet)
{
    struct life *life = context;

    if (packet->op == &life->read && packet->status == PP_OK)
        pp_buffer_release(life->read.buffer);
    life->ended++;
}

static void end(struct life *life)
{
    pp_close(life->server);
    pp_close(life->client);
    pp_close(life->listener);
    if (life->port != NULL)
        assert_int_equal(
            pp_port_shutdown(life->port, PP_SHUT_FAST, TEST_PATIENCE_MS, count_discarded, life),
            PP_OK);
    pp_port_close(life->port);
    assert_int_equal(life->started, life->ended);
}

static void row_p15_whatever_call_fails_nothing_is_left_behind(void **state)
{
    const char *path = test_path();
    uint64_t made, before = 0;
    unsigned call = 0;
    int64_t blocks = 0;

    (void)state;
    do {
        struct life life = { .started = 0 };

        made = nt_faults_made();
        nt_fail_after(call); /* 0, the first time: what is made once, is made */
        live(&life, path);
        nt_fail_after(0);
        end(&life);
        if (call++ == 0) {
            before = ppi_process_handles();
            blocks = allocations_live();
            continue;
        }
        assert_int_equal(ppi_process_handles(), before);
        assert_int_equal(allocations_live(), blocks);
    } while (call == 1 || nt_faults_made() > made);
    assert_in_range(call, 15, 200);
}

/* --- any call may fail, all the time --------------------------------------------------------- */

enum { STARTERS = 3, WORKERS = 3, STEPS = 30, SLOTS = 24, FAULT_ONE_IN = 12 };
enum { LIVES = 10, TRIES = 1000 * 1000 }; /* of a starter: a life may end while it begins */

struct slot {
    pp_op op;
    atomic_bool taken;
    bool pooled;
    pp_piece pieces[2];
    char data[3000];
};

struct storm {
    pp_port *port;
    atomic_uint started, ended, wrong, lives;
    struct starter {
        struct storm *storm;
        struct runner runner;
        char path[PP_PATH_MAX];
        uint64_t seed;
        struct slot slots[SLOTS];
    } starters[STARTERS];
    struct runner workers[WORKERS];
};

static void end_packet(void *context, const pp_packet *packet)
{
    struct slot *slot = PP_CONTAINER(packet->op, struct slot, op);
    struct storm *storm = context;

    if (slot->pooled && packet->status == PP_OK)
        pp_buffer_release(packet->op->buffer);
    storm->ended++;
    if (!atomic_exchange(&slot->taken, false))
        storm->wrong++;
}

static void take_all(void *argument)
{
    struct storm *storm = argument;
    pp_packet packets[4];
    int count;

    while ((count = pp_port_get_many(storm->port, packets, 4, -1)) > 0)
        for (int i = 0; i < count; i++)
            end_packet(storm, &packets[i]);
}

static bool wait_well(struct storm *storm, pp_op *op)
{
    if (pp_op_wait(op, TEST_PATIENCE_MS) != 1)
        storm->wrong++;
    return op->status == PP_OK;
}

/* Two streams on the port; false: something of it failed. */
static bool connect_two(struct starter *starter, pp_handle *streams[2], pp_handle **listener)
{
    pp_op accept = PP_OP_INIT, connect = PP_OP_INIT;
    struct storm *storm = starter->storm;

    return pp_listen(listener, starter->path, NULL) == PP_OK &&
           pp_dial(&streams[0], starter->path, NULL) == PP_OK &&
           pp_op_use_wait(&connect) == PP_OK && pp_op_use_wait(&accept) == PP_OK &&
           pp_connect(streams[0], &connect) == PP_PENDING && wait_well(storm, &connect) &&
           pp_accept(*listener, &accept, &streams[1]) == PP_PENDING && wait_well(storm, &accept) &&
           pp_port_attach(storm->port, streams[0], 0) == PP_OK &&
           pp_port_attach(storm->port, streams[1], 1) == PP_OK;
}

static int start_one(pp_handle *stream, struct slot *slot, uint32_t kind)
{
    slot->pieces[0] = (pp_piece){ slot->data, 100 };
    slot->pieces[1] = (pp_piece){ slot->data + 200, 1900 };
    slot->pooled = kind == 0;
    switch (kind) {
    case 0: return pp_read_pooled(stream, &slot->op, 0);
    case 1: return pp_read(stream, &slot->op, slot->data, sizeof slot->data);
    case 2: return pp_write_gather(stream, &slot->op, slot->pieces, 2);
    default: return pp_write(stream, &slot->op, slot->data, sizeof slot->data);
    }
}

static void step(struct starter *starter, pp_handle *streams[2])
{
    struct slot *slot = &starter->slots[random_below(&starter->seed, SLOTS)];
    pp_handle *stream = streams[random_below(&starter->seed, 2)];
    uint32_t kind = random_below(&starter->seed, 40);

    if (kind == 0) {
        pp_abort(stream);
    } else if (kind < 5) {
        pp_cancel(stream, &slot->op);
    } else if (kind == 5) {
        pp_cancel(stream, NULL);
    } else if (!atomic_exchange(&slot->taken, true)) {
        starter->storm->started++;
        if (start_one(stream, slot, kind % 4) != PP_PENDING) {
            starter->storm->started--;
            slot->taken = false;
        }
    }
}

static void run_starter(void *argument)
{
    struct starter *starter = argument;

    for (int life = 0, tries = 0; life < LIVES && tries < TRIES; tries++) {
        pp_handle *streams[2] = { NULL, NULL }, *listener = NULL;

        if (connect_two(starter, streams, &listener)) {
            starter->storm->lives++;
            life++;
            for (int i = 0; i < STEPS; i++)
                step(starter, streams);
        } else {
            ppi_yield(); /* the name is in use until a worker has taken the last packet */
        }
        uint32_t first = random_below(&starter->seed, 2);
        pp_close(streams[first]);
        pp_close(streams[1 - first]);
        pp_close(listener);
    }
}

static void row_43_every_operation_ends_once_while_calls_fail(void **state)
{
    static struct storm storm;
    uint64_t before = ppi_process_handles(), made = nt_faults_made();

    (void)state;
    memset(&storm, 0, sizeof storm);
    assert_int_equal(pp_port_open(&storm.port, NULL), PP_OK);
    for (int i = 0; i < STARTERS; i++) {
        storm.starters[i].storm = &storm;
        storm.starters[i].seed = (uint64_t)i + ppi_random();
        snprintf(storm.starters[i].path, PP_PATH_MAX, "%s", test_path());
    }
    for (int i = 0; i < WORKERS; i++)
        runner_start(&storm.workers[i], take_all, &storm);
    for (int i = 0; i < STARTERS; i++)
        runner_start(&storm.starters[i].runner, run_starter, &storm.starters[i]);
    nt_set_faults(FAULT_ONE_IN);
    for (int i = 0; i < STARTERS; i++)
        runner_join(&storm.starters[i].runner);
    int status = pp_port_shutdown(storm.port, PP_SHUT_FAST, TEST_PATIENCE_MS, end_packet, &storm);
    nt_set_faults(0);
    for (int i = 0; i < WORKERS; i++)
        runner_join(&storm.workers[i]);
    pp_port_close(storm.port);
    assert_int_equal(status, PP_OK);
    assert_int_equal(storm.wrong, 0);
    assert_int_equal(storm.ended, storm.started);
    assert_int_equal(storm.lives, STARTERS * LIVES);
    assert_true(storm.started > storm.lives);
    assert_true(nt_faults_made() > made);
    assert_int_equal(ppi_process_handles(), before);
}

int fault_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_p15_whatever_call_fails_nothing_is_left_behind),
        TEST(row_43_every_operation_ends_once_while_calls_fail),
    };

    return cmocka_run_group_tests_name("when calls of the system fail", tests, NULL, NULL);
}
