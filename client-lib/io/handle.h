/* handle.h: what every listener, stream and file is, on every system.
 *
 * A handle has two lanes, in and out. Each executes its operations one at a time, in the order in
 * which they were started: `current` is with the system, the rest wait in `queue`. So reads and
 * writes cannot overtake or interleave, cancel and close are the same everywhere, and a driver
 * need know nothing but how to begin one operation and how to cancel it.
 *
 * A file has no lanes, since each of its operations says where in the file it is: all of them are
 * with the system at once (driver->stop), counted in `running`.
 *
 * Lifetime: one reference for the caller until pp_close, one for each operation until its packet
 * was taken. The system's handle is released as soon as the handle is closed and no operation is
 * with the system.
 *
 * Locks: handle->lock is held across one non-blocking system call at most; a packet is queued on
 * the port before it is released, so packets of one lane keep their order. The port's lock is
 * taken inside it, never the other way round. */
#ifndef PPI_HANDLE_H
#define PPI_HANDLE_H

#include <stdatomic.h>

#include <panpipe/pipe.h>

#include "base/list.h"
#include "io/op.h"

enum { PPI_IN, PPI_OUT, PPI_LANES }; /* connects go out, accepts come in */
enum ppi_handle_kind { PPI_LISTENER, PPI_STREAM, PPI_FILE };
enum ppi_handle_state {
    PPI_NEW, /* dialled, not connected: only pp_connect */
    PPI_OPEN,
    PPI_ABORTED, /* by pp_abort or the port's shutdown; pp_close is still to come */
    PPI_CLOSED
};

struct ppi_lane {
    pp_op *current;
    struct ppi_ops queue;
    bool ready;     /* the system may have something: worth a try. Driver's, under the lock */
    bool hung_up;   /* and always will: the end was seen coming. Driver's */
    bool broken;    /* ended for good: operations end with PP_EPEERCLOSED */
    bool submitted; /* current is in the system's hands: only the driver knows its end. Driver's */
    uint8_t streak; /* how many starts in a row ended with PP_DONE */
};

struct ppi_dial;

struct pp_handle {
    struct ppi_mutex lock;
    atomic_uint references;
    atomic_uint outstanding;
    const struct ppi_pipe_driver *driver;
    pp_port *port; /* referenced; NULL: not attached. Set once */
    uintptr_t key;
    struct ppi_list in_port; /* under the port's lock, with swept */
    bool swept;              /* the port's shutdown has been here */
    struct ppi_lane lanes[PPI_LANES];
    struct ppi_list in_pool; /* waits for a buffer; under the pool's lock */
    void *granted;           /* the buffer it was given; under the pool's lock */
    struct ppi_dial *dial;   /* owned: where and how to connect; NULL: need not, or has */
    void *twin;              /* the test driver's own */
    struct ppi_os_handle os;
    uint8_t kind, state;
    bool skip;
    uint8_t rights;   /* a file: what it was opened for, PP_FILE_... */
    uint32_t running; /* a file: operations with the system */
};

/* A handle with one reference; not attached; os is zero. NULL: no memory. */
pp_handle *ppi_handle_new(enum ppi_handle_kind kind, const struct ppi_pipe_driver *driver);

static inline pp_handle *ppi_handle_ref(pp_handle *handle)
{
    atomic_fetch_add_explicit(&handle->references, 1, memory_order_relaxed);
    return handle;
}
void ppi_handle_unref(pp_handle *handle);

/* PP_OK; PP_ESTATE: this is a child that was forked since its port was opened. */
int ppi_handle_check_process(const pp_handle *handle);

/* Releases the lock, and retries whoever was given a buffer meanwhile. */
void ppi_handle_unlock(pp_handle *handle);

/* Starts op, already STARTED and filled, on a lane. What every start function ends with. */
int ppi_handle_start(pp_handle *handle, pp_op *op, int lane);

/* For drivers, with the lock held. The current operation of the lane has its result: queues its
 * packet and begins the next ones. */
void ppi_handle_finish(pp_handle *handle, int lane);

/* As ppi_handle_finish; but the packet is the caller's, who took it from the system's own port. */
void ppi_handle_finish_taken(pp_handle *handle, int lane);

/* The same for a driver without lanes; taken: the packet is the caller's. */
void ppi_handle_finish_one(pp_handle *handle, pp_op *op, bool taken);

/* For drivers, with the lock held: tries the current operation of the lane again, if there is one
 * that is not in the system's hands. If a waiter drives it, the waiter is told to. */
void ppi_handle_retry(pp_handle *handle, int lane);

/* The packet of one of the handle's operations, of that kind, was taken. */
void ppi_handle_op_taken(pp_handle *handle, enum ppi_kind kind);

/* Drives and waits for one operation, see pp_op_wait. false: deadline_ns is over. */
bool ppi_handle_wait(pp_handle *handle, pp_op *op, struct ppi_event *event, uint64_t deadline_ns);

/* As pp_abort, for the port's shutdown. */
void ppi_handle_abort(pp_handle *handle);

/* As pp_abort, but the other side may go on reading what was written: new operations are refused
 * and those in flight canceled. */
void ppi_handle_retire(pp_handle *handle);

/* A listener lets nobody connect any more. Its accepts take those that have, and then end with
 * PP_ECLOSED. PP_OK; PP_ENOTSUP. */
int ppi_handle_refuse(pp_handle *listener);

/* As pp_set_skip, at any time. */
void ppi_handle_set_skip(pp_handle *handle);

/* Writes what the system takes at once, if no write is in flight: how many bytes, 0 for none (so
 * on Windows always), or why the stream is at its end. */
int64_t ppi_handle_try_write(pp_handle *handle, const pp_piece *pieces, int count);

#endif
