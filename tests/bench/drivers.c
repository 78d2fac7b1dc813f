/* drivers.c: what a message over a pipe costs, with the driver that PANPIPE_DRIVER names;
 * drivers.py compares. Two threads, each with a port of its own and one end of a pipe:
 *
 *   bench_drivers ping COUNT [single]    64 bytes there and back: microseconds, the median
 *   bench_drivers stream COUNT [single]  writes of 64 KiB: microseconds for each
 *
 * single: the ports have a single consumer. */
#include "support/support.h"

enum { PING = 64, BLOCK = 64 * 1024 };

struct side {
    pp_port *port;
    pp_handle *stream;
    char *buffer;
};

static void side_open(struct side *side, pp_handle *stream, uint32_t flags)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    config.flags = flags;
    side->stream = stream;
    side->buffer = calloc(1, BLOCK);
    assert_int_equal(pp_port_open(&side->port, &config), PP_OK);
    assert_int_equal(pp_set_skip(stream), PP_OK);
    assert_int_equal(pp_port_attach(side->port, stream, 0), PP_OK);
}

/* The operation that a start function has returned so for has ended; how it went. */
static bool ends_well(const struct side *side, const pp_op *op, int started)
{
    pp_packet packet;

    if (started == PP_PENDING && pp_port_get(side->port, &packet, -1) != 1)
        return false;
    return started >= 0 && op->status == PP_OK;
}

static bool send(const struct side *side, size_t size)
{
    pp_op op = PP_OP_INIT;

    return ends_well(side, &op, pp_write(side->stream, &op, side->buffer, size));
}

/* How many bytes have come; 0: the end. */
static size_t receive(const struct side *side)
{
    pp_op op = PP_OP_INIT;

    return ends_well(side, &op, pp_read(side->stream, &op, side->buffer, BLOCK)) ? op.bytes : 0;
}

static void send_back(void *argument)
{
    size_t size;

    while ((size = receive(argument)) > 0 && send(argument, size))
        ;
    pp_thread_detach();
}

static void take_all(void *argument)
{
    while (receive(argument) > 0)
        ;
    pp_thread_detach();
}

static int by_size(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static double ping(const struct side *side, int count)
{
    uint64_t *times = calloc((size_t)count, sizeof *times);

    for (int i = 0; i < count; i++) {
        uint64_t begin_ns = ppi_now_ns();

        assert_true(send(side, PING));
        assert_int_equal(receive(side), PING);
        times[i] = ppi_now_ns() - begin_ns;
    }
    qsort(times, (size_t)count, sizeof *times, by_size);
    double median = (double)times[count / 2] / 1000;
    free(times);
    return median;
}

/* Closes the stream: the other side has then taken all. */
static double stream(struct side *side, int count, struct runner *runner)
{
    uint64_t begin_ns = ppi_now_ns();

    for (int i = 0; i < count; i++)
        assert_true(send(side, BLOCK));
    pp_close(side->stream);
    side->stream = NULL;
    runner_join(runner);
    return (double)(ppi_now_ns() - begin_ns) / 1000 / count;
}

int main(int argc, char **argv)
{
    pp_port_stats stats = { .size = sizeof stats };
    struct side near, far;
    struct streams streams;
    struct runner runner;

    if (argc < 3 || atoi(argv[2]) < 1) {
        fprintf(stderr, "usage: bench_drivers ping|stream COUNT [single]\n");
        return 2;
    }
    bool pings = strcmp(argv[1], "ping") == 0;
    uint32_t flags = argc > 3 ? PP_PORT_SINGLE_CONSUMER : 0;
    streams_open(&streams);
    side_open(&near, streams.client, flags);
    side_open(&far, streams.server, flags);
    runner_start(&runner, pings ? send_back : take_all, &far);
    double result = pings ? ping(&near, atoi(argv[2])) : stream(&near, atoi(argv[2]), &runner);
    pp_port_info(near.port, &stats);
    printf("%s %.3f\n", stats.driver, result);
    if (pings) {
        pp_close(near.stream);
        runner_join(&runner);
    }
    return 0;
}
