/* access.c: the names of who may connect. What they come to is the platform's: io/linux/access.c,
 * io/win/security.c. */
#include <string.h>

#include <panpipe/pipe.h>

#include "base/compiler.h"
#include "base/status.h"

static const char *const names[] = {
    [PP_ACCESS_OWNER] = "same-user",
    [PP_ACCESS_LOCAL] = "local-users",
    [PP_ACCESS_USER] = "service-and-user",
    [PP_ACCESS_ADMINS] = "admins",
};

const char *pp_access_name(uint32_t access)
{
    return access < PPI_COUNT(names) ? names[access] : NULL;
}

int pp_access_parse(const char *name)
{
    for (size_t i = 0; name != NULL && i < PPI_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}
