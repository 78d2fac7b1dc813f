#include "support/support.h"
#include "unit/unit.h"

#include "base/check.h"

int main(void)
{
    ppi_check_set_hook(ppi_check_abort);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return base_tests() + scan_tests() + skip_tests() + subject_tests() + outq_tests() +
                       reader_tests() + index_tests() + times_tests() + filter_tests() +
                       record_tests() + top_tests() ==
                   0
               ? 0
               : 1;
}
