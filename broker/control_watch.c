#include "control_watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control_sys.h"
#include "events.h"
#include "kick.h"
#include "log.h"
#include "pack.h"
#include "reply.h"
#include "tap.h"
#include "wire/subject.h"

enum { REPORT_BYTES_MAX = 1024 * 1024 }; /* of events in one answer, or what frame_max allows */

/* --- subscriptions of $sys ------------------------------------------------------------------- */

bool control_is_sys(const struct sub *sub)
{
    return sub->pattern_length >= 5 && memcmp(sub->pattern, "$sys.", 5) == 0;
}

bool control_watch(const struct request_in *in, struct sub *sub)
{
    int why;

    if (!control_may_operate(in))
        return false;
    sub->drop = true;
    sub->tap = tap_find(in->peer, sub->pattern, sub->pattern_length, &why);
    if (sub->tap != NULL || events_match(sub->pattern, sub->pattern_length))
        return true;
    if (why == PP_EPERM)
        in_fail(in, "E_PERM", "that tap is another connection's");
    else if (why == PP_EBUSY)
        in_fail(in, "E_BUSY", "that tap has its subscription");
    else
        in_fail(in, "E_NOTFOUND", "there are $sys.events.KIND, and the taps that $sys.tap makes");
    return false;
}

/* --- $sys.events, $sys.tap ------------------------------------------------------------------- */

enum ppi_verdict control_sys_events(const struct request_in *in)
{
    struct option known[] = { { .name = "since", .type = OPTION_NUMBER },
                              { .name = "max", .type = OPTION_NUMBER } };
    struct broker *broker = in->worker->broker;
    size_t bytes_max = broker->settings.frame_max - PPI_FRAME_RESERVE;
    struct reply reply;

    if (!control_may_operate(in) || !in_options(in, 0, known, PPI_COUNT(known)))
        return PPI_NEXT;
    if (bytes_max > REPORT_BYTES_MAX)
        bytes_max = REPORT_BYTES_MAX;
    reply_begin(&reply, in->frame->id);
    events_report(&reply, broker, known[0].number, known[1].given ? known[1].number : UINT64_MAX,
                  bytes_max);
    reply_end(in->worker, in->peer, &reply);
    return PPI_NEXT;
}

enum ppi_verdict control_sys_tap(const struct request_in *in)
{
    struct tap_filter filter;
    struct reply reply;
    char subject[32];

    if (!control_may_operate(in) || !tap_filter_read(in, &filter))
        return PPI_NEXT;
    worker_write_begin(in->worker);
    uint64_t id = tap_new(in->peer, &filter);
    worker_write_end(in->worker);
    if (id == 0) {
        in_fail(in, "E_LIMIT", "there are 16 taps already, or there is no memory");
        return PPI_NEXT;
    }
    snprintf(subject, sizeof subject, "$sys.tap.%" PRIu64, id);
    reply_begin(&reply, in->frame->id);
    msgpack_pack_map(&reply.packer, 2);
    pack_text(&reply.packer, "subject", subject);
    ppi_pack_text(&reply.packer, "filter");
    tap_filter_pack(&reply.packer, &filter);
    reply_end(in->worker, in->peer, &reply);
    return PPI_NEXT;
}

/* --- $sys.kick ------------------------------------------------------------------------------- */

static bool is_line(const struct option *text)
{
    for (size_t i = 0; i < text->text_length; i++)
        if ((unsigned char)text->text[i] < 0x20 || text->text[i] == 0x7F)
            return false;
    return text->text_length <= KICK_TEXT_MAX && ppi_utf8(text->text, text->text_length);
}

enum ppi_verdict control_sys_kick(const struct request_in *in)
{
    struct option known[] = { { .name = "text", .type = OPTION_TEXT },
                              { .name = "for_ms", .type = OPTION_NUMBER } };
    uint64_t client;

    if (!control_may_operate(in) || !in_number(in, 0, "the client's number", &client) ||
        !in_options(in, 1, known, PPI_COUNT(known)))
        return PPI_NEXT;
    if (!is_line(&known[0]) || known[1].number > KICK_MS_MAX) {
        in_fail(in, "E_ARG",
                "option 'text' is one line of at most 200 bytes, 'for_ms' at most 86,400,000");
        return PPI_NEXT;
    }
    struct peer *peer = ppi_map_get(&in->worker->broker->peers_by_id, client);
    if (peer == NULL || ppi_link_is_closing(&peer->link)) {
        in_fail(in, "E_NOTFOUND", "no client has this number");
        return PPI_NEXT;
    }
    in_answer_nil(in); /* before it, if it is oneself */
    kick(in->worker, peer, in->peer, known[0].text, known[1].number);
    return peer == in->peer ? PPI_STOP : PPI_NEXT;
}
