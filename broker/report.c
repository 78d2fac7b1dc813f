#include "report.h"

#include <inttypes.h>
#include <stdio.h>

#include "io/sys.h"
#include "io/timer.h"
#include "reply.h"
#include "subs.h"
#include "wire/envelope.h"
#include "worker.h"

enum { EXE_MAX = 1024 };

static void pack_number(msgpack_packer *packer, const char *name, uint64_t number)
{
    ppi_pack_text(packer, name);
    msgpack_pack_uint64(packer, number);
}

static void pack_truth(msgpack_packer *packer, const char *name, bool truth)
{
    ppi_pack_text(packer, name);
    truth ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
}

/* The group it runs in first. */
static void pack_gids(msgpack_packer *packer, const pp_peer *who)
{
    ppi_pack_text(packer, "gids");
    msgpack_pack_array(packer, who->gid_count + 1);
    msgpack_pack_uint32(packer, who->gid);
    for (uint32_t i = 0; i < who->gid_count; i++)
        msgpack_pack_uint32(packer, who->gids[i]);
}

void report_who(msgpack_packer *packer, const struct peer *peer)
{
    const pp_peer *who = &peer->who;
    bool gids = (who->flags & PP_PEER_GIDS) != 0, session = (who->flags & PP_PEER_SESSION) != 0,
         integrity = (who->flags & PP_PEER_INTEGRITY) != 0;

    msgpack_pack_map(packer, 3u + gids + session + integrity);
    pack_number(packer, "pid", who->pid);
    ppi_pack_text(packer, "exe");
    peer->exe != NULL ? ppi_pack_text(packer, peer->exe) : msgpack_pack_nil(packer);
    if ((who->flags & PP_PEER_SID) != 0) {
        ppi_pack_text(packer, "sid");
        ppi_pack_text(packer, who->sid);
    } else if ((who->flags & PP_PEER_UID) != 0) {
        pack_number(packer, "uid", who->uid);
    } else {
        ppi_pack_text(packer, "uid");
        msgpack_pack_nil(packer);
    }
    if (gids)
        pack_gids(packer, who);
    if (session)
        pack_number(packer, "session", who->session);
    if (integrity)
        pack_number(packer, "integrity", who->integrity);
}

char *report_exe(struct peer *peer)
{
    char path[EXE_MAX] = "";

    ppi_link_who(&peer->link, NULL, path, sizeof path);
    return path[0] != '\0' ? sub_copy_text(path) : NULL;
}

bool report_is_operator(const struct peer *peer)
{
    return ppi_user_is_own(&peer->who);
}

static void add_up(const struct broker *broker, struct counts *sum)
{
    *sum = (struct counts){ 0 };
    for (unsigned i = 0; i < broker->worker_count; i++) {
        const struct counts *counts = &broker->workers[i]->counts;

        sum->frames_in += counts->frames_in;
        sum->published += counts->published;
        sum->delivered_messages += counts->delivered_messages;
        sum->refused += counts->refused;
        sum->no_receiver += counts->no_receiver;
        sum->calls += counts->calls;
        sum->answers += counts->answers;
        sum->late_answers += counts->late_answers;
        sum->notes += counts->notes;
        sum->denied += counts->denied;
        sum->errors += counts->errors;
    }
}

void report_stats(msgpack_packer *packer, struct broker *broker)
{
    uint64_t bytes_in = broker->gone_bytes_in, bytes_out = broker->gone_bytes_out, queued = 0;
    uint64_t lost = broker->gone_lost;
    char id[24];
    pp_port_stats port = { .size = sizeof port };
    struct counts sum;

    pp_port_info(broker->port, &port);
    add_up(broker, &sum);
    for (struct ppi_list *at = broker->peers.next; at != &broker->peers; at = at->next) {
        struct ppi_link *link = &PP_CONTAINER(at, struct peer, in_broker)->link;

        bytes_in += atomic_load(&link->read_bytes);
        bytes_out += atomic_load(&link->taken_bytes);
        queued += atomic_load(&link->load);
        lost += PP_CONTAINER(at, struct peer, in_broker)->lost;
    }
    snprintf(id, sizeof id, "%016" PRIx64, broker->id);
    msgpack_pack_map(packer, 25);
    ppi_pack_text(packer, "broker");
    ppi_pack_text(packer, id);
    pack_number(packer, "pid", ppi_process_id());
    pack_number(packer, "uptime_ms",
                (ppi_timer_now_ns(broker->port) - broker->started_ns) / PPI_NS_PER_MS);
    pack_number(packer, "cpu_ns", ppi_process_cpu_ns());
    pack_number(packer, "memory_bytes", ppi_process_memory());
    pack_number(packer, "handles", ppi_process_handles());
    pack_number(packer, "workers", port.concurrency);
    pack_number(packer, "clients", broker->peer_count);
    pack_number(packer, "clients_ever", broker->next_peer_id - 1);
    pack_number(packer, "denied", sum.denied);
    pack_number(packer, "subs", broker->sub_count);
    pack_number(packer, "frames_in", sum.frames_in);
    pack_number(packer, "bytes_in", bytes_in);
    pack_number(packer, "bytes_out", bytes_out);
    pack_number(packer, "bytes_queued", queued);
    pack_number(packer, "published", sum.published);
    pack_number(packer, "deliveries", sum.delivered_messages);
    pack_number(packer, "no_receiver", sum.no_receiver);
    pack_number(packer, "refused", sum.refused);
    pack_number(packer, "lost", lost);
    pack_number(packer, "calls", sum.calls);
    pack_number(packer, "answers", sum.answers);
    pack_number(packer, "late_answers", sum.late_answers);
    pack_number(packer, "notes", sum.notes);
    pack_number(packer, "errors", sum.errors);
}

static const char *state_of(struct peer *peer, const struct broker *broker)
{
    if (ppi_link_is_closing(&peer->link) || peer->closes_ns != 0)
        return "leaving";
    if (atomic_load(&peer->link.load) > broker->limits.queue_high)
        return "slow";
    return atomic_load(&peer->link.holding) ? "blocked" : "ok";
}

void report_clients(msgpack_packer *packer, struct broker *broker)
{
    uint64_t now_ns = ppi_timer_now_ns(broker->port);

    msgpack_pack_array(packer, broker->peer_count);
    for (struct ppi_list *at = broker->peers.next; at != &broker->peers; at = at->next) {
        struct peer *peer = PP_CONTAINER(at, struct peer, in_broker);

        if (!peer->exe_read)
            peer->exe = report_exe(peer);
        peer->exe_read = true;
        msgpack_pack_map(packer, 14);
        pack_number(packer, "id", peer->id);
        ppi_pack_text(packer, "name");
        ppi_pack_text(packer, peer->name);
        ppi_pack_text(packer, "who");
        report_who(packer, peer);
        pack_truth(packer, "hello", peer->hello);
        pack_number(packer, "age_ms", (now_ns - peer->opened_ns) / PPI_NS_PER_MS);
        pack_number(packer, "subs", peer->subs_by_id.count);
        pack_number(packer, "frames_in", peer->frames_in);
        pack_number(packer, "published", peer->published);
        pack_number(packer, "bytes_in", atomic_load(&peer->link.read_bytes));
        pack_number(packer, "bytes_out", atomic_load(&peer->link.taken_bytes));
        pack_number(packer, "queued", atomic_load(&peer->link.load));
        pack_number(packer, "calls_open", peer->calls.count);
        pack_number(packer, "serving", peer->serving.count);
        ppi_pack_text(packer, "state");
        ppi_pack_text(packer, state_of(peer, broker));
    }
}

static void pack_sub(msgpack_packer *packer, struct sub *sub)
{
    ppi_mutex_lock(&sub->peer->link.lock);
    uint64_t delivered = sub->delivered, lost = sub->lost, queued = sub_queued(sub);
    ppi_mutex_unlock(&sub->peer->link.lock);

    msgpack_pack_map(packer, 15);
    pack_number(packer, "client", sub->peer->id);
    ppi_pack_text(packer, "name");
    ppi_pack_text(packer, sub->peer->name);
    pack_number(packer, "sid", sub->sid);
    ppi_pack_text(packer, "pattern");
    ppi_pack_text(packer, sub->pattern);
    ppi_pack_text(packer, "kind");
    ppi_pack_text(packer, sub->serve ? "serve" : "sub");
    ppi_pack_text(packer, "form");
    ppi_pack_text(packer, sub->form == FORM_RICH ? "rich" : "plain");
    ppi_pack_text(packer, "group");
    sub->group != NULL ? ppi_pack_text(packer, sub->group) : msgpack_pack_nil(packer);
    ppi_pack_text(packer, "policy");
    ppi_pack_text(packer, sub->cut ? "cut" : "block");
    pack_truth(packer, "meta", sub->meta);
    pack_number(packer, "accepted", atomic_load(&sub->accepted));
    pack_number(packer, "delivered", delivered);
    pack_number(packer, "queued", queued);
    pack_number(packer, "merged", atomic_load(&sub->merged));
    pack_number(packer, "lost", lost);
    pack_number(packer, "in_flight", atomic_load(&sub->in_flight));
}

void report_subs(msgpack_packer *packer, struct broker *broker)
{
    msgpack_pack_array(packer, broker->sub_count);
    for (struct ppi_list *at = broker->peers.next; at != &broker->peers; at = at->next) {
        struct peer *peer = PP_CONTAINER(at, struct peer, in_broker);

        for (struct ppi_list *sub = peer->subs.next; sub != &peer->subs; sub = sub->next)
            pack_sub(packer, PP_CONTAINER(sub, struct sub, in_peer));
    }
}
