/* file_fork_rows_win.c: a process is never forked. */
#include "io/rows.h"

int file_fork_rows(void)
{
    return 0;
}
