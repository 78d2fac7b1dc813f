/* daemon.c: daemon N of ten answers how many calls it has had, and asks its neighbour the same, ten
 * times a second. Whichever comes first starts the broker. */
#include <stdio.h>
#include <stdlib.h>

#include <panpipe/client.h>
#include <panpipe/sys.h>

static unsigned char calls; /* below 128 a number is one byte in MessagePack */

static void on_call(void *client, const pp_message *call)
{
    calls = (calls + 1) % 128;
    pp_reply(*(pp_client **)client, call->call, &calls, 1);
}

int main(int argc, char **argv)
{
    int number = argc > 1 ? atoi(argv[1]) : 0, status;
    char own[32], next[32];
    pp_client *client;
    pp_client_config config = { .size = sizeof config, .flags = PP_CLIENT_START, .name = own };
    pp_serve_config serving = { .size = sizeof serving, .on_call = on_call, .context = &client };
    pp_call_config patient = { .size = sizeof patient, .wait_ms = 30000 };
    pp_answer answer = { 0 };
    pp_sub *service;

    snprintf(own, sizeof own, "daemon.%d", number);
    snprintf(next, sizeof next, "daemon.%d", (number + 1) % 10);
    if (pp_client_open(&client, &config) || pp_serve(client, NULL, own, &serving, &service))
        return fprintf(stderr, "%s: %s\n", own, pp_detail()), 1;
    for (;; pp_sleep_ms(100)) {
        status = pp_call(client, NULL, next, "\x90", 1, &patient, &answer);
        printf("%s: %d\n", next, status == PP_OK ? *(const unsigned char *)answer.data : status);
        fflush(stdout);
    }
}
