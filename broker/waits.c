#include "waits.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "calls.h"
#include "wire/subject.h"

/* Counts bytes that the caller's waiting calls hold; false: that would be too many. */
static bool charge(struct peer *caller, size_t bytes)
{
    ppi_mutex_lock(&caller->calls_lock);
    bool fits = caller->waiting_bytes + bytes <= caller->broker->settings.queue_hard;
    if (fits)
        caller->waiting_bytes += bytes;
    ppi_mutex_unlock(&caller->calls_lock);
    return fits;
}

static void uncharge(struct peer *caller, size_t bytes)
{
    ppi_mutex_lock(&caller->calls_lock);
    caller->waiting_bytes -= bytes;
    ppi_mutex_unlock(&caller->calls_lock);
}

int wait_new(struct call *call, const struct request *request)
{
    if (!charge(call->caller, request->rest_size))
        return PP_ELIMIT;
    struct wait *wait = malloc(sizeof *wait + request->rest_size);
    if (wait == NULL) {
        uncharge(call->caller, request->rest_size);
        return PP_ENOMEM;
    }
    *wait = (struct wait){ .call = call,
                           .subs = request->subs,
                           .subject_length = (uint8_t)request->subject_length,
                           .subject = (size_t)((const uint8_t *)request->subject - request->rest),
                           .rest_size = request->rest_size };
    ppi_list_init(&wait->in_broker);
    memcpy(wait->rest, request->rest, request->rest_size);
    call->wait = wait;
    return PP_OK;
}

void wait_enter(struct call *call)
{
    struct broker *broker = call->caller->broker;

    ppi_mutex_lock(&broker->waits_lock);
    ppi_list_append(&broker->waits, &call->wait->in_broker);
    ppi_mutex_unlock(&broker->waits_lock);
}

void wait_set_crowded(struct wait *wait, bool crowded)
{
    struct broker *broker = wait->call->caller->broker;

    if (crowded && !wait->crowded)
        atomic_fetch_add(&broker->crowded, 1);
    if (!crowded && wait->crowded)
        atomic_fetch_sub(&broker->crowded, 1);
    wait->crowded = crowded;
}

void wait_free(struct call *call)
{
    struct wait *wait = call->wait;
    struct broker *broker = call->caller->broker;

    wait_set_crowded(wait, false);
    ppi_mutex_lock(&broker->waits_lock);
    ppi_list_remove(&wait->in_broker);
    ppi_mutex_unlock(&broker->waits_lock);
    uncharge(call->caller, wait->rest_size);
    call->wait = NULL;
    free(wait);
}

bool wait_is_for(const struct wait *wait, const struct sub *sub)
{
    return sub->serve == (wait->subs == 0) &&
           ppi_subject_match(sub->pattern, sub->pattern_length, wait_subject(wait),
                             wait->subject_length);
}

const char *wait_subject(const struct wait *wait)
{
    return (const char *)wait->rest + wait->subject;
}
