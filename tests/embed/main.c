/* test_embed [PATTERN]: a broker inside a program, by its public header; only those tests whose
 * names match. Every sentence of broker.h that promises something has one. */
#include "embed/host.h"

#include "base/check.h"

int main(int argc, char **argv)
{
    ppi_check_set_hook(ppi_check_abort);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    int failures = life_tests() + use_tests();
    return failures == 0 ? 0 : 1;
}
