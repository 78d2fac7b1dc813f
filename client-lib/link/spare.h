/* spare.h: the memory of some buffers, kept for whoever needs a buffer next: what comes and goes
 * with the batches of a busy link is not allocated each time, and an idle link has none. One store
 * for the whole process; any thread. */
#ifndef PPI_SPARE_H
#define PPI_SPARE_H

#include "base/buf.h"

enum {
    PPI_SPARE_COUNT = 64,            /* buffers kept at most */
    PPI_SPARE_BYTES_MAX = 128 * 1024 /* larger ones are freed */
};

/* Gives buf, which has no memory, some of what is kept, if there is any. */
void ppi_spare_take(struct ppi_buf *buf);

/* In place of ppi_buf_deinit. */
void ppi_spare_give(struct ppi_buf *buf);

/* Frees what is kept; for programs that end tidily. */
void ppi_spare_trim(void);

#endif
