/* print.h: the one printer for what commands have to tell: --json, or text for people. Everything
 * goes through out.h.
 *
 * The ending of a field's name is its unit: _ns, _us, _ms, _bytes. JSON has the number under the
 * whole name; the text has the unit behind the value: "uptime  3h12m" for "uptime_ms". */
#ifndef PRINT_H
#define PRINT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/* One object: a line for each field, the values below each other. JSON: on one line. */
void print_record(const json_t *record, bool json);

/* One of many objects: all on one line. */
void print_event(const json_t *event, bool json);

/* A column of a table: which field of a row. */
struct print_column {
    const char *title;
    const char *field; /* "who.pid": in the object "who" */
    const char *other; /* if field is not there; or NULL */
    const char *unit;  /* "", "ms", "bytes" ...: as in a name's ending */
};

/* A list of objects, as a table. JSON: one array, on one line, with all their fields. */
void print_table(const json_t *rows, const struct print_column *columns, size_t count, bool json);

#endif
