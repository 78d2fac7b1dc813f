/* value.h: where MessagePack values begin and end, without building objects. */
#ifndef VALUE_H
#define VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A scan for the end of one value, which may come in pieces. Zero it before each value. */
struct value_scan {
    uint64_t open; /* values still to come, of arrays and maps that have begun */
    uint64_t skip; /* bytes still to come, of a text that has begun */
    uint8_t head[9];
    uint8_t head_used;
    bool begun;
};
enum value_end { VALUE_MORE, VALUE_COMPLETE, VALUE_BAD };

/* Goes on over data[0 .. size). VALUE_COMPLETE: *used is where the value ends. */
enum value_end value_scan(struct value_scan *scan, const uint8_t *data, size_t size, size_t *used);

/* The size of the value at data; 0: there is no whole one. */
size_t value_size(const void *data, size_t size);

/* The first element of an array; NULL: it is no array, or empty. */
const void *value_first(const void *array, size_t size, size_t *first_size);

/* If array is of one text or binary: where its bytes are; else NULL. */
const char *value_only_bytes(const void *array, size_t size, size_t *count);

/* If data is one text or binary: where its bytes are; else NULL. */
const char *value_bytes(const void *data, size_t size, size_t *count);

/* Writes what stands in front of size bytes of text, or of binary; how many bytes. */
enum { VALUE_HEAD_MAX = 5 };
size_t value_head(uint8_t head[VALUE_HEAD_MAX], size_t size, bool text);

#endif
