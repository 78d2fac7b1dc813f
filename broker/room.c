#include "room.h"

#include <string.h>

static int put(void *context, const char *data, size_t size)
{
    struct room *room = context;

    room->full = room->full || size > (size_t)(room->end - room->at);
    if (room->full)
        return -1;
    memcpy(room->at, data, size);
    room->at += size;
    return 0;
}

void room_open(struct room *room, msgpack_packer *packer, uint8_t *memory, size_t size)
{
    *room = (struct room){ memory, memory, memory + size, false };
    msgpack_packer_init(packer, room, put);
}
