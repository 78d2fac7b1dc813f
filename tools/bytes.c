#include "bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

enum { BYTES_FIRST = 256 };

void *bytes_must(void *memory)
{
    if (memory != NULL)
        return memory;
    fputs("panpipe: no memory\n", stderr);
    _Exit(EXIT_FAILED);
}

char *bytes_room(struct bytes *bytes, size_t count)
{
    size_t capacity = bytes->capacity != 0 ? bytes->capacity : BYTES_FIRST;

    while (capacity - bytes->size < count)
        capacity *= 2;
    if (capacity != bytes->capacity)
        bytes->data = bytes_must(realloc(bytes->data, capacity));
    bytes->capacity = capacity;
    return bytes->data + bytes->size;
}

void bytes_add(struct bytes *bytes, const void *data, size_t count)
{
    if (count == 0)
        return;
    memcpy(bytes_room(bytes, count), data, count);
    bytes->size += count;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){ 0 };
}

int bytes_write(void *bytes, const char *data, size_t count)
{
    bytes_add(bytes, data, count);
    return 0;
}
