/* room.h: memory of a fixed size that a packer fills. */
#ifndef ROOM_H
#define ROOM_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct room {
    uint8_t *begin, *at, *end; /* written up to at */
    bool full;                 /* something did not fit: it, and all behind it, is not there */
};

/* Has the packer write to memory[0 .. size). */
void room_open(struct room *room, msgpack_packer *packer, uint8_t *memory, size_t size);

static inline size_t room_used(const struct room *room)
{
    return (size_t)(room->at - room->begin);
}

#endif
