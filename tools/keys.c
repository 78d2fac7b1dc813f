#include "keys.h"

#include <panpipe/sys.h>

/* The thread and the session hand one key to and fro, each through the other's port. */
static struct {
    struct keys keys;
    pp_port *port, *free; /* the session's; the thread's, which is nothing but a queue here */
    pp_thread *thread;
} reader;

static void read_keys(void *argument)
{
    pp_packet packet;

    (void)argument;
    while (pp_port_get(reader.free, &packet, -1) == 1) {
        ppi_console_wait(&reader.keys.press);
        enum ppi_key key = reader.keys.press.key;
        pp_port_post(reader.port, 0, 0, packet.op); /* it is not ours any more */
        if (key == PPI_KEY_CLOSED)
            return;
    }
}

struct keys *keys_open(struct session *session)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    config.concurrency = 1;
    reader.port = session->port;
    if (pp_port_open(&reader.free, &config) != PP_OK)
        return NULL;
    keys_next();
    if (pp_thread_start(&reader.thread, read_keys, NULL) != PP_OK)
        return NULL;
    return &reader.keys;
}

void keys_next(void)
{
    pp_port_post(reader.free, 0, 0, session_task(&reader.keys.task));
}

void keys_close(void)
{
    if (reader.free == NULL)
        return;
    pp_port_shutdown(reader.free, PP_SHUT_FAST, -1, NULL, NULL);
    pp_thread_join(reader.thread);
    pp_port_close(reader.free);
    reader.free = NULL;
}
