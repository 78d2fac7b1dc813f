#include "kick.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "io/timer.h"
#include "log.h"
#include "reply.h"
#include "ticker.h"
#include "wire/subject.h"

/* With more than that in its queue a client is cut at once, and hears no last words. */
enum { LAST_WORDS_BYTES = 64 * 1024 };

struct kicked {
    pp_peer who;
    uint64_t until_ns;
    char text[KICK_TEXT_MAX + 1];
};

struct kicks {
    struct ppi_mutex lock;
    struct kicked kept[KICKS_KEPT]; /* a ring */
    uint64_t count;                 /* ever */
};

static void keep_away(struct broker *broker, const pp_peer *who, const char *text, uint64_t for_ms)
{
    struct kicks *kicks = broker->kicks;

    ppi_mutex_lock(&kicks->lock);
    struct kicked *kicked = &kicks->kept[kicks->count++ % KICKS_KEPT];
    kicked->who = *who;
    kicked->until_ns = ppi_timer_now_ns(broker->port) + for_ms * PPI_NS_PER_MS;
    snprintf(kicked->text, sizeof kicked->text, "%s", text);
    ppi_mutex_unlock(&kicks->lock);
}

void kick(struct worker *worker, struct peer *peer, const struct peer *by, const char *text,
          uint64_t for_ms)
{
    struct broker *broker = worker->broker;
    char who[PPI_LABEL_MAX + 24], words[sizeof who + KICK_TEXT_MAX + 16];
    char name[LOG_QUOTED_MAX], told[LOG_QUOTED_MAX];

    snprintf(who, sizeof who, "%s[%" PRIu64 "]", by->name, by->who.pid);
    snprintf(words, sizeof words, "kicked by %s%s%s", who, text[0] != '\0' ? ": " : "", text);
    if (for_ms > 0)
        keep_away(broker, &peer->who, text, for_ms);
    atomic_fetch_add_explicit(&broker->kicked, 1, memory_order_relaxed);
    log_event(&broker->log, LOG_WARN, "kick", "client=%" PRIu64 " name=%s by=%" PRIu64 " text=%s",
              peer->id, log_quote(name, peer->name, strlen(peer->name)), by->id,
              log_quote(told, words, strlen(words)));
    events_tell(broker,
                &(const struct event){ .kind = "kick",
                                       .peer = peer,
                                       .why = "E_PERM",
                                       .text = text,
                                       .more = { { "by", 0, who }, { "for_ms", for_ms, NULL } } });
    atomic_store(&peer->cut, true); /* that was told */
    bool reads = atomic_load(&peer->link.load) <= LAST_WORDS_BYTES;
    reply_bye(worker, peer, "E_PERM", words, for_ms);
    worker_send(worker);
    if (reads) {
        ppi_link_finish(&peer->link, PP_EPERM);
        ticker_wake(broker); /* for who does not read its last words */
    } else {
        ppi_link_close(&peer->link, PP_EPERM);
    }
}

/* While the system does not say whose a connection is, its process alone must do. One that it has
 * no number for (of another container) is the same as none. */
static bool is_same(const pp_peer *kicked, const pp_peer *who)
{
    uint32_t known = kicked->flags & who->flags;

    if (kicked->pid == 0 || kicked->pid != who->pid)
        return false;
    if ((known & PP_PEER_UID) != 0 && kicked->uid != who->uid)
        return false;
    return (known & PP_PEER_SID) == 0 || strcmp(kicked->sid, who->sid) == 0;
}

bool kick_keeps_away(struct broker *broker, const pp_peer *who, char words[KICK_WORDS_MAX])
{
    struct kicks *kicks = broker->kicks;
    uint64_t now_ns = ppi_timer_now_ns(broker->port), until_ns = 0;

    ppi_mutex_lock(&kicks->lock);
    for (int i = 0; i < KICKS_KEPT; i++) {
        const struct kicked *kicked = &kicks->kept[i];

        if (kicked->until_ns <= now_ns || kicked->until_ns <= until_ns ||
            !is_same(&kicked->who, who))
            continue;
        until_ns = kicked->until_ns;
        snprintf(words, KICK_WORDS_MAX, "E_PERM kicked%s%s; again in %" PRIu64 " s\n",
                 kicked->text[0] != '\0' ? ": " : "", kicked->text,
                 (until_ns - now_ns) / PPI_NS_PER_MS / 1000 + 1);
    }
    ppi_mutex_unlock(&kicks->lock);
    return until_ns != 0;
}

int kicks_open(struct broker *broker)
{
    struct kicks *kicks = calloc(1, sizeof *kicks);

    if (kicks == NULL)
        return PP_ENOMEM;
    ppi_mutex_init(&kicks->lock);
    broker->kicks = kicks;
    return PP_OK;
}

void kicks_free(struct broker *broker)
{
    if (broker->kicks != NULL)
        ppi_mutex_deinit(&broker->kicks->lock);
    free(broker->kicks);
    broker->kicks = NULL;
}
