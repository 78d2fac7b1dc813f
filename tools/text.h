/* text.h: small things about bytes and letters. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

bool text_is_utf8(const char *text, size_t size);

/* The letter that what is left of a text begins with, which is not nothing, and how many bytes it
 * has. TEXT_NO_LETTER, of one byte: it is no UTF-8. A zero ends the text, too. */
#define TEXT_NO_LETTER UINT32_MAX
uint32_t text_code(const char *text, size_t left, size_t *length);

/* How many columns a terminal shows it in. */
int text_width(const char *text);
int text_columns(const char *text, size_t size);

/* The same of the first letter, and how many bytes it has, as above. */
int text_letter(const char *text, size_t left, size_t *length);

/* The last part of a path, with / or \; NULL of NULL. */
const char *text_base_name(const char *path);

/* Cuts it to at most so many columns, with a ~ at the end. How many it has now. */
int text_cut(char *text, int columns);

/* What a terminal would obey becomes spaces: control characters, also those of C1, and what turns
 * the direction of the rest of a line (U+202A to U+202E, U+2066 to U+2069). */
void text_clean(char *text, size_t size);

/* Decimal digits, and nothing else. false: it is none, or too large for uint64_t. */
bool text_to_number(const char *text, uint64_t *number);

/* Base64, with padding; adds it to out, without a zero at the end. */
void text_to_base64(struct bytes *out, const void *data, size_t size);
/* false: it is none. */
bool text_from_base64(struct bytes *out, const char *text, size_t size);

/* Pairs of hexadecimal digits; white space between them is skipped. false: it is none. */
bool text_from_hex(struct bytes *out, const char *text, size_t size);

#endif
