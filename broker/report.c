#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker.h"
#include "holds.h"
#include "io/sys.h"
#include "io/timer.h"
#include "pack.h"
#include "panpipe_version.h"
#include "traffic.h"

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

    msgpack_pack_map(packer, 4u + gids + session + integrity);
    pack_number(packer, "pid", who->pid);
    pack_text_or_nil(packer, "exe", peer->exe);
    if ((who->flags & PP_PEER_SID) != 0)
        pack_text(packer, "sid", who->sid);
    else if ((who->flags & PP_PEER_UID) != 0)
        pack_number(packer, "uid", who->uid);
    else
        pack_nil(packer, "uid");
    pack_text_or_nil(packer, "user", peer->user != NULL ? peer->user->account : NULL);
    if (gids)
        pack_gids(packer, who);
    if (session)
        pack_number(packer, "session", who->session);
    if (integrity)
        pack_number(packer, "integrity", who->integrity);
}

bool report_is_operator(const struct peer *peer)
{
    return ppi_user_is_own(&peer->who);
}

/* What the system says about the process; some of it takes a while. */
struct usage {
    uint64_t cpu_ns, memory_bytes, handles, handles_max;
    pp_port_stats port;
    char path[PP_PATH_MAX];
};

static void look_at_process(const struct broker *broker, struct usage *usage)
{
    *usage = (struct usage){ .cpu_ns = ppi_process_cpu_ns(),
                             .memory_bytes = ppi_process_memory(),
                             .handles = ppi_process_handles(),
                             .handles_max = ppi_process_handles_max(),
                             .port = { .size = sizeof usage->port } };
    pp_port_info(broker->port, &usage->port);
    broker_path(broker, usage->path, sizeof usage->path);
}

/* What is added up of all workers and clients. */
struct sums {
    struct counts counts;
    struct traffic_sums traffic;
    struct times times;
    uint64_t uptime_ms, clients, clients_ever, subs, cut, kicked, taps;
    uint64_t frames_in, bytes_in, bytes_out, queued_bytes, queued_max_bytes, lost, calls_open, slow,
        held;
};

static void add_worker(struct sums *sums, const struct worker *worker)
{
    const struct counts *counts = &worker->counts;

    sums->counts.answers += counts->answers;
    sums->counts.late_answers += counts->late_answers;
    sums->counts.notes += counts->notes;
    sums->counts.denied += counts->denied;
    sums->counts.errors += counts->errors;
    sums->counts.missed += counts->missed;
    traffic_sum(worker->traffic, &sums->traffic);
    times_sum(&sums->times, &worker->times);
}

static void add_peer(struct sums *sums, struct peer *peer)
{
    struct ppi_link *link = &peer->link;
    uint64_t queued_bytes = atomic_load_explicit(&link->load, memory_order_relaxed);

    sums->frames_in += peer->frames_in;
    sums->bytes_in += atomic_load_explicit(&link->read_bytes, memory_order_relaxed);
    sums->bytes_out += atomic_load_explicit(&link->taken_bytes, memory_order_relaxed);
    sums->queued_bytes += queued_bytes;
    if (queued_bytes > sums->queued_max_bytes)
        sums->queued_max_bytes = queued_bytes;
    ppi_mutex_lock(&link->lock); /* the end of a link is outside of all views */
    sums->lost += peer->lost;
    sums->slow += hold_is_slow(peer, queued_bytes);
    ppi_mutex_unlock(&link->lock);
    sums->calls_open += peer->calls.count;
    sums->held += peer->held_since_ns != 0;
}

/* In the write section. */
static void add_up(const struct broker *broker, struct sums *sums)
{
    *sums = (struct sums){ .clients = broker->peer_count,
                           .clients_ever = broker->next_peer_id - 1,
                           .subs = broker->sub_count,
                           .cut = broker->gone_slow,
                           .kicked = atomic_load(&broker->kicked),
                           .taps = broker->taps,
                           .frames_in = broker->gone_frames_in,
                           .bytes_in = broker->gone_bytes_in,
                           .bytes_out = broker->gone_bytes_out,
                           .lost = broker->gone_lost };
    sums->uptime_ms = (ppi_timer_now_ns(broker->port) - broker->started_ns) / PPI_NS_PER_MS;
    for (unsigned i = 0; i < broker->worker_count; i++)
        add_worker(sums, broker->workers[i]);
    for (struct ppi_list *at = broker->peers.next; at != &broker->peers; at = at->next)
        add_peer(sums, PP_CONTAINER(at, struct peer, in_broker));
}

static void pack_quantile(msgpack_packer *packer, const char *name, const struct times *times,
                          double part)
{
    uint64_t ns = times_quantile_ns(times, part);

    ppi_pack_text(packer, name);
    ns != 0 ? msgpack_pack_double(packer, (double)ns / 1000) : msgpack_pack_nil(packer);
}

static void pack_times(msgpack_packer *packer, const struct times *times)
{
    size_t count = 0;

    for (unsigned i = 0; i < TIMES_CLASSES; i++)
        count += times->counts[i] != 0;
    ppi_pack_text(packer, "times");
    msgpack_pack_array(packer, count);
    for (unsigned i = 0; i < TIMES_CLASSES; i++)
        if (times->counts[i] != 0) {
            msgpack_pack_array(packer, 2);
            msgpack_pack_uint64(packer, times_ns(i));
            msgpack_pack_uint64(packer, times->counts[i]);
        }
}

static void pack_broker(msgpack_packer *packer, const struct broker *broker,
                        const struct usage *usage, uint64_t uptime_ms)
{
    char id[24];

    snprintf(id, sizeof id, "%016" PRIx64, broker->id);
    pack_text(packer, "broker", id);
    pack_text(packer, "name", broker->settings.name);
    pack_text(packer, "scope", broker->settings.system ? "system" : "user");
    pack_text(packer, "path", usage->path);
    pack_text(packer, "version", PANPIPE_VERSION);
    pack_number(packer, "pid", ppi_process_id());
    pack_number(packer, "uptime_ms", uptime_ms);
    pack_number(packer, "cpu_ns", usage->cpu_ns);
    pack_number(packer, "memory_bytes", usage->memory_bytes);
    pack_number(packer, "handles", usage->handles);
    pack_number_or_nil(packer, "handles_max", usage->handles_max);
    pack_number(packer, "workers", usage->port.concurrency);
    pack_number(packer, "clients_max", broker->settings.connections);
}

void report_stats(struct worker *worker, msgpack_packer *packer)
{
    const struct broker *broker = worker->broker;
    struct usage usage;
    struct sums sums;

    worker_send(worker);
    worker_leave(worker);
    look_at_process(broker, &usage);
    worker_enter(worker);
    worker_write_begin(worker);
    add_up(broker, &sums);
    worker_write_end(worker);

    const struct {
        const char *name;
        uint64_t number;
    } numbers[] = {
        { "clients", sums.clients },
        { "clients_ever", sums.clients_ever },
        { "denied", sums.counts.denied },
        { "subs", sums.subs },
        { "slow", sums.slow },
        { "held", sums.held },
        { "cut", sums.cut },
        { "kicked", sums.kicked },
        { "frames_in", sums.frames_in },
        { "bytes_in", sums.bytes_in },
        { "bytes_out", sums.bytes_out },
        { "queued_bytes", sums.queued_bytes },
        { "queued_max_bytes", sums.queued_max_bytes },
        { "published", sums.traffic.published },
        { "deliveries", sums.traffic.deliveries },
        { "no_receiver", sums.traffic.no_receiver },
        { "refused", sums.traffic.refused },
        { "lost", sums.lost },
        { "calls", sums.traffic.calls },
        { "answers", sums.counts.answers },
        { "late_answers", sums.counts.late_answers },
        { "calls_open", sums.calls_open },
        { "notes", sums.counts.notes },
        { "errors", sums.counts.errors },
        { "taps", sums.taps },
        { "missed", sums.counts.missed },
    };
    msgpack_pack_map(packer, 13 + PPI_COUNT(numbers) + 3);
    pack_broker(packer, broker, &usage, sums.uptime_ms);
    for (size_t i = 0; i < PPI_COUNT(numbers); i++)
        pack_number(packer, numbers[i].name, numbers[i].number);
    pack_quantile(packer, "time_p50_us", &sums.times, 0.50);
    pack_quantile(packer, "time_p99_us", &sums.times, 0.99);
    pack_times(packer, &sums.times);
}
