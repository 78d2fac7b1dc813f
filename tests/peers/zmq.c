/* zmq.c: libzmq at both ends: PUB -> XSUB/XPUB proxy -> SUB over ipc. A message is one part, its
 * subject the first two bytes. High-water marks of 1000 and XPUB_NODROP everywhere, so that it
 * holds publishers up and loses nothing; the window only bounds its memory. */
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>

#include <zmq.h>

enum { HIGH_WATER = 1000, SUBJECT = 2, BURST_MAX = 1000, SETTLE_MS = 300 };

static void endpoint(char *out, size_t size, const struct variant *variant, const char *name)
{
    snprintf(out, size, "ipc://%s", run_path(variant, name));
}

static pid_t start(const struct variant *variant)
{
    char in[RUN_PATH_MAX + 8], out[RUN_PATH_MAX + 8];
    const char *const arguments[] = { "", in, out, NULL };

    endpoint(in, sizeof in, variant, "in");
    endpoint(out, sizeof out, variant, "out");
    pid_t process = start_server(variant, arguments);
    wait_for_server(run_path(variant, "in"));
    wait_for_server(run_path(variant, "out"));
    return process;
}

static void *open_socket(const struct variant *variant, int type)
{
    static void *context;
    char where[RUN_PATH_MAX + 8];
    int high_water = HIGH_WATER, yes = 1;

    if (context == NULL)
        context = zmq_ctx_new();
    void *socket = zmq_socket(context, type);
    must(socket != NULL);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &high_water, sizeof high_water);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water, sizeof high_water);
    if (type == ZMQ_PUB)
        zmq_setsockopt(socket, ZMQ_XPUB_NODROP, &yes, sizeof yes);
    endpoint(where, sizeof where, variant, type == ZMQ_PUB ? "in" : "out");
    must(zmq_connect(socket, where) == 0);
    return socket;
}

static void *open_sub(const struct variant *variant, enum role role, int channel)
{
    void *socket = open_socket(variant, ZMQ_SUB);

    must(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, subject_to_read(role, channel), SUBJECT) == 0);
    return socket;
}

/* Subscriptions travel to the publishers, and nobody says when they are there. */
static void ready(void)
{
    sleep_ms(SETTLE_MS);
    client_ready();
}

static void send_message(void *socket, const char *subject, const void *payload, size_t size)
{
    zmq_msg_t message;

    must(zmq_msg_init_size(&message, SUBJECT + size) == 0);
    char *data = zmq_msg_data(&message);
    memcpy(data, subject, SUBJECT);
    memcpy(data + SUBJECT, payload, size);
    must(zmq_msg_send(&message, socket, 0) >= 0);
}

/* The payload's size, or -1: none is there. */
static int receive(void *socket, zmq_msg_t *message, int flags)
{
    int size = zmq_msg_recv(message, socket, flags);

    return size < SUBJECT ? -1 : size - SUBJECT;
}

static const char *payload_of(zmq_msg_t *message)
{
    return (const char *)zmq_msg_data(message) + SUBJECT;
}

static void subscribe(const struct variant *variant, int channel, int connections)
{
    void *sockets[CONNECTIONS_MAX];
    zmq_pollitem_t items[CONNECTIONS_MAX];
    zmq_msg_t message;
    int size;

    for (int i = 0; i < connections; i++) {
        sockets[i] = open_sub(variant, SUBSCRIBER, channel);
        items[i] = (zmq_pollitem_t){ sockets[i], 0, ZMQ_POLLIN, 0 };
    }
    zmq_msg_init(&message);
    ready();
    while (connections == 1) {
        must((size = receive(sockets[0], &message, 0)) >= 0);
        got(channel, 0, payload_of(&message), (size_t)size);
    }
    for (;;) {
        zmq_poll(items, connections, -1);
        for (int i = 0; i < connections; i++)
            for (int n = 0; items[i].revents != 0 && n < BURST_MAX; n++) {
                if ((size = receive(sockets[i], &message, ZMQ_DONTWAIT)) < 0)
                    break;
                got(channel, i, payload_of(&message), (size_t)size);
            }
    }
}

static void publish(const struct variant *variant, int channel)
{
    void *socket = open_socket(variant, ZMQ_PUB);
    const char *subject = subject_to_write(PUBLISHER, channel);
    struct sending sending = { .channel = channel };
    char *payload = calloc(1, board->size);

    must(payload != NULL);
    ready();
    while (next_message(&sending, payload))
        send_message(socket, subject, payload, board->size);
}

static void respond(const struct variant *variant)
{
    void *in = open_sub(variant, RESPONDER, 0), *out = open_socket(variant, ZMQ_PUB);
    const char *subject = subject_to_write(RESPONDER, 0);
    zmq_msg_t message;
    int size;

    zmq_msg_init(&message);
    ready();
    while ((size = receive(in, &message, 0)) >= 0)
        send_message(out, subject, payload_of(&message), (size_t)size);
}

static void ask(void *socket, struct requesting *requesting)
{
    char payload[REQUEST_BYTES] = { 0 };

    next_request(requesting, payload);
    send_message(socket, subject_to_write(REQUESTER, 0), payload, sizeof payload);
}

static void request(const struct variant *variant, unsigned outstanding)
{
    void *in = open_sub(variant, REQUESTER, 0), *out = open_socket(variant, ZMQ_PUB);
    struct requesting requesting;
    zmq_msg_t message;
    int size;

    zmq_msg_init(&message);
    ready();
    requests_begin(&requesting);
    for (unsigned i = 0; i < outstanding; i++)
        ask(out, &requesting);
    while ((size = receive(in, &message, 0)) >= 0) {
        if (!got_reply(&requesting, payload_of(&message), (size_t)size))
            return;
        ask(out, &requesting);
    }
}

/* A subscriber's side of ZMTP 3.0 with the NULL mechanism, by hand: the client costs nothing. */
static void idle(const struct variant *variant, int connections)
{
    static const char ready_command[] = "\4\x19\5READY\13Socket-Type\0\0\0\3SUB";
    static const char greeting[64] = { '\xFF', 0,    0, 0, 0,   0,   0,   0,
                                       0,      0x7F, 3, 0, 'N', 'U', 'L', 'L' };
    enum { ANSWER_MIN = 64 + 20 };

    for (int i = 0; i < connections; i++) {
        int fd = connect_to(run_path(variant, "out"));
        char answer[256];

        write_all(fd, greeting, sizeof greeting);
        write_all(fd, ready_command, sizeof ready_command - 1);
        for (size_t size = 0; size < ANSWER_MIN;)
            size += read_some(fd, answer + size, sizeof answer - size);
    }
}

const struct variant zmq = { .name = "zmq",
                             .server = "./zmq_proxy",
                             .start = start,
                             .subscribe = subscribe,
                             .publish = publish,
                             .respond = respond,
                             .request = request,
                             .idle = idle,
                             .window_messages = 65536,
                             .window_bytes = 16 * 1024 * 1024 };
