/* format.h: --format: a text with fields of an object in it, for each object that is printed.
 *
 *     {name} {who.pid:>7} {ts:time} {subject:-24} {params.0:json}\t{{ }}
 *
 * Behind a field's name come, each after a colon: a width (10, -10 or <10: on the left; >10: on
 * the right), and a type: text (as tables show it), json, time, bytes, ns, us or ms. Without a
 * type a number is printed as it is. A field that is not there is "-". */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

enum { FORMAT_PROBLEM_MAX = 200 };

/* Takes the text, which stays the caller's. of: whose fields, of enum fields. There is one format;
 * false: problem says what is wrong with it. */
bool format_begin(const char *text, unsigned of, char problem[FORMAT_PROBLEM_MAX]);

/* Is a field used whose path begins so? */
bool format_uses(const char *path);

/* Prints the object, and a newline; nothing if it has none of the fields that are asked for, as
 * the last line of ping has not that of the others. */
void format_print(const json_t *object);

void format_end(void);

#endif
