#include "link/spare.h"

#include "io/sys.h"

static struct ppi_mutex lock = PPI_MUTEX_INIT;
static struct ppi_buf spares[PPI_SPARE_COUNT];
static unsigned count;

void ppi_spare_take(struct ppi_buf *buf)
{
    ppi_mutex_lock(&lock);
    if (count > 0)
        *buf = spares[--count];
    ppi_mutex_unlock(&lock);
}

void ppi_spare_give(struct ppi_buf *buf)
{
    bool fits = buf->memory != NULL && buf->capacity <= PPI_SPARE_BYTES_MAX;

    ppi_buf_clear(buf);
    ppi_mutex_lock(&lock);
    if (fits && count < PPI_SPARE_COUNT) {
        spares[count++] = *buf;
        *buf = (struct ppi_buf){ 0 };
    }
    ppi_mutex_unlock(&lock);
    ppi_buf_deinit(buf);
}

void ppi_spare_trim(void)
{
    ppi_mutex_lock(&lock);
    while (count > 0)
        ppi_buf_deinit(&spares[--count]);
    ppi_mutex_unlock(&lock);
}
