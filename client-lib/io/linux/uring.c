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
 * What is to be submitted is noted in the handle's slot by whoever starts it; slots with something
 * to do are in a list. An owner that sleeps is kicked, through an eventfd that its ring watches. A
 * slot is used again only when nothing of it is with the kernel any more. */
#define _GNU_SOURCE
#include "io/linux/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/status.h"
#include "io/handle.h"
#include "io/linux/linux.h"
#include "io/linux/ring.h"
#include "io/port.h"

enum { SLOTS_MIN = 16, LENGTH_MAX = 1 << 30 };
#define NO_SLOT UINT32_MAX

/* What an entry is for. Its user data: the slot's index, and this. */
enum kind { RECEIVE, SEND, WATCH, CANCEL, TICK };
enum { KIND_BITS = 3 };

struct request {
    void *data;
    uint32_t length;
    uint8_t kind;
    enum { NONE, WANTED, WITH_KERNEL } state;
    bool cancel; /* the kernel is to be asked to end it */
};

struct slot {
    pp_handle *handle; /* NULL: free, or its requests are still to end */
    int fd;
    bool listed;
    uint32_t next; /* listed, or free */
    struct request lanes[PPI_LANES];
};

struct ppi_uring {
    struct ppi_ring ring; /* the owner's */
    int kick_fd;
    int epoll_fd; /* what the port's single consumer watches too; -1: the owner is a thread */
    bool ticked;  /* the owner's: it has something */
    pp_port *port;
    struct ppi_mutex lock; /* what follows; innermost of all locks */
    struct slot *slots;
    uint32_t slot_count, first_free, first_listed;
    uint32_t with_kernel; /* requests */
    bool asleep;          /* the owner waits in the kernel */
    bool begun;           /* there is an owner: the consumer, or the thread */
    atomic_bool stop;     /* the thread's */
    bool orphaned;        /* the thread frees it */
    struct ppi_thread thread;
};

/* --- submitting, by the owner ---------------------------------------------------------------- */

static struct io_uring_sqe *entry_for(struct ppi_uring *uring, uint32_t index, enum kind kind)
{
    struct io_uring_sqe *entry = ppi_ring_entry(&uring->ring);

    if (entry != NULL)
        entry->user_data = (uint64_t)index << KIND_BITS | kind;
    return entry;
}

/* Watches a descriptor of ours, of which every write is a completion. */
static void watch_ticks(struct ppi_uring *uring, int fd)
{
    struct io_uring_sqe *entry = entry_for(uring, (uint32_t)fd, TICK);

    if (entry == NULL) { /* full: it goes out first */
        ppi_ring_enter(&uring->ring, 0);
        entry = entry_for(uring, (uint32_t)fd, TICK);
    }
    entry->opcode = IORING_OP_POLL_ADD;
    entry->fd = fd;
    entry->len = IORING_POLL_ADD_MULTI;
    entry->poll_events = POLLIN;
}

static bool put_request(struct ppi_uring *uring, uint32_t index, struct request *request)
{
    static const uint8_t opcodes[] = { IORING_OP_RECV, IORING_OP_SEND, IORING_OP_POLL_ADD };
    struct io_uring_sqe *entry = entry_for(uring, index, request->kind);

    if (entry == NULL)
        return false;
    entry->opcode = opcodes[request->kind];
    entry->fd = uring->slots[index].fd;
    if (request->kind == WATCH) {
        entry->poll_events = POLLIN | POLLRDHUP;
    } else {
        entry->addr = (uint64_t)(uintptr_t)request->data;
        entry->len = request->length;
        entry->msg_flags = request->kind == SEND ? MSG_NOSIGNAL | MSG_WAITALL : 0;
    }
    request->state = WITH_KERNEL;
    uring->with_kernel++;
    return true;
}

static bool put_cancel(struct ppi_uring *uring, uint32_t index, struct request *request)
{
    struct io_uring_sqe *entry = entry_for(uring, index, CANCEL);

    if (entry == NULL)
        return false;
    entry->opcode = IORING_OP_ASYNC_CANCEL;
    entry->fd = -1;
    entry->addr = (uint64_t)index << KIND_BITS | request->kind;
    request->cancel = false;
    return true;
}

/* With the lock. Nobody has the slot any more, and nothing of it is with the kernel? */
static void free_slot_if_idle(struct ppi_uring *uring, uint32_t index)
{
    struct slot *slot = &uring->slots[index];

    if (slot->handle != NULL || slot->listed || slot->lanes[PPI_IN].state != NONE ||
        slot->lanes[PPI_OUT].state != NONE)
        return;
    slot->next = uring->first_free;
    uring->first_free = index;
}

/* What the slot wants becomes entries; false: there is no room for all of it. */
static bool put_slot(struct ppi_uring *uring, uint32_t index)
{
    for (int lane = 0; lane < PPI_LANES; lane++) {
        struct request *request = &uring->slots[index].lanes[lane];

        if ((request->state == WANTED && !put_request(uring, index, request)) ||
            (request->cancel && !put_cancel(uring, index, request)))
            return false;
    }
    return true;
}

/* With the lock. */
static void put_entries(struct ppi_uring *uring)
{
    while (uring->first_listed != NO_SLOT && put_slot(uring, uring->first_listed)) {
        uint32_t index = uring->first_listed;

        uring->first_listed = uring->slots[index].next;
        uring->slots[index].listed = false;
        free_slot_if_idle(uring, index);
    }
}

/* --- reaping, by the owner ------------------------------------------------------------------- */

/* The request has ended: the handle it was for, referenced; NULL: that is gone. */
static pp_handle *end_request(struct ppi_uring *uring, uint32_t index, int lane)
{
    ppi_mutex_lock(&uring->lock);
    struct slot *slot = &uring->slots[index];
    pp_handle *handle = slot->handle != NULL ? ppi_handle_ref(slot->handle) : NULL;
    slot->lanes[lane].state = NONE;
    slot->lanes[lane].cancel = false;
    uring->with_kernel--;
    free_slot_if_idle(uring, index);
    ppi_mutex_unlock(&uring->lock);
    return handle;
}

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
        watch_ticks(uring, fd);
}

static void on_completion(struct ppi_uring *uring, const struct io_uring_cqe *cqe)
{
    uint32_t index = (uint32_t)(cqe->user_data >> KIND_BITS);
    enum kind kind = cqe->user_data & ((1u << KIND_BITS) - 1);

    if (kind == TICK)
        on_tick(uring, (int)index, cqe);
    if (kind >= CANCEL) /* of a cancel, the canceled tells */
        return;

    int lane = kind == SEND ? PPI_OUT : PPI_IN;
    pp_handle *handle = end_request(uring, index, lane);
    if (handle == NULL)
        return;
    ppi_mutex_lock(&handle->lock);
    if (kind == WATCH) {
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

    ppi_mutex_lock(&uring->lock);
    put_entries(uring);
    if (uring->first_listed != NO_SLOT || ppi_ring_has_ended(&uring->ring))
        deadline_ns = 0;
    uring->asleep = deadline_ns != 0;
    ppi_mutex_unlock(&uring->lock);
    if (deadline_ns != 0 || ppi_ring_wants_enter(&uring->ring)) {
        /* Refused now, after it worked: what the kernel has could never be given back. */
        int number = ppi_ring_enter(&uring->ring, deadline_ns);
        ppi_check(number == 0);
    }
    if (deadline_ns != 0) {
        ppi_mutex_lock(&uring->lock);
        uring->asleep = false;
        ppi_mutex_unlock(&uring->lock);
    }
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
    watch_ticks(uring, uring->kick_fd);
    if (uring->epoll_fd >= 0)
        watch_ticks(uring, uring->epoll_fd);
    return true;
}

/* --- a thread as the owner ------------------------------------------------------------------- */

static void destroy(struct ppi_uring *uring)
{
    ppi_ring_close(&uring->ring);
    if (uring->kick_fd >= 0)
        close(uring->kick_fd);
    ppi_mutex_deinit(&uring->lock);
    free(uring->slots);
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

/* Signals are for the program's own threads. With the lock. */
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

void ppi_uring_leave(struct ppi_uring *uring)
{
    struct io_uring_cqe cqe;
    struct io_uring_sqe *entry;

    if (!uring->begun)
        return;
    while ((entry = entry_for(uring, NO_SLOT, CANCEL)) == NULL)
        ppi_ring_enter(&uring->ring, 0);
    entry->opcode = IORING_OP_ASYNC_CANCEL;
    entry->fd = -1;
    entry->cancel_flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
    while (uring->with_kernel > 0) {
        ppi_check(ppi_ring_enter(&uring->ring, PPI_FOREVER) == 0);
        while (ppi_ring_take(&uring->ring, &cqe))
            on_completion(uring, &cqe);
    }
    ppi_ring_close(&uring->ring);
    uring->begun = false;
}

void ppi_uring_wake(struct ppi_uring *uring)
{
    (void)!eventfd_write(uring->kick_fd, 1);
}

/* --- opening and closing --------------------------------------------------------------------- */

struct ppi_uring *ppi_uring_open(pp_port *port, int epoll_fd)
{
    if (ppi_ring_refused() != NULL)
        return NULL;

    struct ppi_uring *uring = calloc(1, sizeof *uring);
    if (uring == NULL)
        return NULL;
    ppi_mutex_init(&uring->lock);
    uring->port = port;
    uring->epoll_fd = epoll_fd;
    uring->first_free = uring->first_listed = NO_SLOT;
    uring->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ppi_ring_open(&uring->ring) != 0 || uring->kick_fd < 0) {
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
    if (threaded && ppi_port_check_process(uring->port) == PP_OK) {
        ppi_uring_wake(uring);
        ppi_thread_join(&uring->thread);
    }
    destroy(uring);
}

/* --- handles --------------------------------------------------------------------------------- */

/* With the lock. */
static int add_slots(struct ppi_uring *uring)
{
    uint32_t count = uring->slot_count == 0 ? SLOTS_MIN : uring->slot_count * 2;
    struct slot *slots = realloc(uring->slots, count * sizeof *slots);

    if (slots == NULL)
        return PP_ENOMEM;
    for (uint32_t i = uring->slot_count; i < count; i++)
        slots[i] = (struct slot){ .next = i + 1 < count ? i + 1 : NO_SLOT };
    uring->first_free = uring->slot_count;
    uring->slots = slots;
    uring->slot_count = count;
    return PP_OK;
}

/* With the lock: the owner is to look at the slot. */
static void enlist(struct ppi_uring *uring, uint32_t index)
{
    struct slot *slot = &uring->slots[index];

    if (!slot->listed) {
        slot->listed = true;
        slot->next = uring->first_listed;
        uring->first_listed = index;
    }
    if (uring->asleep) {
        uring->asleep = false;
        ppi_uring_wake(uring);
    }
}

int ppi_uring_add(struct ppi_uring *uring, pp_handle *handle)
{
    int status = PP_OK;

    ppi_mutex_lock(&uring->lock);
    if (!uring->begun && uring->epoll_fd < 0)
        status = start_thread(uring);
    if (status == PP_OK && uring->first_free == NO_SLOT)
        status = add_slots(uring);
    if (status == PP_OK) {
        uint32_t index = uring->first_free;

        uring->first_free = uring->slots[index].next;
        uring->slots[index] = (struct slot){ .handle = handle, .fd = handle->os.fd };
        handle->os.slot = index;
        handle->os.watched = true;
    }
    ppi_mutex_unlock(&uring->lock);
    if (status != PP_OK)
        return ppi_fail_plain(status);
    /* what it does not wait for, the kernel would not wait for either */
    fcntl(handle->os.fd, F_SETFL, fcntl(handle->os.fd, F_GETFL) & ~O_NONBLOCK);
    return PP_OK;
}

/* What the kernel watches it keeps open: so the other side hears of the end from a shutdown. */
void ppi_uring_remove(struct ppi_uring *uring, pp_handle *handle)
{
    if (!handle->os.watched || ppi_port_check_process(uring->port) != PP_OK)
        return;
    ppi_mutex_lock(&uring->lock);
    uint32_t index = handle->os.slot;
    struct request *request = &uring->slots[index].lanes[PPI_IN];
    bool kept = request->state == WITH_KERNEL;
    uring->slots[index].handle = NULL;
    if (kept) {
        request->cancel = true;
        enlist(uring, index);
    } else {
        request->state = NONE;
        free_slot_if_idle(uring, index);
    }
    ppi_mutex_unlock(&uring->lock);
    if (kept)
        shutdown(handle->os.fd, SHUT_RDWR);
    handle->os.watched = false;
}

static void fill_request(struct request *request, const pp_op *op)
{
    struct iovec piece = { (void *)(uintptr_t)op->priv_.data, op->priv_.length };

    request->kind = op->priv_.lane == PPI_OUT ? SEND : op->priv_.kind == PPI_READ ? RECEIVE : WATCH;
    if (request->kind == SEND)
        ppi_pieces_left(op, &piece, 1);
    request->data = piece.iov_base;
    request->length = piece.iov_len < LENGTH_MAX ? (uint32_t)piece.iov_len : LENGTH_MAX;
}

/* A watch that is there already serves whatever comes after what it was for. */
void ppi_uring_await(struct ppi_uring *uring, pp_handle *handle, const pp_op *op)
{
    ppi_mutex_lock(&uring->lock);
    struct request *request = &uring->slots[handle->os.slot].lanes[op->priv_.lane];
    if (request->state == NONE) {
        fill_request(request, op);
        request->state = WANTED;
        enlist(uring, handle->os.slot);
    }
    handle->lanes[op->priv_.lane].submitted = request->kind != WATCH;
    ppi_mutex_unlock(&uring->lock);
}

bool ppi_uring_cancel(struct ppi_uring *uring, pp_handle *handle, const pp_op *op)
{
    struct ppi_lane *lane = &handle->lanes[op->priv_.lane];

    if (!lane->submitted)
        return true;
    ppi_mutex_lock(&uring->lock);
    struct request *request = &uring->slots[handle->os.slot].lanes[op->priv_.lane];
    bool ours = request->state == WANTED;
    if (ours) {
        request->state = NONE;
    } else if (request->state == WITH_KERNEL) { /* else its completion is on its way */
        request->cancel = true;
        enlist(uring, handle->os.slot);
    }
    ppi_mutex_unlock(&uring->lock);
    lane->submitted = !ours;
    handle->os.canceled[op->priv_.lane] = !ours;
    return ours;
}
