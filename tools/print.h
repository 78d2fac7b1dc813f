/* print.h: the one printer for what commands have to tell: --json, --format, or text for people.
 * Everything goes through out.h, so --quiet holds for all.
 *
 * The ending of a field's name is its unit: _ns, _us, _ms, _bytes. JSON has the number under the
 * whole name; the text has the unit behind the value: "uptime  3h12m" for "uptime_ms". */
#ifndef PRINT_H
#define PRINT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "bytes.h"
#include "cli.h"

/* Before the command runs. of: whose fields (enum fields) its objects have; 0: it prints none.
 * GO_ON, or the exit code: a wrong --format was told; --format help was answered. */
int print_begin(const struct cli *cli, unsigned of);
void print_end(void);

/* Is it text for people, which the command may as well print itself? */
bool print_is_text(void);

/* Does --format use a field whose path begins so? */
bool print_uses(const char *path);

/* One object: a line for each field, the values below each other; those of an object in it as
 * "who.pid", a list of lists or objects is left out. JSON: all of it, on one line. */
void print_record(const json_t *record);

/* One of many objects: all on one line. */
void print_event(const json_t *event);

/* A column of a table, titled as the dictionary says. */
struct print_column {
    const char *field; /* "who.pid"; "who.user|who.uid": the first that is there */
    /* Sets cell to what stands there instead (cell.h); NULL: the value. */
    void (*say)(struct bytes *cell, const json_t *row);
    int spare; /* left out of rows that are too long, the largest first; 0: never */
};

/* A list of objects, as a table with these columns. On a terminal columns are left out and long
 * cells cut, with a ~, until a row fits its width. JSON: one array, on one line, with all their
 * fields. */
void print_table(const json_t *rows, const struct print_column *columns, size_t count);

/* The same without titles. */
void print_rows(const json_t *rows, const struct print_column *columns, size_t count);

/* A part of a record that is a list, only as text: an empty line, a title, a table. of: whose
 * fields its rows have. Nothing if there are no rows. */
void print_section(const char *title, unsigned of, const json_t *rows,
                   const struct print_column *columns, size_t count);

#endif
