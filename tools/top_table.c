#include "top_table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "macros.h"
#include "units.h"

enum { CELL_MAX = 128, ROOMY = 120, GAP_ROOMY = 2 };

/* --- widths ---------------------------------------------------------------------------------- */

static int needed(const struct top_column *columns, size_t count, const int *widths, int gap)
{
    int sum = -gap;

    for (size_t i = 0; i < count; i++)
        if (widths[i] > 0)
            sum += columns[i].narrow + gap;
    return sum;
}

static void leave_one_out(const struct top_column *columns, size_t count, int *widths)
{
    size_t least = 0;

    for (size_t i = 0; i < count; i++)
        if (widths[i] > 0 && (widths[least] == 0 || columns[i].rank > columns[least].rank))
            least = i;
    widths[least] = 0;
}

void top_table_fit(const struct top_column *columns, size_t count, const int *wanted, int room,
                   int gap, int *widths)
{
    for (size_t i = 0; i < count; i++)
        widths[i] = columns[i].narrow;
    while (needed(columns, count, widths, gap) > room)
        leave_one_out(columns, count, widths);
    int left = room - needed(columns, count, widths, gap);
    for (int rank = 0; rank < TOP_COLUMNS_MAX; rank++)
        for (size_t i = 0; i < count; i++) {
            int most = wanted[i] < columns[i].wide ? wanted[i] : columns[i].wide;
            int more = most - columns[i].narrow < left ? most - columns[i].narrow : left;

            if (columns[i].rank != rank || widths[i] == 0 || more <= 0)
                continue;
            widths[i] += more;
            left -= more;
        }
}

/* --- a table --------------------------------------------------------------------------------- */

struct table {
    struct canvas *canvas;
    const struct top_column *columns;
    size_t count;
    void (*cell)(char cell[CELL_MAX], const void *row, size_t column);
    int widths[TOP_COLUMNS_MAX];
    int gap;
};

static void lay_out(struct table *table, const void *const *rows, size_t count)
{
    int wanted[TOP_COLUMNS_MAX];
    char cell[CELL_MAX];

    table->gap = table->canvas->columns >= ROOMY ? GAP_ROOMY : 1;
    for (size_t i = 0; i < table->count; i++) {
        wanted[i] = 0;
        for (size_t row = 0; row < count; row++) {
            table->cell(cell, rows[row], i);
            if (canvas_width(cell) > wanted[i])
                wanted[i] = canvas_width(cell);
        }
    }
    top_table_fit(table->columns, table->count, wanted, table->canvas->columns, table->gap,
                  table->widths);
}

static void put(const struct table *table, int line, size_t column, int at, enum style style,
                const char *text)
{
    if (table->columns[column].right)
        canvas_put_right(table->canvas, line, at, table->widths[column], style, text);
    else
        canvas_put(table->canvas, line, at, table->widths[column], style, text);
}

/* row NULL: the titles. The place of the last column. */
static int put_row(const struct table *table, int line, const void *row)
{
    char cell[CELL_MAX];
    int at = 0, last = 0;

    for (size_t i = 0; i < table->count; i++) {
        if (table->widths[i] == 0)
            continue;
        snprintf(cell, sizeof cell, "%s", table->columns[i].title);
        if (row != NULL)
            table->cell(cell, row, i);
        put(table, line, i, at, STYLE_PLAIN, cell);
        last = at;
        at += table->widths[i] + table->gap;
    }
    return last;
}

static void put_titles(const struct table *table, int line, const struct top_ui *ui)
{
    int at = 0;

    put_row(table, line, NULL);
    canvas_style(table->canvas, line, STYLE_BAR);
    for (size_t i = 0; i < table->count; i++) {
        if (table->widths[i] > 0 && table->columns[i].sort == (int)ui->sort)
            put(table, line, i, at, STYLE_STRONG, table->columns[i].title);
        at += table->widths[i] > 0 ? table->widths[i] + table->gap : 0;
    }
}

/* --- clients --------------------------------------------------------------------------------- */

enum {
    C_ID,
    C_NAME,
    C_PID,
    C_EXE,
    C_USER,
    C_SUBS,
    C_IN,
    C_OUT,
    C_QUEUE,
    C_OLDEST,
    C_DROP,
    C_STATE
};

static const struct top_column client_columns[] = {
    [C_ID] = { "ID", 4, 8, 3, true, TOP_BY_ID },
    [C_NAME] = { "NAME", 12, 32, 0, false, TOP_BY_NAME },
    [C_PID] = { "PID", 7, 10, 2, true, TOP_BY_PID },
    [C_EXE] = { "EXE", 8, 20, 6, false, -1 },
    [C_USER] = { "USER", 6, 16, 7, false, -1 },
    [C_SUBS] = { "SUBS", 4, 6, 5, true, -1 },
    [C_IN] = { "IN/s", 5, 5, 1, true, TOP_BY_IN },
    [C_OUT] = { "OUT/s", 5, 5, 1, true, TOP_BY_OUT },
    [C_QUEUE] = { "QUEUE", 8, 8, 1, true, TOP_BY_QUEUE },
    [C_OLDEST] = { "OLDEST", 6, 6, 2, true, TOP_BY_OLDEST },
    [C_DROP] = { "DROP", 5, 5, 4, true, TOP_BY_DROP },
    [C_STATE] = { "STATE", 17, 44, 0, false, TOP_BY_STATE },
};

static void show_state(char cell[CELL_MAX], const struct top_client *client)
{
    if (client->blocked && client->held_name != NULL)
        snprintf(cell, CELL_MAX, "BLOCKED by %.64s", client->held_name);
    else if (client->blocked && client->held_by != 0)
        snprintf(cell, CELL_MAX, "BLOCKED by %" PRIu64, client->held_by);
    else if (client->blocked)
        snprintf(cell, CELL_MAX, "BLOCKED");
    else if (client->slow)
        snprintf(cell, CELL_MAX, "SLOW");
    else
        snprintf(cell, CELL_MAX, "%.32s", client->state != NULL ? client->state : "-");
}

static void show_user(char cell[CELL_MAX], const struct top_client *client)
{
    if (client->user != NULL)
        snprintf(cell, CELL_MAX, "%.64s", client->user);
    else
        snprintf(cell, CELL_MAX, "%" PRIu64, client->uid);
}

static void client_cell(char cell[CELL_MAX], const void *row, size_t column)
{
    const struct top_client *client = row;

    switch (column) {
    case C_ID: snprintf(cell, CELL_MAX, "%" PRIu64, client->id); break;
    case C_NAME:
        snprintf(cell, CELL_MAX, "%.100s", client->name != NULL ? client->name : "-");
        break;
    case C_PID: snprintf(cell, CELL_MAX, isnan(client->pid) ? "-" : "%.0f", client->pid); break;
    case C_EXE: snprintf(cell, CELL_MAX, "%.100s", client->exe != NULL ? client->exe : "-"); break;
    case C_USER: show_user(cell, client); break;
    case C_SUBS: units_count(cell, client->subs); break;
    case C_IN: units_count(cell, client->in); break;
    case C_OUT: units_count(cell, client->out); break;
    case C_QUEUE: units_bytes(cell, client->queued_bytes); break;
    case C_OLDEST: units_time(cell, client->oldest_ms * 1e6); break;
    case C_DROP: units_count(cell, client->lost); break;
    default: show_state(cell, client); break;
    }
}

/* The first row that is shown, so that the selected one is. */
static size_t first_shown(const struct top_client *const *rows, size_t count, size_t room,
                          uint64_t selected)
{
    for (size_t i = 0; i < count && selected != 0; i++)
        if (rows[i]->id == selected)
            return i >= room ? i - room + 1 : 0;
    return 0;
}

static void put_client(const struct table *table, int line, const struct top_client *client,
                       const struct top_ui *ui)
{
    char state[CELL_MAX];
    int last = put_row(table, line, client);

    show_state(state, client);
    if (client->slow || client->blocked)
        put(table, line, C_STATE, last, client->slow ? STYLE_ALARM : STYLE_WARNING, state);
    if (client->id == ui->selected)
        canvas_style(table->canvas, line, STYLE_BAR);
}

void top_table_clients(struct canvas *canvas, int first, int count, const struct top_model *model,
                       const struct top_ui *ui)
{
    struct table table = { .canvas = canvas,
                           .columns = client_columns,
                           .count = COUNT_OF(client_columns),
                           .cell = client_cell };
    const struct top_client **rows = bytes_must(calloc(model->client_count + 1, sizeof *rows));
    size_t all = top_list_clients(model, ui->filter, ui->sort, ui->reverse, rows);
    size_t room = count > 1 ? (size_t)count - 1 : 0;
    size_t begin = first_shown(rows, all, room, ui->selected);

    lay_out(&table, (const void *const *)rows, all);
    put_titles(&table, first, ui);
    for (size_t i = begin; i < all && i < begin + room; i++)
        put_client(&table, first + 1 + (int)(i - begin), rows[i], ui);
    free(rows);
}

/* --- subjects -------------------------------------------------------------------------------- */

enum { S_SUBJECT, S_MESSAGES, S_BYTES, S_FROM, S_TO, S_DROPS };

static const struct top_column subject_columns[] = {
    [S_SUBJECT] = { "SUBJECT", 16, 64, 0, false, -1 },
    [S_MESSAGES] = { "MSG/s", 5, 5, 0, true, -1 },
    [S_BYTES] = { "B/s", 8, 8, 3, true, -1 },
    [S_FROM] = { "FROM", 14, 40, 1, false, -1 },
    [S_TO] = { "TO", 14, 40, 1, false, -1 },
    [S_DROPS] = { "DROP/s", 6, 6, 2, true, -1 },
};

static void subject_cell(char cell[CELL_MAX], const void *row, size_t column)
{
    const struct top_subject *subject = row;

    switch (column) {
    case S_SUBJECT:
        snprintf(cell, CELL_MAX, "%.110s%s", subject->subject, subject->calls ? " (call)" : "");
        break;
    case S_MESSAGES: units_count(cell, subject->messages); break;
    case S_BYTES: units_bytes(cell, subject->bytes); break;
    case S_FROM: snprintf(cell, CELL_MAX, "%s", subject->from); break;
    case S_TO: snprintf(cell, CELL_MAX, "%s", subject->to[0] != '\0' ? subject->to : "-"); break;
    default: units_count(cell, subject->drops); break;
    }
}

void top_table_subjects(struct canvas *canvas, int first, int count, const struct top_model *model,
                        const struct top_ui *ui)
{
    const struct top_ui unsorted = { .sort = TOP_SORTS };
    struct table table = { .canvas = canvas,
                           .columns = subject_columns,
                           .count = COUNT_OF(subject_columns),
                           .cell = subject_cell };
    const struct top_subject **rows = bytes_must(calloc(model->subject_count + 1, sizeof *rows));
    size_t all = top_list_subjects(model, ui->filter, rows);

    lay_out(&table, (const void *const *)rows, all);
    put_titles(&table, first, &unsorted);
    for (size_t i = 0; i < all && (int)i + 1 < count; i++)
        put_row(&table, first + 1 + (int)i, rows[i]);
    free(rows);
}
