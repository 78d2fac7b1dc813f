/* forked_linux.h: what became of a child that a test has forked. */
#ifndef FORKED_LINUX_H
#define FORKED_LINUX_H

#include "io/sys.h"
#include "support/support.h"

/* Waits for it; it must have ended by itself, and not by a signal. */
static inline int exit_code_of(int child)
{
    struct ppi_process process = { child };
    int code = -1;

    assert_true(child > 0);
    assert_int_equal(ppi_process_wait(&process, -1, &code), 1);
    assert_in_range(code, 0, 255);
    return code;
}

#endif
