/* requests.c: see requests.h. */
#define _GNU_SOURCE
#include "io/linux/requests.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/linux/linux.h"

enum { SLOTS_MIN = 16, LENGTH_MAX = 1 << 30 };
#define NO_SLOT UINT32_MAX

struct request {
    void *data;
    uint32_t length;
    uint8_t kind;
    enum { NONE, WANTED, WITH_KERNEL } state;
    bool cancel; /* the kernel is to be asked to end it */
};

struct ppi_slot {
    pp_handle *handle; /* NULL: free, or its requests are still to end */
    int fd;
    bool listed;
    uint32_t next; /* listed, or free */
    struct request lanes[PPI_LANES];
};

bool ppi_requests_init(struct ppi_requests *requests)
{
    ppi_mutex_init(&requests->lock);
    requests->first_free = requests->first_listed = NO_SLOT;
    requests->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return requests->kick_fd >= 0;
}

void ppi_requests_deinit(struct ppi_requests *requests)
{
    if (requests->kick_fd >= 0)
        close(requests->kick_fd);
    ppi_mutex_deinit(&requests->lock);
    free(requests->slots);
}

void ppi_requests_kick(struct ppi_requests *requests)
{
    (void)!eventfd_write(requests->kick_fd, 1);
}

/* --- the owner's part ----------------------------------------------------------------------------
 */

struct io_uring_sqe *ppi_entry(struct ppi_ring *ring, uint32_t index, enum ppi_entry_kind kind)
{
    struct io_uring_sqe *entry = ppi_ring_entry(ring);

    if (entry != NULL)
        entry->user_data = (uint64_t)index << PPI_KIND_BITS | kind;
    return entry;
}

static bool put_request(struct ppi_requests *requests, struct ppi_ring *ring, uint32_t index,
                        struct request *request)
{
    static const uint8_t opcodes[] = { IORING_OP_RECV, IORING_OP_SEND, IORING_OP_POLL_ADD };
    struct io_uring_sqe *entry = ppi_entry(ring, index, request->kind);

    if (entry == NULL)
        return false;
    entry->opcode = opcodes[request->kind];
    entry->fd = requests->slots[index].fd;
    if (request->kind == PPI_WATCH) {
        entry->poll_events = POLLIN | POLLRDHUP;
    } else {
        entry->addr = (uint64_t)(uintptr_t)request->data;
        entry->len = request->length;
        entry->msg_flags = request->kind == PPI_SEND ? MSG_NOSIGNAL | MSG_WAITALL : 0;
    }
    request->state = WITH_KERNEL;
    requests->with_kernel++;
    return true;
}

static bool put_cancel(struct ppi_ring *ring, uint32_t index, struct request *request)
{
    struct io_uring_sqe *entry = ppi_entry(ring, index, PPI_CANCEL);

    if (entry == NULL)
        return false;
    entry->opcode = IORING_OP_ASYNC_CANCEL;
    entry->fd = -1;
    entry->addr = (uint64_t)index << PPI_KIND_BITS | request->kind;
    request->cancel = false;
    return true;
}

/* With the lock. Nobody has the slot any more, and nothing of it is with the kernel? */
static void free_slot_if_idle(struct ppi_requests *requests, uint32_t index)
{
    struct ppi_slot *slot = &requests->slots[index];

    if (slot->handle != NULL || slot->listed || slot->lanes[PPI_IN].state != NONE ||
        slot->lanes[PPI_OUT].state != NONE)
        return;
    slot->next = requests->first_free;
    requests->first_free = index;
}

/* What the slot wants becomes entries; false: there is no room for all of it. */
static bool put_slot(struct ppi_requests *requests, struct ppi_ring *ring, uint32_t index)
{
    for (int lane = 0; lane < PPI_LANES; lane++) {
        struct request *request = &requests->slots[index].lanes[lane];

        if ((request->state == WANTED && !put_request(requests, ring, index, request)) ||
            (request->cancel && !put_cancel(ring, index, request)))
            return false;
    }
    return true;
}

bool ppi_requests_put(struct ppi_requests *requests, struct ppi_ring *ring, bool would_sleep)
{
    ppi_mutex_lock(&requests->lock);
    while (requests->first_listed != NO_SLOT && put_slot(requests, ring, requests->first_listed)) {
        uint32_t index = requests->first_listed;

        requests->first_listed = requests->slots[index].next;
        requests->slots[index].listed = false;
        free_slot_if_idle(requests, index);
    }
    requests->asleep = would_sleep && requests->first_listed == NO_SLOT;
    bool sleeps = requests->asleep;
    ppi_mutex_unlock(&requests->lock);
    return sleeps;
}

void ppi_requests_awake(struct ppi_requests *requests)
{
    ppi_mutex_lock(&requests->lock);
    requests->asleep = false;
    ppi_mutex_unlock(&requests->lock);
}

pp_handle *ppi_requests_end(struct ppi_requests *requests, uint32_t index, int lane)
{
    ppi_mutex_lock(&requests->lock);
    struct ppi_slot *slot = &requests->slots[index];
    pp_handle *handle = slot->handle != NULL ? ppi_handle_ref(slot->handle) : NULL;
    slot->lanes[lane].state = NONE;
    slot->lanes[lane].cancel = false;
    requests->with_kernel--;
    free_slot_if_idle(requests, index);
    ppi_mutex_unlock(&requests->lock);
    return handle;
}

/* --- handles --------------------------------------------------------------------------------- */

/* With the lock. */
static int add_slots(struct ppi_requests *requests)
{
    uint32_t count = requests->slot_count == 0 ? SLOTS_MIN : requests->slot_count * 2;
    struct ppi_slot *slots = realloc(requests->slots, count * sizeof *slots);

    if (slots == NULL)
        return PP_ENOMEM;
    for (uint32_t i = requests->slot_count; i < count; i++)
        slots[i] = (struct ppi_slot){ .next = i + 1 < count ? i + 1 : NO_SLOT };
    requests->first_free = requests->slot_count;
    requests->slots = slots;
    requests->slot_count = count;
    return PP_OK;
}

/* With the lock: the owner is to look at the slot. true: it sleeps; kick it when the lock is free.
 */
static bool enlist(struct ppi_requests *requests, uint32_t index)
{
    struct ppi_slot *slot = &requests->slots[index];

    if (!slot->listed) {
        slot->listed = true;
        slot->next = requests->first_listed;
        requests->first_listed = index;
    }
    bool slept = requests->asleep;
    requests->asleep = false;
    return slept;
}

int ppi_requests_add(struct ppi_requests *requests, pp_handle *handle)
{
    int status = PP_OK;

    ppi_mutex_lock(&requests->lock);
    if (requests->first_free == NO_SLOT)
        status = add_slots(requests);
    if (status == PP_OK) {
        uint32_t index = requests->first_free;

        requests->first_free = requests->slots[index].next;
        requests->slots[index] = (struct ppi_slot){ .handle = handle, .fd = handle->os.fd };
        handle->os.slot = index;
        handle->os.watched = true;
    }
    ppi_mutex_unlock(&requests->lock);
    if (status != PP_OK)
        return status;
    /* what it does not wait for, the kernel would not wait for either */
    fcntl(handle->os.fd, F_SETFL, fcntl(handle->os.fd, F_GETFL) & ~O_NONBLOCK);
    return PP_OK;
}

/* What the kernel watches it keeps open: so the other side hears of the end from a shutdown. */
void ppi_requests_remove(struct ppi_requests *requests, pp_handle *handle)
{
    if (!handle->os.watched)
        return;
    ppi_mutex_lock(&requests->lock);
    uint32_t index = handle->os.slot;
    struct request *request = &requests->slots[index].lanes[PPI_IN];
    bool kept = request->state == WITH_KERNEL, kick = false;
    requests->slots[index].handle = NULL;
    if (kept) {
        request->cancel = true;
        kick = enlist(requests, index);
    } else {
        request->state = NONE;
        free_slot_if_idle(requests, index);
    }
    ppi_mutex_unlock(&requests->lock);
    if (kick)
        ppi_requests_kick(requests);
    if (kept)
        shutdown(handle->os.fd, SHUT_RDWR);
    handle->os.watched = false;
}

static void fill_request(struct request *request, const pp_op *op)
{
    struct iovec piece = { (void *)(uintptr_t)op->priv_.data, op->priv_.length };

    request->kind = op->priv_.lane == PPI_OUT    ? PPI_SEND
                    : op->priv_.kind == PPI_READ ? PPI_RECEIVE
                                                 : PPI_WATCH;
    if (request->kind == PPI_SEND)
        ppi_pieces_left(op, &piece, 1);
    request->data = piece.iov_base;
    request->length = piece.iov_len < LENGTH_MAX ? (uint32_t)piece.iov_len : LENGTH_MAX;
}

/* A watch that is there already serves whatever comes after what it was for. */
void ppi_requests_await(struct ppi_requests *requests, pp_handle *handle, const pp_op *op)
{
    bool kick = false;

    ppi_mutex_lock(&requests->lock);
    struct request *request = &requests->slots[handle->os.slot].lanes[op->priv_.lane];
    if (request->state == NONE) {
        fill_request(request, op);
        request->state = WANTED;
        kick = enlist(requests, handle->os.slot);
    }
    handle->lanes[op->priv_.lane].submitted = request->kind != PPI_WATCH;
    ppi_mutex_unlock(&requests->lock);
    if (kick)
        ppi_requests_kick(requests);
}

bool ppi_requests_cancel(struct ppi_requests *requests, pp_handle *handle, const pp_op *op)
{
    struct ppi_lane *lane = &handle->lanes[op->priv_.lane];

    if (!lane->submitted)
        return true;
    ppi_mutex_lock(&requests->lock);
    struct request *request = &requests->slots[handle->os.slot].lanes[op->priv_.lane];
    bool ours = request->state == WANTED, kick = false;
    if (ours) {
        request->state = NONE;
    } else if (request->state == WITH_KERNEL) { /* else its completion is on its way */
        request->cancel = true;
        kick = enlist(requests, handle->os.slot);
    }
    ppi_mutex_unlock(&requests->lock);
    if (kick)
        ppi_requests_kick(requests);
    lane->submitted = !ours;
    handle->os.canceled[op->priv_.lane] = !ours;
    return ours;
}
