/* system_rows.c: what there is on Windows only: handles that programs inherit, and the system's own
 * calls, see raw.h. */
#include "io/rows.h"
#include "io/win/raw.h"

/* Handles that a program started from here could inherit. They are multiples of 4. */
static int inheritable(void)
{
    int count = 0;

    for (ULONG_PTR handle = 4; handle < 0x8000; handle += 4) {
        DWORD flags = 0;

        count += GetHandleInformation((HANDLE)handle, &flags) && (flags & HANDLE_FLAG_INHERIT) != 0;
    }
    return count;
}

static void row_10_programs_that_are_started_inherit_nothing(void **state)
{
    struct pair pair;
    pp_op read = PP_OP_INIT;
    char byte;

    (void)state;
    int before = inheritable();
    pair_open(&pair, NULL);
    assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
    write_all(pair.client, "p", 1);
    next_packet(pair.port);
    assert_int_equal(inheritable(), before);
    pair_close(&pair);
}

int system_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_10_programs_that_are_started_inherit_nothing),
    };
    int failures = 0;

    RUN_GROUP(&failures, "Windows", tests);
    return failures + raw_port_rows() + raw_pipe_rows();
}
