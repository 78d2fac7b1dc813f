#include "unit/samples.h"

#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "wire/envelope.h"

/* Frames as bytes where the encoding matters. */
static const struct {
    const char *bytes;
    size_t size;
} fixed[] = {
#define BYTES(text)                                                                                \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
    BYTES("\x93\x02\xA1s\x90"),     /* the smallest publish */
    BYTES("\x94\x00\x00\xA1s\x90"), /* call */
    BYTES("\x94\x01\x00\xC0\xC0"),  /* answer */
    BYTES("\x94\x01\x07\xA5"
          "E_ARG\xC0"),                                         /* answer, an error */
    BYTES("\x93\xCC\x02\xD9\x01s\xDC\x00\x00"),                 /* wider than need be */
    BYTES("\x93\xCD\x00\x02\xDA\x00\x01s\xDD\x00\x00\x00\x00"), /* even wider */
    BYTES("\x93\xCF\x00\x00\x00\x00\x00\x00\x00\x02\xDB\x00\x00\x00\x01s\x91\x01"),
    BYTES("\x93\xD0\x02\xA1s\x90"), /* signed */
    BYTES("\x93\xD3\x00\x00\x00\x00\x00\x00\x00\x02\xA1s\x90"),
    BYTES("\x94\x00\xCE\xFF\xFF\xFF\xFF\xA1s\x90"), /* the largest id */
    BYTES("\x94\x00\xCF\x00\x00\x00\x00\xFF\xFF\xFF\xFF\xA1s\x90"),
    BYTES("\x93\x02\xA1s\x98\xC0\xC2\xC3\x7F\xE0\xFF\xCC\xFF\xD0\x80"), /* small values */
    BYTES("\x93\x02\xA1s\x94\xCA\x3F\x80\x00\x00\xCB\x3F\xF0\x00\x00\x00\x00\x00\x00"
          "\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xD3\x80\x00\x00\x00\x00\x00\x00\x00"),
    BYTES("\x93\x02\xA1s\x95\xD4\x01x\xD5\x01xx\xD6\xFFxxxx\xD7\x05xxxxxxxx"
          "\xD8\x05xxxxxxxxxxxxxxxx"), /* fixed extensions */
    BYTES("\x93\x02\xA1s\x94\xC7\x00\x01\xC7\x02\x01xx\xC8\x00\x01\x05x\xC9\x00\x00\x00\x01\x05x"),
    BYTES("\x93\x02\xA1s\x93\xC4\x00\xC5\x00\x01x\xC6\x00\x00\x00\x02xx"), /* binaries */
    BYTES("\x93\x02\xA1s\x93\x80\x90\xA0"),                                /* empty things */
    BYTES("\x93\x02\xA1s\x91\x82\xA1k\x81\xA1k\x90\xA1l\xDE\x00\x01\x01\x02"),
    BYTES("\x93\x02\xA1s\x91\xDF\x00\x00\x00\x01\xDD\x00\x00\x00\x01\xC0\xC3"),
#undef BYTES
};
enum { FIXED = sizeof fixed / sizeof *fixed };

void sample_publish(struct ppi_buf *buf, const char *subject, size_t filling)
{
    msgpack_packer packer;
    char *bytes = calloc(1, filling + 1);

    msgpack_packer_init(&packer, buf, ppi_pack_write);
    msgpack_pack_array(&packer, 3);
    msgpack_pack_int(&packer, 2);
    msgpack_pack_str(&packer, strlen(subject));
    msgpack_pack_str_body(&packer, subject, strlen(subject));
    msgpack_pack_array(&packer, 1);
    msgpack_pack_bin(&packer, filling);
    msgpack_pack_bin_body(&packer, bytes, filling);
    free(bytes);
}

/* [2, "s", [[[...]]]], nested as deep as it may be: 32 with the envelope. */
static void append_deepest(struct ppi_buf *buf, const char *open, size_t open_size)
{
    ppi_buf_append(buf, "\x93\x02\xA1s", 4);
    ppi_buf_append(buf, "\x91", 1);
    for (int level = 3; level < 32; level++)
        ppi_buf_append(buf, open, open_size);
    ppi_buf_append(buf, "\x90", 1);
}

void sample_append(struct ppi_buf *buf, int i)
{
    if (i < FIXED)
        ppi_buf_append(buf, fixed[i].bytes, fixed[i].size);
    else if (i == FIXED)
        append_deepest(buf, "\x91", 1);
    else if (i == FIXED + 1)
        append_deepest(buf, "\x81\xC0", 2);
    else if (i == FIXED + 2)
        sample_publish(buf, "a.subject.of.several.tokens", 300);
    else if (i == FIXED + 3)
        sample_publish(buf, "ui.tick", 5000);
    else
        sample_publish(buf, "x", 0);
}
