/* app.c: the application's window, with the broker inside. It asks its service for the version, for
 * ever, and shows each answer; while the service is updated an answer takes longer, that is all. */
#include <stdio.h>

#include <panpipe/broker.h>
#include <panpipe/client.h>

int main(void)
{
    pp_broker_config own = { .size = sizeof own, .name = "desktop", .access = PP_ACCESS_ADMINS };
    pp_client_config ui = { .size = sizeof ui, .broker = "desktop", .flags = PP_CLIENT_ONCE };
    pp_call_config patient = { .size = sizeof patient, .wait_ms = 10000 };
    pp_answer answer = { 0 };
    pp_broker *broker;
    pp_client *client;

    if (pp_broker_open(&broker, NULL, &own) != PP_OK || pp_client_open(&client, &ui) != PP_OK)
        return fprintf(stderr, "app: %s\n", pp_detail()), 1;
    int status;
    while ((status = pp_call(client, NULL, "app.version", "\x90", 1, &patient, &answer)) == PP_OK)
        printf("version %d\n", *(const signed char *)answer.data); /* a small number is its byte */
    printf("%s\n", pp_strerror(status)); /* `panpipe -b desktop stop` closes the window, say */
    pp_client_close(client);
    pp_broker_close(broker);
    return 0;
}
