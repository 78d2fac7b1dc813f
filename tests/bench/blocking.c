/* blocking.c: what handlers that block cost the others; blocking.py compares.
 *
 *   bench_blocking BLOCKED MS
 *
 * Three ports with SLOTS slots and BLOCKED workers more answer pings, 64 bytes on each of PIPES
 * pipes, whether the answers come or not, for MS milliseconds. So long BLOCKED handlers block: at
 * one port in brackets, at one without; at one nobody does. The ports are pinged by turns, a
 * millisecond apart, so that what else the machine does meets all three. Prints for each p50 and
 * p99 of the time from a ping to its answer, in microseconds, and how many pings there were. */
#include "support/support.h"

enum { SLOTS = 2, PIPES = 8, PING = 64, ROOM = 16 * 1024, BURST_MS = 1 };
enum { BLOCKED_MAX = 64, WORKERS_MAX = SLOTS + BLOCKED_MAX, MS_MAX = 20000 };
enum { QUIET, BRACKETS, BARE, POOLS, BURSTS_MAX = MS_MAX / BURST_MS / POOLS };

/* One pipe: the near end sends the pings, the far one is the pool's. */
struct lane {
    struct pool *pool;
    pp_handle *near, *far;
    pp_op near_read, far_read, far_write;
    pp_op *writes; /* one for each ping: while the pool stands still they queue */
    uint64_t *sent_ns;
    uint64_t answered_bytes;
    char near_buffer[ROOM], far_buffer[ROOM];
};

struct pool {
    pp_port *port;
    struct lane lanes[PIPES];
    struct ppi_thread workers[WORKERS_MAX];
    pp_op blocks[BLOCKED_MAX];
    uint64_t *times_ns; /* of answers, in the order in which they came */
    int bursts, answered;
    bool brackets;
    atomic_int blocked;
};

static struct {
    pp_port *port; /* of the near ends */
    struct pool pools[POOLS];
    int blocked, ms;
} bench;

static const char ping[PING];
static const uintptr_t BLOCK_KEY = 1; /* the others are addresses of lanes */

static void must(bool condition, const char *words)
{
    if (condition)
        return;
    fprintf(stderr, "bench_blocking: %s\n", words);
    exit(1);
}

/* --- the pool --------------------------------------------------------------------------------- */

static void block(struct pool *pool)
{
    if (pool->brackets)
        pp_blocking_begin();
    pool->blocked++;
    ppi_sleep_ms((unsigned)bench.ms);
    if (pool->brackets)
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
    struct pool *pool = argument;
    pp_packet packet;

    while (pp_port_get(pool->port, &packet, -1) == 1) {
        if (packet.key == BLOCK_KEY)
            block(pool);
        else
            far_answer((struct lane *)packet.key, &packet);
    }
}

/* --- the pings -------------------------------------------------------------------------------- */

static void note_answers(struct lane *lane, uint64_t bytes)
{
    uint64_t first = lane->answered_bytes / PING, now_ns = ppi_now_ns();

    lane->answered_bytes += bytes;
    for (uint64_t i = first; i < lane->answered_bytes / PING; i++)
        lane->pool->times_ns[lane->pool->answered++] = now_ns - lane->sent_ns[i];
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

        if (pp_port_get(bench.port, &packet, left_ms) != 1)
            continue;
        must(packet.status == PP_OK, "a ping, or its answer");
        struct lane *lane = (struct lane *)packet.key;
        if (packet.op == &lane->near_read) {
            note_answers(lane, packet.bytes);
            near_listen(lane);
        }
    }
}

static void send_burst(struct pool *pool)
{
    int number = pool->bursts++;

    for (int i = 0; i < PIPES; i++) {
        struct lane *lane = &pool->lanes[i];

        lane->sent_ns[number] = ppi_now_ns();
        must(pp_write(lane->near, &lane->writes[number], ping, PING) >= 0, "near write");
    }
}

static bool all_answered(void)
{
    for (int i = 0; i < POOLS; i++)
        if (bench.pools[i].answered < bench.pools[i].bursts * PIPES)
            return false;
    return true;
}

static void send_all(void)
{
    uint64_t next_ns = ppi_now_ns();

    for (int i = 0; i < bench.ms / BURST_MS / POOLS; i++)
        for (int k = 0; k < POOLS; k++) {
            send_burst(&bench.pools[(i + k) % POOLS]);
            next_ns += BURST_MS * PPI_NS_PER_MS;
            take_until(next_ns);
        }
    uint64_t end_ns = ppi_deadline_ns(bench.blocked * bench.ms + TEST_PATIENCE_MS);
    while (!all_answered() && ppi_now_ns() < end_ns)
        take_until(ppi_now_ns() + PPI_NS_PER_MS);
    must(all_answered(), "pings were lost");
}

/* --- a run ------------------------------------------------------------------------------------ */

static void *room_for(size_t count, size_t size)
{
    void *room = calloc(count, size);

    must(room != NULL, "no memory");
    return room;
}

static void lane_open(struct pool *pool, struct lane *lane)
{
    struct streams streams;

    streams_open(&streams);
    pp_close(streams.listener);
    lane->pool = pool;
    lane->near = streams.client;
    lane->far = streams.server;
    lane->writes = room_for(BURSTS_MAX, sizeof *lane->writes);
    lane->sent_ns = room_for(BURSTS_MAX, sizeof *lane->sent_ns);
    must(pp_set_skip(lane->near) == PP_OK &&
             pp_port_attach(bench.port, lane->near, (uintptr_t)lane) == PP_OK &&
             pp_port_attach(pool->port, lane->far, (uintptr_t)lane) == PP_OK,
         "attach");
    near_listen(lane);
    far_listen(lane);
}

static void pool_open(struct pool *pool)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    config.concurrency = SLOTS;
    must(pp_port_open(&pool->port, &config) == PP_OK, "port");
    pool->times_ns = room_for((size_t)PIPES * BURSTS_MAX, sizeof *pool->times_ns);
    for (int i = 0; i < PIPES; i++)
        lane_open(pool, &pool->lanes[i]);
    for (int i = 0; i < SLOTS + bench.blocked; i++)
        must(ppi_thread_start(&pool->workers[i], work, pool) == PP_OK, "thread");
}

static void pool_close(struct pool *pool)
{
    must(pp_port_shutdown(pool->port, PP_SHUT_FAST, -1, NULL, NULL) == PP_OK, "shutdown");
    for (int i = 0; i < SLOTS + bench.blocked; i++)
        ppi_thread_join(&pool->workers[i]);
}

/* Returns when as many handlers block as can. */
static void start_blocking(struct pool *pool)
{
    int at_once = pool->brackets || bench.blocked < SLOTS ? bench.blocked : SLOTS;

    for (int i = 0; i < bench.blocked; i++)
        must(pp_port_post(pool->port, BLOCK_KEY, 0, &pool->blocks[i]) == PP_OK, "post");
    while (pool->blocked < at_once)
        ppi_sleep_ms(1);
}

static int by_size(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static double percentile_us(const struct pool *pool, int percent)
{
    int index = (int)((int64_t)pool->answered * percent / 100);

    return (double)pool->times_ns[index] / 1000;
}

static void report(struct pool *pool, const char *name)
{
    qsort(pool->times_ns, (size_t)pool->answered, sizeof *pool->times_ns, by_size);
    printf("%s %.1f %.1f %d\n", name, percentile_us(pool, 50), percentile_us(pool, 99),
           pool->answered);
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "quiet", "brackets", "bare" };

    bench.blocked = argc == 3 ? atoi(argv[1]) : 0;
    bench.ms = argc == 3 ? atoi(argv[2]) : 0;
    if (bench.blocked < 1 || bench.blocked > BLOCKED_MAX || bench.ms < POOLS * BURST_MS ||
        bench.ms > MS_MAX) {
        fprintf(stderr, "usage: bench_blocking BLOCKED MS\n");
        return 2;
    }
    must(pp_port_open(&bench.port, NULL) == PP_OK, "port");
    for (int i = 0; i < POOLS; i++)
        pool_open(&bench.pools[i]);
    bench.pools[BRACKETS].brackets = true;
    start_blocking(&bench.pools[BRACKETS]);
    start_blocking(&bench.pools[BARE]);
    send_all();
    for (int i = 0; i < POOLS; i++) {
        pool_close(&bench.pools[i]);
        report(&bench.pools[i], names[i]);
    }
    return 0;
}
