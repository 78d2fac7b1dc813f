/* status.h: statuses, their names, and the words that go with the last failure. */
#ifndef PPI_STATUS_H
#define PPI_STATUS_H

#include <panpipe/port.h>

#include "base/compiler.h"

/* Notes in this thread what exactly was wrong (pp_detail) and returns status, so that a failing
 * function can end with `return ppi_fail(PP_EINVAL, "...")`. */
int ppi_fail(int status, const char *format, ...) PPI_PRINTF(2, 3);

/* The same with nothing to add: pp_detail is empty. */
int ppi_fail_plain(int status);

/* The status behind an error string of the protocol, "E_NAME text"; PP_EREMOTE if it is none. */
int ppi_status_of_error(const char *text, size_t length);

#endif
