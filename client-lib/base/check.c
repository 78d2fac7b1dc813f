#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

static ppi_check_hook check_hook;

void ppi_check_set_hook(ppi_check_hook hook)
{
    check_hook = hook;
}

void ppi_check_abort(const char *condition, const char *file, int line)
{
    fprintf(stderr, "panpipe: check failed: %s at %s:%d\n", condition, file, line);
    abort();
}

PPI_NOINLINE void ppi_check_failed(const char *condition, const char *file, int line)
{
    if (check_hook != NULL)
        check_hook(condition, file, line);
}
