/* report_subs.c: a line for each subscription and service; as report_clients.c. */
#include "pack.h"
#include "report.h"
#include "subs.h"

#include <stdlib.h>

struct row {
    const struct sub *sub;
    uint64_t accepted, merged, delivered, lost, queued;
    unsigned in_flight;
};

/* In the write section. */
static void read_subs(struct peer *peer, struct row *rows, size_t *count)
{
    ppi_mutex_lock(&peer->link.lock);
    for (struct ppi_list *at = peer->subs.next; at != &peer->subs; at = at->next) {
        const struct sub *sub = PP_CONTAINER(at, struct sub, in_peer);

        rows[(*count)++] = (struct row){ .sub = sub,
                                         .accepted = atomic_load(&sub->accepted),
                                         .merged = atomic_load(&sub->merged),
                                         .delivered = sub->delivered,
                                         .lost = sub->lost,
                                         .queued = sub_queued(sub),
                                         .in_flight = atomic_load(&sub->in_flight) };
    }
    ppi_mutex_unlock(&peer->link.lock);
}

static const char *policy_of(const struct sub *sub)
{
    if (sub->drop)
        return "drop";
    return sub->cut ? "cut" : "block";
}

static void pack(msgpack_packer *packer, const struct row *row)
{
    const struct sub *sub = row->sub;

    msgpack_pack_map(packer, 15);
    pack_number(packer, "client", sub->peer->id);
    pack_text(packer, "name", sub->peer->name);
    pack_number(packer, "sid", sub->sid);
    pack_text(packer, "pattern", sub->pattern);
    pack_text(packer, "kind", sub->serve ? "serve" : "sub");
    pack_text(packer, "form", sub->form == FORM_RICH ? "rich" : "plain");
    pack_text_or_nil(packer, "group", sub->group);
    pack_text(packer, "policy", policy_of(sub));
    pack_truth(packer, "meta", sub->meta);
    pack_number(packer, "accepted", row->accepted);
    pack_number(packer, "delivered", row->delivered);
    pack_number(packer, "queued", row->queued);
    pack_number(packer, "merged", row->merged);
    pack_number(packer, "lost", row->lost);
    pack_number(packer, "in_flight", row->in_flight);
}

const char *report_subs(struct worker *worker, msgpack_packer *packer, uint64_t client)
{
    struct broker *broker = worker->broker;
    size_t count = 0;

    worker_write_begin(worker);
    struct peer *one = client != 0 ? ppi_map_get(&broker->peers_by_id, client) : NULL;
    size_t most = one != NULL ? one->subs_by_id.count : (size_t)broker->sub_count;
    struct row *rows = malloc((most + 1) * sizeof *rows);
    if (rows != NULL && one != NULL)
        read_subs(one, rows, &count);
    for (struct ppi_list *at = broker->peers.next;
         rows != NULL && client == 0 && at != &broker->peers; at = at->next)
        read_subs(PP_CONTAINER(at, struct peer, in_broker), rows, &count);
    worker_write_end(worker);
    if (rows == NULL || (client != 0 && one == NULL)) {
        free(rows);
        return rows == NULL ? REPORT_NO_MEMORY : REPORT_NO_CLIENT;
    }
    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++)
        pack(packer, &rows[i]);
    free(rows);
    return NULL;
}
