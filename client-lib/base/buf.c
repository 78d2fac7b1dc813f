#include "base/buf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/port.h>

#include "base/check.h"

enum { BUF_CAPACITY_MIN = 256 };

uint8_t *ppi_buf_room(struct ppi_buf *buf, size_t size)
{
    size_t used = ppi_buf_size(buf);

    bool fresh = buf->memory == NULL;
    if (!fresh && buf->capacity - buf->end >= size)
        return buf->memory + buf->end;
    if (!fresh && buf->capacity - used >= size && buf->start >= used) {
        memcpy(buf->memory, buf->memory + buf->start, used); /* enough room once moved down */
        buf->start = 0;
        buf->end = used;
        return buf->memory + used;
    }
    if (size > SIZE_MAX / 2 - used)
        return NULL;

    size_t capacity = buf->capacity < BUF_CAPACITY_MIN ? BUF_CAPACITY_MIN : buf->capacity;
    while (capacity < used + size)
        capacity *= 2;
    if (buf->start > 0)
        memmove(buf->memory, buf->memory + buf->start, used);
    buf->start = 0;
    buf->end = used;
    uint8_t *memory = realloc(buf->memory, capacity); /* large ones move without a copy */
    if (memory == NULL)
        return NULL;
    buf->memory = memory;
    buf->capacity = capacity;
    return memory + used;
}

void ppi_buf_added(struct ppi_buf *buf, size_t size)
{
    ppi_check(size <= buf->capacity - buf->end);
    buf->end += size;
}

int ppi_buf_append(struct ppi_buf *buf, const void *data, size_t size)
{
    uint8_t *room = ppi_buf_room(buf, size);

    if (room == NULL)
        return PP_ENOMEM;
    if (size > 0)
        memcpy(room, data, size);
    buf->end += size;
    return PP_OK;
}

void ppi_buf_consume(struct ppi_buf *buf, size_t size)
{
    ppi_check(size <= ppi_buf_size(buf));
    buf->start += size;
    if (buf->start == buf->end)
        buf->start = buf->end = 0;
}

void ppi_buf_clear(struct ppi_buf *buf)
{
    buf->start = buf->end = 0;
}

void ppi_buf_deinit(struct ppi_buf *buf)
{
    free(buf->memory);
    *buf = (struct ppi_buf){ 0 };
}
