/* hello.c: subscribes, publishes, hears it. Start `panpiped`, then this. */
#include <stdio.h>

#include <panpipe/client.h>

static void on_message(void *context, const pp_message *message)
{
    (void)context;
    printf("%.*s: %zu bytes\n", (int)message->subject_length, message->subject,
           message->params_size);
}

int main(void)
{
    pp_sub_config config = { .size = sizeof config,
                             .flags = PP_SUB_ECHO,
                             .on_message = on_message };
    pp_client *client;
    pp_sub *sub;

    if (pp_client_open(&client, NULL) != PP_OK || /* waits 5 s for a broker */
        pp_subscribe(client, NULL, "hello.*", &config, &sub) != PP_OK ||
        pp_publish(client, "hello.world", "\x91\x2A", 2) != PP_OK) { /* MessagePack: [42] */
        fprintf(stderr, "hello: %s\n", pp_detail());
        return 1;
    }
    pp_client_flush(client, NULL); /* the broker has it, and what it sent back came before this */
    return pp_client_close(client) != PP_OK;
}
