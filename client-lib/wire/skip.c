#include "wire/skip.h"

#include <stdbool.h>

/* How a value begins whose first byte is 0xC0 to 0xDF. */
struct head {
    uint8_t bytes;  /* that are there in any case; 0: no value begins so */
    uint8_t length; /* of them, behind the first: a big-endian number of what follows */
    uint8_t items;  /* 0: bytes follow; else items: 1 each in an array, 2 in a map */
};

static const struct head heads[32] = {
    { 1, 0, 0 }, { 0, 0, 0 }, { 1, 0, 0 }, { 1, 0, 0 },                /* nil, -, false, true */
    { 2, 1, 0 }, { 3, 2, 0 }, { 5, 4, 0 },                             /* bin */
    { 3, 1, 0 }, { 4, 2, 0 }, { 6, 4, 0 },                             /* ext, with its type */
    { 5, 0, 0 }, { 9, 0, 0 },                                          /* float */
    { 2, 0, 0 }, { 3, 0, 0 }, { 5, 0, 0 }, { 9, 0, 0 },                /* uint */
    { 2, 0, 0 }, { 3, 0, 0 }, { 5, 0, 0 }, { 9, 0, 0 },                /* int */
    { 3, 0, 0 }, { 4, 0, 0 }, { 6, 0, 0 }, { 10, 0, 0 }, { 18, 0, 0 }, /* fixext */
    { 2, 1, 0 }, { 3, 2, 0 }, { 5, 4, 0 },                             /* str */
    { 3, 2, 1 }, { 5, 4, 1 }, { 3, 2, 2 }, { 5, 4, 2 },                /* array, map */
};

/* A big-endian number of that many bytes. */
static inline uint64_t number_of(const uint8_t *data, unsigned bytes)
{
    switch (bytes) {
    case 0: return 0;
    case 1: return data[0];
    case 2: return (uint64_t)data[0] << 8 | data[1];
    default:
        return (uint64_t)data[0] << 24 | (uint64_t)data[1] << 16 | (uint64_t)data[2] << 8 | data[3];
    }
}

/* Where count values, one behind the other inside level containers, end. NULL: not known. */
static const uint8_t *skip(const uint8_t *at, const uint8_t *end, uint64_t count, unsigned level,
                           unsigned *deepest)
{
    *deepest = level > *deepest ? level : *deepest;
    for (; count > 0; count--) {
        uint64_t bytes = 1, items = 0;

        if (at == end)
            return NULL;
        unsigned first = *at;
        if (first < 0x80 || first >= 0xE0) {
            at++;
            continue;
        }
        bool container = first < 0xA0;
        if (container) {
            items = (uint64_t)(first & 15) << (first < 0x90);
        } else if (first < 0xC0) {
            bytes += first & 31;
        } else {
            const struct head *head = &heads[first - 0xC0];

            bytes = head->bytes;
            if (bytes - 1 >= (uint64_t)(end - at))
                return NULL;
            uint64_t length = number_of(at + 1, head->length);
            container = head->items > 0;
            items = length * head->items;
            bytes += container ? 0 : length;
        }
        if (bytes > (uint64_t)(end - at))
            return NULL;
        at += bytes;
        if (container &&
            (level == PPI_SKIP_DEPTH || (at = skip(at, end, items, level + 1, deepest)) == NULL))
            return NULL;
    }
    return at;
}

size_t ppi_skip(const uint8_t *data, size_t size, unsigned *depth)
{
    *depth = 0;
    const uint8_t *end = skip(data, data + size, 1, 0, depth);
    return end != NULL ? (size_t)(end - data) : 0;
}
