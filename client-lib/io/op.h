/* op.h: the library's side of a pp_op: its state, and lists of operations.
 *
 * An operation is IDLE (the caller's), STARTED (the library's or the system's), or ENDED (its
 * packet waits on the port, or its waiter may go on). Starting is one atomic exchange, so that
 * starting it twice is refused in every build. */
#ifndef PPI_OP_H
#define PPI_OP_H

#include <stdbool.h>

#include <panpipe/pipe.h>

#include "io/sys.h"

enum ppi_kind {
    PPI_POST, /* a packet that was posted */
    PPI_READ,
    PPI_READ_POOLED,
    PPI_WRITE,
    PPI_GATHER,
    PPI_ACCEPT,
    PPI_CONNECT,
    PPI_TIMER,
    PPI_REQUEST,   /* an operation of the client library */
    PPI_FILE_READ, /* files only, from here on */
    PPI_FILE_WRITE,
    PPI_FILE_SYNC
};

/* Flags of an operation. */
enum {
    PPI_OP_WAITED = 1, /* ends at pp_op_wait, not on a port */
    PPI_OP_PACKET = 2, /* always delivers a packet, also in skip mode */
    PPI_OP_USERS = 4   /* its handler is a callback of the user's */
};

/* IDLE -> STARTED as an operation of that kind; out fields are reset. PP_OK or PP_ESTATE. */
int ppi_op_start(pp_op *op, enum ppi_kind kind);

/* STARTED -> IDLE: it was not started after all. */
void ppi_op_revoke(pp_op *op);

/* STARTED -> ENDED. For an operation that is waited for, this lets its waiter go on, who may free
 * it at once; for any other the caller queues it on its port next. */
void ppi_op_end(pp_op *op);

/* Lets whoever waits for op look at it again. Does nothing for other operations. */
void ppi_op_nudge(pp_op *op);

/* ENDED -> IDLE: it is the caller's again. */
void ppi_op_deliver(pp_op *op);

static inline bool ppi_op_waited(const pp_op *op)
{
    return (op->priv_.flags & PPI_OP_WAITED) != 0;
}

/* The result in one line. */
static inline void ppi_op_result(pp_op *op, int status, int os_error, uint64_t bytes)
{
    op->status = status;
    op->os_error = os_error;
    op->bytes = bytes;
}

/* Is the calling thread inside a callback of the client library? Waiting is refused there.
 * ppi_enter_callback returns what it was before, for ppi_leave_callback. */
bool ppi_in_callback(void);
bool ppi_enter_callback(void);
void ppi_leave_callback(bool before);

/* A first-in first-out list of operations, linked by priv_.next. Zero is the empty list. */
struct ppi_ops {
    pp_op *head, *tail;
};

static inline void ppi_ops_append(struct ppi_ops *ops, pp_op *op)
{
    op->priv_.next = NULL;
    if (ops->head == NULL)
        ops->head = op;
    else
        ops->tail->priv_.next = op;
    ops->tail = op;
}

static inline pp_op *ppi_ops_take(struct ppi_ops *ops)
{
    pp_op *op = ops->head;

    if (op != NULL)
        ops->head = op->priv_.next;
    return op;
}

/* Takes op out of the middle; false: it is not there. op is compared, never read. */
bool ppi_ops_remove(struct ppi_ops *ops, const pp_op *op);

#endif
