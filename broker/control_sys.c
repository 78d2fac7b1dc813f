#include "control_sys.h"

#include "pack.h"
#include "reply.h"
#include "report.h"
#include "settings.h"
#include "stop.h"
#include "wire/subject.h"

enum { SUBJECTS_MAX = 1000 }; /* in a report, unless it is asked for others */

bool control_may_operate(const struct request_in *in)
{
    if (report_is_operator(in->peer))
        return true;
    in_fail(in, "E_PERM", "only the broker's own user may do this");
    return false;
}

/* Sends the report, or why there is none ("E_NAME text"). */
static void answer_report(const struct request_in *in, struct reply *reply, const char *why_not)
{
    if (why_not == NULL && ppi_buf_size(&reply->buf) > in->worker->broker->settings.frame_max)
        why_not = "E_LIMIT frame_max: the report is larger; ask for one client, or fewer subjects";
    if (why_not == NULL) {
        reply_end(in->worker, in->peer, reply);
        return;
    }
    ppi_buf_deinit(&reply->buf);
    reply_error(in->worker, in->peer, in->frame->id, "%s", why_not);
}

enum ppi_verdict control_sys_stats(const struct request_in *in)
{
    struct reply reply;

    if (!control_may_operate(in))
        return PPI_NEXT;
    reply_begin(&reply, in->frame->id);
    report_stats(in->worker, &reply.packer);
    answer_report(in, &reply, NULL);
    return PPI_NEXT;
}

typedef const char *report_of_client(struct worker *worker, msgpack_packer *packer,
                                     uint64_t client);

/* One of all clients, or of one. */
static enum ppi_verdict report_of(const struct request_in *in, report_of_client *report)
{
    uint64_t client = 0;
    struct reply reply;

    if (!control_may_operate(in) ||
        (in->count > 0 && !in_number(in, 0, "the number of a client", &client)))
        return PPI_NEXT;
    reply_begin(&reply, in->frame->id);
    answer_report(in, &reply,
                  in->count > 0 && client == 0 ? REPORT_NO_CLIENT
                                               : report(in->worker, &reply.packer, client));
    return PPI_NEXT;
}

enum ppi_verdict control_sys_clients(const struct request_in *in)
{
    return report_of(in, report_clients);
}

enum ppi_verdict control_sys_subs(const struct request_in *in)
{
    return report_of(in, report_subs);
}

enum ppi_verdict control_sys_subjects(const struct request_in *in)
{
    struct option known[] = { { .name = "max", .type = OPTION_NUMBER } };
    struct subject_query query = { .max = SUBJECTS_MAX };
    struct reply reply;
    int options = 0;

    if (!control_may_operate(in))
        return PPI_NEXT;
    if (in->count > 0 &&
        ppi_value_at(in->params[0].data, in->params[0].size).kind == PPI_VALUE_TEXT) {
        in_text(in, 0, "the pattern", &query.pattern, &query.pattern_length);
        options = 1;
        enum ppi_subject kind = ppi_subject_check(query.pattern, query.pattern_length);
        if (kind != PPI_SUBJECT_PLAIN && kind != PPI_SUBJECT_PATTERN) {
            in_fail(in, "E_ARG", ppi_subject_problem(kind));
            return PPI_NEXT;
        }
    }
    if (!in_options(in, options, known, PPI_COUNT(known)))
        return PPI_NEXT;
    if (known[0].given)
        query.max = known[0].number;
    reply_begin(&reply, in->frame->id);
    answer_report(in, &reply, report_subjects(in->worker, &reply.packer, &query));
    return PPI_NEXT;
}

static void pack_setting(void *packer, const char *name, uint64_t value)
{
    pack_number(packer, name, value);
}

enum ppi_verdict control_sys_settings(const struct request_in *in)
{
    const struct settings *settings = &in->worker->broker->settings;
    struct reply reply;

    if (!control_may_operate(in))
        return PPI_NEXT;
    reply_begin(&reply, in->frame->id);
    msgpack_pack_map(&reply.packer, settings_each(settings, NULL, NULL));
    settings_each(settings, pack_setting, &reply.packer);
    reply_end(in->worker, in->peer, &reply);
    return PPI_NEXT;
}

enum ppi_verdict control_sys_stop(const struct request_in *in)
{
    struct option known[] = { { .name = "drain_ms", .type = OPTION_NUMBER },
                              { .name = "wait", .type = OPTION_BOOL } };

    if (!control_may_operate(in) || !in_options(in, 0, known, PPI_COUNT(known)))
        return PPI_NEXT;
    if (known[0].number > STOP_DRAIN_MS_MAX) {
        in_fail(in, "E_ARG", "option 'drain_ms' is at most 3,600,000 ms");
        return PPI_NEXT;
    }
    in_answer_nil(in);
    if (known[1].truth)
        atomic_store(&in->peer->leaves_last, true);
    if (known[0].given)
        stop_begin_within(in->worker->broker, (uint32_t)known[0].number);
    else
        stop_begin(in->worker->broker, 1);
    return PPI_NEXT;
}
