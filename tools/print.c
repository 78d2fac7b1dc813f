#include "print.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell.h"
#include "error.h"
#include "fields.h"
#include "format.h"
#include "json.h"
#include "out.h"
#include "text.h"

enum { COLUMNS_MAX = 20, BETWEEN = 2, NARROWEST = 8, PATH_MAX_BYTES = 128 };

enum form { FORM_TEXT, FORM_JSON, FORM_FORMAT };

static enum form form;
static unsigned fields_of; /* what is printed */

int print_begin(const struct cli *cli, unsigned of)
{
    char problem[FORMAT_PROBLEM_MAX];

    fields_of = of;
    form = cli->json ? FORM_JSON : FORM_TEXT;
    if (cli->format == NULL)
        return GO_ON;
    if (cli->json)
        return error_use("--json or --format, one of them");
    if (of == FIELDS_NONE)
        return error_use("it prints no fields: --format has nothing to choose from");
    if (strcmp(cli->format, "help") == 0) {
        fields_help(of);
        return EXIT_DONE;
    }
    form = FORM_FORMAT;
    return format_begin(cli->format, of, problem) ? GO_ON : error_use("--format: %s", problem);
}

void print_end(void)
{
    format_end();
}

bool print_is_text(void)
{
    return form == FORM_TEXT;
}

bool print_uses(const char *path)
{
    return form == FORM_FORMAT && format_uses(path);
}

/* --- one object ------------------------------------------------------------------------------ */

static void print_json(const json_t *json)
{
    static struct bytes line; /* kept: streams print many */

    line.size = 0;
    json_print(json, &line);
    bytes_add(&line, "\n", 1);
    out_bytes(line.data, line.size);
}

/* As JSON or by --format, if that is wanted. */
static bool print_object(const json_t *object)
{
    if (form == FORM_JSON)
        print_json(object);
    else if (form == FORM_FORMAT)
        format_print(object);
    return form != FORM_TEXT;
}

static bool is_list(const json_t *value)
{
    const json_t *first = json_array_get(value, 0);

    return json_is_array(value) && (first == NULL || json_is_array(first) || json_is_object(first));
}

/* Adds what can stand on a line of its own: "pid" of "who" is "who.pid". */
static void flatten(json_t *flat, const char *before, const json_t *record)
{
    json_t *object = (json_t *)(uintptr_t)record, *value;
    char path[PATH_MAX_BYTES];
    const char *name;

    json_object_foreach(object, name, value)
    {
        snprintf(path, sizeof path, "%s%s%s", before, before[0] != '\0' ? "." : "", name);
        if (json_is_object(value))
            flatten(flat, path, value);
        else if (!is_list(value))
            json_object_set(flat, path, value);
    }
}

/* How much of a field's name stands in front of its value: not its unit, which stands behind it,
 * unless another field has the name without: published, published_bytes. */
static int label_of(const json_t *flat, const char *name)
{
    char label[PATH_MAX_BYTES];

    snprintf(label, sizeof label, "%.*s", fields_label(name), name);
    return (int)strlen(json_object_get(flat, label) == NULL ? label : name);
}

static void print_lines(json_t *flat)
{
    struct bytes cell = { 0 };
    const char *name;
    json_t *value;
    int width = 0;

    json_object_foreach(flat, name, value)
    {
        if (label_of(flat, name) > width)
            width = label_of(flat, name);
    }
    json_object_foreach(flat, name, value)
    {
        cell_value(&cell, value, fields_unit(name));
        out_format("%-*.*s", width + BETWEEN, label_of(flat, name), name);
        out_text(cell.data);
        out_text("\n");
    }
    bytes_free(&cell);
}

void print_record(const json_t *record)
{
    json_t *flat;

    if (print_object(record))
        return;
    flat = json_must(json_object());
    flatten(flat, "", record);
    print_lines(flat);
    json_decref(flat);
}

void print_event(const json_t *event)
{
    json_t *object = (json_t *)(uintptr_t)event, *value;
    const char *name, *between = "";
    struct bytes cell = { 0 };

    if (print_object(event))
        return;
    json_object_foreach(object, name, value)
    {
        cell_value(&cell, value, fields_unit(name));
        out_format("%s%.*s ", between, fields_label(name), name);
        out_text(cell.data);
        between = "  ";
    }
    out_text("\n");
    bytes_free(&cell);
}

/* --- tables ---------------------------------------------------------------------------------- */

struct table {
    const json_t *rows;
    const struct print_column *columns;
    size_t count;
    unsigned of;  /* whose fields */
    size_t first; /* row 0 is the titles */
    int widths[COLUMNS_MAX], narrowest[COLUMNS_MAX];
    bool right[COLUMNS_MAX]; /* numbers */
    bool out[COLUMNS_MAX];   /* left out */
    struct bytes cell;
};

/* The dictionary's word for the first field of a column. */
static const char *title_of(unsigned of, const struct print_column *column)
{
    char path[64];

    snprintf(path, sizeof path, "%.*s", (int)strcspn(column->field, "|"), column->field);
    const struct field *field = fields_find(of, path);
    return field != NULL ? field->title : column->field;
}

/* Sets the cell; row 0 is the titles. true: it is a number. */
static bool set_cell(struct table *table, size_t row, size_t i)
{
    const struct print_column *column = &table->columns[i];

    if (row == 0) {
        cell_text(&table->cell, title_of(table->of, column));
        return false;
    }
    const json_t *object = json_array_get(table->rows, row - 1);
    if (column->say != NULL) {
        column->say(&table->cell, object);
        return false;
    }
    const json_t *value = cell_follow(object, column->field);
    cell_value(&table->cell, value, fields_unit(column->field));
    return json_is_number(value) && fields_unit(column->field) != UNIT_TIME;
}

static void measure(struct table *table)
{
    for (size_t row = table->first; row <= json_array_size(table->rows); row++) {
        for (size_t i = 0; i < table->count; i++) {
            bool number = set_cell(table, row, i);
            int width = text_width(table->cell.data);

            table->right[i] = table->right[i] || number;
            table->widths[i] = width > table->widths[i] ? width : table->widths[i];
            if (row == 0)
                table->narrowest[i] = width > NARROWEST ? width : NARROWEST;
        }
    }
}

static bool may_be_narrower(const struct table *table, size_t i)
{
    return !table->right[i] && table->widths[i] > table->narrowest[i];
}

/* How long a row is; or would be, if all that may were as narrow as can be. */
static int row_width(const struct table *table, bool at_least)
{
    int sum = -BETWEEN;

    for (size_t i = 0; i < table->count; i++)
        if (!table->out[i])
            sum += BETWEEN +
                   (at_least && may_be_narrower(table, i) ? table->narrowest[i] : table->widths[i]);
    return sum;
}

/* The column to leave out next; COLUMNS_MAX: none. */
static size_t find_spare(const struct table *table)
{
    size_t spare = COLUMNS_MAX;

    for (size_t i = 0; i < table->count; i++)
        if (!table->out[i] && table->columns[i].spare > 0 &&
            (spare == COLUMNS_MAX || table->columns[i].spare > table->columns[spare].spare))
            spare = i;
    return spare;
}

/* The widest column of text that may be narrower; COLUMNS_MAX: none. */
static size_t find_widest(const struct table *table)
{
    size_t widest = COLUMNS_MAX;

    for (size_t i = 0; i < table->count; i++)
        if (!table->out[i] && may_be_narrower(table, i) &&
            (widest == COLUMNS_MAX || table->widths[i] > table->widths[widest]))
            widest = i;
    return widest;
}

/* Leaves columns out, then takes letters from the widest, until a row has at most so many. */
static void fit(struct table *table, int most)
{
    size_t i;

    while (row_width(table, true) > most && (i = find_spare(table)) != COLUMNS_MAX)
        table->out[i] = true;
    while (row_width(table, false) > most && (i = find_widest(table)) != COLUMNS_MAX)
        table->widths[i]--;
}

static void print_cell(const struct table *table, size_t i, bool last)
{
    int width = text_cut(table->cell.data, table->widths[i]);
    int padding = table->widths[i] - width;

    if (table->right[i])
        out_format("%*s", padding, "");
    out_text(table->cell.data);
    if (!table->right[i] && !last)
        out_format("%*s", padding, "");
    out_text(last ? "\n" : "  ");
}

static size_t last_column(const struct table *table)
{
    size_t last = table->count - 1;

    while (last > 0 && table->out[last])
        last--;
    return last;
}

static void print_cells(struct table *table)
{
    measure(table);
    if (out_width() > 0)
        fit(table, out_width());
    size_t last = last_column(table);
    for (size_t row = table->first; row <= json_array_size(table->rows); row++) {
        for (size_t i = 0; i <= last; i++) {
            if (table->out[i])
                continue;
            set_cell(table, row, i);
            print_cell(table, i, i == last);
        }
    }
    bytes_free(&table->cell);
}

/* In whatever form. */
static void print_list(struct table *table)
{
    if (form == FORM_JSON)
        print_json(table->rows);
    else if (form == FORM_TEXT)
        print_cells(table);
    else
        for (size_t row = 0; row < json_array_size(table->rows); row++)
            format_print(json_array_get(table->rows, row));
}

void print_table(const json_t *rows, const struct print_column *columns, size_t count)
{
    struct table table = { .rows = rows, .columns = columns, .count = count, .of = fields_of };

    print_list(&table);
}

void print_rows(const json_t *rows, const struct print_column *columns, size_t count)
{
    struct table table = {
        .rows = rows, .columns = columns, .count = count, .of = fields_of, .first = 1
    };

    print_list(&table);
}

void print_section(const char *title, unsigned of, const json_t *rows,
                   const struct print_column *columns, size_t count)
{
    struct table table = { .rows = rows, .columns = columns, .count = count, .of = of };

    if (form != FORM_TEXT || json_array_size(rows) == 0)
        return;
    out_format("\n%s\n", title);
    print_cells(&table);
}
