/* skip.h: the quick way through MessagePack, which nearly every value takes: for what is all there,
 * and in a usual form. It says nothing about a value that is not whole, is malformed, or nests
 * deeper than most: the scanner's parser (scan.c) knows about those. Pure functions. */
#ifndef PPI_SKIP_H
#define PPI_SKIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PPI_SKIP_DEPTH = 8 };

/* The bytes of the value at the beginning of data, and how deep it nests: 0 for a scalar, 1 for a
 * flat array. 0: not known. */
size_t ppi_skip(const uint8_t *data, size_t size, unsigned *depth);

/* The bytes of an unsigned number. 0: it is not one, or not all there. */
static inline size_t ppi_skip_number(const uint8_t *data, size_t size, uint64_t *number)
{
    if (size == 0)
        return 0;
    if (data[0] < 0x80) {
        *number = data[0];
        return 1;
    }
    size_t width = data[0] >= 0xCC && data[0] <= 0xCF ? (size_t)1 << (data[0] - 0xCC) : 0;
    if (width == 0 || width >= size)
        return 0;
    uint64_t value = 0;
    for (size_t i = 1; i <= width; i++)
        value = value << 8 | data[i];
    *number = value;
    return 1 + width;
}

/* The bytes of a text of at most 255 bytes, and how many of them it is itself: the last ones. 0: as
 * above. */
static inline size_t ppi_skip_text(const uint8_t *data, size_t size, size_t *length)
{
    size_t head = 1;

    if (size < 2)
        return 0;
    if (data[0] >= 0xA0 && data[0] <= 0xBF) {
        *length = data[0] & 31u;
    } else if (data[0] == 0xD9) {
        *length = data[1];
        head = 2;
    } else {
        return 0;
    }
    return head + *length <= size ? head + *length : 0;
}

static inline bool ppi_skip_is_array(uint8_t first)
{
    return (first >= 0x90 && first <= 0x9F) || first == 0xDC || first == 0xDD;
}

#endif
