/* driver.h: the platform seam for ports and pipes. (The rest of the seam is sys.h.)
 *
 * A pipe driver makes one kind of handle work: Unix sockets, named pipes, the simulated pipes of
 * the tests. A port driver feeds the user-space completion queue (queue_user.c): epoll, the
 * simulator; Windows has none, since there the kernel has the queue. Every slot must be filled
 * unless it says otherwise. */
#ifndef PPI_DRIVER_H
#define PPI_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include <panpipe/pipe.h>

struct ppi_event;

/* All but wait are called with handle->lock held and must not block. */
struct ppi_pipe_driver {
    const char *name;

    /* Binds the handle to handle->port. PP_OK, PP_ENOMEM, PP_ELIMIT, PP_EIO. */
    int (*attach)(pp_handle *handle);

    /* Begins a read, write or accept, which is its lane's current. true: it has ended and op has
     * its result (errors too). false: it is in flight, or waits to be tried again; the driver calls
     * ppi_handle_finish_taken, or ppi_handle_retry, later. An operation that is waited for is begun
     * again by its waiter, until it has ended. A driver that leaves op to the system sets the
     * lane's submitted until the system gives it back; then it is begun again by its waiter only.
     */
    bool (*begin)(pp_handle *handle, pp_op *op);

    /* Tries once to connect, with what handle->dial says. PP_OK; PP_ENOSERVER and PP_EBUSY may be
     * tried again; anything else is final. *os_error as in pp_op. */
    int (*connect)(pp_handle *handle, int *os_error);

    /* Writes what the system takes at once: how many bytes, 0 for none, or a status. No write is
     * in flight. */
    int64_t (*try_write)(pp_handle *handle, const pp_piece *pieces, int count);

    /* Ends op, its lane's current. true: it is out of the system's hands, the caller gives it
     * its result. false: asked for; ppi_handle_finish_taken will follow. */
    bool (*cancel)(pp_handle *handle, pp_op *op);

    /* A driver without lanes, of files: asks op, or with NULL all of the handle's operations, to
     * end. false: none is in flight. Each ends with ppi_handle_finish_one; begin and completed are
     * as for others, cancel is not called. NULL: it has lanes. */
    bool (*stop)(pp_handle *handle, pp_op *op);

    /* Where the kernel has the queue: a packet of op came, from the kernel. Without the lock. true:
     * op has ended, its lane has gone on; false: the packet was for the driver only, op is with
     * the system again. Elsewhere NULL. */
    bool (*completed)(pp_op *op);

    /* A listener: lets nobody connect any more. Accepts take those that have, and end with
     * PP_ECLOSED when there are none. NULL: not offered. */
    void (*refuse)(pp_handle *listener);

    /* Breaks the connection: the other side sees the end. Operations are canceled already or are
     * being canceled; release is still to come. */
    void (*abort)(pp_handle *handle);

    /* Gives the system's handle up; no operation is in the system's hands. Called once. */
    void (*release)(pp_handle *handle);

    /* Waits until trying op again, or event, is worth it. Without the lock. false: deadline_ns
     * is over. */
    bool (*wait)(pp_handle *handle, pp_op *op, struct ppi_event *event, uint64_t deadline_ns);

    /* Who is at the other end. PP_OK, PP_ESTATE, PP_EIO. */
    int (*peer)(pp_handle *handle, pp_peer *peer);

    /* The path of the program it runs, as pp_peer_exe. */
    int (*exe)(pp_handle *handle, char *path, size_t size);
};

/* Feeds a port. poll may be called by several threads at once, but for a single consumer's. */
struct ppi_port_driver {
    const char *name;

    /* PP_OK, PP_ENOMEM, PP_ELIMIT. Leaves port->driver_data set; close frees it. */
    int (*open)(pp_port *port);
    void (*close)(pp_port *port);

    /* Waits until something has happened or wake was called, at most until deadline_ns (0: does
     * not wait); completes what can be completed. Without locks. */
    void (*poll)(pp_port *port, uint64_t deadline_ns);

    /* Lets one thread in poll return, or the next that enters it. */
    void (*wake)(pp_port *port);

    /* Of a port with a single consumer (PP_PORT_SINGLE_CONSUMER), by the thread that was it: it
     * will not poll any more, another one may. Without locks. NULL: that makes no difference. */
    void (*leave)(pp_port *port);

    /* From now on poll also returns at deadline_ns (PPI_FOREVER: no more). Port's lock held. */
    void (*alarm)(pp_port *port, uint64_t deadline_ns);

    /* A descriptor that is readable while poll would complete something or return early; NULL:
     * there is none. */
    int (*descriptor)(pp_port *port);

    /* The time that deadlines of timers are compared with. */
    uint64_t (*now_ns)(void);
};

/* How pp_listen and pp_dial make handles. A platform has one; tests put theirs in its place. */
struct ppi_transport {
    const struct ppi_port_driver *port_driver; /* NULL: the kernel has the queue */
    int (*listen)(pp_handle **out, const char *name, const pp_listen_config *config);
    /* The dial's path is already checked and stored. */
    int (*dial)(pp_handle **out);
};

extern const struct ppi_transport ppi_system_transport;

/* What pp_port_open, pp_listen and pp_dial use from now on; NULL: the system's. For tests. */
void ppi_set_transport(const struct ppi_transport *transport);
const struct ppi_transport *ppi_transport(void);

#endif
