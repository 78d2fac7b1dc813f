/* text.h: MessagePack written as people read it: JSON, with ' for " so that it fits into C.
 *
 *     [0, 1, '$sub', ['a.>', {'form': 'rich'}]]
 *
 * In what is expected, '?' stands for any value, a text that ends with '*' for any text that begins
 * so, and a map need only have the keys that are named. */
#ifndef TEST_TEXT_H
#define TEST_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends the text as MessagePack; the test fails if it is no JSON. */
void text_pack(struct ppi_buf *buf, const char *text);

/* Is data what the text expects? If not, both are printed. */
bool text_matches(const char *expected, const void *data, size_t size);

#endif
