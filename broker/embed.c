/* embed.c: the broker for other programs, panpipe/broker.h: their config becomes settings. A
 * pp_broker is a struct broker under the name that they know. */
#include <panpipe/broker.h>

#include <stdlib.h>

#include <panpipe/sys.h>

#include "base/compiler.h"
#include "base/status.h"
#include "broker.h"
#include "state.h"

static struct broker *inside(const pp_broker *broker)
{
    return (struct broker *)(uintptr_t)broker;
}

static bool is_known(const pp_broker_config *config)
{
    return config->size == sizeof *config && config->scope <= PP_SCOPE_SYSTEM &&
           config->access <= PP_ACCESS_ADMINS && config->log_level <= PP_LOG_DEBUG;
}

static int take_queue(struct settings *settings, uint64_t high)
{
    uint64_t hard = high * 4 > settings->frame_max ? high * 4 : settings->frame_max;

    return settings_set_number(settings, "queue_high", high) &&
                   settings_set_number(settings, "queue_low", high / 4) &&
                   settings_set_number(settings, "queue_hard", hard)
               ? PP_OK
               : ppi_fail(PP_EINVAL, "queue_bytes is out of bounds");
}

static int take_numbers(struct settings *settings, const pp_broker_config *config)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        { "frame_max", config->frame_max },
        { "connections", config->connections },
        { "subs", config->subs },
        { "calls_open", config->calls_open },
        { "call_deadline_ms", config->call_deadline_ms },
        { "drain_ms", config->drain_ms },
    };

    for (size_t i = 0; i < PPI_COUNT(numbers); i++)
        if (numbers[i].value != 0 &&
            !settings_set_number(settings, numbers[i].name, numbers[i].value))
            return ppi_fail(PP_EINVAL, "%s is out of bounds", numbers[i].name);
    return config->queue_bytes != 0 ? take_queue(settings, config->queue_bytes) : PP_OK;
}

/* Defaults, then the file, then the config. */
static int settle(struct settings *settings, const pp_broker_config *config)
{
    char problem[240];

    settings_defaults(settings);
    if (config->settings != NULL &&
        settings_load(settings, config->settings, problem, sizeof problem) != PP_OK)
        return ppi_fail(PP_EINVAL, "%s", problem);
    if (config->scope == PP_SCOPE_SYSTEM)
        settings->system = true;
    if (config->scope == PP_SCOPE_SYSTEM || config->access != PP_ACCESS_OWNER)
        settings->access = (int)config->access;
    if (!settings_set_text(settings->access_user, sizeof settings->access_user, config->user) ||
        !settings_set_text(settings->access_group, sizeof settings->access_group, config->group))
        return ppi_fail(PP_EINVAL, "the name of the user, or of the group, is too long");
    if (config->log_level != 0)
        settings->log_level = (enum log_level)config->log_level;
    if (!settings_set_text(settings->name, sizeof settings->name, config->name))
        return ppi_fail(PP_EINVAL, "the name is too long");
    int status = take_numbers(settings, config);
    if (status == PP_OK && settings_check(settings, problem, sizeof problem) != PP_OK)
        status = ppi_fail(PP_EINVAL, "%s", problem);
    return status;
}

/* --- a port and a thread of its own ----------------------------------------------------------- */

struct own_loop {
    void *context; /* of the program's callbacks, as in its config */
    void (*on_log)(void *context, uint32_t level, const char *line);
    void (*on_stopped)(void *context, pp_broker *broker);
    pp_port *port;
    pp_thread *thread;
    pp_op over; /* posted when the thread may leave */
};

static void work(void *argument)
{
    struct own_loop *own = argument;
    pp_packet packet;

    while (pp_port_get(own->port, &packet, -1) == 1 && packet.op != &own->over)
        ;
}

/* Its thread has left. */
static void own_loop_close(struct own_loop *own)
{
    pp_port_shutdown(own->port, PP_SHUT_FAST, -1, NULL, NULL);
    pp_port_close(own->port);
    free(own);
}

static int own_loop_open(struct own_loop **out, const pp_broker_config *config)
{
    struct own_loop *own = calloc(1, sizeof *own);

    if (own == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    own->context = config->context;
    own->on_log = config->on_log;
    own->on_stopped = config->on_stopped;
    pp_port_config port_config = PP_PORT_CONFIG_INIT;
    port_config.flags = PP_PORT_SINGLE_CONSUMER;
    int status = pp_port_open(&own->port, &port_config);
    if (status == PP_OK && (status = pp_thread_start(&own->thread, work, own)) != PP_OK)
        pp_port_close(own->port);
    if (status == PP_OK)
        *out = own;
    else
        free(own);
    return status;
}

static void own_log(void *context, uint32_t level, const char *line)
{
    const struct own_loop *own = context;

    own->on_log(own->context, level, line);
}

static void own_stopped(void *context, pp_broker *broker)
{
    struct own_loop *own = context;

    if (own->on_stopped != NULL)
        own->on_stopped(own->context, broker);
    pp_port_post(own->port, 0, 0, &own->over);
}

static int open_with_own_loop(struct broker **out, const struct settings *settings,
                              const pp_broker_config *config)
{
    struct own_loop *own = NULL;
    int status = own_loop_open(&own, config);

    if (status != PP_OK)
        return status;
    const struct broker_events events = { own, own->on_log != NULL ? own_log : NULL, own_stopped };
    status = broker_open(out, settings, own->port, &events);
    if (status == PP_OK) {
        (*out)->own = own;
    } else {
        pp_port_post(own->port, 0, 0, &own->over);
        pp_thread_join(own->thread);
        own_loop_close(own);
    }
    return status;
}

/* --- what other programs see ------------------------------------------------------------------ */

int pp_broker_open(pp_broker **out, pp_port *port, const pp_broker_config *config)
{
    static const pp_broker_config defaults = PP_BROKER_CONFIG_INIT;
    struct settings settings;
    struct broker *broker;

    if (config == NULL)
        config = &defaults;
    if (out == NULL || !is_known(config))
        return ppi_fail(PP_EINVAL, "out, config.size or one of its presets is wrong");
    int status = settle(&settings, config);
    if (status != PP_OK)
        return status;
    const struct broker_events events = { config->context, config->on_log, config->on_stopped };
    status = port != NULL ? broker_open(&broker, &settings, port, &events)
                          : open_with_own_loop(&broker, &settings, config);
    if (status == PP_OK)
        *out = (pp_broker *)broker;
    return status;
}

int pp_broker_stop(pp_broker *broker)
{
    if (broker == NULL)
        return ppi_fail_plain(PP_EINVAL);
    broker_stop(inside(broker));
    return PP_OK;
}

void pp_broker_close(pp_broker *broker)
{
    struct own_loop *own = broker != NULL ? inside(broker)->own : NULL;

    if (own == NULL) {
        broker_close(inside(broker));
        return;
    }
    broker_end(inside(broker));
    pp_thread_join(own->thread); /* it leaves when the broker is over */
    broker_close(inside(broker));
    own_loop_close(own);
}

int pp_broker_path(const pp_broker *broker, char *path, size_t size)
{
    if (broker == NULL || path == NULL)
        return ppi_fail_plain(PP_EINVAL);
    return broker_path(inside(broker), path, size);
}
