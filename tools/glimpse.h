/* glimpse.h: what of a body fits on one line of a terminal, also when the body was cut. */
#ifndef GLIMPSE_H
#define GLIMPSE_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

/* Adds a MessagePack value of which size bytes are there: a text as it is, binary as hexadecimal
 * if it is no text, anything else as JSON; whatever is not there any more is an ellipsis. Nothing
 * that it adds does anything to a terminal but show letters. params: the value is an array, and
 * one of a single element is shown as that. */
void glimpse(const void *value, size_t size, bool params, struct bytes *out);

/* Adds a text, or what should be one: what a terminal would obey become spaces. */
void glimpse_text(const char *text, size_t size, struct bytes *out);

/* Cuts text at limit columns, the last of which is an ellipsis then. */
void glimpse_cut(struct bytes *text, int limit);

#endif
