/* overdue.c: calls that end before their answer comes: their time is over, or their caller goes. */
#include <stdio.h>

#include "call.h"
#include "calls.h"
#include "servers.h"
#include "waits.h"

enum { EXPIRED_AT_ONCE = 64 };

/* Why it ends now that its time is over. */
static const char *overdue(const struct call *call, char words[SERVERS_WORDS_MAX])
{
    const struct wait *wait = call->wait;

    if (wait != NULL && wait->subs != 0)
        snprintf(words, SERVERS_WORDS_MAX,
                 wait->subs == 1 ? "E_TIMEOUT nobody subscribed in time"
                                 : "E_TIMEOUT fewer than %u subscribed in time",
                 wait->subs);
    else if (call->due_ns < call->deadline_ns)
        servers_words(wait->crowded ? FOUND_BUSY : FOUND_NONE, wait_subject(wait),
                      wait->subject_length, words);
    else
        snprintf(words, SERVERS_WORDS_MAX, "E_TIMEOUT no answer came in time");
    return words;
}

/* Claims calls of the caller whose time is not after now_ns, at most max; the rest says when
 * the next one is due. */
static int claim_due(struct peer *caller, uint64_t now_ns, struct call **due, int max)
{
    uint64_t next_ns = PPI_FOREVER;
    size_t position = 0;
    struct call *call;
    int count = 0;

    ppi_mutex_lock(&caller->calls_lock);
    while ((call = ppi_map_next(&caller->calls, &position)) != NULL) {
        if (call->due_ns <= now_ns && count < max && call_claim(call))
            due[count++] = call;
        else if (call->due_ns < next_ns)
            next_ns = call->due_ns;
    }
    atomic_store(&caller->next_deadline_ns, next_ns);
    ppi_mutex_unlock(&caller->calls_lock);
    return count;
}

/* error NULL: that the time is over. */
static void end_due(struct worker *worker, struct peer *caller, uint64_t now_ns, const char *error)
{
    char words[SERVERS_WORDS_MAX];
    struct call *due[EXPIRED_AT_ONCE];
    int count;

    do {
        count = claim_due(caller, now_ns, due, EXPIRED_AT_ONCE);
        for (int i = 0; i < count; i++)
            calls_end(worker, due[i], error != NULL ? error : overdue(due[i], words));
    } while (count == EXPIRED_AT_ONCE);
}

void calls_expire(struct worker *worker, struct peer *caller, uint64_t now_ns)
{
    if (atomic_load(&caller->next_deadline_ns) <= now_ns)
        end_due(worker, caller, now_ns, NULL);
}

void calls_end_own(struct worker *worker, struct peer *caller, const char *error)
{
    end_due(worker, caller, PPI_FOREVER, error);
}
