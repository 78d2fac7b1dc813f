/* caller.c: calls a service and prints its result, or the error by name.
 *
 *     build/bin/panpiped &
 *     build/bin/examples/service &
 *     build/bin/examples/caller svc.sum 1 2 3      # 6
 *     build/bin/examples/caller svc.sum 1 x        # PP_EARG ... svc.sum adds integers only
 *     build/bin/examples/caller svc.nobody         # PP_ENORESP ...
 *
 * Every call ends: with its result, the server's error, or the broker's (nobody serves it, the
 * server went away, the deadline is over). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/pack.h>

static int fail(const char *what, int status)
{
    fprintf(stderr, "caller: %s: %s. %s\n", what, pp_strerror(status), pp_detail());
    return 1;
}

/* Words that are numbers become numbers, others texts. */
static void pack_words(msgpack_sbuffer *params, char **words, int count)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, params, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, (size_t)count);
    for (int i = 0; i < count; i++) {
        char *end;
        long long number = strtoll(words[i], &end, 10);

        if (end != words[i] && *end == '\0') {
            msgpack_pack_long_long(&packer, number);
        } else {
            msgpack_pack_str(&packer, strlen(words[i]));
            msgpack_pack_str_body(&packer, words[i], strlen(words[i]));
        }
    }
}

static void print_answer(const pp_answer *answer)
{
    msgpack_unpacked result;

    msgpack_unpacked_init(&result);
    if (pp_answer_unpack(answer, &result)) {
        msgpack_object_print(stdout, result.data);
        printf("\n");
    }
    msgpack_unpacked_destroy(&result);
}

int main(int argc, char **argv)
{
    pp_call_config config = { .size = sizeof config, .deadline_ms = 2000 };
    pp_answer answer = { 0 };
    pp_client *client;
    msgpack_sbuffer params;
    int status;

    if (argc < 2) {
        fprintf(stderr, "usage: caller SUBJECT [PARAM...]\n");
        return 2;
    }
    if ((status = pp_client_open(&client, NULL)) != PP_OK)
        return fail("connecting", status);
    msgpack_sbuffer_init(&params);
    pack_words(&params, argv + 2, argc - 2);
    status = pp_call(client, NULL, argv[1], params.data, params.size, &config, &answer);
    if (status == PP_OK)
        print_answer(&answer);
    else
        fail(argv[1], status);
    msgpack_sbuffer_destroy(&params);
    pp_answer_free(&answer);
    pp_client_close(client);
    return status == PP_OK ? 0 : 1;
}
