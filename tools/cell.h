/* cell.h: one value as people read it. */
#ifndef CELL_H
#define CELL_H

#include <jansson.h>

#include "bytes.h"
#include "fields.h"

/* Each sets cell to the text, on one line, with a 0 behind it.
 * cell_value: a number with its unit, "3h12m"; nothing is "-"; an array or object is JSON.
 * cell_raw: the same with the number as it is. cell_json: whatever it is, as JSON. */
void cell_value(struct bytes *cell, const json_t *value, enum unit unit);
void cell_raw(struct bytes *cell, const json_t *value);
void cell_json(struct bytes *cell, const json_t *value);

/* Sets it to a text: letters that a terminal would obey become spaces. */
void cell_text(struct bytes *cell, const char *text);

/* What a path like "who.pid" or "params.0" leads to; NULL: nothing. Several, "who.user|who.uid":
 * the first that is there and not null. */
const json_t *cell_follow(const json_t *object, const char *path);

#endif
