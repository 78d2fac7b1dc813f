/* name.h: logical names of pipes. */
#ifndef PPI_NAME_H
#define PPI_NAME_H

#include <stdbool.h>

enum { PPI_NAME_MAX = 64 };

/* Is it [a-z0-9._-]{1,64}, not beginning with a dot? If not, pp_detail says so. */
bool ppi_name_valid(const char *name);

#endif
