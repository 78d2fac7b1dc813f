#include "print.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "error.h"
#include "json.h"
#include "macros.h"
#include "out.h"
#include "text.h"

enum { CELL_MAX = 128, COLUMNS_MAX = 16 };

/* --- values ---------------------------------------------------------------------------------- */

static void show_number(char cell[CELL_MAX], double number, const char *unit)
{
    int decimals = number >= 100 || number == (double)(int64_t)number ? 0 : number >= 10 ? 1 : 2;

    snprintf(cell, CELL_MAX, "%.*f%s%s", decimals, number, unit[0] != '\0' ? " " : "", unit);
}

static void show_time(char cell[CELL_MAX], double ns)
{
    const double second = 1e9;
    uint64_t seconds = (uint64_t)(ns / second);

    if (ns < 1e3)
        show_number(cell, ns, "ns");
    else if (ns < 1e6)
        show_number(cell, ns / 1e3, "us");
    else if (ns < second)
        show_number(cell, ns / 1e6, "ms");
    else if (seconds < 60)
        show_number(cell, ns / second, "s");
    else if (seconds < 3600)
        snprintf(cell, CELL_MAX, "%um%02us", (unsigned)(seconds / 60), (unsigned)(seconds % 60));
    else if (seconds < 86400)
        snprintf(cell, CELL_MAX, "%uh%02um", (unsigned)(seconds / 3600),
                 (unsigned)(seconds / 60 % 60));
    else
        snprintf(cell, CELL_MAX, "%ud%02uh", (unsigned)(seconds / 86400),
                 (unsigned)(seconds / 3600 % 24));
}

static void show_bytes(char cell[CELL_MAX], double bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    size_t i = 0;

    for (; bytes >= 1024 && i + 1 < COUNT_OF(units); i++)
        bytes /= 1024;
    show_number(cell, bytes, units[i]);
}

static void show(char cell[CELL_MAX], const json_t *value, const char *unit)
{
    double number = json_number_value(value);

    if (json_is_string(value)) {
        snprintf(cell, CELL_MAX, "%s", json_string_value(value));
        error_clean(cell);
    } else if (json_is_boolean(value)) {
        strcpy(cell, json_is_true(value) ? "yes" : "no");
    } else if (!json_is_number(value)) {
        strcpy(cell, "-");
    } else if (strcmp(unit, "ns") == 0) {
        show_time(cell, number);
    } else if (strcmp(unit, "us") == 0) {
        show_time(cell, number * 1e3);
    } else if (strcmp(unit, "ms") == 0) {
        show_time(cell, number * 1e6);
    } else if (strcmp(unit, "bytes") == 0) {
        show_bytes(cell, number);
    } else {
        show_number(cell, number, "");
    }
}

/* A field as its name without the unit, and its value with it; the unit ends the name, or is
 * the bytes that a counter begins with. */
static void show_field(char label[CELL_MAX], char cell[CELL_MAX], const char *name,
                       const json_t *value)
{
    static const char *const units[] = { "ns", "us", "ms", "bytes" };
    size_t length = strlen(name);
    const char *unit = "";

    for (size_t i = 0; i < COUNT_OF(units); i++) {
        size_t ending = strlen(units[i]) + 1;

        if (length > ending && name[length - ending] == '_' &&
            strcmp(name + length - ending + 1, units[i]) == 0) {
            unit = units[i];
            length -= ending;
            break;
        }
    }
    if (strncmp(name, "bytes_", strlen("bytes_")) == 0)
        unit = "bytes";
    snprintf(label, CELL_MAX, "%.*s", (int)length, name);
    show(cell, value, unit);
}

/* --- forms ----------------------------------------------------------------------------------- */

static void print_json(const json_t *json)
{
    struct bytes line = { 0 };

    json_print(json, &line);
    bytes_add(&line, "\n", 1);
    out_bytes(line.data, line.size);
    bytes_free(&line);
}

/* text, padded to width columns. */
static void print_padded(const char *text, int width)
{
    out_format("%s%*s", text, width > text_width(text) ? width - text_width(text) : 0, "");
}

void print_record(const json_t *record, bool json)
{
    json_t *object = (json_t *)(uintptr_t)record, *value;
    char label[CELL_MAX], cell[CELL_MAX];
    const char *name;
    int width = 0;

    if (json) {
        print_json(record);
        return;
    }
    json_object_foreach(object, name, value)
    {
        show_field(label, cell, name, value);
        if (text_width(label) > width)
            width = text_width(label);
    }
    json_object_foreach(object, name, value)
    {
        show_field(label, cell, name, value);
        print_padded(label, width + 2);
        out_format("%s\n", cell);
    }
}

void print_event(const json_t *event, bool json)
{
    json_t *object = (json_t *)(uintptr_t)event, *value;
    char label[CELL_MAX], cell[CELL_MAX];
    const char *name, *between = "";

    if (json) {
        print_json(event);
        return;
    }
    json_object_foreach(object, name, value)
    {
        show_field(label, cell, name, value);
        out_format("%s%s %s", between, label, cell);
        between = "  ";
    }
    out_text("\n");
}

/* --- tables ---------------------------------------------------------------------------------- */

/* What a path like "who.pid" leads to; NULL: nothing. */
static const json_t *follow(const json_t *row, const char *path)
{
    char name[64];

    while (path != NULL && row != NULL) {
        size_t length = strcspn(path, ".");

        snprintf(name, sizeof name, "%.*s", (int)length, path);
        row = json_object_get(row, name);
        path = path[length] == '.' ? path + length + 1 : NULL;
    }
    return row;
}

static const json_t *value_of(const json_t *row, const struct print_column *column)
{
    const json_t *value = follow(row, column->field);

    return (value == NULL || json_is_null(value)) && column->other != NULL
               ? follow(row, column->other)
               : value;
}

void print_table(const json_t *rows, const struct print_column *columns, size_t count, bool json)
{
    bool right[COLUMNS_MAX] = { false };
    int widths[COLUMNS_MAX];
    char cell[CELL_MAX];

    if (json) {
        print_json(rows);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        widths[i] = text_width(columns[i].title);
        for (size_t row = 0; row < json_array_size(rows); row++) {
            const json_t *value = value_of(json_array_get(rows, row), &columns[i]);

            show(cell, value, columns[i].unit);
            if (text_width(cell) > widths[i])
                widths[i] = text_width(cell);
            right[i] = right[i] || json_is_number(value);
        }
    }
    for (size_t row = 0; row <= json_array_size(rows); row++) { /* 0: the titles */
        for (size_t i = 0; i < count; i++) {
            const char *text = columns[i].title;
            bool last = i + 1 == count;

            if (row > 0) {
                show(cell, value_of(json_array_get(rows, row - 1), &columns[i]), columns[i].unit);
                text = cell;
            }
            if (right[i])
                out_format("%*s", widths[i] - text_width(text), "");
            print_padded(text, right[i] || last ? 0 : widths[i]);
            out_text(last ? "\n" : "  ");
        }
    }
}
