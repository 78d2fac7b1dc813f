#include "client/party.h"

#include "support/text.h"
#include "wire/scan.h"

struct bytes bytes_of(const char *format, ...)
{
    struct ppi_buf buf = { 0 };
    struct bytes bytes;
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_pack(&buf, text);
    bytes.size = ppi_buf_size(&buf);
    assert_true(bytes.size <= sizeof bytes.data);
    memcpy(bytes.data, ppi_buf_data(&buf), bytes.size);
    ppi_buf_deinit(&buf);
    return bytes;
}

struct large large_of(size_t size)
{
    struct large large = { calloc(1, size + 6), size + 6 };

    assert_non_null(large.data);
    large.data[0] = 0x91;
    large.data[1] = 0xC6;
    for (int i = 0; i < 4; i++)
        large.data[2 + i] = (uint8_t)(size >> (24 - 8 * i));
    return large;
}

int publish(pp_client *client, const char *subject, const char *params)
{
    struct bytes bytes = bytes_of("%s", params);

    return pp_publish(client, subject, bytes.data, bytes.size);
}

int call(pp_client *client, const char *subject, const char *params, pp_answer *answer)
{
    struct bytes bytes = bytes_of("%s", params);

    return pp_call(client, NULL, subject, bytes.data, bytes.size, NULL, answer);
}

pp_client_config config_for(const struct bus *bus)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;

    config.broker = bus->name;
    config.connect_ms = TEST_PATIENCE_MS;
    return config;
}

pp_client *open_client(const struct bus *bus)
{
    pp_client_config config = config_for(bus);
    pp_client *client;

    assert_int_equal(pp_client_open(&client, &config), PP_OK);
    return client;
}

pp_client *open_on(pp_port *port, const struct bus *bus, pp_client_config config)
{
    pp_client *client;
    pp_op op = PP_OP_INIT;

    config.broker = bus->name;
    config.port = port;
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    assert_int_equal(pp_client_connect(client, &op), PP_PENDING);
    assert_int_equal(work_until(port, &op), PP_OK);
    return client;
}

int work_until(pp_port *port, const pp_op *op)
{
    pp_packet packet = { 0 };

    while (packet.op != op)
        packet = next_packet(port);
    return packet.status;
}

void close_port(pp_port *port)
{
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    pp_port_close(port);
}

unsigned number_in(const pp_message *message)
{
    struct ppi_slice first = { 0 };

    ppi_slices(message->params, message->params_size, &first, 1);
    return (unsigned)ppi_value_at(first.data, first.size).number;
}

void on_message(void *context, const pp_message *message)
{
    struct listener *listener = context;

    if (number_in(message) != listener->next++)
        listener->disorder++;
    if (listener->lasts != NULL) {
        ppi_buf_clear(listener->lasts);
        ppi_buf_append(listener->lasts, message->params, message->params_size);
    }
    listener->count++;
}

pp_sub *listen_to(pp_client *client, const char *pattern, struct listener *listener)
{
    pp_sub_config config = PP_SUB_CONFIG_INIT;
    pp_sub *sub;

    config.on_message = on_message;
    config.context = listener;
    assert_int_equal(pp_subscribe(client, NULL, pattern, &config, &sub), PP_OK);
    return sub;
}

void on_call(void *context, const pp_message *message)
{
    struct server *server = context;

    server->last = message->call;
    server->calls++;
    if (server->keeps)
        return;
    if (server->error != NULL)
        pp_reply_error(server->client, message->call, server->error);
    else
        pp_reply(server->client, message->call, message->params, message->params_size);
}

void on_cancel(void *context, uint64_t call)
{
    struct server *server = context;

    server->canceled = call;
    server->cancels++;
}

pp_sub *serve(pp_client *client, const char *pattern, struct server *server)
{
    pp_serve_config config = PP_SERVE_CONFIG_INIT;
    pp_sub *service;

    server->client = client;
    config.on_call = on_call;
    config.on_cancel = on_cancel;
    config.context = server;
    assert_int_equal(pp_serve(client, NULL, pattern, &config, &service), PP_OK);
    return service;
}

void on_closed(void *context, pp_client *client, int why)
{
    struct ending *ending = context;

    (void)client;
    ending->why = why;
    ending->times++;
}

void on_state(void *context, pp_client *client, const pp_client_event *event)
{
    struct watcher *watcher = context;

    (void)client;
    watcher->repeated += watcher->last == event->state;
    watcher->last = event->state;
    watcher->unconfirmed += (unsigned)event->unconfirmed;
    watcher->unsent += (unsigned)event->unsent;
    if (event->status != PP_OK)
        watcher->status = event->status;
    if (event->state == PP_CLIENT_AWAY)
        watcher->away++;
    else if (event->state == PP_CLIENT_CONNECTED)
        watcher->connected++;
    else
        watcher->ended++;
}

pp_client_config config_watched(const struct bus *bus, struct watcher *watcher)
{
    pp_client_config config = config_for(bus);

    memset(watcher, 0, sizeof *watcher);
    config.context = watcher;
    config.on_state = on_state;
    return config;
}

pp_client *open_watched(const struct bus *bus, struct watcher *watcher, uint32_t away_bytes)
{
    pp_client_config config = config_watched(bus, watcher);
    pp_client *client;

    config.away_bytes = away_bytes;
    assert_int_equal(pp_client_open(&client, &config), PP_OK);
    EVENTUALLY(watcher->connected == 1);
    return client;
}

static void on_called(pp_op *op)
{
    struct called *called = PP_CONTAINER(op, struct called, op);

    if (called->ending != NULL && called->ending->times > 0)
        called->ending->ops_after++;
    called->status = op->status;
    called->times++;
}

pp_op *start_called(struct called *called, struct ending *ending)
{
    *called = (struct called){ .ending = ending };
    assert_int_equal(pp_op_use_call(&called->op, on_called), PP_OK);
    return &called->op;
}
