/* check.h: checks of our own promises, on in every build.
 *
 * A peer's mistake is an error and gets a status; a mistake of ours is a failed check. A library
 * must not abort its host, so a failed check calls a hook that does nothing by itself; the broker
 * and the tests install one that prints and aborts. A check has no side effect. */
#ifndef PPI_CHECK_H
#define PPI_CHECK_H

#include "base/compiler.h"

typedef void (*ppi_check_hook)(const char *condition, const char *file, int line);

/* Sets the hook; NULL: none. Once, before any other thread runs. */
void ppi_check_set_hook(ppi_check_hook hook);

/* A ready hook: one line on standard error, then abort. */
void ppi_check_abort(const char *condition, const char *file, int line);

void ppi_check_failed(const char *condition, const char *file, int line);

#define ppi_check(condition)                                                                       \
    (PPI_LIKELY(condition) ? (void)0 : ppi_check_failed(#condition, __FILE__, __LINE__))

#endif
