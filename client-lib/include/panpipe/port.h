/* panpipe/port.h - a completion port: one queue for everything a program waits for.
 *
 * A program starts operations (read, write, accept ...) and goes on; each ends as one packet on
 * the port, where a pool of workers takes them. The meaning is that of the Windows I/O completion
 * port, on every system; on Windows the port is one. Names differ from Win32's because the result
 * convention does; README.md in client-lib has the table of both.
 *
 * The rules everything rests on:
 *   1. A start function that returns PP_PENDING delivers exactly one packet, whatever happens.
 *      PP_DONE (only where pp_set_skip was called): finished with PP_OK, no packet; what failed
 *      comes as a packet even there. Negative: not started, no packet, the operation is idle and
 *      yours.
 *   2. From start to packet, the operation, its buffers and its vectors belong to the library:
 *      do not touch, move or free them. The packet may be handled by another worker before the
 *      start function has returned. In the packet's handler they are yours again.
 *   3. Packets leave the port in the order in which they were queued. Handlers of different
 *      packets run at the same time, on different workers.
 *   4. Of the waiting workers, the one that began to wait last is released first.
 *   5. At most `concurrency` workers are active. A worker is active from one pp_port_get to its
 *      next, except between pp_blocking_begin and pp_blocking_end.
 *
 * Threads: every function may be called from any thread unless its comment says otherwise.
 * Errors: the functions return an enum pp_status; pp_detail() explains the last one in words.
 * Process: a port works in the process that opened it. In a forked child every call returns
 * PP_ESTATE. Nothing is inherited by programs that are started. */
#ifndef PANPIPE_PORT_H
#define PANPIPE_PORT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pp_port pp_port;     /* a completion port */
typedef struct pp_handle pp_handle; /* a listener, a stream (panpipe/pipe.h), a file (file.h) */

/* Results. 0 or more is success; each negative value is one kind of failure. */
enum pp_status {
    PP_OK = 0,
    PP_EINVAL = -1,      /* an argument is wrong; nothing was done */
    PP_ENOMEM = -2,      /* no memory; nothing was done */
    PP_ESTATE = -3,      /* right call, wrong moment: operation in flight, attached twice ... */
    PP_ECANCELED = -4,   /* canceled by this side: pp_cancel, pp_abort, pp_close, shutdown */
    PP_ECLOSED = -5,     /* this side has closed the handle or shut the port down */
    PP_ETIMEDOUT = -6,   /* the time given is over */
    PP_EPEERCLOSED = -7, /* the other side has closed; nothing more will come */
    PP_EBUSY = -8,       /* the server is there but takes no connection now; or a queue is full */
    PP_ENOSERVER = -9,   /* nobody listens under that name */
    PP_EINUSE = -10,     /* the name is taken by a living server */
    PP_EACCESS = -11,    /* the system denies access */
    PP_EUNTRUSTED = -12, /* the server belongs to a user that was not expected */
    PP_ENOTFOUND = -13,  /* that operation is not in flight; no such thing */
    PP_ELIMIT = -14,     /* a limit of the system or of the library is reached */
    PP_EIO = -15,        /* anything else the system refused; os_error has its number */
    PP_ENOTSUP = -16,    /* not offered on this system */
    PP_EDEADLOCK = -17,  /* waiting here could never end: inside a callback, say */
    PP_EOF = -18,        /* the end of the file; nothing was read */
    PP_EFULL = -19,      /* no room is left on the disk, or of the user's share of it */

    /* The client's, one for each error name of the protocol (panpipe/client.h). */
    PP_EPROTO = -32,    /* E_PROTO: not the protocol */
    PP_EMETHOD = -33,   /* E_METHOD: the broker does not know that control method */
    PP_EARG = -34,      /* E_ARG: a wrong argument or option, named in the text */
    PP_EPERM = -35,     /* E_PERM: refused by policy */
    PP_ENORESP = -36,   /* E_NORESP: nobody serves that subject */
    PP_EGONE = -37,     /* E_GONE: the server's connection ended */
    PP_EQUOTA = -38,    /* E_QUOTA */
    PP_ESLOW = -39,     /* E_SLOW: this client read too slowly and was cut */
    PP_ESHUTDOWN = -40, /* E_SHUTDOWN: the broker is leaving */
    PP_EVERSION = -41,  /* E_VERSION */
    PP_ENAME = -42,     /* E_NONAME, E_NAMETAKEN */
    PP_EREMOTE = -43    /* any other error: the server's own; its bytes are in the answer */
};

/* What start functions return beside negative statuses. */
enum {
    PP_PENDING = 0, /* exactly one packet will be delivered */
    PP_DONE = 1     /* only on handles with pp_set_skip: finished well, no packet will come */
};

/* The name and a short text for a status, "PP_EINVAL: ...". Static, never NULL. */
const char *pp_strerror(int status);

/* What exactly was wrong with this thread's last failed call, in words that say what to change;
 * "" if there is nothing to add to pp_strerror. Valid until the thread's next failing call. Of
 * calls only: how an operation ended is in its packet, and pp_client_error has a client's words. */
const char *pp_detail(void);

/* --- operations -------------------------------------------------------------------------- */

/* One operation. Embed it in a struct of yours and get back with PP_CONTAINER. It must be set to
 * PP_OP_INIT (or zero) once; after its packet was taken it can be started again at once. */
typedef struct pp_op {
    int32_t status;   /* out: PP_OK or why it failed. The out fields are valid once the packet */
    int32_t os_error; /* out: errno or Win32 number behind status, for logs; 0 if none */
    uint64_t bytes;   /* out: how many were transferred */
    void *buffer;     /* out: pp_read_pooled: where they are; give it back: pp_buffer_release */
    void *user;       /* yours; the library never looks at it */
    struct {          /* the library's; do not touch */
        uint64_t system[4];
        struct pp_op *next;
        pp_handle *handle;
        pp_port *port;
        void (*handler)(struct pp_op *op);
        const void *data;
        size_t length;
        size_t done;
        uintptr_t key;
        void *wait;
        uint32_t state;
        uint8_t kind, flags, lane, spare;
    } priv_;
} pp_op;

#ifdef __cplusplus /* where { 0 } is warned of */
#define PP_OP_INIT                                                                                 \
    {                                                                                              \
    }
#else
#define PP_OP_INIT                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }
#endif
#define PP_CONTAINER(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* One completion, as taken from the port. */
typedef struct pp_packet {
    pp_op *op;      /* as given to the start function; idle again. NULL: foreign packet */
    uintptr_t key;  /* the handle's, from pp_port_attach; or the post's */
    uint64_t bytes; /* as op->bytes; or the post's */
    int32_t status; /* PP_OK or PP_E...; of a failed operation too pp_port_get returns 1 */
    uint32_t flags; /* PP_PACKET_... */
    void *foreign;  /* PP_PACKET_FOREIGN: the OVERLAPPED pointer as it came */
} pp_packet;
enum {
    PP_PACKET_POSTED = 1u, /* from pp_port_post */
    PP_PACKET_FOREIGN = 2u /* not ours: from the program that owns the adopted native port */
};

/* To wait for one operation without a port (scripts, tools, tests): call pp_op_use_wait before
 * each start, then pp_op_wait. Such an operation delivers no packet, and its start never returns
 * PP_DONE; its handle need not be attached, but for pp_read_pooled. It must be waited for to its
 * end. If its start failed, pp_op_use_wait still holds for the next one.
 *
 * pp_op_use_wait: PP_OK; PP_ESTATE in flight; PP_ELIMIT: no handle left to wait with.
 * pp_op_wait: 1 ended, the out fields are valid, op is idle; 0 timeout_ms (negative: none) is
 *   over and op is still in flight: pp_cancel it and wait again, never leave it;
 *   PP_ESTATE: was not started with pp_op_use_wait; PP_EDEADLOCK: this thread is inside a function
 *   of pp_op_use_call, or a callback of the client library, where waiting could never end;
 *   PP_ELIMIT: as above, but only on a thread that never called pp_op_use_wait. */
int pp_op_use_wait(pp_op *op);
int pp_op_wait(pp_op *op, int timeout_ms);

/* Lets fn be called with op when it has ended, instead of a packet, this time and from then on: on
 * a thread that takes the port's packets, inside its pp_port_get; at the end inside
 * pp_port_shutdown. NULL: a packet again. fn may start op again, or free it; it must not wait:
 * pp_op_wait and pp_port_shutdown return PP_EDEADLOCK. After PP_DONE it is not called.
 * Before the start. PP_OK; PP_ESTATE: in flight. */
int pp_op_use_call(pp_op *op, void (*fn)(pp_op *op));

/* --- the port ---------------------------------------------------------------------------- */

typedef struct pp_port_config {
    uint32_t size;        /* sizeof(pp_port_config) */
    uint32_t concurrency; /* workers active at once; 0: processors this process may use */
    uint32_t pool_count;  /* buffers for pooled reads, at most 65,536; 0: 16 */
    uint32_t pool_bytes;  /* size of each, at most 16 MiB; 0: 64 KiB. Made when first needed, and
                             kept until the port goes */
    void *native;         /* Windows: your own completion port (HANDLE), adopted, not closed;
                             concurrency is then its own. NULL: make one. Elsewhere: NULL */
    uint32_t flags;       /* PP_PORT_... */
} pp_port_config;
#define PP_PORT_CONFIG_INIT                                                                        \
    {                                                                                              \
        sizeof(pp_port_config), 0, 0, 0, NULL, 0                                                   \
    }
enum {
    /* A promise: one thread takes the port's packets, the first that does, until it ends, calls
     * pp_thread_detach, takes from another port, or hears that this one was shut down. Then another
     * may. concurrency is 1. With io_uring that thread needs no other to look after the ring; it
     * must come back to pp_port_get for a shutdown to end. Linux holds others to it: PP_ESTATE. */
    PP_PORT_SINGLE_CONSUMER = 1u
};

typedef struct pp_port_stats {
    uint32_t size;        /* in: sizeof(pp_port_stats) */
    uint32_t concurrency; /* 0 if a native port was adopted */
    uint32_t active;      /* workers between two pp_port_get; Windows: not known, 0 */
    uint32_t waiting;     /* workers inside pp_port_get; Windows: those entered and not left */
    uint64_t queued;      /* packets not yet taken; Windows: not known, 0 */
    uint64_t outstanding; /* operations started, packet not yet taken */
    uint64_t delivered;   /* packets taken so far, the library's own included */
    uint64_t wakeups;     /* times a waiting worker was woken; Windows: not known, 0 */
    uint32_t pool_count;  /* buffers that exist now */
    uint32_t pool_free;   /* of them, not in use */
    const char *driver;   /* "iocp", "epoll", "io_uring" */
} pp_port_stats;

/* Opens a port. config may be NULL: all defaults. Environment, on Linux: PANPIPE_DRIVER=io_uring or
 * epoll (the default); an unknown name is PP_EINVAL. Where io_uring is refused (before Linux 6.1,
 * kernel.io_uring_disabled, a seccomp filter ...), the port has epoll: pp_port_info tells.
 * PP_OK; PP_EINVAL; PP_ENOMEM; PP_ELIMIT (handles); PP_ENOTSUP (native given, not on Windows). */
int pp_port_open(pp_port **out, const pp_port_config *config);

/* Binds a handle to the port, once and for its life. Every packet of the handle carries key,
 * which the library never interprets; 0 and UINTPTR_MAX are keys like any other, and two handles
 * may share one. The key often points to a struct of yours: it must live until pp_close was
 * called and every packet of the handle was taken. How many those are pp_handle_outstanding says
 * before the pp_close; or keep count of what you start.
 * PP_OK; PP_EINVAL; PP_ESTATE (attached already; forked child); PP_ECLOSED; PP_ENOMEM;
 * PP_ELIMIT. */
int pp_port_attach(pp_port *port, pp_handle *handle, uintptr_t key);

/* Takes the oldest packet, waiting for it at most timeout_ms (0: do not wait; negative: for ever).
 * Callbacks, and functions of pp_op_use_call, run inside; they do not end the wait: a callback that
 * wants the loop to look at something posts a packet.
 * Ends the calling worker's previous packet: its active slot is given back first.
 * A thread belongs to the port from which it took last; taking from another, pp_thread_detach and
 * its end release it.
 * 1: *packet is filled. 0: timeout. PP_ECLOSED: the port was shut down, leave the loop.
 * PP_EINVAL. PP_ESTATE: forked child; another thread is the single consumer. */
int pp_port_get(pp_port *port, pp_packet *packet, int timeout_ms);

/* As pp_port_get, up to count packets (at least 1); waits for the first only. Takes no more than
 * a fair share when other workers are idle. Returns how many. */
int pp_port_get_many(pp_port *port, pp_packet *packets, int count, int timeout_ms);

/* Queues a packet of the caller's own; key and bytes pass through unchanged, status is PP_OK.
 * op is the queue's node, so a post cannot fail for memory; one op is one packet in flight.
 * PP_OK; PP_EINVAL; PP_ESTATE (op is in flight); PP_ECLOSED (after shutdown). */
int pp_port_post(pp_port *port, uintptr_t key, uint64_t bytes, pp_op *op);

/* Ends the port's work. New starts and posts are refused with PP_ECLOSED. The calling thread
 * stops being a worker of the port, if it was one.
 *   PP_SHUT_FAST:  every handle's operations are canceled; workers get PP_ECLOSED at their next
 *                  get; packets that nobody took go, in order, to discard on the calling thread:
 *                  free what hangs on them there, close what was accepted (status PP_OK), give
 *                  back the buffers of pooled reads. NULL: nothing hangs on them but such buffers,
 *                  and those are given back.
 *   PP_SHUT_DRAIN: first lets the queued writes end, and what is asked of files; workers go on
 *                  taking packets, until nothing is outstanding but reads, accepts and connects of
 *                  pipes; then as PP_SHUT_FAST. The caller takes none meanwhile: where no other
 *                  thread does, take those of your writes first, then PP_SHUT_FAST.
 * timeout_ms (negative: none) bounds the whole.
 * PP_OK: nothing is outstanding and every worker has left or will get PP_ECLOSED; all memory may
 * be freed once the worker threads are joined. The handles are still yours to close, before or
 * after. PP_ETIMEDOUT: something is still in flight; its memory must be leaked, not freed.
 * PP_EINVAL. PP_EDEADLOCK: inside a function of pp_op_use_call, or a callback of the client
 * library. PP_ESTATE: forked child. */
enum { PP_SHUT_FAST = 0, PP_SHUT_DRAIN = 1 };
int pp_port_shutdown(pp_port *port, int how, int timeout_ms,
                     void (*discard)(void *context, const pp_packet *packet), void *context);

/* Gives the caller's reference up. The port goes when its handles are closed too and no worker
 * is inside. Call pp_port_shutdown first if workers may wait. NULL is ignored. */
void pp_port_close(pp_port *port);

/* A snapshot. *stats is filled up to stats->size. PP_OK, PP_EINVAL. */
int pp_port_info(pp_port *port, pp_port_stats *stats);

/* Around anything in a handler that may block for more than about a millisecond: the worker's
 * slot goes to another worker meanwhile. Brackets nest. pp_blocking_end never waits, so for a
 * while more workers than `concurrency` may run; the next to call pp_port_get then waits.
 * Outside a worker, and on Windows, where the system sees it by itself, they do nothing. */
void pp_blocking_begin(void);
void pp_blocking_end(void);

/* The calling thread will not come back to its port: gives its slot back now. */
void pp_thread_detach(void);

/* Gives a pooled read's buffer back. A read that waits for a buffer goes on, oldest first. Any
 * thread, once per buffer, before the port is closed. NULL is ignored. */
void pp_buffer_release(void *buffer);

/* --- in a loop that is not the port's ------------------------------------------------------ */

/* Linux: lends a descriptor to a loop that you have already: poll, select, epoll, uv_poll, GLib.
 * It is readable whenever pp_port_get(port, &packet, 0) would deliver a packet, run something of
 * the library's own (a deadline, a callback of a client), or return PP_ECLOSED. Then:
 *
 *     while ((got = pp_port_get(port, &packet, 0)) == 1)
 *         handle(&packet);
 *
 * It may be readable for nothing; a get that returns 0 makes it quiet. Taking less in one turn is
 * fine for a single thread that waits level-triggered: it stays readable. If the loop waits
 * edge-triggered, or other threads take packets too, go on until 0, or end with pp_thread_detach.
 * Other threads may wait in pp_port_get as ever; the same packet may wake one of them and the loop.
 * Wait for input, nothing else: it is the port's, the same at each call, and is closed with the
 * port, so take it out of the loop before. Nothing else of the port changes.
 * PP_OK; PP_EINVAL; PP_ESTATE: forked child, single consumer; PP_ENOTSUP: Windows, where your loop
 * is a completion port that the library can use: pp_port_config.native. */
int pp_port_pollable(pp_port *port, int *descriptor);

/* Windows: for a program that keeps its own loop on a port it lent with pp_port_config.native:
 * hands one dequeued entry to the library. overlapped, key and bytes as GetQueuedCompletionStatusEx
 * gave them. 1: *packet is a packet for you. 0: was the library's own business, done. PP_ENOTFOUND:
 * not ours, handle it yourself. PP_ENOTSUP: not Windows. */
int pp_port_claim(pp_port *port, void *overlapped, uintptr_t key, uint32_t bytes,
                  pp_packet *packet);

#ifdef __cplusplus
}
#endif
#endif
