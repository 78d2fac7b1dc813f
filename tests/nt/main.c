/* main.c: test_rows_nt [SEED [PATTERN]]: the rows of the port over io/win, on a model of Windows.
 */
#include "io/rows.h"
#include "nt/faults.h"
#include "nt/model.h"
#include "support/support.h"

#include "base/check.h"

int main(int argc, char **argv)
{
    unsigned long long seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;

    ppi_check_set_hook(ppi_check_abort);
    nt_begin(seed, true);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    printf("# seed %llu\n", seed);
    fflush(stdout);
    int failures = port_rows() + worker_rows() + pool_rows() + op_rows() + end_rows() +
                   buffer_rows() + stream_rows() + name_rows() + access_rows() +
                   foreign_loop_rows() + fault_rows() + race_rows() + stranger_rows() +
                   thread_rows() + corner_rows() + absent_rows();
    if (failures != 0)
        printf("# failed with seed %llu\n", seed);
    return failures == 0 ? 0 : 1;
}
