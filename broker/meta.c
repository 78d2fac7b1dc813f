#include "meta.h"

#include <msgpack.h>

#include "base/check.h"
#include "io/sys.h"
#include "wire/envelope.h"
#include "wire/subject.h"

enum { FIXED_BYTES = 64 }; /* the keys, and what is a number */
_Static_assert(FIXED_BYTES + 2 + PPI_LABEL_MAX + 2 + PP_SID_MAX <= META_MAX, "META_MAX");

/* What the packer writes to. */
struct room {
    uint8_t *at, *end;
};

static int put(void *context, const char *data, size_t size)
{
    struct room *room = context;

    ppi_check(size <= (size_t)(room->end - room->at));
    memcpy(room->at, data, size);
    room->at += size;
    return 0;
}

/* {from, name, pid, with fields in all to come. */
static void begin(msgpack_packer *packer, unsigned fields, uint64_t from, const char *name,
                  uint64_t pid)
{
    msgpack_pack_map(packer, fields);
    ppi_pack_text(packer, "from");
    msgpack_pack_uint64(packer, from);
    ppi_pack_text(packer, "name");
    ppi_pack_text(packer, name);
    ppi_pack_text(packer, "pid");
    msgpack_pack_uint64(packer, pid);
}

static void end(msgpack_packer *packer)
{
    ppi_pack_text(packer, "ts");
    msgpack_pack_uint64(packer, ppi_wall_ms());
}

size_t meta_write(uint8_t out[META_MAX], const struct peer *from)
{
    struct room room = { out, out + META_MAX };
    const pp_peer *who = &from->who;
    msgpack_packer packer;

    msgpack_packer_init(&packer, &room, put);
    begin(&packer, 5, from->id, from->name, who->pid);
    if ((who->flags & PP_PEER_SID) != 0) {
        ppi_pack_text(&packer, "sid");
        ppi_pack_text(&packer, who->sid);
    } else {
        ppi_pack_text(&packer, "uid");
        msgpack_pack_uint32(&packer, who->uid);
    }
    end(&packer);
    return (size_t)(room.at - out);
}

size_t meta_write_own(uint8_t out[META_MAX])
{
    struct room room = { out, out + META_MAX };
    msgpack_packer packer;

    msgpack_packer_init(&packer, &room, put);
    begin(&packer, 4, 0, "panpiped", ppi_process_id());
    end(&packer);
    return (size_t)(room.at - out);
}
