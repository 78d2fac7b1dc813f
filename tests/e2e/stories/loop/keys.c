/* keys.c: an old program that reads keys in a loop around poll(2). What is new: it tells the last
 * key to whoever asks on the bus. One thread, and nothing waits but poll. */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <panpipe/client.h>

static char last[] = "\xA1?"; /* in MessagePack a text of one byte */

static void on_call(void *client, const pp_message *call)
{
    pp_reply(*(pp_client **)client, call->call, last, 2);
}

int main(void)
{
    struct pollfd watched[] = { { STDIN_FILENO, POLLIN, 0 }, { -1, POLLIN, 0 } };
    pp_client_config config = { .size = sizeof config, .flags = PP_CLIENT_START };
    pp_client *client;
    pp_serve_config asked = { .size = sizeof asked, .on_call = on_call, .context = &client };
    pp_op served = PP_OP_INIT;
    pp_packet packet;
    pp_sub *service;

    if (pp_port_open(&config.port, NULL) || pp_port_pollable(config.port, &watched[1].fd) ||
        pp_client_new(&client, &config) || pp_client_start(client) ||
        pp_serve(client, &served, "keys.last", &asked, &service))
        return fprintf(stderr, "keys: %s\n", pp_detail()), 1;
    while (poll(watched, 2, -1) >= 0 &&
           (watched[0].revents == 0 || read(STDIN_FILENO, &last[1], 1) == 1))
        while (pp_port_get(config.port, &packet, 0) == 1)
            ;
    pp_port_shutdown(config.port, PP_SHUT_FAST, -1, NULL, NULL);
    return 0;
}
