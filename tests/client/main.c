/* test_client [PATTERN]: the client library against a real broker over real pipes; only those
 * tests whose names match. Every sentence of client.h that promises something has one. */
#include "client/party.h"

#include "base/check.h"

int main(int argc, char **argv)
{
    ppi_check_set_hook(ppi_check_abort);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    bus_use(BUS_REAL, 0);
    int failures = connect_tests() + publish_tests() + receive_tests() + call_tests() +
                   wait_tests() + end_tests() + identity_tests() + misuse_tests() + load_tests() +
                   reconnect_tests() + away_tests() + flighty_tests() + loss_tests() + fork_tests();
    return failures == 0 ? 0 : 1;
}
