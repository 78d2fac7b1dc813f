/* pack.h: packs a field of a map: its name, and what it has. */
#ifndef PACK_H
#define PACK_H

#include <msgpack.h>
#include <stdbool.h>

#include "wire/envelope.h"

static inline void pack_nil(msgpack_packer *packer, const char *name)
{
    ppi_pack_text(packer, name);
    msgpack_pack_nil(packer);
}

static inline void pack_number(msgpack_packer *packer, const char *name, uint64_t number)
{
    ppi_pack_text(packer, name);
    msgpack_pack_uint64(packer, number);
}

/* 0 is nil. */
static inline void pack_number_or_nil(msgpack_packer *packer, const char *name, uint64_t number)
{
    number != 0 ? pack_number(packer, name, number) : pack_nil(packer, name);
}

static inline void pack_truth(msgpack_packer *packer, const char *name, bool truth)
{
    ppi_pack_text(packer, name);
    truth ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
}

static inline void pack_text(msgpack_packer *packer, const char *name, const char *text)
{
    ppi_pack_text(packer, name);
    ppi_pack_text(packer, text);
}

/* NULL and "" are nil. */
static inline void pack_text_or_nil(msgpack_packer *packer, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        pack_text(packer, name, text);
    else
        pack_nil(packer, name);
}

/* The field "subject". */
static inline void pack_subject(msgpack_packer *packer, const char *subject, size_t length)
{
    ppi_pack_text(packer, "subject");
    msgpack_pack_str_with_body(packer, subject, length);
}

#endif
