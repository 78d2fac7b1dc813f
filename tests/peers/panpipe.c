/* panpipe.c: libpanpipe at both ends.
 *
 * A publisher calls pp_publish from its own thread, on a client that makes its port and thread
 * itself; a subscriber has a callback. Connections of one process share one port and one thread.
 * A requester keeps its calls outstanding as operations on its own port: their packets come to
 * the thread that asks again, so no thread waits for another. panpipe-sync: the call waits, for
 * the client's own thread to bring the answer. */
#include "variant.h"

#include <stdlib.h>

#include <panpipe/client.h>
#include <panpipe/sys.h>

static pid_t start(const struct variant *variant)
{
    const char *path = run_path(variant, "sock");
    const char *const arguments[] = { "", "-b", path, "--log-level", "error", NULL };
    pid_t process = start_server(variant, arguments);

    wait_for_server(path);
    return process;
}

static void well(int status, const char *what)
{
    if (status != PP_OK)
        die("%s: %s %s", what, pp_strerror(status), pp_detail());
}

/* --- params: [payload] ------------------------------------------------------------------------ */

enum { PARAMS_HEAD_MAX = 6 };

/* The params around a payload of that size, zeroed; *payload is where it lies. */
static unsigned char *params_new(size_t payload_size, size_t *size, unsigned char **payload)
{
    unsigned char *params = calloc(1, PARAMS_HEAD_MAX + payload_size), *at = params;
    int width = payload_size < 256 ? 1 : payload_size < 65536 ? 2 : 4;

    must(params != NULL);
    *at++ = 0x91;
    *at++ = (unsigned char)(width == 1 ? 0xC4 : width == 2 ? 0xC5 : 0xC6);
    for (int i = width - 1; i >= 0; i--)
        *at++ = (unsigned char)(payload_size >> 8 * i);
    *payload = at;
    *size = (size_t)(at - params) + payload_size;
    return params;
}

/* The payload of a bin, and its size. */
static const void *payload_of(const unsigned char *bin, size_t size, size_t *payload_size)
{
    size_t width = bin[0] == 0xC4 ? 1 : bin[0] == 0xC5 ? 2 : 4, length = 0;

    must(size > width && bin[0] >= 0xC4 && bin[0] <= 0xC6);
    for (size_t i = 0; i < width; i++)
        length = length << 8 | bin[1 + i];
    must(size == 1 + width + length);
    *payload_size = length;
    return bin + 1 + width;
}

/* The payload of [payload]. */
static const void *params_payload(const pp_message *message, size_t *payload_size)
{
    const unsigned char *params = message->params;

    must(message->params_size > 2 && params[0] == 0x91);
    return payload_of(params + 1, message->params_size - 1, payload_size);
}

/* --- messages --------------------------------------------------------------------------------- */

static char subject[3] = "s0";

static pp_client *open_client(const struct variant *variant, pp_port *port)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_client *client;

    config.broker = run_path(variant, "sock");
    config.port = port;
    well(pp_client_new(&client, &config), "pp_client_new");
    well(pp_client_connect(client, NULL), "pp_client_connect");
    return client;
}

static void publish(const struct variant *variant, int channel)
{
    struct sending sending = { .channel = channel };
    unsigned char *payload;
    size_t size;
    unsigned char *params = params_new(board->size, &size, &payload);
    pp_client *client = open_client(variant, NULL);

    subject[1] = (char)('0' + channel);
    client_ready();
    while (next_message(&sending, payload))
        well(pp_publish(client, subject, params, size), "pp_publish");
    well(pp_client_drain(client, NULL), "pp_client_drain");
}

/* Takes a port's packets; there are none but the library's own. */
static void work(void *port)
{
    pp_packet packet;

    while (pp_port_get(port, &packet, -1) == 1)
        ;
}

static pp_port *open_port(pp_thread **thread)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;
    pp_port *port;

    config.concurrency = 1;
    well(pp_port_open(&port, &config), "pp_port_open");
    well(pp_thread_start(thread, work, port), "pp_thread_start");
    return port;
}

struct connection {
    int channel, index;
};

static void on_message(void *context, const pp_message *message)
{
    const struct connection *connection = context;
    size_t size;
    const void *payload = params_payload(message, &size);

    got(connection->channel, connection->index, payload, size);
}

static void subscribe(const struct variant *variant, int channel, int connections)
{
    static struct connection contexts[CONNECTIONS_MAX];
    pp_sub_config config = PP_SUB_CONFIG_INIT;
    pp_thread *thread;
    pp_port *port = open_port(&thread);
    pp_sub *sub;

    subject[1] = (char)('0' + channel);
    config.on_message = on_message;
    for (int i = 0; i < connections; i++) {
        pp_client *client = open_client(variant, port);

        contexts[i] = (struct connection){ channel, i };
        config.context = &contexts[i];
        well(pp_subscribe(client, NULL, subject, &config, &sub), "pp_subscribe");
    }
    client_ready();
    pp_thread_join(thread); /* the process is ended from outside */
}

/* --- calls ------------------------------------------------------------------------------------ */

static void on_call(void *client, const pp_message *message)
{
    const unsigned char *params = message->params; /* [payload]; the result is the payload */

    well(pp_reply(*(pp_client **)client, message->call, params + 1, message->params_size - 1),
         "pp_reply");
}

static void respond(const struct variant *variant)
{
    static pp_client *client;
    pp_serve_config config = PP_SERVE_CONFIG_INIT;
    pp_thread *thread;
    pp_port *port = open_port(&thread);
    pp_sub *service;

    client = open_client(variant, port);
    config.on_call = on_call;
    config.context = &client;
    well(pp_serve(client, NULL, "q0", &config, &service), "pp_serve");
    client_ready();
    pp_thread_join(thread);
}

struct call {
    pp_op op;
    pp_answer answer;
    unsigned char *params, *payload;
    size_t size;
};

static void ask(pp_client *client, struct call *call, struct requesting *requesting)
{
    next_request(requesting, call->payload);
    well(pp_call(client, &call->op, "q0", call->params, call->size, NULL, &call->answer),
         "pp_call");
}

/* Connects a client on a port whose packets this thread takes. */
static pp_client *connect_here(const struct variant *variant, pp_port *port)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_op op = PP_OP_INIT;
    pp_client *client;
    pp_packet packet;

    config.broker = run_path(variant, "sock");
    config.port = port;
    well(pp_client_new(&client, &config), "pp_client_new");
    well(pp_client_connect(client, &op), "pp_client_connect");
    must(pp_port_get(port, &packet, 5000) == 1 && packet.op == &op);
    well(packet.status, "connect");
    return client;
}

static void request(const struct variant *variant, unsigned outstanding)
{
    struct call *calls = calloc(outstanding, sizeof *calls);
    struct requesting requesting;
    pp_packet packet;
    pp_port *port;
    size_t size;

    must(calls != NULL);
    for (unsigned i = 0; i < outstanding; i++)
        calls[i].params = params_new(REQUEST_BYTES, &calls[i].size, &calls[i].payload);
    well(pp_port_open(&port, NULL), "pp_port_open");
    pp_client *client = connect_here(variant, port);
    client_ready();
    requests_begin(&requesting);
    for (unsigned i = 0; i < outstanding; i++)
        ask(client, &calls[i], &requesting);
    while (pp_port_get(port, &packet, -1) == 1) {
        struct call *call = PP_CONTAINER(packet.op, struct call, op);

        well(packet.status, "call");
        const void *payload = payload_of(call->answer.data, call->answer.size, &size);
        if (!got_reply(&requesting, payload, size))
            return;
        ask(client, call, &requesting);
    }
}

/* One thread that calls, and waits inside the call. */
static void request_and_wait(const struct variant *variant, unsigned outstanding)
{
    struct requesting requesting;
    pp_answer answer = { 0 };
    unsigned char *payload;
    size_t size;
    unsigned char *params = params_new(REQUEST_BYTES, &size, &payload);
    pp_client *client = open_client(variant, NULL);

    must(outstanding == 1);
    client_ready();
    requests_begin(&requesting);
    for (bool more = true; more;) {
        size_t reply_size;

        next_request(&requesting, payload);
        well(pp_call(client, NULL, "q0", params, size, NULL, &answer), "pp_call");
        const void *reply = payload_of(answer.data, answer.size, &reply_size);
        more = got_reply(&requesting, reply, reply_size);
    }
}

const struct variant panpipe_sync = { .name = "panpipe-sync",
                                      .server = "../panpiped",
                                      .start = start,
                                      .respond = respond,
                                      .request = request_and_wait,
                                      .outstanding_max = 1 };

const struct variant panpipe = { .name = "panpipe",
                                 .server = "../panpiped",
                                 .start = start,
                                 .subscribe = subscribe,
                                 .publish = publish,
                                 .respond = respond,
                                 .request = request };
