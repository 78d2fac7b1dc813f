#include "io/rows.h"
#include "support/support.h"

#include "base/check.h"

/* Started again by a test, as another process: takes a name and waits to be killed. Its end is told
 * from that of a program that was not begun. */
static int hold(const char *path)
{
    pp_handle *listener;

    if (pp_listen(&listener, path, NULL) != PP_OK)
        return 3;
    ppi_sleep_ms(2 * TEST_PATIENCE_MS);
    return 0;
}

/* test_rows [single] [PATTERN] */
int main(int argc, char **argv)
{
    ppi_check_set_hook(ppi_check_abort);
    if (argc == 3 && strcmp(argv[1], "hold") == 0)
        return hold(argv[2]);
    test_single_consumers = argc > 1 && strcmp(argv[1], "single") == 0;
    int pattern = test_single_consumers ? 2 : 1;
    if (argc > pattern)
        cmocka_set_test_filter(argv[pattern]);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    int failures = port_rows() + worker_rows() + pool_rows() + op_rows() + end_rows() +
                   buffer_rows() + stream_rows() + name_rows() + access_rows() + consumer_rows() +
                   file_rows() + file_end_rows() + file_fork_rows() + foreign_loop_rows() +
                   thread_rows() + corner_rows() + absent_rows() + system_rows();
    return failures == 0 ? 0 : 1;
}
