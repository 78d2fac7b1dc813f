#include "fields.h"

#include <string.h>

#include "macros.h"
#include "options.h"
#include "out.h"

enum { NAMES_MAX = 96 };

/* Shorter, for the table. */
enum {
    STATS = FIELDS_STATS,
    CLIENTS = FIELDS_CLIENTS,
    SUBS = FIELDS_SUBS,
    SUBJECTS = FIELDS_SUBJECTS,
    EVENTS = FIELDS_EVENTS,
    RECORDS = FIELDS_RECORDS,
    BENCH = FIELDS_BENCH
};

const struct field fields[] = {
    /* who */
    { "id", CLIENTS, "ID", "the client's number, never used again", false },
    { "n", EVENTS | RECORDS, "N", "its number: a gap is something missed", false },
    { "ts", EVENTS | RECORDS, "TIME", "when, in milliseconds since 1970", false },
    { "event", EVENTS, "EVENT", "what happened", false },
    { "kind", RECORDS, "KIND", "pub, call, answer or error", false },
    { "pattern", SUBS | FIELDS_SERVICES, "PATTERN", "the subjects it gets", false },
    { "kind", SUBS, "KIND", "sub, or serve: a service", false },
    { "client", SUBS | FIELDS_SERVICES, "CLIENT", "whose: the client's number", false },
    { "client", EVENTS | FIELDS_KICKED | FIELDS_SENDERS, "CLIENT", "the client's number", false },
    { "subject", SUBJECTS | RECORDS | FIELDS_MESSAGES | FIELDS_SENDERS, "SUBJECT", "the subject",
      false },
    { "from", RECORDS, "FROM", "who sent it: the client's number; of an answer the server's",
      false },
    { "broker", STATS, "BROKER", "a random number of this run of the broker", false },
    { "name", STATS, "NAME", "the broker's name", false },
    { "name", CLIENTS | SUBS | EVENTS | RECORDS | FIELDS_SERVICES | FIELDS_KICKED | FIELDS_SENDERS,
      "NAME", "the client's name", false },
    { "pid", EVENTS | RECORDS | FIELDS_KICKED, "PID", "its process", false },
    { "exe", EVENTS, "EXE", "its program", false },
    { "user", EVENTS, "USER", "its user's name", false },
    { "who", CLIENTS, "WHO", "the process, as the system knows it", false },
    { "who.pid", CLIENTS, "PID", "its process", false },
    { "who.exe", CLIENTS, "EXE", "its program", false },
    { "who.user", CLIENTS, "USER", "its user's name", false },
    { "who.uid", CLIENTS, "UID", "its user's number", false },
    { "who.sid", CLIENTS, "SID", "its user, on Windows", false },
    { "hello", CLIENTS, "HELLO", "did it say $hello, and so its name?", false },
    { "age_ms", CLIENTS | EVENTS, "AGE", "how long it has been, or was, connected", false },
    { "scope", STATS, "SCOPE", "user or system", false },
    { "path", STATS | FIELDS_PLACE, "PATH", "where the broker listens", false },
    { "version", STATS, "VERSION", "the broker's version", false },
    { "pid", STATS, "PID", "the broker's process", false },
    { "uptime_ms", STATS, "UPTIME", "how long the broker has run", false },

    /* the broker */
    { "cpu_ns", STATS, "CPU", "processor time that the broker has used", false },
    { "memory_bytes", STATS, "MEMORY", "memory of its process", false },
    { "handles", STATS, "HANDLES", "open files, or handles, of its process", false },
    { "handles_max", STATS, "HANDLES MAX", "how many it may open", false },
    { "workers", STATS, "WORKERS", "threads that route", false },
    { "clients", STATS, "CLIENTS", "clients connected", false },
    { "clients_ever", STATS, "CLIENTS EVER", "clients since it began", false },
    { "clients_max", STATS, "CLIENTS MAX", "how many it takes", false },
    { "denied", STATS, "DENIED", "connections refused to those who may not", false },
    { "slow", STATS, "SLOW", "clients that read too slowly now", false },
    { "held", STATS, "HELD", "clients held up now, by slow ones", false },
    { "cut", STATS, "CUT", "clients ever cut for reading too slowly", false },
    { "kicked", STATS, "KICKED", "clients that an operator cut", false },

    /* figures */
    { "subs", STATS | CLIENTS, "SUBS", "subscriptions and services", false },
    { "frames_in", STATS | CLIENTS, "FRAMES", "frames that came", false },
    { "published", STATS | CLIENTS | SUBJECTS, "PUBLISHED", "messages published", false },
    { "calls", STATS | SUBJECTS, "CALLS", "calls", false },
    { "published_bytes", SUBJECTS, "BYTES", "bytes of the messages published", false },
    { "accepted", SUBS, "ACCEPTED", "messages taken in for it", false },
    { "delivered", CLIENTS | SUBS | EVENTS, "DELIVERED", "messages handed to it", false },
    { "deliveries", STATS | SUBJECTS, "DELIVERED", "messages, once for each receiver", false },
    { "receivers", SUBJECTS, "RECEIVERS", "how many would get it now", false },
    { "no_receiver", STATS | SUBJECTS, "NOBODY", "messages that nobody was there for", false },
    { "refused", STATS | SUBJECTS | RECORDS, "REFUSED", "messages that a receiver was refused",
      false },
    { "bytes_in", STATS | CLIENTS, "IN", "bytes that came", false },
    { "bytes_out", STATS | CLIENTS, "OUT", "bytes that went", false },
    { "queued", SUBS, "QUEUED", "messages that wait to go to it", false },
    { "queued_bytes", STATS | CLIENTS | EVENTS, "QUEUE", "what waits to go out", false },
    { "queued_max_bytes", STATS, "LONGEST", "the longest queue now", false },
    { "oldest_ms", CLIENTS, "OLDEST", "since when its oldest message waits", false },
    { "merged", SUBS, "MERGED", "messages replaced by later ones", false },
    { "lost", STATS, "LOST", "messages accepted for a receiver, not handed to it", false },
    { "lost", CLIENTS | SUBS | EVENTS, "LOST", "messages it lost", false },
    { "answers", STATS, "ANSWERS", "answers to calls", false },
    { "late_answers", STATS, "LATE", "answers that nobody waited for any more", false },
    { "calls_open", STATS | CLIENTS, "CALLS", "calls without an answer yet", false },
    { "serving", CLIENTS, "SERVING", "others' calls that it has to answer", false },
    { "in_flight", SUBS, "IN FLIGHT", "calls it has not answered yet", false },
    { "notes", STATS, "NOTES", "notes that clients were sent", false },
    { "errors", STATS, "ERRORS", "answers that were errors", false },
    { "taps", STATS, "TAPS", "monitors now", false },
    { "missed", STATS | RECORDS, "MISSED", "records and events there was no room for", false },
    { "time_p50_us", STATS, "P50", "how long half of the messages were in the broker, at most",
      false },
    { "time_p99_us", STATS, "P99", "the same of 99 in 100", false },
    { "times", STATS, "TIMES", "the times of sampled messages: [ns, count] each", true },
    { "state", CLIENTS, "STATE", "ok, slow, blocked or leaving", false },
    { "held_ms", CLIENTS, "HELD", "how long what it sent was held up, in all", false },
    { "held_by", CLIENTS, "HELD BY", "by whom it is or was last held up: a client's number",
      false },
    { "holds", CLIENTS, "HOLDS", "how often others had to wait for it", false },
    { "holding", CLIENTS, "HOLDING", "how many wait for it now", false },

    { "published_per_s", CLIENTS | SUBJECTS, "PUBLISHED/S", "--rate: published, a second", false },
    { "delivered_per_s", CLIENTS | SUBS, "DELIVERED/S", "--rate: handed to it, a second", false },
    { "accepted_per_s", SUBS, "ACCEPTED/S", "--rate: taken in for it, a second", false },
    { "calls_per_s", SUBJECTS, "CALLS/S", "--rate: calls, a second", false },
    { "deliveries_per_s", SUBJECTS, "DELIVERED/S", "--rate: delivered, a second", false },
    { "bytes_in_per_s", CLIENTS, "IN/S", "--rate: bytes that came, a second", false },
    { "bytes_out_per_s", CLIENTS, "OUT/S", "--rate: bytes that went, a second", false },
    { "holds_up", FIELDS_CLIENT, "HOLDS UP", "who waits for it now: client, name", true },
    { "subscriptions", FIELDS_CLIENT, "SUBSCRIPTIONS", "its own, as ls subs has them", true },
    { "publishes", FIELDS_CLIENT, "PUBLISHES", "subjects it publishes or calls: subject, messages",
      true },
    { "events", FIELDS_CLIENT, "EVENTS", "its last events", true },
    { "settings", FIELDS_BROKER, "SETTINGS", "what it runs with, see broker/README.md", true },

    /* subscriptions, subjects */
    { "sid", SUBS, "SID", "the subscription's number, of its client", false },
    { "form", SUBS, "FORM", "how its messages come", false },
    { "group", SUBS, "GROUP", "whose members share the messages", false },
    { "policy", SUBS, "POLICY", "if it is slow: block, cut; drop", false },
    { "meta", SUBS, "META", "does it hear who sent a message, and when?", false },
    { "from", SUBJECTS, "FROM", "who publishes or calls most: client, name, messages", true },
    { "from_others", SUBJECTS, "FROM OTHERS", "messages of all others", false },
    { "to", SUBJECTS, "TO", "who gets it now: client, name, kind, group, lost", true },

    { "messages", FIELDS_SENDERS, "MESSAGES", "how many it published there, or called", false },

    /* events, records */
    { "why", EVENTS, "WHY", "the reason: goodbye, gone, or an error's name", false },
    { "text", EVENTS, "TEXT", "the reason in words", false },
    { "count", EVENTS, "COUNT", "lost: how many", false },
    { "slow_ms", EVENTS, "SLOW", "easy: how long it was slow", false },
    { "published", EVENTS, "PUBLISHED", "close: messages it had published", false },
    { "by", EVENTS, "BY", "kick: who did it", false },
    { "drain_ms", EVENTS, "DRAIN", "stop: how long the broker waits at most", false },
    { "size_bytes", RECORDS, "SIZE", "of the params, or the result", false },
    { "to", RECORDS, "TO", "to how many receivers it went", false },
    { "receivers", RECORDS, "RECEIVERS", "the first of them: [client, name] each", true },
    { "error", RECORDS, "ERROR", "error: what the call was answered with", true },
    { "body", RECORDS, "BODY", "instead of params, result or error if it was cut: base64", false },
    { "text", RECORDS, "TEXT", "params, result or error as text, as far as it is there", false },
    { "whole", RECORDS, "WHOLE", "is that all of the body?", false },
    { "time_us", RECORDS, "TIME", "answer: since its call was routed", false },

    /* doctor */
    { "state", FIELDS_FINDINGS, "STATE", "ok, warn or FAIL", false },
    { "found", FIELDS_FINDINGS, "FOUND", "what there was", false },
    { "do", FIELDS_FINDINGS, "DO", "what to do about it", false },
    { "lines", FIELDS_FINDINGS, "LINES", "log: its last lines", true },

    /* talk */
    { "params", FIELDS_MESSAGES | RECORDS, "PARAMS", "what the message says: an array", true },
    { "meta.from", FIELDS_MESSAGES, "FROM", "who sent it: the client's number", false },
    { "meta.name", FIELDS_MESSAGES, "NAME", "its name", false },
    { "meta.pid", FIELDS_MESSAGES, "PID", "its process", false },
    { "meta.uid", FIELDS_MESSAGES, "UID", "its user's number", false },
    { "meta.sid", FIELDS_MESSAGES, "SID", "its user, on Windows", false },
    { "meta.ts", FIELDS_MESSAGES, "TIME", "when it was sent, in milliseconds since 1970", false },
    { "result", FIELDS_RESULTS | RECORDS, "RESULT", "what the service answered", true },
    { "matched", FIELDS_RECEIPTS, "MATCHED", "receivers there were", false },
    { "queued", FIELDS_RECEIPTS, "QUEUED", "receivers it goes to", false },
    { "refused", FIELDS_RECEIPTS, "REFUSED", "receivers that were refused it", false },
    { "exclusive", FIELDS_SERVICES, "EXCLUSIVE", "may nobody else serve it?", false },
    { "max_inflight", FIELDS_SERVICES, "AT ONCE", "how many calls it takes at once", false },
    { "doc", FIELDS_SERVICES, "DOC", "what it tells about itself", true },

    /* operate */
    { "check", FIELDS_CHECKS | FIELDS_FINDINGS, "CHECK", "what was looked at", false },
    { "status", FIELDS_CHECKS, "STATUS", "ok, warn, critical or unknown", false },
    { "text", FIELDS_CHECKS, "TEXT", "the same in words", false },
    { "unit", FIELDS_CHECKS, "UNIT", "ms, bytes or clients: what the next three count", false },
    { "value", FIELDS_CHECKS, "VALUE", "what there was", false },
    { "warn", FIELDS_CHECKS, "WARN", "a warning from there on", false },
    { "crit", FIELDS_CHECKS, "CRIT", "critical from there on", false },
    { "code", FIELDS_ERRORS, "CODE", "the error's name", false },
    { "exit", FIELDS_ERRORS, "EXIT", "the exit code of a command that it ends", false },
    { "text", FIELDS_ERRORS, "TEXT", "what it means", false },
    { "hint", FIELDS_ERRORS, "HINT", "what to do", false },

    /* measure */
    { "trip", FIELDS_TRIPS, "TRIP", "the round trip's number", false },
    { "time_us", FIELDS_TRIPS, "TIME", "how long it took", false },
    { "trips", FIELDS_TRIPS, "TRIPS", "how many, at the end", false },
    { "bench", BENCH, "BENCH", "what was measured", false },
    { "size_bytes", BENCH, "SIZE", "of a body", false },
    { "clients", BENCH, "CLIENTS", "subscribers", false },
    { "outstanding", BENCH, "OUTSTANDING", "calls at once", false },
    { "time_ms", BENCH, "TIME", "how long it took", false },
    { "sent", BENCH, "SENT", "messages sent", false },
    { "received", BENCH, "RECEIVED", "messages received", false },
    { "messages_per_s", BENCH, "MESSAGES/S", "received, a second", false },
    { "mb_per_s", BENCH, "MB/S", "of bodies received, a second", false },
    { "min_us", BENCH | FIELDS_TRIPS, "MIN", "the shortest time", false },
    { "avg_us", BENCH | FIELDS_TRIPS, "AVG", "the average time", false },
    { "p50_us", BENCH, "P50", "what half of the times were below", false },
    { "p90_us", BENCH, "P90", "the same of 90 in 100", false },
    { "p99_us", BENCH, "P99", "of 99 in 100", false },
    { "p999_us", BENCH, "P99.9", "of 999 in 1000", false },
    { "max_us", BENCH | FIELDS_TRIPS, "MAX", "the longest time", false },
    { "lost", BENCH, "LOST", "messages that did not come", false },
    { "reordered", BENCH, "REORDERED", "messages that came too late", false },
    { "own_cpu_per_message_ns", BENCH, "OWN CPU", "processor time of this program, a message",
      false },
    { "broker_cpu_per_message_ns", BENCH, "BROKER CPU", "of the broker, a message", false },

    /* top */
    { "interval_ms", FIELDS_TOP, "INTERVAL", "between the two answers that rates are of", false },
    { "stats", FIELDS_TOP, "STATS", "the broker's fields and in_per_s, p50_us, ...", true },
    { "clients", FIELDS_TOP, "CLIENTS", "each client's, and in_per_s, slow, blocked, ...", true },
    { "subjects", FIELDS_TOP, "SUBJECTS", "each subject's, and messages_per_s, ...", true },
    { NULL, 0, NULL, NULL, false },
};

/* --- finding --------------------------------------------------------------------------------- */

const struct field *fields_find(unsigned of, const char *path)
{
    for (const struct field *at = fields; at->path != NULL; at++) {
        size_t length = strlen(at->path);

        if ((at->of & of) != 0 && strncmp(at->path, path, length) == 0 &&
            (path[length] == '\0' || (at->open && path[length] == '.')))
            return at;
    }
    return NULL;
}

const char *fields_meant(unsigned of, const char *path)
{
    const char *names[NAMES_MAX + 1] = { NULL };
    size_t count = 0;

    for (const struct field *at = fields; at->path != NULL; at++) {
        const char *dot = strrchr(at->path, '.');

        if ((at->of & of) == 0)
            continue;
        if (dot != NULL && strcmp(dot + 1, path) == 0)
            return at->path; /* pid is who.pid */
        if (count < NAMES_MAX)
            names[count++] = at->path;
    }
    return options_meant(path, names);
}

/* --- units ----------------------------------------------------------------------------------- */

static const struct {
    const char *ending;
    enum unit unit;
} endings[] = {
    { "_ns", UNIT_NS }, { "_us", UNIT_US }, { "_ms", UNIT_MS }, { "_bytes", UNIT_BYTES }
};

static const char *last_name(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot != NULL ? dot + 1 : path;
}

static size_t ending_of(const char *name, enum unit *unit)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        size_t ending = strlen(endings[i].ending);

        if (length > ending && strcmp(name + length - ending, endings[i].ending) == 0) {
            *unit = endings[i].unit;
            return ending;
        }
    }
    return 0;
}

enum unit fields_unit(const char *path)
{
    const char *name = last_name(path);
    enum unit unit = UNIT_NONE;

    if (strcmp(name, "ts") == 0)
        return UNIT_TIME;
    if (strncmp(name, "bytes_", strlen("bytes_")) == 0)
        return UNIT_BYTES;
    ending_of(name, &unit);
    return unit;
}

const char *fields_unit_name(const char *path)
{
    static const char *const names[] = {
        [UNIT_NONE] = "", [UNIT_NS] = "ns",       [UNIT_US] = "us",
        [UNIT_MS] = "ms", [UNIT_BYTES] = "bytes", [UNIT_TIME] = "ms"
    };

    return names[fields_unit(path)];
}

int fields_label(const char *path)
{
    enum unit unit;

    return (int)(strlen(path) - ending_of(path, &unit));
}

/* --- help ------------------------------------------------------------------------------------ */

void fields_help(unsigned of)
{
    int width = 0;

    for (const struct field *at = fields; at->path != NULL; at++)
        if ((at->of & of) != 0 && (int)strlen(at->path) > width)
            width = (int)strlen(at->path);
    for (const struct field *at = fields; at->path != NULL; at++)
        if ((at->of & of) != 0)
            out_format("  %-*s  %-5s  %s\n", width, at->path, fields_unit_name(at->path), at->help);
}
