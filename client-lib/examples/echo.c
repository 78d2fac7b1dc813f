/* echo.c: the port and its pipes without a broker: a server and many clients, in one thread.
 *
 *     build/bin/examples/echo 64 1000       # 64 connections, 1000 round trips each
 *
 * One loop takes packets. Each says which operation has ended, and each end starts what comes next.
 * A server for other programs is the same without the clients. */
#include <stdio.h>
#include <stdlib.h>

#include <panpipe/pipe.h>
#include <panpipe/sys.h>

enum { ACCEPTS = 8, SIZE = 64 };

/* An end of a connection. Its reads and writes take turns, so one operation will do. */
struct end {
    pp_op op;
    void (*next)(struct end *end); /* to be called when op has ended */
    pp_handle *stream;
    char bytes[SIZE];
    size_t have; /* clients: so much of the echo is here */
    int rounds;  /* clients: still to do */
};

static pp_port *port;
static pp_handle *listener;
static int open_ends;

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "echo: %s: %s. %s\n", what, pp_strerror(status), pp_detail());
    exit(1);
}

/* How an operation ended; pp_detail is about the last call only. */
static void must_end_well(const pp_op *op, const char *what)
{
    if (op->status >= 0)
        return;
    fprintf(stderr, "echo: %s: %s (%d)\n", what, pp_strerror(op->status), op->os_error);
    exit(1);
}

static void read_then(struct end *end, void (*next)(struct end *end))
{
    end->next = next;
    must(pp_read(end->stream, &end->op, end->bytes, SIZE), "reading");
}

static void write_then(struct end *end, size_t size, void (*next)(struct end *end))
{
    end->next = next;
    must(pp_write(end->stream, &end->op, end->bytes, size), "writing");
}

static void leave(struct end *end)
{
    pp_close(end->stream);
    free(end); /* its packet was taken: nothing is in flight */
    open_ends--;
}

static struct end *end_new(void (*next)(struct end *end))
{
    struct end *end = calloc(1, sizeof *end);

    must(end != NULL ? PP_OK : PP_ENOMEM, "a connection");
    end->next = next;
    open_ends++;
    return end;
}

/* --- the server ------------------------------------------------------------------------------ */

static void on_request(struct end *end);

static void on_sent_back(struct end *end)
{
    must_end_well(&end->op, "writing");
    read_then(end, on_request);
}

static void on_request(struct end *end)
{
    if (end->op.status == PP_EPEERCLOSED) {
        leave(end);
        return;
    }
    must_end_well(&end->op, "reading");
    write_then(end, (size_t)end->op.bytes, on_sent_back);
}

static void on_accepted(struct end *waiting)
{
    must_end_well(&waiting->op, "accepting");
    struct end *end = end_new(NULL);
    end->stream = waiting->stream;
    must(pp_port_attach(port, end->stream, 0), "attaching");
    read_then(end, on_request);
    must(pp_accept(listener, &waiting->op, &waiting->stream), "accepting"); /* the next one */
}

/* --- the clients ----------------------------------------------------------------------------- */

static void on_asked(struct end *end);

static void on_echo(struct end *end)
{
    must_end_well(&end->op, "reading");
    end->have += (size_t)end->op.bytes; /* a stream may bring it in pieces */
    if (end->have < SIZE)
        read_then(end, on_echo);
    else if (--end->rounds > 0)
        write_then(end, SIZE, on_asked);
    else
        leave(end);
}

static void on_asked(struct end *end)
{
    must_end_well(&end->op, "writing");
    end->have = 0;
    read_then(end, on_echo);
}

static void on_connected(struct end *end)
{
    must_end_well(&end->op, "connecting");
    write_then(end, SIZE, on_asked);
}

/* --------------------------------------------------------------------------------------------- */

static void connect_all(int connections, int rounds)
{
    for (int i = 0; i < connections; i++) {
        struct end *end = end_new(on_connected);

        end->rounds = rounds;
        must(pp_dial(&end->stream, "echo-example", NULL), "dialing");
        must(pp_port_attach(port, end->stream, 0), "attaching");
        must(pp_connect(end->stream, &end->op), "connecting");
    }
}

int main(int argc, char **argv)
{
    int connections = argc > 1 ? atoi(argv[1]) : 64, rounds = argc > 2 ? atoi(argv[2]) : 1000;
    struct end waiting[ACCEPTS] = { 0 };
    uint64_t begin_ns = pp_now_ns();
    pp_packet packet;

    must(pp_port_open(&port, NULL), "the port");
    must(pp_listen(&listener, "echo-example", NULL), "listening");
    must(pp_port_attach(port, listener, 0), "attaching");
    for (int i = 0; i < ACCEPTS; i++) { /* several: clients come all at once */
        waiting[i].next = on_accepted;
        must(pp_accept(listener, &waiting[i].op, &waiting[i].stream), "accepting");
    }
    connect_all(connections, rounds);
    while (open_ends > 0) {
        must(pp_port_get(port, &packet, -1), "the port");
        struct end *end = PP_CONTAINER(packet.op, struct end, op);
        end->next(end);
    }
    double seconds = (double)(pp_now_ns() - begin_ns) / 1e9;
    printf("%d connections, %d round trips each: %.2f s, %.0f round trips/s\n", connections, rounds,
           seconds, connections * (double)rounds / seconds);
    pp_close(listener); /* its accepts end with it */
    must(pp_port_shutdown(port, PP_SHUT_FAST, -1, NULL, NULL), "shutting down");
    pp_port_close(port);
    return 0;
}
