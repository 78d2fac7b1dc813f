/* subscriber.c: prints what is published, until Ctrl-C.
 *
 *     build/bin/panpiped &
 *     build/bin/examples/subscriber 'ticks.>'
 *
 * The client has a thread of its own, on which on_message runs. The main thread waits on a port,
 * to which others post why the program should end. */
#include <stdio.h>

#include <panpipe/pack.h>
#include <panpipe/sys.h>

static pp_port *port; /* stays open: Ctrl-C may come at any time */
static pp_op end;     /* posted with the reason; the first one counts */

static int fail(const char *what, int status)
{
    fprintf(stderr, "subscriber: %s: %s. %s\n", what, pp_strerror(status), pp_detail());
    return 1;
}

static void on_message(void *context, const pp_message *message)
{
    msgpack_unpacked params;

    (void)context;
    msgpack_unpacked_init(&params);
    if (pp_message_unpack(message, &params)) {
        printf("%.*s ", (int)message->subject_length, message->subject);
        msgpack_object_print(stdout, params.data);
        printf("\n");
        fflush(stdout);
    }
    msgpack_unpacked_destroy(&params);
}

static void on_wish(void *context, unsigned count)
{
    (void)context;
    (void)count;
    pp_port_post(port, 0, PP_OK, &end);
}

static void on_closed(void *context, pp_client *client, int why)
{
    (void)context;
    (void)client;
    if (why != PP_ECLOSED) /* not by us */
        pp_port_post(port, 0, (uint64_t)-why, &end);
}

int main(int argc, char **argv)
{
    pp_client_config config = { .size = sizeof config, .on_closed = on_closed };
    pp_sub_config how = { .size = sizeof how, .on_message = on_message };
    pp_client *client;
    pp_sub *sub;
    pp_packet packet;
    int status = pp_port_open(&port, NULL);

    if (status == PP_OK)
        status = pp_watch_for_end(on_wish, NULL); /* before there are other threads */
    if (status != PP_OK)
        return fail("starting", status);
    if ((status = pp_client_open(&client, &config)) != PP_OK)
        return fail("connecting", status);
    status = pp_subscribe(client, NULL, argc > 1 ? argv[1] : ">", &how, &sub);
    if (status == PP_OK) {
        printf("subscribed\n");
        fflush(stdout);
        status = pp_port_get(port, &packet, -1) == 1 ? -(int)packet.bytes : PP_ECLOSED;
    }
    int code = status == PP_OK ? 0 : fail("subscribing", status);
    pp_client_close(client); /* unsubscribes; the last callback has returned after this */
    return code;
}
