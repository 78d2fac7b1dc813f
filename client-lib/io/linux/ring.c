/* ring.c: an io_uring without liburing: three system calls and two queues in shared memory. Of
 * liburing this would be what is below, and a library more for every program to find.
 *
 * The kernel's half of an index is read with acquire and ours written with release; entries are
 * ours until the tail says otherwise, completions until the head does.
 *
 * Rings need Linux 6.1 here, where deferred task work came: without it, whatever ends interrupts
 * the system calls of the thread that submitted it. */
#define _GNU_SOURCE
#include "io/linux/ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/sys.h"

enum { SQ_ENTRIES = 128, CQ_ENTRIES = 1024 };
enum { TEST_MS = 2000 };

static const uint32_t setup_flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
                                    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                    IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED;
/* One mapping; no completion is lost; waits with a deadline; sockets are polled for us; what an
 * entry says is read when it is submitted. */
static const uint32_t features_needed = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP |
                                        IORING_FEAT_EXT_ARG | IORING_FEAT_FAST_POLL |
                                        IORING_FEAT_SUBMIT_STABLE;
static const uint8_t operations_needed[] = { IORING_OP_RECV, IORING_OP_SEND, IORING_OP_POLL_ADD,
                                             IORING_OP_ASYNC_CANCEL };

static int register_with(int fd, unsigned what, void *argument, unsigned count)
{
    return (int)syscall(__NR_io_uring_register, fd, what, argument, count) < 0 ? errno : 0;
}

static _Atomic uint32_t *word_at(const struct ppi_ring *ring, uint32_t offset)
{
    return (_Atomic uint32_t *)(void *)((char *)ring->memory + offset);
}

static void *map(int fd, size_t size, off_t what)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, size, MADV_DONTFORK); /* a child has no part in it */
    return memory;
}

static int map_queues(struct ppi_ring *ring, const struct io_uring_params *params)
{
    size_t sq_size = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
    size_t cq_size = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);

    ring->memory_size = sq_size > cq_size ? sq_size : cq_size;
    ring->sqes_size = params->sq_entries * sizeof(struct io_uring_sqe);
    ring->memory = map(ring->fd, ring->memory_size, IORING_OFF_SQ_RING);
    ring->sqes = map(ring->fd, ring->sqes_size, IORING_OFF_SQES);
    if (ring->memory == NULL || ring->sqes == NULL)
        return ENOMEM;

    ring->sq_entries = params->sq_entries;
    ring->cq_entries = params->cq_entries;
    ring->sq_head = word_at(ring, params->sq_off.head);
    ring->sq_tail = word_at(ring, params->sq_off.tail);
    ring->sq_flags = word_at(ring, params->sq_off.flags);
    ring->cq_head = word_at(ring, params->cq_off.head);
    ring->cq_tail = word_at(ring, params->cq_off.tail);
    ring->cqes = (const void *)((char *)ring->memory + params->cq_off.cqes);
    uint32_t *array = (uint32_t *)(void *)((char *)ring->memory + params->sq_off.array);
    for (uint32_t i = 0; i < params->sq_entries; i++)
        array[i] = i; /* entries are used in their order */
    return 0;
}

int ppi_ring_open(struct ppi_ring *ring)
{
    struct io_uring_params params = { .flags = setup_flags, .cq_entries = CQ_ENTRIES };

    *ring = (struct ppi_ring){ .fd = -1 };
    int fd = (int)syscall(__NR_io_uring_setup, SQ_ENTRIES, &params);
    if (fd < 0)
        return errno;
    ring->fd = fd; /* the kernel has made it close-on-exec */
    int number =
        (params.features & features_needed) == features_needed ? map_queues(ring, &params) : ENOSYS;
    if (number != 0)
        ppi_ring_close(ring);
    return number;
}

void ppi_ring_close(struct ppi_ring *ring)
{
    if (ring->sqes != NULL)
        munmap(ring->sqes, ring->sqes_size);
    if (ring->memory != NULL)
        munmap(ring->memory, ring->memory_size);
    if (ring->fd >= 0)
        close(ring->fd);
    *ring = (struct ppi_ring){ .fd = -1 };
}

void ppi_ring_forget(struct ppi_ring *ring)
{
    ring->memory = NULL;
    ring->sqes = NULL;
}

int ppi_ring_begin(struct ppi_ring *ring)
{
    return register_with(ring->fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

struct io_uring_sqe *ppi_ring_entry(struct ppi_ring *ring)
{
    uint32_t head = atomic_load_explicit(ring->sq_head, memory_order_acquire);

    if (ring->tail - head == ring->sq_entries)
        return NULL;
    struct io_uring_sqe *entry = &ring->sqes[ring->tail++ & (ring->sq_entries - 1)];
    memset(entry, 0, sizeof *entry);
    return entry;
}

int ppi_ring_enter(struct ppi_ring *ring, uint64_t deadline_ns)
{
    struct __kernel_timespec left = { 0, 0 };
    struct io_uring_getevents_arg argument = { .ts = 0 };

    if (deadline_ns != 0 && deadline_ns != PPI_FOREVER) {
        uint64_t now_ns = ppi_now_ns(), left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;

        left.tv_sec = (int64_t)(left_ns / 1000000000u);
        left.tv_nsec = (int64_t)(left_ns % 1000000000u);
        argument.ts = (uint64_t)(uintptr_t)&left;
    }
    atomic_store_explicit(ring->sq_tail, ring->tail, memory_order_release);
    long done =
        syscall(__NR_io_uring_enter, ring->fd, ring->tail - ring->submitted, deadline_ns != 0,
                IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
    int number = done < 0 ? errno : 0;
    /* Who waits in vain hears of that, and not of what it has submitted. */
    ring->submitted = atomic_load_explicit(ring->sq_head, memory_order_acquire);
    return number == ETIME || number == EINTR || number == EAGAIN || number == EBUSY ? 0 : number;
}

bool ppi_ring_has_ended(const struct ppi_ring *ring)
{
    return atomic_load_explicit(ring->cq_tail, memory_order_acquire) !=
           atomic_load_explicit(ring->cq_head, memory_order_relaxed);
}

bool ppi_ring_wants_enter(const struct ppi_ring *ring)
{
    const uint32_t work = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW;

    return ring->tail != ring->submitted ||
           (atomic_load_explicit(ring->sq_flags, memory_order_acquire) & work) != 0;
}

bool ppi_ring_take(struct ppi_ring *ring, struct io_uring_cqe *cqe)
{
    uint32_t head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);

    if (!ppi_ring_has_ended(ring))
        return false;
    *cqe = ring->cqes[head & (ring->cq_entries - 1)];
    atomic_store_explicit(ring->cq_head, head + 1, memory_order_release);
    return true;
}

/* --- trying one out ------------------------------------------------------------------------- */

static bool knows_operations(int fd)
{
    enum { COUNT = IORING_OP_SEND_ZC }; /* as many as Linux 6.0 had */
    enum { SIZE = sizeof(struct io_uring_probe) + COUNT * sizeof(struct io_uring_probe_op) };
    _Alignas(struct io_uring_probe) unsigned char answer[SIZE] = { 0 };
    const struct io_uring_probe *probe = (const void *)answer;

    if (register_with(fd, IORING_REGISTER_PROBE, answer, COUNT) != 0)
        return false;
    for (size_t i = 0; i < sizeof operations_needed; i++)
        if ((probe->ops[operations_needed[i]].flags & IO_URING_OP_SUPPORTED) == 0)
            return false;
    return true;
}

static void put(struct ppi_ring *ring, uint8_t operation, int fd, void *data, uint32_t length)
{
    struct io_uring_sqe *entry = ppi_ring_entry(ring);

    entry->opcode = operation;
    entry->fd = fd;
    entry->addr = (uint64_t)(uintptr_t)data;
    entry->len = length;
    entry->user_data = operation;
}

/* What the next two operations to end had for results; which is first does not matter. */
static void two_results(struct ppi_ring *ring, int32_t results[IORING_OP_LAST])
{
    struct io_uring_cqe cqe;

    for (int i = 0; i < 2; i++) {
        if (!ppi_ring_has_ended(ring))
            ppi_ring_enter(ring, ppi_deadline_ns(TEST_MS));
        if (ppi_ring_take(ring, &cqe))
            results[cqe.user_data % IORING_OP_LAST] = cqe.res;
    }
}

/* A byte that comes while it is waited for, one that is sent, and a wait that is given up. */
static bool round_trips(struct ppi_ring *ring, const int pair[2])
{
    static char byte, sent = 'x'; /* whatever happens, the kernel has no memory that is gone */
    int32_t results[IORING_OP_LAST] = { 0 };

    put(ring, IORING_OP_RECV, pair[0], &byte, 1);
    if (ppi_ring_enter(ring, 0) != 0 || ppi_ring_has_ended(ring))
        return false;
    put(ring, IORING_OP_SEND, pair[1], &sent, 1);
    two_results(ring, results);
    if (results[IORING_OP_SEND] != 1 || results[IORING_OP_RECV] != 1 || byte != 'x')
        return false;
    put(ring, IORING_OP_RECV, pair[0], &byte, 1);
    ppi_ring_enter(ring, 0);
    put(ring, IORING_OP_ASYNC_CANCEL, -1, (void *)(uintptr_t)IORING_OP_RECV, 0);
    two_results(ring, results);
    return results[IORING_OP_ASYNC_CANCEL] == 0 && results[IORING_OP_RECV] == -ECANCELED;
}

static bool works(struct ppi_ring *ring)
{
    int pair[2];

    if (!knows_operations(ring->fd) || ppi_ring_begin(ring) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    bool well = round_trips(ring, pair);
    close(pair[0]);
    close(pair[1]);
    return well;
}

static bool tried_well;

static void try_out(void)
{
    struct ppi_ring ring;

    tried_well = ppi_ring_open(&ring) == 0 && works(&ring);
    ppi_ring_close(&ring);
}

bool ppi_rings_work(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, try_out);
    return tried_well;
}
