#include "control_sys.h"

#include "reply.h"
#include "report.h"
#include "settings.h"
#include "stop.h"
#include "wire/envelope.h"

/* May the peer operate the broker? Its own user may, and root. */
static bool may_operate(const struct request_in *in)
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

    if (!may_operate(in))
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
    if (!may_operate(in))
        return PPI_NEXT;
    in_answer_nil(in);
    stop_begin(in->worker->broker, 1);
    return PPI_NEXT;
}
