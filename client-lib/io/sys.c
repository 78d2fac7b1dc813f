/* sys.c: the parts of sys.h that are the same everywhere. */
#include "io/sys.h"

#include <limits.h>
#include <stdio.h>

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

/* The calendar by whole days: years begin in March, so that the leap day is the last; eras of 400
 * years repeat. (The C library's gmtime is not for several threads.) */
void ppi_time_text(char out[PPI_TIME_TEXT], uint64_t wall_ms)
{
    uint64_t seconds = wall_ms / 1000, days = seconds / 86400 + 719468;
    unsigned era = (unsigned)(days / 146097), day = (unsigned)(days % 146097);
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    unsigned day_of_year = day - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * day_of_year + 2) / 153;

    snprintf(out, PPI_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (era * 400 + year + (month >= 10)) % 10000, (month < 10 ? month + 3 : month - 9) % 13,
             (day_of_year - (153 * month + 2) / 5 + 1) % 32, (unsigned)(seconds / 3600 % 24),
             (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60), (unsigned)(wall_ms % 1000));
}
