/* fork_tests_win.c: a process is never forked. */
#include "client/party.h"

int fork_tests(void)
{
    return 0;
}
