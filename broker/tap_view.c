#include "tap_view.h"

#include <string.h>

#include "pack.h"

enum {
    RECEIVERS_SHOWN = 4,
    RECORD_FIXED_BYTES = 300 /* at least: the keys, and what is a number */
};
_Static_assert(TAP_RECORD_BYTES_MAX > PPI_SUBJECT_MAX +
                                          (RECEIVERS_SHOWN + 1) * (PPI_LABEL_MAX + 12) +
                                          RECORD_FIXED_BYTES,
               "TAP_RECORD_BYTES_MAX");

/* Calls visit for each receiver until it says so. */
static bool each_receiver(const struct tap_view *view, bool (*visit)(void *, const struct peer *),
                          void *context)
{
    const struct route *route = view->route;

    if (view->to != NULL && visit(context, view->to))
        return true;
    for (size_t i = 0; route != NULL && i < route->everybody; i++)
        if (!route->targets[i].skipped && visit(context, route->targets[i].sub->peer))
            return true;
    for (size_t i = 0; route != NULL && i < route->group_count; i++)
        if (route->groups[i].chosen != NULL && visit(context, route->groups[i].chosen->peer))
            return true;
    return false;
}

static bool is_who(const struct tap_who *who, const struct peer *peer)
{
    switch (who->by) {
    case WHO_ANYBODY: return true;
    case WHO_CLIENT: return (peer != NULL ? peer->id : 0) == who->number;
    case WHO_PROCESS: return peer != NULL && peer->who.pid == who->number;
    case WHO_NAME: return peer != NULL && strcmp(peer->name, who->name) == 0;
    }
    return false;
}

static bool is_meant(void *who, const struct peer *peer)
{
    return is_who(who, peer);
}

bool tap_view_passes(const struct tap_view *view, const struct tap_filter *filter)
{
    struct tap_who to = filter->to;

    if (filter->kind != TAP_ANY && filter->kind != view->kind)
        return false;
    if (filter->dropped && view->receipt.refused == 0 && view->receipt.queued > 0)
        return false;
    if (!is_who(&filter->from, view->from))
        return false;
    if (filter->subject_length > 0 && !ppi_subject_match(filter->subject, filter->subject_length,
                                                         view->subject, view->subject_length))
        return false;
    return filter->to.by == WHO_ANYBODY || each_receiver(view, is_meant, &to);
}

struct receivers {
    const struct peer *peers[RECEIVERS_SHOWN];
    unsigned count;
};

static bool note_receiver(void *context, const struct peer *peer)
{
    struct receivers *receivers = context;

    receivers->peers[receivers->count++] = peer;
    return receivers->count == RECEIVERS_SHOWN;
}

static void pack_receivers(msgpack_packer *packer, const struct tap_view *view)
{
    struct receivers receivers = { .count = 0 };

    each_receiver(view, note_receiver, &receivers);
    ppi_pack_text(packer, "receivers");
    msgpack_pack_array(packer, receivers.count);
    for (unsigned i = 0; i < receivers.count; i++) {
        msgpack_pack_array(packer, 2);
        msgpack_pack_uint64(packer, receivers.peers[i]->id);
        ppi_pack_text(packer, receivers.peers[i]->name);
    }
}

static void pack_from(msgpack_packer *packer, const struct peer *from)
{
    pack_number(packer, "from", from != NULL ? from->id : 0);
    pack_text(packer, "name", from != NULL ? from->name : "panpiped");
    pack_number(packer, "pid", from != NULL ? from->who.pid : ppi_process_id());
}

void tap_view_pack(msgpack_packer *packer, const struct tap_view *view, uint32_t cut,
                   const uint8_t *body, size_t size)
{
    size_t shown = size < cut ? size : cut;

    pack_number(packer, "ts", view->ts);
    pack_text(packer, "kind", tap_kind_name(view->kind));
    pack_subject(packer, view->subject, view->subject_length);
    pack_from(packer, view->from);
    pack_number(packer, "size_bytes", size);
    pack_number(packer, "to", view->receipt.queued);
    pack_number(packer, "refused", view->receipt.refused);
    pack_receivers(packer, view);
    ppi_pack_text(packer, "body");
    msgpack_pack_bin_with_body(packer, body, shown);
    pack_truth(packer, "whole", shown == size);
    if (view->routed_ns != 0)
        pack_number(packer, "time_us", view->time_us);
    else
        pack_nil(packer, "time_us");
}
