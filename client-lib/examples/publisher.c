/* publisher.c: publishes numbered messages, and makes sure of them at the end.
 *
 *     build/bin/panpiped &
 *     build/bin/examples/subscriber 'ticks.>' &
 *     build/bin/examples/publisher ticks.demo 5
 *
 * A plain publish is queued and goes out with the next write: it costs least. The last one is
 * confirmed; since the messages of a client keep their order, all before it have arrived, too. */
#include <stdio.h>
#include <stdlib.h>

#include <panpipe/pack.h>

static int fail(const char *what, int status)
{
    fprintf(stderr, "publisher: %s: %s. %s\n", what, pp_strerror(status), pp_detail());
    return 1;
}

/* The params of every message are an array; here of one number. */
static void pack_number(msgpack_sbuffer *params, int number)
{
    msgpack_packer packer;

    msgpack_sbuffer_clear(params);
    msgpack_packer_init(&packer, params, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 1);
    msgpack_pack_int(&packer, number);
}

static int publish_all(pp_client *client, const char *subject, int count)
{
    msgpack_sbuffer params;
    pp_receipt receipt;
    int status = PP_OK;

    msgpack_sbuffer_init(&params);
    for (int i = 1; i < count && status == PP_OK; i++) {
        pack_number(&params, i);
        status = pp_publish_packed(client, subject, &params);
    }
    if (status == PP_OK) {
        pack_number(&params, count);
        status = pp_publish_confirmed(client, NULL, subject, params.data, params.size, &receipt);
    }
    msgpack_sbuffer_destroy(&params);
    if (status != PP_OK)
        return fail("publishing", status);
    printf("published %d, the last to %u\n", count, (unsigned)receipt.matched);
    return 0;
}

int main(int argc, char **argv)
{
    pp_client *client;
    int status = pp_client_open(&client, NULL); /* waits 5 s for a broker */

    if (status != PP_OK)
        return fail("connecting", status);
    int code =
        publish_all(client, argc > 1 ? argv[1] : "ticks.demo", argc > 2 ? atoi(argv[2]) : 10);
    status = pp_client_close(client);
    return status == PP_OK ? code : fail("closing", status);
}
