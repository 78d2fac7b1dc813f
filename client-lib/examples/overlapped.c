/* overlapped.c: everything at once on the program's own port: calls in flight together, messages
 * that go out and come in, and a pipe of its own. All of it ends as packets, which one loop takes;
 * the program waits nowhere else.
 *
 *     build/bin/panpiped &
 *     build/bin/examples/service &       # without it the calls end with PP_ENORESP
 *     build/bin/examples/overlapped */
#include <stdio.h>
#include <stdlib.h>

#include <panpipe/client.h>

enum { CALLS = 4, MESSAGES = 3 };
enum { CONNECT, SUBSCRIBE, RECEIVE, ACCEPT, DIAL, WRITE, READ, DRAIN, PUBLISH };
enum { CALL = PUBLISH + MESSAGES, OPS = CALL + CALLS };

static pp_op ops[OPS]; /* which one a packet is for says what has ended */
static pp_port *port;
static pp_client *client;
static pp_sub *sub;
static pp_handle *listener, *server, *dialer; /* a pipe from this program to itself */
static pp_answer answers[CALLS];
static char bytes[16];
static int missing = CALLS + MESSAGES + 1; /* what this program waits for */
static int connected;

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "overlapped: %s: %s. %s\n", what, pp_strerror(status), pp_detail());
    exit(1);
}

static void call_and_subscribe(void)
{
    const pp_sub_config config = { .size = sizeof config, .flags = PP_SUB_ECHO };

    must(pp_subscribe(client, &ops[SUBSCRIBE], "overlapped.*", &config, &sub), "subscribing");
    for (int i = 0; i < CALLS; i++) {
        const char params[] = { '\x92', (char)i, (char)i }; /* MessagePack: [i, i] */

        must(pp_call(client, &ops[CALL + i], "svc.sum", params, 3, NULL, &answers[i]), "calling");
    }
}

static void receive_and_publish(void)
{
    must(pp_receive(sub, &ops[RECEIVE]), "receiving");
    for (int i = 0; i < MESSAGES; i++)
        must(pp_publish_start(client, &ops[PUBLISH + i], "overlapped.tick", "\x90", 1), "publish");
}

static void on_received(int status)
{
    pp_message message;

    if (status == PP_ECANCELED)
        return; /* it was drained */
    must(status, "receiving");
    while (pp_next(sub, &message) == 1) {
        printf("message: %.*s\n", (int)message.subject_length, message.subject);
        missing--;
    }
    must(pp_receive(sub, &ops[RECEIVE]), "receiving");
}

static void on_answer(int number, int status)
{
    if (status == PP_OK)
        printf("answer %d: %d\n", number, *(const unsigned char *)answers[number].data);
    else
        printf("answer %d: %s\n", number, pp_strerror(status));
    missing--;
}

static void on_ended(int which, int status)
{
    if (which == RECEIVE || which >= CALL) {
        which == RECEIVE ? on_received(status) : on_answer(which - CALL, status);
        return;
    }
    must(status, "an operation");
    if (which == CONNECT)
        call_and_subscribe();
    if (which == CONNECT || which == DRAIN)
        connected = which == CONNECT;
    if (which == SUBSCRIBE)
        receive_and_publish();
    if (which == DIAL)
        must(pp_write(dialer, &ops[WRITE], "hello", 5), "writing");
    if (which == ACCEPT) {
        must(pp_port_attach(port, server, 0), "attaching");
        must(pp_read(server, &ops[READ], bytes, sizeof bytes), "reading");
    }
    if (which == READ) {
        printf("pipe: %.*s\n", (int)ops[READ].bytes, bytes);
        missing--;
    }
}

static void take_packets_while(const int *wanted)
{
    pp_packet packet;

    while (*wanted > 0) {
        must(pp_port_get(port, &packet, -1), "the port");
        on_ended((int)(packet.op - ops), packet.status);
    }
}

int main(void)
{
    pp_client_config config = { .size = sizeof config };

    must(pp_port_open(&port, NULL), "the port");
    config.port = port;
    must(pp_client_new(&client, &config), "the client");
    must(pp_client_connect(client, &ops[CONNECT]), "connecting");
    must(pp_listen(&listener, "overlapped-example", NULL), "listening");
    must(pp_port_attach(port, listener, 0), "attaching");
    must(pp_accept(listener, &ops[ACCEPT], &server), "accepting");
    must(pp_dial(&dialer, "overlapped-example", NULL), "dialing");
    must(pp_port_attach(port, dialer, 0), "attaching");
    must(pp_connect(dialer, &ops[DIAL]), "dialing");
    take_packets_while(&missing);
    pp_close(server);
    pp_close(dialer);
    pp_close(listener);
    must(pp_client_drain(client, &ops[DRAIN]), "draining"); /* the broker has everything then */
    take_packets_while(&connected);
    must(pp_client_close(client), "closing");
    for (int i = 0; i < CALLS; i++)
        pp_answer_free(&answers[i]);
    must(pp_port_shutdown(port, PP_SHUT_FAST, -1, NULL, NULL), "shutting down");
    pp_port_close(port);
    return 0;
}
