/* sys.c: the parts of sys.h that are the same everywhere. */
#include "io/sys.h"

#include <limits.h>

uint64_t ppi_deadline_ns(int timeout_ms)
{
    return timeout_ms < 0 ? PPI_FOREVER : ppi_now_ns() + (uint64_t)timeout_ms * PPI_NS_PER_MS;
}

int ppi_until_ms(uint64_t deadline_ns)
{
    if (deadline_ns == PPI_FOREVER)
        return -1;

    uint64_t now = ppi_now_ns();
    if (now >= deadline_ns)
        return 0;
    uint64_t left = (deadline_ns - now + PPI_NS_PER_MS - 1) / PPI_NS_PER_MS;
    return left > INT_MAX ? INT_MAX : (int)left;
}
