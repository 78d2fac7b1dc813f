/* queue_iocp.c: the queue of a port is a completion port of the kernel's.
 *
 * The kernel keeps the packets in order, wakes the worker that began to wait last and holds back
 * those beyond the concurrency value; there is nothing to do but to translate. A packet's
 * OVERLAPPED lies in a pp_op, which leads to everything else. Its completion key says whose it is:
 * the address of the pp_handle whose pipe made it, or of the pp_port for what was posted here: an
 * operation that has ended already. Users' keys stay in user space. A completion port that was
 * adopted has packets of its owner's, too; so the keys that are ours are kept in a map then.
 *
 * The end: closing the kernel's port would free the waiters, but not on Wine, and an adopted one is
 * not ours to close. So one packet, the relay, is posted; whoever gets it posts it again as long
 * as others wait. Nobody new waits by then. The shutting-down thread takes packets until the relay
 * has come home, so that none is left in somebody else's port. */
#include <stdlib.h>
#include <string.h>

#include <winternl.h>

#include "base/check.h"
#include "base/status.h"
#include "io/handle.h"
#include "io/port.h"
#include "io/queue.h"
#include "io/win/win.h"

enum {
    BATCH_MAX = 64, /* packets taken from the kernel at once */
    SLICE_MS = 10   /* how often the shutting-down thread looks whether it must still wait */
};

/* A thread's relation to the port from which it took last. Holds a reference on the port. */
static _Thread_local struct {
    pp_port *port; /* NULL: none */
    bool hooked;
} seat;

/* --- opening and closing --------------------------------------------------------------------- */

int ppi_queue_open(pp_port *port, const pp_port_config *config)
{
    const char *wanted = ppi_environment("PANPIPE_DRIVER");

    if (wanted != NULL && wanted[0] != '\0' && strcmp(wanted, "iocp") != 0)
        return ppi_fail(PP_EINVAL, "PANPIPE_DRIVER=%s is not known here; use iocp", wanted);

    struct ppi_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    ppi_mutex_init(&queue->lock);
    ppi_list_init(&queue->timers);
    queue->adopted = config->native != NULL;
    queue->port = config->native;
    port->queue = queue;
    if (queue->adopted)
        return PP_OK;
    port->concurrency = config->concurrency != 0 ? config->concurrency : ppi_processors();
    queue->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, port->concurrency);
    return queue->port != NULL ? PP_OK : ppi_win_fail(GetLastError(), "CreateIoCompletionPort");
}

void ppi_queue_close(pp_port *port)
{
    struct ppi_queue *queue = port->queue;

    if (queue == NULL)
        return;
    ppi_check(ppi_list_empty(&queue->timers));
    if (queue->port != NULL && !queue->adopted)
        CloseHandle(queue->port);
    ppi_map_deinit(&queue->own);
    ppi_mutex_deinit(&queue->lock);
    free(queue);
}

/* --- packets --------------------------------------------------------------------------------- */

/* Did one of our pipes make the packet, or did we? */
static bool is_own(pp_port *port, uintptr_t key)
{
    struct ppi_queue *queue = port->queue;

    if (!queue->adopted || key == (uintptr_t)port)
        return true;
    ppi_mutex_lock(&queue->lock);
    bool own = ppi_map_get(&queue->own, key) != NULL;
    ppi_mutex_unlock(&queue->lock);
    return own;
}

/* A post fails only while the kernel has no memory for a packet, which passes. */
static void post(struct ppi_queue *queue, pp_port *key, OVERLAPPED *overlapped)
{
    while (!PostQueuedCompletionStatus(queue->port, 0, (ULONG_PTR)key, overlapped)) {
        int status = ppi_win_status(GetLastError());
        bool passes = status == PP_ENOMEM || status == PP_ELIMIT;

        ppi_check(passes);
        if (!passes)
            return;
        ppi_sleep_ms(1);
    }
}

void ppi_queue_push(pp_port *port, pp_op *op)
{
    post(port->queue, port, ppi_overlapped(op));
}

/* The relay came: on it goes, unless nobody waits any more. */
static void pass_relay(pp_port *port)
{
    struct ppi_queue *queue = port->queue;

    if (atomic_load(&queue->waiting) > 0)
        post(queue, port, &queue->relay);
    else
        atomic_store(&queue->relayed, false);
}

/* What one of our packets means; NULL: nothing for the user. */
static pp_op *op_of(pp_port *port, uintptr_t key, OVERLAPPED *overlapped)
{
    if (overlapped == &port->queue->relay) {
        pass_relay(port);
        return NULL;
    }
    pp_op *op = PP_CONTAINER(overlapped, pp_op, priv_.system);
    if (key == (uintptr_t)port)
        return op;
    return op->priv_.handle->driver->completed(op) ? op : NULL;
}

/* Fills packet from an entry of the kernel's; false: it was the library's own business. */
static bool translate(pp_port *port, const OVERLAPPED_ENTRY *entry, pp_packet *packet)
{
    if (!is_own(port, entry->lpCompletionKey)) {
        NTSTATUS status = (NTSTATUS)entry->Internal;

        *packet =
            (pp_packet){ .key = entry->lpCompletionKey,
                         .bytes = entry->dwNumberOfBytesTransferred,
                         .status =
                             status == 0 ? PP_OK : ppi_win_status(RtlNtStatusToDosError(status)),
                         .flags = PP_PACKET_FOREIGN,
                         .foreign = entry->lpOverlapped };
        return true;
    }
    packet->op = op_of(port, entry->lpCompletionKey, entry->lpOverlapped);
    return packet->op != NULL;
}

/* --- workers --------------------------------------------------------------------------------- */

/* A thread counts for the port it took from last until it takes from another: from this one, which
 * is always empty. */
static HANDLE nowhere(void)
{
    static HANDLE _Atomic port;
    HANDLE found = atomic_load(&port), made;

    if (found != NULL)
        return found;
    made = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    if (made != NULL && !atomic_compare_exchange_strong(&port, &found, made)) {
        CloseHandle(made);
        return found;
    }
    return made;
}

static void leave_seat(void)
{
    pp_port *port = seat.port;
    OVERLAPPED_ENTRY entry;
    ULONG count;

    if (port == NULL)
        return;
    seat.port = NULL;
    GetQueuedCompletionStatusEx(nowhere(), &entry, 1, &count, 0, FALSE);
    ppi_port_unref(port);
}

/* From now on the caller holds the reference that the seat held, or a new one. */
static void come_back(pp_port *port)
{
    if (seat.port == port) {
        seat.port = NULL;
        return;
    }
    if (seat.port != NULL) {
        ppi_port_unref(seat.port);
        seat.port = NULL;
    }
    ppi_port_ref(port);
}

static void sit_down(pp_port *port)
{
    seat.port = port; /* with the caller's reference */
    if (!seat.hooked) {
        seat.hooked = true;
        ppi_at_thread_exit(leave_seat);
    }
}

/* Asks the kernel once: how many packets came, PP_ECLOSED, or 0. *over: the deadline. */
static int look(pp_port *port, pp_packet *packets, int count, uint64_t deadline_ns, bool *over)
{
    struct ppi_queue *queue = port->queue;
    OVERLAPPED_ENTRY entries[BATCH_MAX];
    ULONG got = 0;
    int taken = 0;

    atomic_fetch_add(&queue->waiting, 1);
    bool ended = atomic_load(&queue->ended), timeout = false;
    if (!ended &&
        !GetQueuedCompletionStatusEx(queue->port, entries, count < BATCH_MAX ? count : BATCH_MAX,
                                     &got, (DWORD)ppi_until_ms(deadline_ns), FALSE)) {
        timeout = GetLastError() == WAIT_TIMEOUT;
        ended = !timeout; /* the port is gone: its owner has closed it */
        got = 0;
    }
    atomic_fetch_sub(&queue->waiting, 1);
    for (ULONG i = 0; i < got; i++)
        taken += translate(port, &entries[i], &packets[taken]);
    *over = timeout && ppi_until_ms(deadline_ns) == 0; /* the system's clock ticks coarsely */
    return taken == 0 && (ended || atomic_load(&queue->ended)) ? PP_ECLOSED : taken;
}

int ppi_queue_take(pp_port *port, pp_packet *packets, int count, uint64_t deadline_ns)
{
    bool over = false;
    int taken = 0;

    come_back(port);
    while (taken == 0 && !over)
        taken = look(port, packets, count, deadline_ns, &over);
    if (taken > 0)
        sit_down(port);
    else
        ppi_port_unref(port);
    return taken;
}

int ppi_queue_claim(pp_port *port, void *overlapped, uintptr_t key, uint32_t bytes,
                    pp_packet *packet)
{
    const OVERLAPPED_ENTRY entry = { .lpCompletionKey = key,
                                     .lpOverlapped = overlapped,
                                     .dwNumberOfBytesTransferred = bytes };

    if (!port->queue->adopted || !is_own(port, key))
        return PP_ENOTFOUND;
    return translate(port, &entry, packet);
}

int ppi_queue_lend(pp_port *port, int *descriptor)
{
    (void)port;
    (void)descriptor;
    return ppi_fail(PP_ENOTSUP, "not on Windows: give pp_port_open your own completion port, "
                                "config.native, and let pp_port_claim have what it delivers");
}

void ppi_queue_end(pp_port *port)
{
    struct ppi_queue *queue = port->queue;

    atomic_store(&queue->ended, true);
    if (atomic_load(&queue->waiting) > 0 && !atomic_exchange(&queue->relayed, true))
        post(queue, port, &queue->relay);
}

bool ppi_queue_drop(pp_port *port, pp_packet *packet, uint64_t deadline_ns)
{
    struct ppi_queue *queue = port->queue;
    bool in_time = true;

    while (atomic_load(&port->outstanding) > 0 || atomic_load(&queue->relayed)) {
        uint64_t slice_ns = ppi_deadline_ns(SLICE_MS);
        OVERLAPPED_ENTRY entry;
        ULONG got;

        packet->op = ppi_timer_drop(queue);
        if (packet->op != NULL)
            return true;
        if (slice_ns > deadline_ns)
            slice_ns = deadline_ns;
        if (GetQueuedCompletionStatusEx(queue->port, &entry, 1, &got, (DWORD)ppi_until_ms(slice_ns),
                                        FALSE)) {
            if (translate(port, &entry, packet))
                return true;
            if (entry.lpOverlapped == &queue->relay)
                ppi_sleep_ms(1); /* it is for the others: let them have it */
        } else if (!in_time) {
            return false;
        }
        in_time = ppi_now_ns() < deadline_ns;
    }
    return false;
}

void ppi_queue_detach(pp_port *port)
{
    if (port == NULL || seat.port == port)
        leave_seat();
}

void ppi_queue_info(pp_port *port, pp_port_stats *stats)
{
    stats->waiting = atomic_load(&port->queue->waiting);
    stats->driver = "iocp";
}

/* --- what the system does by itself ---------------------------------------------------------- */

void pp_blocking_begin(void)
{
}

void pp_blocking_end(void)
{
}
