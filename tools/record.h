/* record.h: what a tap tells about one message: read, and shown as a line or as JSON. */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <msgpack.h>

#include "bytes.h"

/* Points into the message it was read from. */
struct record {
    msgpack_unpacked unpacked;
    const msgpack_object_map *map;
    uint64_t missed; /* before it */
};

/* Reads the params of a tap's message; record_free must follow. false: they are none. */
bool record_read(struct record *record, const void *params, size_t size);
void record_free(struct record *record);

/* Adds it as one line, without its end:
 *     03:15:57.120Z pub    ui[4242]  ui.tick  2 B  -> 1 logger  42 */
void record_show(const struct record *record, struct bytes *line);

/* A new object with the record's fields but missed; in the place of body stands, if it is whole,
 * what it says: params, or of an answer result, of an error error; else body is base64. text: with
 * the body as record_show has it. */
json_t *record_as_json(const struct record *record, bool text);

#endif
