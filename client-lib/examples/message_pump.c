/* message_pump.c: the classic message pump: receives are seeded on many pipes, a pool of workers
 * processes what comes and starts each receive again, and sends take their buffers from a manager
 * that has only a few.
 *
 *     build/bin/examples/message_pump [PIPES [MESSAGES [BUFFERS]]]
 *
 * That limits what is in flight, whatever the senders want: who finds no buffer waits, in order,
 * and nobody is refused. Receives cost no memory while nothing comes: their buffers are the port's.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <panpipe/pipe.h>
#include <panpipe/sys.h>

enum { PIPES = 64, MESSAGES = 200, BUFFERS = 8, SIZE = 1000, WORKERS = 4 };

struct buffer {
    struct buffer *next;
    unsigned char bytes[SIZE];
};

/* A pipe from this program to itself. Each end has one operation, so its packets come one at a time
 * and nothing of it needs a lock. */
struct pipe {
    int number;
    pp_handle *receiver, *sender;
    pp_op read, write;
    struct buffer *buffer; /* of the write */
    struct pipe *later;    /* waits for a buffer, too, behind this one */
    uint64_t received;     /* bytes */
    int sent;              /* messages */
};
enum { READ, WRITE, LEAVE }; /* keys: of the two ends; and a worker may go */

static pp_port *port;
static int pipe_count = PIPES, messages = MESSAGES, buffer_count = BUFFERS; /* messages of each */
static uint64_t total;
static atomic_ullong moved; /* bytes, counted when they were sent and when they were received */
static atomic_ullong receives, wrong;
static pp_op leave[WORKERS];

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "message_pump: %s: %s. %s\n", what, pp_strerror(status), pp_detail());
    exit(1);
}

/* How an operation ended; pp_detail is about the last call only. */
static void must_end_well(const pp_op *op, const char *what)
{
    if (op->status >= 0)
        return;
    fprintf(stderr, "message_pump: %s: %s (%d)\n", what, pp_strerror(op->status), op->os_error);
    exit(1);
}

/* --- the buffer manager ------------------------------------------------------------------------
 */

static struct {
    atomic_flag taken; /* a lock for some instructions; a mutex would do as well */
    struct buffer *free;
    struct pipe *first, *last; /* that wait, oldest first */
    unsigned long long waits;
} manager = { .taken = ATOMIC_FLAG_INIT };

static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&manager.taken, memory_order_acquire))
        pp_sleep_ms(0);
}

static void unlock(void)
{
    atomic_flag_clear_explicit(&manager.taken, memory_order_release);
}

/* A buffer for the pipe; NULL: it waits, and will be given one. */
static struct buffer *buffer_take(struct pipe *pipe)
{
    lock();
    struct buffer *buffer = manager.free;
    if (buffer != NULL) {
        manager.free = buffer->next;
    } else {
        pipe->later = NULL;
        if (manager.first == NULL)
            manager.first = pipe;
        else
            manager.last->later = pipe;
        manager.last = pipe;
        manager.waits++;
    }
    unlock();
    return buffer;
}

/* Gives it back: to the pipe that has waited longest, which is returned; NULL: nobody waits. */
static struct pipe *buffer_release(struct buffer *buffer)
{
    lock();
    struct pipe *pipe = manager.first;
    if (pipe != NULL) {
        manager.first = pipe->later;
    } else {
        buffer->next = manager.free;
        manager.free = buffer;
    }
    unlock();
    return pipe;
}

/* Who moves the last byte lets all workers go. */
static void count_moved(uint64_t bytes)
{
    if (atomic_fetch_add(&moved, bytes) + bytes < 2 * total)
        return;
    for (int i = 0; i < WORKERS; i++)
        must(pp_port_post(port, LEAVE, 0, &leave[i]), "posting");
}

/* --- sending -----------------------------------------------------------------------------------
 */

/* What a pipe's stream has at an offset, so that the receiver can check each byte. */
static unsigned char content(const struct pipe *pipe, uint64_t offset)
{
    return (unsigned char)((uint64_t)pipe->number * 31 + offset + offset / SIZE);
}

static void send_in(struct pipe *pipe, struct buffer *buffer)
{
    uint64_t offset = (uint64_t)pipe->sent++ * SIZE;

    for (int i = 0; i < SIZE; i++)
        buffer->bytes[i] = content(pipe, offset + (uint64_t)i);
    pipe->buffer = buffer;
    must(pp_write(pipe->sender, &pipe->write, buffer->bytes, SIZE), "writing");
}

static void send_next(struct pipe *pipe)
{
    struct buffer *buffer = buffer_take(pipe);

    if (buffer != NULL)
        send_in(pipe, buffer);
}

static void on_sent(struct pipe *pipe)
{
    struct buffer *buffer = pipe->buffer;
    uint64_t bytes = pipe->write.bytes;

    must_end_well(&pipe->write, "writing");
    struct pipe *waiting = buffer_release(buffer);
    if (pipe->sent < messages)
        send_next(pipe); /* behind those that wait */
    if (waiting != NULL)
        send_in(waiting, buffer);
    count_moved(bytes);
}

/* --- receiving ---------------------------------------------------------------------------------
 */

static void on_received(struct pipe *pipe)
{
    const unsigned char *bytes = pipe->read.buffer;
    uint64_t count = pipe->read.bytes;

    must_end_well(&pipe->read, "reading");
    for (uint64_t i = 0; i < count; i++)
        if (bytes[i] != content(pipe, pipe->received + i))
            atomic_fetch_add(&wrong, 1);
    pipe->received += count;
    pp_buffer_release(pipe->read.buffer);
    must(pp_read_pooled(pipe->receiver, &pipe->read, 0), "reading"); /* recycled; now hands off */
    atomic_fetch_add(&receives, 1);
    count_moved(count);
}

/* --- workers -----------------------------------------------------------------------------------
 */

/* What each worker does. The main thread is one, too. */
static void work(void *unused)
{
    pp_packet packet;

    (void)unused;
    for (;;) {
        must(pp_port_get(port, &packet, -1), "the port");
        if (packet.key == LEAVE)
            return;
        if (packet.key == READ)
            on_received(PP_CONTAINER(packet.op, struct pipe, read));
        else
            on_sent(PP_CONTAINER(packet.op, struct pipe, write));
    }
}

static void connect_pipe(pp_handle *listener, struct pipe *pipe)
{
    must(pp_op_use_wait(&pipe->read), "accepting");
    must(pp_accept(listener, &pipe->read, &pipe->receiver), "accepting");
    must(pp_dial(&pipe->sender, "message-pump-example", NULL), "dialing");
    must(pp_op_use_wait(&pipe->write), "connecting");
    must(pp_connect(pipe->sender, &pipe->write), "connecting");
    must(pp_op_wait(&pipe->write, -1), "connecting");
    must_end_well(&pipe->write, "connecting");
    must(pp_op_wait(&pipe->read, -1), "accepting");
    must_end_well(&pipe->read, "accepting");
    must(pp_port_attach(port, pipe->receiver, READ), "attaching");
    must(pp_port_attach(port, pipe->sender, WRITE), "attaching");
    must(pp_read_pooled(pipe->receiver, &pipe->read, 0), "reading"); /* the seed */
}

static void pump(struct pipe *pipes)
{
    pp_thread *workers[WORKERS - 1];

    for (int i = 0; i < WORKERS - 1; i++)
        must(pp_thread_start(&workers[i], work, NULL), "a worker");
    for (int i = 0; i < pipe_count; i++)
        send_next(&pipes[i]);
    work(NULL);
    for (int i = 0; i < WORKERS - 1; i++)
        pp_thread_join(workers[i]);
}

/* Is everything as it has to be at the end? Every byte was checked when it came. */
static int check(const struct pipe *pipes)
{
    pp_port_stats stats = { .size = sizeof stats };
    int free_buffers = 0, good = atomic_load(&wrong) == 0;

    for (int i = 0; i < pipe_count; i++)
        good = good && pipes[i].received == (uint64_t)messages * SIZE;
    for (const struct buffer *at = manager.free; at != NULL; at = at->next)
        free_buffers++;
    must(pp_port_info(port, &stats), "the port");
    printf("%d pipes, %d workers: %llu bytes sent and received, %llu receives\n", pipe_count,
           WORKERS, (unsigned long long)total, atomic_load(&receives));
    printf("%d of %d send buffers are back, %llu sends waited for one\n", free_buffers,
           buffer_count, manager.waits);
    printf("%u of %u receive buffers are back\n", stats.pool_free, stats.pool_count);
    return good && free_buffers == buffer_count && stats.pool_free == stats.pool_count;
}

int main(int argc, char **argv)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;
    pp_handle *listener;

    pipe_count = argc > 1 ? atoi(argv[1]) : PIPES;
    messages = argc > 2 ? atoi(argv[2]) : MESSAGES;
    buffer_count = argc > 3 ? atoi(argv[3]) : BUFFERS;
    if (pipe_count < 1 || messages < 1 || buffer_count < 1) {
        fprintf(stderr, "usage: message_pump [PIPES [MESSAGES [BUFFERS]]]\n");
        return 2;
    }
    total = (uint64_t)pipe_count * (uint64_t)messages * SIZE;
    struct pipe *pipes = calloc((size_t)pipe_count, sizeof *pipes);
    struct buffer *buffers = calloc((size_t)buffer_count, sizeof *buffers);
    must(pipes != NULL && buffers != NULL ? PP_OK : PP_ENOMEM, "buffers");
    for (int i = 0; i < buffer_count; i++)
        buffer_release(&buffers[i]);

    config.pool_count = (uint32_t)buffer_count;
    must(pp_port_open(&port, &config), "the port");
    must(pp_listen(&listener, "message-pump-example", NULL), "listening");
    for (int i = 0; i < pipe_count; i++) {
        pipes[i].number = i;
        connect_pipe(listener, &pipes[i]);
    }
    pump(pipes);
    for (int i = 0; i < pipe_count; i++) {
        pp_close(pipes[i].sender);
        pp_close(pipes[i].receiver); /* its read ends, canceled */
    }
    pp_close(listener);
    must(pp_port_shutdown(port, PP_SHUT_FAST, -1, NULL, NULL), "shutting down");
    int good = check(pipes);
    pp_port_close(port);
    free(pipes);
    free(buffers);
    printf("%s\n", good ? "everything that was sent was received" : "SOMETHING IS MISSING");
    return good ? 0 : 1;
}
