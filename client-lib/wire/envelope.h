/* envelope.h: writes frames, or their heads.
 *
 * A frame that is passed on keeps its bytes from `rest` (see struct ppi_frame) to its end; only
 * the head in front of them is new. The head functions write at out, which has room for
 * PPI_HEAD_MAX bytes, and return how many bytes they wrote. What follows is behind the bar. */
#ifndef PPI_ENVELOPE_H
#define PPI_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "wire/subject.h"

enum { PPI_HEAD_MAX = PPI_SUBJECT_MAX + 32 };

size_t ppi_head_call(uint8_t *out, uint32_t id);   /* [0, id | subject, params] */
size_t ppi_head_answer(uint8_t *out, uint32_t id); /* [1, id | error, result] */
/* [0, id, "$call", [sid | subject, params]] and [2, "$msg", [sid | subject, params]]; with meta one
 * more is to follow. */
size_t ppi_head_rich_call(uint8_t *out, uint32_t id, uint64_t sid, bool meta);
size_t ppi_head_message(uint8_t *out, uint64_t sid, bool meta);

/* Frames of one's own: [0, id, subject | params] and [2, subject | params]. */
size_t ppi_head_request(uint8_t *out, uint32_t id, const char *subject, size_t length);
size_t ppi_head_publish(uint8_t *out, const char *subject, size_t length);

/* [subject | with count elements in all: what begins the params of a control method. */
size_t ppi_head_params(uint8_t *out, unsigned count, const char *subject, size_t length);

/* Small wholes: [number], and {name: number, ...}, of at most 8 short names. */
struct ppi_number {
    const char *name;
    uint64_t number;
};
size_t ppi_params_number(uint8_t *out, uint64_t number);
size_t ppi_options_numbers(uint8_t *out, const struct ppi_number *numbers, int count);

struct msgpack_packer; /* msgpack-c's */

/* Packs a terminated text. 0, or what the packer's write returned. */
int ppi_pack_text(struct msgpack_packer *packer, const char *text);

/* What msgpack-c's packer appends to a ppi_buf with: msgpack_packer_init(&p, &buf, ppi_pack_write).
 * Not 0: no memory. */
int ppi_pack_write(void *buf, const char *data, size_t size);

/* Appends [1, id, "NAME text", nil]. PP_OK or PP_ENOMEM. */
int ppi_pack_error(struct ppi_buf *buf, uint32_t id, const char *format, ...) PPI_PRINTF(3, 4);

#endif
