#include "control_sys.h"

#include "reply.h"
#include "report.h"
#include "settings.h"
#include "stop.h"
#include "wire/envelope.h"

bool control_may_operate(const struct request_in *in)
{
    if (report_is_operator(in->peer))
        return true;
    in_fail(in, "E_PERM", "only the broker's own user may do this");
    return false;
}

static enum ppi_verdict sys_report(const struct request_in *in,
                                   void (*report)(msgpack_packer *, struct broker *))
{
    struct reply reply;

    if (!control_may_operate(in))
        return PPI_NEXT;
    worker_write_begin(in->worker); /* everything stands still: the figures agree */
    reply_begin(&reply, in->frame->id);
    report(&reply.packer, in->worker->broker);
    worker_write_end(in->worker);
    reply_end(in->worker, in->peer, &reply);
    return PPI_NEXT;
}

enum ppi_verdict control_sys_stats(const struct request_in *in)
{
    return sys_report(in, report_stats);
}

enum ppi_verdict control_sys_clients(const struct request_in *in)
{
    return sys_report(in, report_clients);
}

enum ppi_verdict control_sys_subs(const struct request_in *in)
{
    return sys_report(in, report_subs);
}

static void pack_setting(void *packer, const char *name, uint64_t value)
{
    ppi_pack_text(packer, name);
    msgpack_pack_uint64(packer, value);
}

static void report_settings(msgpack_packer *packer, struct broker *broker)
{
    msgpack_pack_map(packer, settings_each(&broker->settings, NULL, NULL));
    settings_each(&broker->settings, pack_setting, packer);
}

enum ppi_verdict control_sys_settings(const struct request_in *in)
{
    return sys_report(in, report_settings);
}

enum ppi_verdict control_sys_stop(const struct request_in *in)
{
    struct option known[] = { { .name = "drain_ms", .type = OPTION_NUMBER } };

    if (!control_may_operate(in) || !in_options(in, 0, known, PPI_COUNT(known)))
        return PPI_NEXT;
    if (known[0].number > STOP_DRAIN_MS_MAX) {
        in_fail(in, "E_ARG", "option 'drain_ms' is at most 3,600,000 ms");
        return PPI_NEXT;
    }
    in_answer_nil(in);
    if (known[0].given)
        stop_begin_within(in->worker->broker, (uint32_t)known[0].number);
    else
        stop_begin(in->worker->broker, 1);
    return PPI_NEXT;
}
