/* bytes.h: bytes that grow. Without memory a command has nothing better to do than to say so and
 * end the program: nothing here fails. */
#ifndef BYTES_H
#define BYTES_H

#include <stddef.h>

/* Zeroed, it is empty. */
struct bytes {
    char *data;
    size_t size, capacity;
};

/* Room for count more bytes behind the last. */
char *bytes_room(struct bytes *bytes, size_t count);
void bytes_add(struct bytes *bytes, const void *data, size_t count);
void bytes_free(struct bytes *bytes);

/* For msgpack_packer_init. */
int bytes_write(void *bytes, const char *data, size_t count);

/* memory, or the end. */
void *bytes_must(void *memory);

#endif
