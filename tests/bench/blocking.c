/* blocking.c: what handlers that block cost the others; blocking.py compares.
 *
 *   bench_blocking quiet|brackets|bare BLOCKED MS
 *
 * A port with SLOTS slots and BLOCKED workers more answers pings, 64 bytes on each of PIPES pipes
 * every BURST_MS, whether the answers come or not, for MS milliseconds. So long BLOCKED of its
 * handlers block, in brackets or without; quiet: nobody does. Prints p50 and p99 of the time from a
 * ping to its answer, in microseconds, and how many pings there were. */
#include "support/support.h"

enum { SLOTS = 2, PIPES = 8, PING = 64, ROOM = 16 * 1024, BURST_MS = 2 };
enum { BLOCKED_MAX = 64, WORKERS_MAX = SLOTS + BLOCKED_MAX, MS_MAX = 20000 };
enum { BURSTS_MAX = MS_MAX / BURST_MS };

/* One pipe: the near end sends the pings, the far one is the pool's. */
struct lane {
    pp_handle *near, *far;
    pp_op near_read, far_read, far_write;
    pp_op *writes; /* one for each ping: while the pool stands still they queue */
    uint64_t *sent_ns;
    uint64_t answered_bytes;
    char near_buffer[ROOM], far_buffer[ROOM];
};

static struct {
    pp_port *pool, *own;
    struct lane lanes[PIPES];
    int ms, sent, answered;
    uint64_t *times_ns; /* of answers, in the order in which they came */
    bool brackets;
    atomic_int blocked;
} bench;

static const char ping[PING];
static const uintptr_t BLOCK_KEY = UINTPTR_MAX;

static void must(bool condition, const char *words)
{
    if (condition)
        return;
    fprintf(stderr, "bench_blocking: %s\n", words);
    exit(1);
}

/* --- the pool --------------------------------------------------------------------------------- */

static void block(void)
{
    if (bench.brackets)
        pp_blocking_begin();
    bench.blocked++;
    ppi_sleep_ms((unsigned)bench.ms);
    if (bench.brackets)
        pp_blocking_end();
}

static void far_listen(struct lane *lane)
{
    must(pp_read(lane->far, &lane->far_read, lane->far_buffer, ROOM) == PP_PENDING, "far read");
}

static void far_answer(struct lane *lane, const pp_packet *packet)
{
    if (packet->status != PP_OK) /* the end */
        return;
    if (packet->op == &lane->far_read)
        must(pp_write(lane->far, &lane->far_write, lane->far_buffer, (size_t)packet->bytes) ==
                 PP_PENDING,
             "far write");
    else
        far_listen(lane);
}

static void work(void *argument)
{
    pp_packet packet;

    (void)argument;
    while (pp_port_get(bench.pool, &packet, -1) == 1) {
        if (packet.key == BLOCK_KEY)
            block();
        else
            far_answer(&bench.lanes[packet.key], &packet);
    }
}

/* --- the pings -------------------------------------------------------------------------------- */

static void note_answers(struct lane *lane, uint64_t bytes)
{
    uint64_t first = lane->answered_bytes / PING, now_ns = ppi_now_ns();

    lane->answered_bytes += bytes;
    for (uint64_t i = first; i < lane->answered_bytes / PING; i++)
        bench.times_ns[bench.answered++] = now_ns - lane->sent_ns[i];
}

static void near_listen(struct lane *lane)
{
    pp_op *read = &lane->near_read;
    int started;

    while ((started = pp_read(lane->near, read, lane->near_buffer, ROOM)) == PP_DONE)
        note_answers(lane, read->bytes);
    must(started == PP_PENDING, "near read");
}

static void take_until(uint64_t until_ns)
{
    pp_packet packet;

    for (uint64_t now_ns; (now_ns = ppi_now_ns()) < until_ns;) {
        int left_ms = (int)((until_ns - now_ns + PPI_NS_PER_MS - 1) / PPI_NS_PER_MS);

        if (pp_port_get(bench.own, &packet, left_ms) != 1)
            continue;
        must(packet.status == PP_OK, "a ping, or its answer");
        struct lane *lane = &bench.lanes[packet.key];
        if (packet.op == &lane->near_read) {
            note_answers(lane, packet.bytes);
            near_listen(lane);
        }
    }
}

static void send_burst(int number)
{
    for (int i = 0; i < PIPES; i++) {
        struct lane *lane = &bench.lanes[i];

        lane->sent_ns[number] = ppi_now_ns();
        must(pp_write(lane->near, &lane->writes[number], ping, PING) >= 0, "near write");
        bench.sent++;
    }
}

static void send_all(void)
{
    uint64_t next_ns = ppi_now_ns();

    for (int i = 0; i < bench.ms / BURST_MS; i++) {
        send_burst(i);
        next_ns += BURST_MS * PPI_NS_PER_MS;
        take_until(next_ns);
    }
    uint64_t end_ns = ppi_deadline_ns(BLOCKED_MAX * bench.ms + TEST_PATIENCE_MS);
    while (bench.answered < bench.sent && ppi_now_ns() < end_ns)
        take_until(ppi_now_ns() + PPI_NS_PER_MS);
    must(bench.answered == bench.sent, "pings were lost");
}

/* --- a run ------------------------------------------------------------------------------------ */

static void *room_for(size_t count, size_t size)
{
    void *room = calloc(count, size);

    must(room != NULL, "no memory");
    return room;
}

static void lane_open(int number)
{
    struct lane *lane = &bench.lanes[number];
    struct streams streams;

    streams_open(&streams);
    pp_close(streams.listener);
    lane->near = streams.client;
    lane->far = streams.server;
    lane->writes = room_for(BURSTS_MAX, sizeof *lane->writes);
    lane->sent_ns = room_for(BURSTS_MAX, sizeof *lane->sent_ns);
    must(pp_set_skip(lane->near) == PP_OK &&
             pp_port_attach(bench.own, lane->near, (uintptr_t)number) == PP_OK &&
             pp_port_attach(bench.pool, lane->far, (uintptr_t)number) == PP_OK,
         "attach");
    near_listen(lane);
    far_listen(lane);
}

static void ports_open(void)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    must(pp_port_open(&bench.own, &config) == PP_OK, "port");
    config.concurrency = SLOTS;
    must(pp_port_open(&bench.pool, &config) == PP_OK, "port");
    bench.times_ns = room_for((size_t)PIPES * BURSTS_MAX, sizeof *bench.times_ns);
    for (int i = 0; i < PIPES; i++)
        lane_open(i);
}

/* Returns when as many handlers block as can. */
static void start_blocking(int count, pp_op *ops)
{
    int at_once = bench.brackets || count < SLOTS ? count : SLOTS;

    for (int i = 0; i < count; i++)
        must(pp_port_post(bench.pool, BLOCK_KEY, 0, &ops[i]) == PP_OK, "post");
    while (bench.blocked < at_once)
        ppi_sleep_ms(1);
}

static int by_size(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static double percentile_us(int percent)
{
    int index = (int)((int64_t)bench.answered * percent / 100);

    return (double)bench.times_ns[index] / 1000;
}

int main(int argc, char **argv)
{
    static struct ppi_thread workers[WORKERS_MAX];
    static pp_op blocks[BLOCKED_MAX];
    int blocked = argc == 4 ? atoi(argv[2]) : 0;

    bench.ms = argc == 4 ? atoi(argv[3]) : 0;
    if (blocked < 1 || blocked > BLOCKED_MAX || bench.ms < BURST_MS || bench.ms > MS_MAX) {
        fprintf(stderr, "usage: bench_blocking quiet|brackets|bare BLOCKED MS\n");
        return 2;
    }
    bench.brackets = strcmp(argv[1], "brackets") == 0;
    ports_open();
    for (int i = 0; i < SLOTS + blocked; i++)
        must(ppi_thread_start(&workers[i], work, NULL) == PP_OK, "thread");
    if (strcmp(argv[1], "quiet") != 0)
        start_blocking(blocked, blocks);
    send_all();

    must(pp_port_shutdown(bench.pool, PP_SHUT_FAST, -1, NULL, NULL) == PP_OK, "shutdown");
    for (int i = 0; i < SLOTS + blocked; i++)
        ppi_thread_join(&workers[i]);
    qsort(bench.times_ns, (size_t)bench.answered, sizeof *bench.times_ns, by_size);
    printf("%.1f %.1f %d\n", percentile_us(50), percentile_us(99), bench.answered);
    return 0;
}
