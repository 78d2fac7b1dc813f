#include "embed/host.h"

static void work(void *argument)
{
    pp_packet packet;

    while (pp_port_get(argument, &packet, -1) == 1)
        ;
}

void host_open(struct host *host, int threads)
{
    *host = (struct host){ .count = threads };
    assert_int_equal(pp_port_open(&host->port, NULL), PP_OK);
    for (int i = 0; i < threads; i++)
        runner_start(&host->threads[i], work, host->port);
}

void host_close(struct host *host)
{
    assert_int_equal(pp_port_shutdown(host->port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    for (int i = 0; i < host->count; i++)
        runner_join(&host->threads[i]);
    pp_port_close(host->port);
}

uint64_t outstanding(const struct host *host)
{
    pp_port_stats stats = { .size = sizeof stats };

    assert_int_equal(pp_port_info(host->port, &stats), PP_OK);
    return stats.outstanding;
}

static void on_stopped(void *context, pp_broker *broker)
{
    struct ending *ending = context;
    pp_client *client;

    ending->refused_to_wait = pp_client_open(&client, NULL) == PP_EDEADLOCK;
    if (ending->close)
        pp_broker_close(broker);
    atomic_fetch_add(&ending->times, 1);
}

pp_broker_config config_of(const char *name, struct ending *ending)
{
    pp_broker_config config = PP_BROKER_CONFIG_INIT;

    config.name = name;
    config.context = ending;
    config.on_stopped = on_stopped;
    return config;
}

pp_broker *open_broker(const struct host *host, const char *name, struct ending *ending)
{
    pp_broker_config config = config_of(name, ending);
    pp_broker *broker;

    assert_int_equal(pp_broker_open(&broker, host->port, &config), PP_OK);
    return broker;
}

pp_client *open_client(const char *name)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_client *client;

    config.broker = name;
    config.connect_ms = TEST_PATIENCE_MS;
    config.flags = PP_CLIENT_ONCE; /* the end of its broker is to be seen */
    assert_int_equal(pp_client_open(&client, &config), PP_OK);
    return client;
}

static void on_message(void *context, const pp_message *message)
{
    (void)message;
    atomic_fetch_add((atomic_uint *)context, 1);
}

void subscribe(pp_client *client, const char *pattern, atomic_uint *count)
{
    pp_sub_config config = PP_SUB_CONFIG_INIT;
    pp_sub *sub;

    config.on_message = on_message;
    config.context = count;
    assert_int_equal(pp_subscribe(client, NULL, pattern, &config, &sub), PP_OK);
}
