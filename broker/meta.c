#include "meta.h"

#include "base/check.h"
#include "io/sys.h"
#include "pack.h"
#include "room.h"
#include "wire/subject.h"

enum { FIXED_BYTES = 64 }; /* the keys, and what is a number */
_Static_assert(FIXED_BYTES + 2 + PPI_LABEL_MAX + 2 + PP_SID_MAX <= META_MAX, "META_MAX");

/* {from, name, pid, with fields in all to come. */
static void begin(msgpack_packer *packer, unsigned fields, uint64_t from, const char *name,
                  uint64_t pid)
{
    msgpack_pack_map(packer, fields);
    pack_number(packer, "from", from);
    pack_text(packer, "name", name);
    pack_number(packer, "pid", pid);
}

/* Its size. */
static size_t end(msgpack_packer *packer, const struct room *room)
{
    pack_number(packer, "ts", ppi_wall_ms());
    ppi_check(!room->full);
    return room_used(room);
}

size_t meta_write(uint8_t out[META_MAX], const struct peer *from)
{
    struct room room;
    const pp_peer *who = &from->who;
    msgpack_packer packer;

    room_open(&room, &packer, out, META_MAX);
    begin(&packer, 5, from->id, from->name, who->pid);
    if ((who->flags & PP_PEER_SID) != 0)
        pack_text(&packer, "sid", who->sid);
    else
        pack_number(&packer, "uid", who->uid);
    return end(&packer, &room);
}

size_t meta_write_own(uint8_t out[META_MAX])
{
    struct room room;
    msgpack_packer packer;

    room_open(&room, &packer, out, META_MAX);
    begin(&packer, 4, 0, "panpiped", ppi_process_id());
    return end(&packer, &room);
}
