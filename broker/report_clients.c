/* report_clients.c: a line for each client. The figures are copied in the write section; names stay
 * as they are until the view is left, and are packed from where they are. */
#include "holds.h"
#include "io/timer.h"
#include "pack.h"
#include "report.h"

#include <stdlib.h>

enum { FIELDS = 21 };

struct row {
    const struct peer *peer;
    const char *state;
    uint64_t subs, frames_in, published, delivered, bytes_in, bytes_out, queued_bytes, lost;
    uint64_t oldest_ns; /* since then; 0: nothing waits */
    uint64_t calls_open, serving, held_ns, held_by, holds, holding;
    bool held;
};

/* --- figures --------------------------------------------------------------------------------- */

static const char *state_of(const struct peer *peer, const struct row *row)
{
    if (peer->link.state != PPI_LINK_OPEN || peer->closes_ns != 0)
        return "leaving";
    if (hold_is_slow(peer, row->queued_bytes))
        return "slow";
    return row->held ? "blocked" : "ok";
}

static struct row read_peer(struct peer *peer, uint64_t now_ns)
{
    struct ppi_link *link = &peer->link;
    struct row row = {
        .peer = peer,
        .subs = peer->subs_by_id.count,
        .frames_in = peer->frames_in,
        .published = peer->published,
        .bytes_in = atomic_load_explicit(&link->read_bytes, memory_order_relaxed),
        .bytes_out = atomic_load_explicit(&link->taken_bytes, memory_order_relaxed),
        .queued_bytes = atomic_load_explicit(&link->load, memory_order_relaxed),
        .calls_open = peer->calls.count,
        .serving = peer->serving.count,
        .held_ns = hold_ns(peer, now_ns),
        .held_by = peer->held_by,
        .held = peer->held_since_ns != 0,
        .holds = atomic_load_explicit(&peer->holds, memory_order_relaxed),
    };

    ppi_mutex_lock(&link->lock); /* the end of a link is outside of all views */
    row.delivered = peer->delivered;
    row.lost = peer->lost;
    row.oldest_ns = ppi_since_ns(ppi_outq_oldest(&link->outq));
    row.state = state_of(peer, &row);
    ppi_mutex_unlock(&link->lock);
    return row;
}

/* All of them, by their ids. In the write section. NULL: no memory. */
static struct row *read_peers(struct broker *broker, uint64_t now_ns, size_t *count)
{
    struct row *rows = malloc((size_t)broker->peer_count * sizeof *rows);

    *count = 0;
    for (struct ppi_list *at = broker->peers.next; rows != NULL && at != &broker->peers;
         at = at->next)
        rows[(*count)++] = read_peer(PP_CONTAINER(at, struct peer, in_broker), now_ns);
    return rows;
}

static struct row *find(struct row *rows, size_t count, uint64_t id)
{
    size_t first = 0, end = count;

    while (count > 0) {
        size_t half = count / 2;

        if (rows[first + half].peer->id < id) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return first < end && rows[first].peer->id == id ? &rows[first] : NULL;
}

/* --- the report ------------------------------------------------------------------------------ */

static void pack(msgpack_packer *packer, const struct row *row, uint64_t now_ns)
{
    const struct peer *peer = row->peer;

    msgpack_pack_map(packer, FIELDS);
    pack_number(packer, "id", peer->id);
    pack_text(packer, "name", peer->name);
    ppi_pack_text(packer, "who");
    report_who(packer, peer);
    pack_truth(packer, "hello", peer->hello);
    pack_number(packer, "age_ms", (now_ns - peer->opened_ns) / PPI_NS_PER_MS);
    pack_number(packer, "subs", row->subs);
    pack_number(packer, "frames_in", row->frames_in);
    pack_number(packer, "published", row->published);
    pack_number(packer, "delivered", row->delivered);
    pack_number(packer, "bytes_in", row->bytes_in);
    pack_number(packer, "bytes_out", row->bytes_out);
    pack_number(packer, "queued_bytes", row->queued_bytes);
    if (row->oldest_ns != 0)
        pack_number(packer, "oldest_ms", (now_ns - row->oldest_ns) / PPI_NS_PER_MS);
    else
        pack_nil(packer, "oldest_ms");
    pack_number(packer, "lost", row->lost);
    pack_number(packer, "calls_open", row->calls_open);
    pack_number(packer, "serving", row->serving);
    pack_text(packer, "state", row->state);
    pack_number(packer, "held_ms", row->held_ns / PPI_NS_PER_MS);
    pack_number_or_nil(packer, "held_by", row->held_by);
    pack_number(packer, "holds", row->holds);
    pack_number(packer, "holding", row->holding);
}

const char *report_clients(struct worker *worker, msgpack_packer *packer, uint64_t client)
{
    struct broker *broker = worker->broker;
    size_t count;

    worker_write_begin(worker);
    uint64_t now_ns = ppi_timer_now_ns(broker->port); /* nothing that is looked at begins later */
    struct row *rows = read_peers(broker, now_ns, &count);
    worker_write_end(worker);
    if (rows == NULL)
        return REPORT_NO_MEMORY;

    for (size_t i = 0; i < count; i++) {
        struct row *full = rows[i].held ? find(rows, count, rows[i].held_by) : NULL;

        if (full != NULL)
            full->holding++;
    }
    const struct row *one = client != 0 ? find(rows, count, client) : NULL;
    if (client == 0)
        msgpack_pack_array(packer, count);
    else if (one != NULL)
        msgpack_pack_array(packer, 1);
    for (size_t i = 0; i < count; i++)
        if (client == 0 || one == &rows[i])
            pack(packer, &rows[i], now_ns);
    free(rows);
    return client == 0 || one != NULL ? NULL : REPORT_NO_CLIENT;
}
