/* ten_lines.c: a user's program, in C and, compiled as such, in C++: calls the broker. */
#include <panpipe/client.h>

int main(void)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_client *client;

    config.name = "ten-lines";
    if (pp_client_open(&client, &config) != PP_OK || pp_client_flush(client, NULL) != PP_OK)
        return 1;
    return pp_client_close(client) != PP_OK;
}
