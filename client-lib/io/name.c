#include "io/name.h"

#include <string.h>

#include "base/status.h"

bool ppi_name_valid(const char *name)
{
    size_t length = strlen(name);

    if (length >= 1 && length <= PPI_NAME_MAX && name[0] != '.' &&
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == length)
        return true;
    ppi_fail(PP_EINVAL,
             "'%.80s' is no name: use 1 to %d of a-z 0-9 . _ - and no dot at the beginning", name,
             PPI_NAME_MAX);
    return false;
}
