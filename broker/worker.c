#include "worker.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "io/sys.h"
#include "io/timer.h"
#include "traffic.h"

static void hand_over(struct worker *worker);

/* --- views ------------------------------------------------------------------------------------ */

/* A thread as its workers know it; it stays until the thread and all of them have let go. */
struct thread {
    atomic_uint references;
    atomic_bool ended;
};

enum { SELVES = 4 };

static _Thread_local struct {
    struct thread *thread; /* NULL: no worker yet */
    struct {
        uint64_t broker; /* its id; never an address that may be used again */
        struct worker *worker;
    } in[SELVES]; /* found last, by the broker's id */
} self;

static void let_go(struct thread *thread)
{
    if (thread != NULL && atomic_fetch_sub(&thread->references, 1) == 1)
        free(thread);
}

static void on_thread_exit(void)
{
    if (self.thread == NULL)
        return;
    atomic_store(&self.thread->ended, true); /* its workers are for others now */
    let_go(self.thread);
    self.thread = NULL;
}

/* The calling thread; NULL: no memory. */
static struct thread *this_thread(void)
{
    if (self.thread == NULL && (self.thread = calloc(1, sizeof *self.thread)) != NULL) {
        atomic_init(&self.thread->references, 1);
        ppi_at_thread_exit(on_thread_exit);
    }
    return self.thread;
}

static void give_to(struct worker *worker, struct thread *thread)
{
    if (thread != NULL)
        atomic_fetch_add(&thread->references, 1);
    let_go(worker->thread);
    worker->thread = thread;
}

static struct worker *worker_new(struct broker *broker)
{
    struct worker *worker = calloc(1, sizeof *worker);

    if (worker == NULL)
        return NULL;
    ppi_mutex_init(&worker->view);
    worker->broker = broker;
    worker->arena = malloc(ARENA_BYTES);
    worker->traffic = traffic_new();
    if (worker->arena == NULL || worker->traffic == NULL) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

/* With the gate: the thread's own; else that of a thread that has ended, so that threads may come
 * and go; else a new one. Beyond WORKERS_MAX several threads share one, which its view allows. */
static struct worker *worker_for(struct broker *broker, struct thread *thread)
{
    unsigned count = atomic_load(&broker->worker_count);
    struct worker *worker = NULL;

    for (unsigned i = 0; i < count; i++)
        if (broker->workers[i]->thread == thread)
            return broker->workers[i];
    for (unsigned i = 0; i < count && worker == NULL; i++)
        if (broker->workers[i]->thread == NULL || atomic_load(&broker->workers[i]->thread->ended))
            worker = broker->workers[i];
    if (worker == NULL && count < broker->worker_max && (worker = worker_new(broker)) != NULL) {
        broker->workers[count] = worker;
        atomic_store(&broker->worker_count, count + 1);
    }
    if (worker == NULL)
        return count > 0 ? broker->workers[count - 1] : NULL;
    give_to(worker, thread);
    return worker;
}

struct worker *worker_self(struct broker *broker)
{
    unsigned place = broker->id % SELVES;

    if (PPI_LIKELY(self.in[place].broker == broker->id && self.in[place].worker != NULL))
        return self.in[place].worker;
    ppi_mutex_lock(&broker->gate);
    struct worker *worker = worker_for(broker, this_thread());
    ppi_mutex_unlock(&broker->gate);
    self.in[place].broker = broker->id;
    self.in[place].worker = worker;
    return worker;
}

void worker_enter(struct worker *worker)
{
    struct broker *broker = worker->broker;

    if (PPI_UNLIKELY(atomic_load_explicit(&broker->writers, memory_order_acquire) > 0)) {
        ppi_mutex_lock(&broker->gate); /* a writer goes first, or it would never get all views */
        ppi_mutex_unlock(&broker->gate);
    }
    ppi_mutex_lock(&worker->view);
}

void worker_leave(struct worker *worker)
{
    ppi_check(worker->box_count == 0 && worker->run.route == NULL && worker->corked == NULL);
    worker->since = 0;
    ppi_mutex_unlock(&worker->view);
}

void worker_write_begin(struct worker *worker)
{
    struct broker *broker = worker->broker;

    hand_over(worker);
    ppi_mutex_unlock(&worker->view);
    atomic_fetch_add_explicit(&broker->writers, 1, memory_order_acq_rel);
    ppi_mutex_lock(&broker->gate);
    for (unsigned i = 0; i < atomic_load(&broker->worker_count); i++)
        ppi_mutex_lock(&broker->workers[i]->view);
}

void worker_write_end(struct worker *worker)
{
    struct broker *broker = worker->broker;

    for (unsigned i = 0; i < atomic_load(&broker->worker_count); i++)
        if (broker->workers[i] != worker)
            ppi_mutex_unlock(&broker->workers[i]->view);
    atomic_fetch_sub_explicit(&broker->writers, 1, memory_order_acq_rel);
    ppi_mutex_unlock(&broker->gate);
}

/* --- what is collected ----------------------------------------------------------------------- */

uint8_t *worker_space(struct worker *worker, size_t bytes, unsigned sizes)
{
    ppi_check(bytes <= ARENA_BYTES && sizes <= SIZES_MAX);
    if (bytes > ARENA_BYTES - worker->arena_used || sizes > SIZES_MAX - worker->size_count)
        worker_send(worker);
    uint8_t *memory = worker->arena + worker->arena_used;
    worker->arena_used += bytes;
    return memory;
}

void worker_add_size(struct worker *worker, unsigned first, uint32_t size, uint32_t count)
{
    struct ppi_sizes *last =
        worker->size_count > first ? &worker->sizes[worker->size_count - 1] : NULL;

    if (last != NULL && last->size == size)
        last->count += count;
    else
        worker->sizes[worker->size_count++] = (struct ppi_sizes){ size, count };
}

static unsigned slot_of(const struct ppi_link *link)
{
    return (unsigned)(((uintptr_t)link >> 6) * 0x9E3779B1u >> 16) % (BOXES * 2);
}

/* The receiver's box; a new one if it has none. */
static struct box *box_for(struct worker *worker, struct ppi_link *link)
{
    unsigned slot = slot_of(link);

    for (; worker->slots[slot] != 0; slot = (slot + 1) % (BOXES * 2)) {
        struct box *box = &worker->boxes[worker->slots[slot] - 1];

        if (box->link == link)
            return box;
    }
    struct box *box = &worker->boxes[worker->box_count++];
    worker->slots[slot] = (uint8_t)worker->box_count;
    box->link = link;
    box->count = 0;
    return box;
}

static void send_box(const struct worker *worker, struct box *box)
{
    if (box->count > 0)
        ppi_link_send(box->link, box->parcels, box->count, worker->since);
    box->count = 0;
}

void worker_cork(struct worker *worker, struct ppi_link *link)
{
    if (worker->corked == NULL && ppi_link_cork(link))
        worker->corked = link;
    hand_over(worker);
}

/* Sends every box; the arena and the sizes stay, for who is still writing into them. */
static void send_boxes(struct worker *worker)
{
    for (unsigned i = 0; i < worker->box_count; i++)
        send_box(worker, &worker->boxes[i]);
    if (worker->box_count > 0)
        memset(worker->slots, 0, sizeof worker->slots);
    worker->box_count = 0;
}

/* Collects parcels that must go out in one send: another worker may send to the link between two.
 */
static void collect(struct worker *worker, struct ppi_link *link, const struct ppi_parcel *parcels,
                    int count)
{
    if (worker->box_count == BOXES)
        send_boxes(worker);
    struct box *box = box_for(worker, link);
    if (count > BOX_PARCELS - box->count)
        send_box(worker, box);
    for (int i = 0; i < count; i++)
        box->parcels[box->count++] = parcels[i];
}

void worker_collect(struct worker *worker, struct ppi_link *link, const struct ppi_parcel *parcel)
{
    collect(worker, link, parcel, 1);
}

void worker_collect_parts(struct worker *worker, struct ppi_link *link, const pp_piece parts[3],
                          void *tag)
{
    const pp_piece *head = &parts[0], *rest = &parts[1], *tail = &parts[2];
    size_t size = head->length + rest->length + tail->length;
    bool small = size <= SMALL_FRAME_BYTES;
    uint8_t *copy = worker_space(worker, small ? size : size - rest->length, 1);
    uint8_t *end = copy + head->length;
    struct ppi_sizes *sizes = &worker->sizes[worker->size_count++];

    *sizes = (struct ppi_sizes){ (uint32_t)size, 1 };
    memcpy(copy, head->data, head->length);
    if (small && rest->length > 0) {
        memcpy(end, rest->data, rest->length);
        end += rest->length;
    }
    if (tail->length > 0)
        memcpy(end, tail->data, tail->length);
    const struct ppi_parcel parcels[] = {
        { copy, small ? size : head->length, tag, sizes, 1 },
        { rest->data, rest->length, NULL, NULL, 0 }, /* its bytes are in the first one's sizes */
        { end, tail->length, NULL, NULL, 0 },
    };
    collect(worker, link, parcels, small ? 1 : tail->length > 0 ? 3 : 2);
}

void worker_collect_frame(struct worker *worker, struct ppi_link *link, const void *head,
                          size_t head_size, const void *rest, size_t rest_size, void *tag)
{
    const pp_piece parts[] = { { head, head_size }, { rest, rest_size }, { NULL, 0 } };

    worker_collect_parts(worker, link, parts, tag);
}

/* Gives all that was collected to the links, which a corked one does not write yet. */
static void hand_over(struct worker *worker)
{
    send_boxes(worker);
    worker->arena_used = 0;
    worker->size_count = 0;
    worker->sends++;
}

void worker_send(struct worker *worker)
{
    struct ppi_link *corked = worker->corked;

    hand_over(worker);
    worker->corked = NULL;
    if (corked != NULL)
        ppi_link_uncork(corked);
}

void worker_free(struct worker *worker)
{
    if (worker == NULL)
        return;
    for (struct call *call = worker->free_calls, *next; call != NULL; call = next) {
        next = call->next;
        free(call);
    }
    let_go(worker->thread);
    traffic_free(worker->traffic);
    free(worker->arena);
    ppi_mutex_deinit(&worker->view);
    free(worker);
}
