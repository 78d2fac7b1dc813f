/* embeds.c: a user's program, in C and in C++, with a broker inside, of which it is a client. */
#include <panpipe/broker.h>
#include <panpipe/client.h>
#include <panpipe/sys.h>

static void work(void *port)
{
    pp_packet packet;

    while (pp_port_get((pp_port *)port, &packet, -1) == 1)
        ;
}

int main(void)
{
    pp_broker_config config = PP_BROKER_CONFIG_INIT;
    pp_client_config client_config = PP_CLIENT_CONFIG_INIT;
    pp_thread *thread;
    pp_client *client;
    pp_broker *broker;
    pp_port *port;

    config.name = client_config.broker = "embeds";
    if (pp_port_open(&port, NULL) != PP_OK || pp_broker_open(&broker, port, &config) != PP_OK ||
        pp_thread_start(&thread, work, port) != PP_OK ||
        pp_client_open(&client, &client_config) != PP_OK || pp_client_flush(client, NULL) != PP_OK)
        return 1;
    pp_client_close(client);
    pp_port_shutdown(port, PP_SHUT_FAST, -1, NULL, NULL);
    pp_thread_join(thread);
    pp_broker_close(broker);
    pp_port_close(port);
    return 0;
}
