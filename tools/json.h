/* json.h: MessagePack as JSON and back.
 *
 * What JSON has no words for is an object with one name, and so comes back as it was:
 *   {"$bin": "aGk="}         binary, and text that is not UTF-8: base64
 *   {"$ext": [5, "aGk="]}    an extension: its type and its bytes
 *   {"$map": [[1, 2], ...]}  a map whose names are not all different texts; also one that would
 *                            be taken for one of these
 *   {"$uint": "18446744073709551615"}   more than 2^63 - 1
 *   {"$float": "nan"}        or "inf", "-inf" */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>

#include <jansson.h>
#include <msgpack.h>

#include "bytes.h"

/* A new object. */
json_t *json_from_object(const msgpack_object *object);

/* From bytes that are one value; JSON null if they are not. */
json_t *json_from_value(const void *data, size_t size);

/* From a text; what is no UTF-8 becomes binary. */
json_t *json_from_text(const char *text, size_t size);

/* Adds a value to out. false: one of the forms above is not as it must be. */
bool json_to_value(const json_t *json, struct bytes *out);

/* A new text of names and values as json_pack takes them is never NULL here: no memory ends the
 * program. */
json_t *json_must(json_t *json);

/* Adds json on one line, without its end. */
void json_print(const json_t *json, struct bytes *out);

#endif
