/* link.c: see link.h. In the order of a message's life: reading, sending, ending. */
#include "link/link.h"

#include "base/compiler.h"
#include "io/handle.h"
#include "io/op.h"
#include "io/port.h"
#include "io/timer.h"

/* --- what is pending -------------------------------------------------------------------------- */

/* Counts an operation in; false: the link is closing. */
static bool enter(struct ppi_link *link)
{
    ppi_mutex_lock(&link->lock);
    bool open = link->state != PPI_LINK_CLOSING;
    link->pending += open;
    ppi_mutex_unlock(&link->lock);
    return open;
}

/* Counts one out that has come back; true: it was a closing link's last. */
static bool count_out(struct ppi_link *link)
{
    ppi_mutex_lock(&link->lock);
    bool last = --link->pending == 0 && link->state == PPI_LINK_CLOSING;
    if (last)
        link->pending = 1; /* whoever is told makes an end */
    ppi_mutex_unlock(&link->lock);
    return last;
}

/* Of sampled ones, which are few: apart, so that the others cost nothing more. */
static PPI_NOINLINE void on_sample(struct ppi_link *link, void *tag, uint32_t count, bool lost,
                                   ppi_since since)
{
    link->events->timed(link, count, ppi_since_ns(since));
    link->events->sent(link, tag, count, lost);
}

static void on_mark(void *context, void *tag, uint32_t count, bool lost, ppi_since since)
{
    struct ppi_link *link = context;

    if (tag == NULL)
        return;
    if (PPI_FIGURES && PPI_UNLIKELY(ppi_since_is_sampled(since)))
        on_sample(link, tag, count, lost, since);
    else
        link->events->sent(link, tag, count, lost);
}

static void on_unsent(void *context, void *tag, const uint8_t *frame, size_t size)
{
    struct ppi_link *link = context;

    link->events->unsent(link, tag, frame, size);
}

/* At the end of a packet's handler: after a closing link's last one the link is over, and the
 * caller touches it no more. */
static void leave(struct ppi_link *link)
{
    if (!count_out(link))
        return;
    if (link->events->unsent != NULL && !link->torn)
        ppi_outq_unsent(&link->outq, link->attempt, on_unsent, link);
    ppi_mutex_lock(&link->lock);
    ppi_outq_deinit(&link->outq, on_mark, link); /* what is still queued is lost, and told so */
    ppi_mutex_unlock(&link->lock);
    pp_close(link->pipe);
    link->pipe = NULL;
    link->events->closed(link, link->why);
}

/* The same from anywhere else: the end comes from a packet's handler, as promised. */
static void leave_later(struct ppi_link *link)
{
    if (count_out(link))
        ppi_port_post(link->port, &link->close_op);
}

/* --- reading ---------------------------------------------------------------------------------- */

static enum ppi_verdict on_frame(void *context, const struct ppi_frame *frame)
{
    struct ppi_link *link = context;

    return link->events->frame(link, frame);
}

static bool on_urgent(void *context, const struct ppi_frame *frame)
{
    struct ppi_link *link = context;

    return link->events->urgent(link, frame);
}

/* Notes how the reader does, for whoever watches the time. */
static void note(struct ppi_link *link)
{
    bool held = atomic_load_explicit(&link->holding, memory_order_relaxed);
    size_t bytes = ppi_reader_half(&link->reader);
    size_t before = atomic_load_explicit(&link->half_bytes, memory_order_relaxed);

    atomic_store_explicit(&link->holding, link->reader.holding, memory_order_relaxed);
    if (bytes == 0 && before == 0)
        return;
    if (held && !link->reader.holding)
        before = 0; /* it was we who did not read on: the time starts again */
    uint64_t now_ns = bytes > 0 ? ppi_timer_now_ns(link->port) : 0;
    if (bytes == 0 || before == 0 || bytes < before)
        atomic_store_explicit(&link->half_began_ns, now_ns, memory_order_relaxed);
    if (bytes != before)
        atomic_store_explicit(&link->half_grew_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&link->half_bytes, bytes, memory_order_relaxed);
    if (bytes > 0 && link->events->half != NULL)
        link->events->half(link);
}

/* A batch, or a release, has ended with result: lets the owner send what was collected, and ends
 * the link if it was no good. */
static void end_batch(struct ppi_link *link, enum ppi_scan result)
{
    bool bad = result != PPI_SCAN_MORE && result != PPI_SCAN_FRAME;

    if (bad)
        link->events->bad(link, result);
    else if (link->events->batch != NULL)
        link->events->batch(link);
    link->events->end(link);
    if (result == PPI_SCAN_FRAME && !ppi_link_is_closing(link))
        ppi_link_close(link, PP_ENOMEM); /* the owner did not stop the reader: memory did */
    if (!bad)
        return;
    link->events->begin(link); /* after the last words were sent */
    ppi_link_finish(link, PP_EPROTO);
    link->events->end(link);
}

/* Starts the next read, unless enough is held back, or the link ends. With the turn. */
static void read_on(struct ppi_link *link)
{
    size_t kept = ppi_reader_bytes(&link->reader), room = 0;

    link->reading = false;
    if (link->reader.holding) {
        if (kept >= link->limits->read_ahead)
            return;
        room = link->limits->read_ahead - kept;
    }
    if (ppi_link_is_closing(link) || !enter(link))
        return;
    link->reading = true;
    int result = pp_read_pooled(link->pipe, &link->read_op, room);
    if (result != PP_PENDING) {
        link->reading = false;
        ppi_link_close(link, result);
        (void)count_out(link); /* never the last: the caller's own packet still counts */
    }
}

static void handle_batch(struct ppi_link *link, const void *data, size_t size)
{
    const struct ppi_sink sink = { link, on_frame, on_urgent };
    struct ppi_batch batch;

    atomic_fetch_add_explicit(&link->read_bytes, size, memory_order_relaxed);
    enum ppi_scan result = ppi_reader_feed(&link->reader, &batch, &sink, data, size);
    end_batch(link, result);
    if (result == PPI_SCAN_MORE && ppi_reader_keep(&link->reader, &batch) != PP_OK)
        ppi_link_close(link, PP_ENOMEM);
    note(link);
}

static void on_read(pp_op *op)
{
    struct ppi_link *link = PP_CONTAINER(op, struct ppi_link, read_op);

    ppi_mutex_lock(&link->turn);
    link->events->begin(link);
    if (op->status != PP_OK)
        ppi_link_close(link, op->status);
    if (op->status == PP_OK && !ppi_link_is_closing(link))
        handle_batch(link, op->buffer, (size_t)op->bytes);
    else
        link->events->end(link);
    if (op->status == PP_OK)
        pp_buffer_release(op->buffer);
    read_on(link);
    ppi_mutex_unlock(&link->turn);
    leave(link);
}

static void on_resume(pp_op *op)
{
    struct ppi_link *link = PP_CONTAINER(op, struct ppi_link, resume_op);
    const struct ppi_sink sink = { link, on_frame, on_urgent };

    ppi_mutex_lock(&link->lock);
    link->resuming = false;
    bool open = link->state == PPI_LINK_OPEN;
    ppi_mutex_unlock(&link->lock);
    ppi_mutex_lock(&link->turn);
    link->events->begin(link);
    end_batch(link, open ? ppi_reader_release(&link->reader, &sink) : PPI_SCAN_MORE);
    ppi_reader_keep(&link->reader, NULL);
    note(link);
    if (!link->reading)
        read_on(link);
    ppi_mutex_unlock(&link->turn);
    leave(link);
}

void ppi_link_resume(struct ppi_link *link)
{
    ppi_mutex_lock(&link->lock);
    bool post = link->state == PPI_LINK_OPEN && !link->resuming;
    link->resuming = link->resuming || post;
    link->pending += post;
    ppi_mutex_unlock(&link->lock);
    if (post)
        ppi_port_post(link->port, &link->resume_op);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* The system has taken bytes. With the lock; the caller unreserves them after it. */
static void taken(struct ppi_link *link, size_t bytes, bool from_queue)
{
    if (bytes == 0)
        return;
    link->attempt = from_queue ? 0 : link->attempt;
    atomic_fetch_add_explicit(&link->taken_bytes, bytes, memory_order_relaxed);
    ppi_outq_taken(&link->outq, bytes, from_queue, on_mark, link);
}

/* A write has failed. Who reads no more may have said something before it left, which is heard out:
 * then the end is that of what is read, and until then everything is queued. true: so it is. */
static bool outlives(struct ppi_link *link, int why)
{
    ppi_mutex_lock(&link->lock);
    bool open = link->state == PPI_LINK_OPEN;
    link->mute = open && why == PP_EPEERCLOSED && link->limits->hear_out;
    ppi_mutex_unlock(&link->lock);
    if (link->mute)
        ppi_link_wake_waiters(link);
    else
        ppi_link_close(link, why);
    return link->mute;
}

/* Writes what is queued, chunk by chunk; with the lock, which is released, by the one who writes.
 * true: no more goes out for now, and the caller must leave. false: a write is in flight, and its
 * packet's handler is now the one who writes. */
static bool pump(struct ppi_link *link)
{
    for (;;) {
        size_t size;
        const void *data = ppi_outq_front(&link->outq, &size);

        if (size == 0 || link->state == PPI_LINK_CLOSING || link->mute)
            break;
        link->attempt = size;
        ppi_mutex_unlock(&link->lock);
        int result = pp_write(link->pipe, &link->write_op, data, size);
        if (result == PP_PENDING)
            return false;
        if (result == PP_DONE)
            ppi_link_unreserve(link, size);
        else
            outlives(link, result);
        ppi_mutex_lock(&link->lock);
        if (result == PP_DONE)
            taken(link, size, true);
    }
    bool finished = link->state == PPI_LINK_FINISHING;
    link->writing = link->mute;
    ppi_mutex_unlock(&link->lock);
    if (finished)
        ppi_link_close(link, link->why);
    return true;
}

/* A write that a close has canceled may have gone out in part. */
static void on_write(pp_op *op)
{
    struct ppi_link *link = PP_CONTAINER(op, struct ppi_link, write_op);
    bool counts = op->status == PP_OK || op->status == PP_ECANCELED;
    size_t bytes = counts ? (size_t)op->bytes : 0;

    link->events->begin(link);
    if (op->status != PP_OK)
        outlives(link, op->status);
    ppi_mutex_lock(&link->lock);
    link->pending++; /* this handler: the next write may end before it does */
    size_t doubtful = op->status == PP_OK ? 0 : link->attempt - bytes;
    taken(link, bytes, true);
    link->attempt = doubtful;
    bool over = pump(link);
    ppi_link_unreserve(link, bytes);
    link->events->end(link);
    if (over)
        leave(link);
    leave(link);
}

/* Writes at once, as the one who writes; queues what the pipe did not take. The lock is held when
 * it is called, and not when it returns. */
static void write_now(struct ppi_link *link, const struct ppi_parcel *parcels, int count)
{
    pp_piece pieces[PP_PIECES_MAX];

    link->writing = true;
    link->pending++;
    ppi_mutex_unlock(&link->lock);
    int64_t bytes =
        ppi_handle_try_write(link->pipe, pieces, ppi_parcels_after(parcels, count, 0, pieces));
    if (bytes < 0 && outlives(link, (int)bytes))
        bytes = 0; /* of it nothing was taken */
    if (bytes > 0)
        ppi_link_unreserve(link, (size_t)bytes);
    ppi_mutex_lock(&link->lock);
    if (bytes >= 0) {
        int rest = ppi_parcels_after(parcels, count, (size_t)bytes, pieces);

        taken(link, (size_t)bytes, false);
        if (rest > 0)
            ppi_outq_stamp(&link->outq, ppi_since_rounded(ppi_timer_now_ns(link->port)));
        if (rest > 0 && ppi_outq_prepend(&link->outq, pieces, rest) != PP_OK) {
            ppi_mutex_unlock(&link->lock);
            ppi_link_close(link, PP_ENOMEM);
            ppi_mutex_lock(&link->lock);
        }
    }
    if (pump(link))
        leave_later(link);
}

/* Nothing of it will go out. With the lock, which is released. */
static void lose(struct ppi_link *link, const struct ppi_parcel *parcels, int count)
{
    size_t bytes = 0;

    for (int i = 0; i < count; i++) {
        for (int k = 0; k < parcels[i].size_count; k++)
            on_mark(link, parcels[i].tag, parcels[i].sizes[k].count, true, 0);
        bytes += parcels[i].length;
    }
    ppi_mutex_unlock(&link->lock);
    ppi_link_unreserve(link, bytes);
}

void ppi_link_send(struct ppi_link *link, const struct ppi_parcel *parcels, int count,
                   ppi_since since)
{
    pp_piece pieces[PP_PIECES_MAX];
    int marked = 0;

    ppi_mutex_lock(&link->lock);
    if (link->state != PPI_LINK_OPEN) {
        lose(link, parcels, count);
        return;
    }
    if (link->writing && since == 0)
        since = ppi_since_rounded(ppi_timer_now_ns(link->port));
    while (marked < count && ppi_outq_mark(&link->outq, &parcels[marked], since) == PP_OK)
        marked++;
    if (marked < count) { /* those that are marked are told at the link's end */
        link->torn = true;
        lose(link, parcels + marked, count - marked);
        ppi_link_close(link, PP_ENOMEM);
        return;
    }
    if (!link->writing) {
        write_now(link, parcels, count);
        return;
    }
    int error = ppi_outq_append(&link->outq, pieces, ppi_parcels_after(parcels, count, 0, pieces));
    link->torn = link->torn || error != PP_OK;
    ppi_mutex_unlock(&link->lock);
    if (error != PP_OK)
        ppi_link_close(link, error);
}

bool ppi_link_cork(struct ppi_link *link)
{
    ppi_mutex_lock(&link->lock);
    bool mine = link->state == PPI_LINK_OPEN && !link->writing;
    if (mine) {
        link->writing = true;
        link->pending++;
    }
    ppi_mutex_unlock(&link->lock);
    return mine;
}

void ppi_link_uncork(struct ppi_link *link)
{
    ppi_mutex_lock(&link->lock);
    if (pump(link))
        leave_later(link);
}

/* --- beginning and ending -------------------------------------------------------------------- */

static void on_close(pp_op *op)
{
    struct ppi_link *link = PP_CONTAINER(op, struct ppi_link, close_op);

    link->events->begin(link);
    ppi_link_wake_waiters(link); /* here, where they cannot be freed meanwhile */
    link->events->end(link);
    leave(link);
}

void ppi_link_close(struct ppi_link *link, int why)
{
    ppi_mutex_lock(&link->lock);
    bool first = link->state != PPI_LINK_CLOSING;
    if (first) {
        if (link->state == PPI_LINK_OPEN)
            link->why = why;
        link->state = PPI_LINK_CLOSING;
        link->pending++; /* for close_op */
    }
    ppi_mutex_unlock(&link->lock);
    if (!first)
        return;
    ppi_handle_retire(link->pipe);
    ppi_port_post(link->port, &link->close_op);
}

void ppi_link_finish(struct ppi_link *link, int why)
{
    ppi_mutex_lock(&link->lock);
    bool idle = false;
    if (link->state == PPI_LINK_OPEN) {
        link->state = PPI_LINK_FINISHING;
        link->why = why;
        idle = !link->writing || link->mute;
    }
    ppi_mutex_unlock(&link->lock);
    if (idle)
        ppi_link_close(link, why);
    else
        ppi_link_wake_waiters(link); /* nobody need wait for a link that takes nothing more */
}

int ppi_link_open(struct ppi_link *link, pp_handle *pipe, pp_port *port,
                  const struct ppi_link_events *events, const struct ppi_link_limits *limits)
{
    *link = (struct ppi_link){ .events = events, .limits = limits, .pipe = pipe, .port = port };
    ppi_mutex_init(&link->turn);
    ppi_mutex_init(&link->lock);
    ppi_list_init(&link->waiters);
    ppi_list_init(&link->waiting);
    link->reader.frame_max = limits->frame_max;
    link->read_op.priv_.handler = on_read;
    link->read_op.priv_.flags = PPI_OP_PACKET; /* one batch of a link, then the others' turn */
    link->write_op.priv_.handler = on_write;
    link->resume_op.priv_.handler = on_resume;
    link->close_op.priv_.handler = on_close;

    int error = pipe->port == NULL ? pp_port_attach(port, pipe, 0) : PP_OK;
    if (error == PP_OK) {
        ppi_handle_set_skip(pipe);
        link->pending = 1;
        link->reading = true;
        error = pp_read_pooled(pipe, &link->read_op, 0);
    }
    if (error != PP_OK)
        ppi_link_deinit(link);
    return error;
}

void ppi_link_deinit(struct ppi_link *link)
{
    ppi_reader_deinit(&link->reader);
    ppi_mutex_deinit(&link->lock);
    ppi_mutex_deinit(&link->turn);
}
