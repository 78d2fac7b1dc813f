/* file.h: the inside of files on the port, which are a library of their own: panpipe-file.
 *
 * A file is a pp_handle without lanes (handle.h). Its driver begins operations, each of which ends
 * with ppi_handle_finish_one. What the system cannot do without keeping its caller waiting, goes to
 * a helper: on Linux everything that is not in the page cache; on Windows the sync, and operations
 * that are waited for.
 *
 * Of an operation in flight op->bytes is the offset where it begins, priv_.done what is done. */
#ifndef PPI_FILE_H
#define PPI_FILE_H

#include <panpipe/file.h>

#include "io/driver.h"
#include "io/handle.h"

/* --- helpers.c: threads that do what keeps its caller waiting -------------------------------- */

/* A file was opened, or is gone. Without files there are no helpers. */
void ppi_helpers_keep(void);
void ppi_helpers_leave(void);

/* Hands op to a helper, which calls ppi_file_help. With the handle's lock. false: there is none,
 * and none can be started. */
bool ppi_helpers_add(pp_op *op);

/* Takes op, or with NULL every operation of the handle, that no helper has begun yet. With the
 * handle's lock. */
struct ppi_ops ppi_helpers_take_back(const pp_handle *handle, const pp_op *op);

/* Has a helper begun op, or with NULL any operation of the handle? */
bool ppi_helpers_have(const pp_handle *handle, const pp_op *op);

/* What a helper does. */
void ppi_helper_main(void *argument);

/* By a helper, with the handle's lock: the operation that it has begun is over. */
void ppi_helpers_done(const pp_op *op);

/* --- the system's part ----------------------------------------------------------------------- */

/* pp_file_open, with good flags. */
int ppi_file_make_handle(pp_handle **out, const char *path, uint32_t flags);

/* pp_file_size, with the handle's lock. */
int ppi_file_size(pp_handle *file, uint64_t *size);

/* Does op, on a helper's thread, to its end. */
void ppi_file_help(pp_op *op);

/* Starts a thread for ppi_helper_main(argument), which nobody joins, and which gets none of the
 * process's signals. */
bool ppi_helper_start(void *argument);

/* Ends every operation of file, or op, that no helper has begun. What they have in common: the
 * systems' `stop`. false: there is none. */
bool ppi_file_stop_waiting(pp_handle *file, pp_op *op);

#endif
