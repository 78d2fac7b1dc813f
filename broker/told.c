#include "told.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "events.h"
#include "io/timer.h"
#include "log.h"

static const char *quoted_name(const struct peer *peer, char quoted[LOG_QUOTED_MAX])
{
    return log_quote(quoted, peer->name, strlen(peer->name));
}

void told_connected(const struct peer *peer)
{
    const char *exe = peer->exe != NULL ? peer->exe : "";

    log_event(&peer->broker->log, LOG_INFO, "connect", "client=%" PRIu64 " pid=%" PRIu64 " user=%s",
              peer->id, peer->who.pid, peer->user->name);
    events_tell(peer->broker, &(const struct event){ .kind = "connect",
                                                     .peer = peer,
                                                     .usual = true,
                                                     .more = { { "exe", 0, exe } } });
}

void told_hello(const struct peer *peer)
{
    char quoted[LOG_QUOTED_MAX];

    log_event(&peer->broker->log, LOG_INFO, "hello", "client=%" PRIu64 " name=%s", peer->id,
              quoted_name(peer, quoted));
    events_tell(peer->broker,
                &(const struct event){ .kind = "hello", .peer = peer, .usual = true });
}

/* --- its end --------------------------------------------------------------------------------- */

/* Why a connection has ended. */
static const char *why_closed(const struct peer *peer, int why)
{
    if (peer->bye)
        return "goodbye";
    switch (why) {
    case PP_EACCESS:
    case PP_EPERM: return "E_PERM";
    case PP_ELIMIT:
    case PP_ENOMEM: return "E_LIMIT";
    case PP_EPROTO: return "E_PROTO";
    case PP_ESHUTDOWN: return "E_SHUTDOWN";
    case PP_ESLOW: return "E_SLOW";
    case PP_ETIMEDOUT: return "E_TIMEOUT";
    default: return "gone";
    }
}

void told_closed(const struct peer *peer, int status)
{
    struct broker *broker = peer->broker;
    const char *why = why_closed(peer, status);
    uint64_t age_ms = (ppi_timer_now_ns(broker->port) - peer->opened_ns) / PPI_NS_PER_MS;

    if (peer->lost > 0)
        events_tell(broker, &(const struct event){ .kind = "lost",
                                                   .peer = peer,
                                                   .why = why,
                                                   .more = { { "count", peer->lost, NULL } } });
    events_tell(broker, &(const struct event){ .kind = "close",
                                               .peer = peer,
                                               .why = why,
                                               .usual = peer->bye,
                                               .more = { { "age_ms", age_ms, NULL },
                                                         { "published", peer->published, NULL },
                                                         { "delivered", peer->delivered, NULL },
                                                         { "lost", peer->lost, NULL } } });
}

void told_gone(const struct peer *peer, int status)
{
    char quoted[LOG_QUOTED_MAX];

    log_event(&peer->broker->log, LOG_INFO, "disconnect", "client=%" PRIu64 " name=%s why=\"%s\"",
              peer->id, quoted_name(peer, quoted),
              peer->bye ? "said goodbye" : pp_strerror(status));
}

/* --- who is not let in ----------------------------------------------------------------------- */

/* "E_NAME text\n", in its two parts. */
struct words {
    char name[16], text[300];
};

static struct words split(const char *why)
{
    struct words words;
    size_t name = strcspn(why, " ");
    const char *text = why + name + (why[name] == ' ');

    snprintf(words.name, sizeof words.name, "%.*s", (int)name, why);
    snprintf(words.text, sizeof words.text, "%.*s", (int)strcspn(text, "\n"), text);
    return words;
}

static void log_refusal(struct broker *broker, uint64_t pid, const char *why)
{
    char quoted[LOG_QUOTED_MAX];

    log_event(&broker->log, LOG_WARN, "refuse", "pid=%" PRIu64 " why=%s", pid,
              log_quote(quoted, why, strcspn(why, "\n")));
}

void told_denied(struct worker *worker, const pp_peer *who, const char *why)
{
    const struct words words = split(why);

    worker->counts.denied += strcmp(words.name, "E_PERM") == 0;
    log_refusal(worker->broker, who->pid, why);
    events_tell(worker->broker,
                &(const struct event){
                    .kind = "denied", .pid = who->pid, .why = words.name, .text = words.text });
}

void told_refused(struct peer *peer, const char *why)
{
    const struct words words = split(why);

    log_refusal(peer->broker, peer->who.pid, why);
    events_tell_cut(peer, words.name, words.text);
}
