/* uring.c: a ring that ends a port's operations.
 *
 * Everything is still tried at once (socket.c); what would block goes to the ring. A read is then
 * one entry that ends with its bytes, and the rest of a write one for each of its pieces
 * (MSG_WAITALL). These are the kernel's, with their buffers, until it says otherwise: to cancel
 * them is a wish. A pooled read has no buffer while it waits: for it the ring only watches the
 * socket. A listener stays with epoll: what is in a ring lives some milliseconds longer than a
 * process that is killed, and another one may want the name at once.
 *
 * A ring has one owner, who submits and reaps. Usually that is a thread of the ring's own: what it
 * ends becomes a packet, and the port's workers wait for those as ever, in epoll, where nothing but
 * wakes and timers are left. Workers cannot own it: an entry would die with the worker that
 * submitted it, or wait for as long as that one is busy. Of a port with a single consumer that one
 * is the owner, and there is no second thread. When it leaves the port, it takes back what is with
 * the kernel, and the next one begins anew.
 *
 * What is to be submitted, and what is, is in requests.c. */
#define _GNU_SOURCE
#include "io/linux/uring.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/status.h"
#include "io/linux/linux.h"
#include "io/linux/requests.h"
#include "io/port.h"

struct ppi_uring {
    struct ppi_requests requests;
    struct ppi_ring ring; /* the owner's */
    int epoll_fd;     /* what the port's single consumer watches too; -1: a thread is the owner */
    bool ticked;      /* the owner's: there is something in it */
    bool begun;       /* there is an owner. Of a thread: under the requests' lock */
    bool orphaned;    /* the thread frees it */
    atomic_bool stop; /* the thread's */
    struct ppi_thread thread;
    pp_port *port;
};

/* false: it is refused now, after it worked. What the kernel has can never be given back then. */
static bool enter(struct ppi_ring *ring, uint64_t deadline_ns)
{
    int number = ppi_ring_enter(ring, deadline_ns);

    ppi_check(number == 0);
    if (number != 0)
        ppi_sleep_ms(1); /* who waits tries again and again */
    return number == 0;
}

/* An entry, for which room is made if there is none, once the kernel has memory to take the others;
 * NULL: there is never any. */
static struct io_uring_sqe *sure_entry(struct ppi_ring *ring, uint32_t index,
                                       enum ppi_entry_kind kind)
{
    struct io_uring_sqe *entry;

    while ((entry = ppi_entry(ring, index, kind)) == NULL && enter(ring, 0))
        ;
    return entry;
}

/* Watches a descriptor of ours, of which every write is a completion. */
static void watch_ticks(struct ppi_ring *ring, int fd)
{
    struct io_uring_sqe *entry = sure_entry(ring, (uint32_t)fd, PPI_TICK);

    if (entry == NULL)
        return;
    entry->opcode = IORING_OP_POLL_ADD;
    entry->fd = fd;
    entry->len = IORING_POLL_ADD_MULTI;
    entry->poll_events = POLLIN;
}

/* --- reaping, by the owner ------------------------------------------------------------------- */

static bool passes(int32_t result)
{
    return result == -EAGAIN || result == -EINTR || result == -ECANCELED;
}

static void finish(pp_handle *handle, int lane, int status, int number, uint64_t bytes)
{
    ppi_op_result(handle->lanes[lane].current, status, number, bytes);
    ppi_handle_finish(handle, lane);
}

/* The kernel gives the lane's current operation back, with the handle's lock held. */
static void on_result(pp_handle *handle, int lane_index, int32_t result)
{
    struct ppi_lane *lane = &handle->lanes[lane_index];
    pp_op *op = lane->current;
    struct iovec left;
    bool canceled = handle->os.canceled[lane_index];

    handle->os.canceled[lane_index] = lane->submitted = false;
    if (lane_index == PPI_OUT && result > 0)
        op->priv_.done += (size_t)result;
    if (lane_index == PPI_IN && result > 0) {
        lane->ready = (size_t)result == op->priv_.length; /* there may be more */
        finish(handle, lane_index, PP_OK, 0, (uint64_t)result);
    } else if (canceled) {
        bool whole = lane_index == PPI_OUT && ppi_pieces_left(op, &left, 1) == 0;
        finish(handle, lane_index, whole ? PP_OK : PP_ECANCELED, 0, op->priv_.done);
    } else if (lane_index == PPI_IN && result == 0) {
        finish(handle, lane_index, PP_EPEERCLOSED, 0, 0);
    } else if (result < 0 && !passes(result)) {
        finish(handle, lane_index, ppi_errno_status(-result), -result, op->priv_.done);
    } else {
        lane->ready = true;
        ppi_handle_retry(handle, lane_index);
    }
}

static void on_tick(struct ppi_uring *uring, int fd, const struct io_uring_cqe *cqe)
{
    uring->ticked = uring->ticked || fd == uring->epoll_fd;
    if ((cqe->flags & IORING_CQE_F_MORE) == 0 && cqe->res != -ECANCELED)
        watch_ticks(&uring->ring, fd);
}

static void on_completion(struct ppi_uring *uring, const struct io_uring_cqe *cqe)
{
    uint32_t index = (uint32_t)(cqe->user_data >> PPI_KIND_BITS);
    enum ppi_entry_kind kind = cqe->user_data & ((1u << PPI_KIND_BITS) - 1);

    if (kind == PPI_TICK)
        on_tick(uring, (int)index, cqe);
    if (kind >= PPI_CANCEL) /* of a cancel, the canceled tells */
        return;

    int lane = kind == PPI_SEND ? PPI_OUT : PPI_IN;
    pp_handle *handle = ppi_requests_end(&uring->requests, index, lane);
    if (handle == NULL)
        return;
    ppi_mutex_lock(&handle->lock);
    if (kind == PPI_WATCH) {
        handle->lanes[PPI_IN].ready = true;
        ppi_handle_retry(handle, PPI_IN);
    } else {
        on_result(handle, lane, cqe->res);
    }
    ppi_handle_unlock(handle);
    ppi_handle_unref(handle);
}

/* Submits and reaps, waiting for something to end until deadline_ns if nothing has. */
static void turn(struct ppi_uring *uring, uint64_t deadline_ns)
{
    struct io_uring_cqe cqe;
    bool wait = deadline_ns != 0 && !ppi_ring_has_ended(&uring->ring);

    wait = ppi_requests_put(&uring->requests, &uring->ring, wait);
    if (wait || ppi_ring_wants_enter(&uring->ring))
        enter(&uring->ring, wait ? deadline_ns : 0);
    if (wait)
        ppi_requests_awake(&uring->requests);
    while (ppi_ring_take(&uring->ring, &cqe))
        on_completion(uring, &cqe);
}

/* The calling thread becomes the owner; false: it cannot. */
static bool begin(struct ppi_uring *uring)
{
    if (uring->ring.fd < 0 && ppi_ring_open(&uring->ring) != 0)
        return false;
    if (ppi_ring_begin(&uring->ring) != 0) {
        ppi_ring_close(&uring->ring);
        return false;
    }
    watch_ticks(&uring->ring, uring->requests.kick_fd);
    if (uring->epoll_fd >= 0)
        watch_ticks(&uring->ring, uring->epoll_fd);
    return true;
}

/* --- a thread as the owner ------------------------------------------------------------------- */

static void destroy(struct ppi_uring *uring)
{
    ppi_ring_close(&uring->ring);
    ppi_requests_deinit(&uring->requests);
    free(uring);
}

static void work(void *argument)
{
    struct ppi_uring *uring = argument;
    bool well = begin(uring);

    ppi_check(well);
    while (well && !atomic_load(&uring->stop))
        turn(uring, PPI_FOREVER);
    if (uring->orphaned) {
        pthread_detach(pthread_self());
        destroy(uring);
    }
}

/* Signals are for the program's own threads. */
static int start_thread(struct ppi_uring *uring)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = ppi_thread_start(&uring->thread, work, uring);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    uring->begun = status == PP_OK;
    return status;
}

/* --- the port's consumer as the owner -------------------------------------------------------- */

bool ppi_uring_poll(struct ppi_uring *uring, uint64_t deadline_ns)
{
    uring->ticked = false;
    if (!uring->begun)
        uring->begun = begin(uring);
    if (uring->begun)
        turn(uring, deadline_ns);
    else if (deadline_ns != 0)
        ppi_sleep_ms(1); /* who had the ring before has left, and there is no room for another */
    return uring->ticked;
}

/* What is with the kernel ends, with what it has reached or as if interrupted, and is tried again.
 */
static void take_back(struct ppi_uring *uring)
{
    struct io_uring_sqe *entry = sure_entry(&uring->ring, 0, PPI_CANCEL);
    struct io_uring_cqe cqe;

    if (entry == NULL)
        return;
    entry->opcode = IORING_OP_ASYNC_CANCEL;
    entry->fd = -1;
    entry->cancel_flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
    while (uring->requests.with_kernel > 0 && enter(&uring->ring, PPI_FOREVER))
        while (ppi_ring_take(&uring->ring, &cqe))
            on_completion(uring, &cqe);
}

void ppi_uring_leave(struct ppi_uring *uring)
{
    if (!uring->begun)
        return;
    take_back(uring);
    ppi_ring_close(&uring->ring);
    uring->begun = false;
}

void ppi_uring_wake(struct ppi_uring *uring)
{
    ppi_requests_kick(&uring->requests);
}

/* --- opening and closing --------------------------------------------------------------------- */

struct ppi_uring *ppi_uring_open(pp_port *port, int epoll_fd)
{
    if (!ppi_rings_work())
        return NULL;

    struct ppi_uring *uring = calloc(1, sizeof *uring);
    if (uring == NULL)
        return NULL;
    uring->port = port;
    uring->epoll_fd = epoll_fd;
    uring->ring.fd = -1;
    if (!ppi_requests_init(&uring->requests) || ppi_ring_open(&uring->ring) != 0) {
        destroy(uring);
        return NULL;
    }
    return uring;
}

/* The port may go where its last handle does: in the ring's own thread, too. */
void ppi_uring_close(struct ppi_uring *uring)
{
    bool threaded = uring->begun && uring->epoll_fd < 0;

    atomic_store(&uring->stop, true);
    if (threaded && pthread_equal(pthread_self(), uring->thread.thread)) {
        uring->orphaned = true;
        return;
    }
    if (ppi_port_check_process(uring->port) != PP_OK) {
        ppi_ring_forget(&uring->ring);
    } else if (threaded) {
        ppi_uring_wake(uring);
        ppi_thread_join(&uring->thread);
    }
    destroy(uring);
}

/* --- handles --------------------------------------------------------------------------------- */

int ppi_uring_add(struct ppi_uring *uring, pp_handle *handle)
{
    int status = PP_OK;

    ppi_mutex_lock(&uring->requests.lock);
    if (uring->epoll_fd < 0 && !uring->begun) /* else begun is the consumer's, without the lock */
        status = start_thread(uring);
    ppi_mutex_unlock(&uring->requests.lock);
    if (status == PP_OK)
        status = ppi_requests_add(&uring->requests, handle);
    return status == PP_OK ? PP_OK : ppi_fail_plain(status);
}

void ppi_uring_remove(struct ppi_uring *uring, pp_handle *handle)
{
    ppi_requests_remove(&uring->requests, handle);
}

void ppi_uring_await(struct ppi_uring *uring, pp_handle *handle, const pp_op *op)
{
    ppi_requests_await(&uring->requests, handle, op);
}

bool ppi_uring_cancel(struct ppi_uring *uring, pp_handle *handle, const pp_op *op)
{
    return ppi_requests_cancel(&uring->requests, handle, op);
}
