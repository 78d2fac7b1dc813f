/* buf.h: bytes that grow at the end, up to a limit, and are consumed at the front. */
#ifndef PPI_BUF_H
#define PPI_BUF_H

#include <stddef.h>
#include <stdint.h>

/* Zero is an empty buffer. Bytes [start, end) of memory are in use.
 * Memory: owned; grows by doubling as bytes arrive; ppi_buf_deinit frees it. */
struct ppi_buf {
    uint8_t *memory;
    size_t start, end, capacity;
};

static inline size_t ppi_buf_size(const struct ppi_buf *buf)
{
    return buf->end - buf->start;
}

static inline uint8_t *ppi_buf_data(const struct ppi_buf *buf)
{
    return buf->start > 0 ? buf->memory + buf->start
                          : buf->memory; /* NULL where nothing ever was */
}

/* Makes room for size more bytes and returns where they go; ppi_buf_added tells how many came.
 * NULL: no memory, the buffer is as it was. */
uint8_t *ppi_buf_room(struct ppi_buf *buf, size_t size);
void ppi_buf_added(struct ppi_buf *buf, size_t size);

/* PP_OK or PP_ENOMEM. */
int ppi_buf_append(struct ppi_buf *buf, const void *data, size_t size);

/* Drops size bytes at the front. */
void ppi_buf_consume(struct ppi_buf *buf, size_t size);

void ppi_buf_clear(struct ppi_buf *buf);
void ppi_buf_deinit(struct ppi_buf *buf);

#endif
