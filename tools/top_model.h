/* top_model.h: what `panpipe top` knows: the figures of one interval, made of the broker's answers
 * at its beginning and its end. The names of fields are those of broker/SYS.md. A figure that the
 * broker does not give, or that needs an earlier answer, is NAN: not known. */
#ifndef TOP_MODEL_H
#define TOP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum { TOP_HISTORY = 60, TOP_LIST_MAX = 96, TOP_KEY_MAX = 24 };

struct top_broker {
    const char *name, *scope, *version;
    double pid, uptime_ms, cpu_share, memory_bytes, handles, handles_max, workers;
    double clients, subs, calls_open, taps;
    double in, out, bytes_in, bytes_out; /* each second; in and out: messages, calls, answers */
    double p50_ns, p99_ns;               /* of this interval */
    double lost, denied, missed;         /* ever */
    bool loses;                          /* in this interval */
};

struct top_client {
    uint64_t id;
    const char *name, *exe, *user, *state;
    uint64_t uid; /* where user is not known */
    double pid, subs, in, out, bytes_in, bytes_out;
    double queued_bytes, oldest_ms, lost;
    bool slow;             /* its queue is too long, or others had to wait for it */
    bool blocked;          /* for more than a tenth of the interval, or now */
    uint64_t held_by;      /* for whom it waits, or waited last; 0: not known */
    const char *held_name; /* NULL: it is gone */
    bool waits;            /* something is queued for it */
};

struct top_subject {
    const char *subject;
    bool calls;                    /* it is called, not published */
    double messages, bytes, drops; /* each second */
    char from[TOP_LIST_MAX], to[TOP_LIST_MAX];
};

/* Zeroed, nothing is known. Texts belong to the answers, and are as others wrote them. */
struct top_model {
    bool known, compared; /* there is an answer; there are two of one broker */
    double interval_s;
    struct top_broker broker;
    struct top_client *clients; /* the oldest first */
    size_t client_count;
    struct top_subject *subjects; /* the busiest of this interval first */
    size_t subject_count;
    double history_in[TOP_HISTORY], history_out[TOP_HISTORY]; /* the latest last */
    size_t history_count;

    uint64_t taken_ns; /* when the answers came */
    json_t *stats, *answers;
    json_t *client_index, *subject_index; /* the answers of before, by number and by subject */
};

/* Takes the answers of $sys.stats, $sys.clients and $sys.subjects (NULL: it has none), and owns
 * them from now on. */
void top_model_take(struct top_model *model, json_t *stats, json_t *clients, json_t *subjects,
                    uint64_t now_ns);
void top_model_free(struct top_model *model);

/* The name of a client in client_index; returns key. */
const char *top_key(uint64_t client, char key[TOP_KEY_MAX]);

/* The time that a share of what lies between two answers' times did not exceed; NAN: nothing does.
 * before may be NULL. */
double top_quantile(const json_t *times, const json_t *before, double share);

#endif
