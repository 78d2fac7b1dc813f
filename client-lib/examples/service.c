/* service.c: serves svc.sum, which adds integers, until Ctrl-C.
 *
 *     build/bin/panpiped &
 *     build/bin/examples/service &
 *     build/bin/panpipe req svc.sum --in json '[1, 2, 3]'
 *     build/bin/examples/caller svc.sum 1 2 x
 *
 * What the caller has done wrong is an answer, too: an error with a name. */
#include <stdio.h>

#include <panpipe/pack.h>
#include <panpipe/sys.h>

static pp_port *port; /* the main thread waits here; stays open: Ctrl-C may come at any time */
static pp_op end;     /* posted with the reason; the first one counts */

static int fail(const char *what, int status)
{
    fprintf(stderr, "service: %s: %s. %s\n", what, pp_strerror(status), pp_detail());
    return 1;
}

/* 1: *sum is the sum of the params; 0: they are not integers. */
static int add(const pp_message *call, int64_t *sum)
{
    msgpack_unpacked params;
    int good = 1;

    *sum = 0;
    msgpack_unpacked_init(&params);
    if (!pp_message_unpack(call, &params))
        good = 0;
    for (uint32_t i = 0; good && i < params.data.via.array.size; i++) {
        const msgpack_object *param = &params.data.via.array.ptr[i];

        good = param->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
               param->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
        if (good)
            *sum = (int64_t)((uint64_t)*sum + param->via.u64);
    }
    msgpack_unpacked_destroy(&params);
    return good;
}

static void on_call(void *context, const pp_message *call)
{
    pp_client *client = *(pp_client **)context;
    msgpack_sbuffer result;
    msgpack_packer packer;
    int64_t sum;

    if (!add(call, &sum)) {
        pp_reply_error(client, call->call, "E_ARG svc.sum adds integers only");
        return;
    }
    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    msgpack_pack_int64(&packer, sum);
    pp_reply_packed(client, call->call, &result); /* fails only if the caller is not to be had */
    msgpack_sbuffer_destroy(&result);
}

static void on_wish(void *context, unsigned count)
{
    (void)context;
    (void)count;
    pp_port_post(port, 0, PP_OK, &end);
}

static void on_closed(void *context, pp_client *gone, int why)
{
    (void)context;
    (void)gone;
    if (why != PP_ECLOSED) /* not by us */
        pp_port_post(port, 0, (uint64_t)-why, &end);
}

int main(void)
{
    pp_client_config client_config = { .size = sizeof client_config, .on_closed = on_closed };
    pp_client *client;
    pp_serve_config config = { .size = sizeof config, .on_call = on_call, .context = &client };
    pp_sub *service;
    pp_packet packet;
    int status = pp_port_open(&port, NULL);

    if (status == PP_OK)
        status = pp_watch_for_end(on_wish, NULL); /* before there are other threads */
    if (status != PP_OK)
        return fail("starting", status);
    if ((status = pp_client_open(&client, &client_config)) != PP_OK)
        return fail("connecting", status);
    status = pp_serve(client, NULL, "svc.sum", &config, &service);
    if (status == PP_OK) {
        printf("serving svc.sum\n");
        fflush(stdout);
        status = pp_port_get(port, &packet, -1) == 1 ? -(int)packet.bytes : PP_ECLOSED;
    }
    int code = status == PP_OK ? 0 : fail("serving", status);
    pp_client_close(client);
    return code;
}
