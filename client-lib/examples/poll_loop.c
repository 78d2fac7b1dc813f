/* poll_loop.c: a client inside a loop that is there already: here poll(2), beside standard input.
 * Linux; native_loop.c is its twin for Windows.
 *
 *     build/bin/panpiped &
 *     build/bin/panpipe sub loop.lines &
 *     build/bin/examples/poll_loop            # type lines; Ctrl-D ends
 *     build/bin/panpipe pub loop.hello 42     # elsewhere
 *
 * The port lends a descriptor, which is readable when the port has something to do. Any loop can
 * wait for it: epoll, uv_poll_start, g_unix_fd_add ... All callbacks run in this thread. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <panpipe/pack.h>

enum { PORT, INPUT };
static struct pollfd watched[] = { { -1, POLLIN, 0 }, { -1, POLLIN, 0 } }; /* -1: not watched */
static pp_sub *sub;
static int closed;

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "poll_loop: %s: %s. %s\n", what, pp_strerror(status), pp_detail());
    exit(1);
}

static void on_message(void *context, const pp_message *message)
{
    (void)context;
    printf("%.*s: %d bytes\n", (int)message->subject_length, message->subject,
           (int)message->params_size);
    fflush(stdout);
}

static void on_closed(void *context, pp_client *client, int why)
{
    (void)context;
    (void)client;
    closed = 1;
    must(why == PP_ECLOSED ? PP_OK : why, "the connection"); /* PP_ECLOSED: it was us */
}

static void on_subscribed(pp_op *op)
{
    must(op->status, "subscribing");
    printf("subscribed\n");
    fflush(stdout);
    watched[INPUT].fd = STDIN_FILENO; /* from now on there is somewhere to publish it */
}

static void on_connected(pp_op *op)
{
    static const pp_sub_config config = { .size = sizeof config, .on_message = on_message };

    must(op->status, "connecting");
    must(pp_op_use_call(op, on_subscribed), "subscribing");
    must(pp_subscribe(op->user, op, "loop.hello", &config, &sub), "subscribing");
}

/* false: the input has ended. Whatever one read brings is one message. */
static int publish_input(pp_client *client)
{
    char line[4096];
    ssize_t size = read(STDIN_FILENO, line, sizeof line);
    msgpack_sbuffer params;
    msgpack_packer packer;

    if (size <= 0)
        return 0;
    msgpack_sbuffer_init(&params);
    msgpack_packer_init(&packer, &params, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 1);
    msgpack_pack_str_with_body(&packer, line, (size_t)size);
    must(pp_publish_packed(client, "loop.lines", &params), "publishing");
    msgpack_sbuffer_destroy(&params);
    return 1;
}

int main(void)
{
    pp_client_config config = { .size = sizeof config, .on_closed = on_closed };
    pp_op op = PP_OP_INIT;
    pp_client *client;
    pp_packet packet;
    int got;

    must(pp_port_open(&config.port, NULL), "the port");
    must(pp_port_pollable(config.port, &watched[PORT].fd), "the port's descriptor");
    must(pp_client_new(&client, &config), "the client");
    op.user = client;
    must(pp_op_use_call(&op, on_connected), "connecting");
    must(pp_client_connect(client, &op), "connecting");
    while (!closed) {
        if (poll(watched, 2, -1) < 0)
            continue; /* a signal */
        if (watched[INPUT].revents != 0 && !publish_input(client)) {
            watched[INPUT].fd = -1;
            pp_client_close(client); /* does not wait: on_closed tells */
        }
        while ((got = pp_port_get(config.port, &packet, 0)) == 1)
            ; /* every operation of ours has a function: no packets are left for us */
        must(got, "the port");
    }
    must(pp_port_shutdown(config.port, PP_SHUT_FAST, -1, NULL, NULL), "shutting down");
    pp_port_close(config.port);
    return 0;
}
