/* show.h: one value as people read it. */
#ifndef SHOW_H
#define SHOW_H

#include <jansson.h>

#include "bytes.h"
#include "fields.h"

/* Each sets cell to the text, on one line, with a 0 behind it.
 * show_value: a number with its unit, "3h12m"; nothing is "-"; an array or object is JSON.
 * show_raw: the same with the number as it is. show_json: whatever it is, as JSON. */
void show_value(struct bytes *cell, const json_t *value, enum unit unit);
void show_raw(struct bytes *cell, const json_t *value);
void show_json(struct bytes *cell, const json_t *value);

/* Sets it to a text: letters that a terminal would obey become spaces. */
void show_text(struct bytes *cell, const char *text);

/* What a path like "who.pid" or "params.0" leads to; NULL: nothing. Several, "who.user|who.uid":
 * the first that is there and not null. */
const json_t *show_follow(const json_t *object, const char *path);

#endif
