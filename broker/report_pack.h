/* report_pack.h: what reports are made of: a map's fields. */
#ifndef REPORT_PACK_H
#define REPORT_PACK_H

#include <msgpack.h>
#include <stdbool.h>

#include "wire/envelope.h"

static inline void pack_number(msgpack_packer *packer, const char *name, uint64_t number)
{
    ppi_pack_text(packer, name);
    msgpack_pack_uint64(packer, number);
}

static inline void pack_truth(msgpack_packer *packer, const char *name, bool truth)
{
    ppi_pack_text(packer, name);
    truth ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
}

/* NULL is nil. */
static inline void pack_words(msgpack_packer *packer, const char *name, const char *words)
{
    ppi_pack_text(packer, name);
    words != NULL ? ppi_pack_text(packer, words) : msgpack_pack_nil(packer);
}

/* 0 is nil. */
static inline void pack_client(msgpack_packer *packer, const char *name, uint64_t id)
{
    ppi_pack_text(packer, name);
    id != 0 ? msgpack_pack_uint64(packer, id) : msgpack_pack_nil(packer);
}

#endif
