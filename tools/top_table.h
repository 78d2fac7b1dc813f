/* top_table.h: tables that fit: columns are shortened, and those that matter least left out. */
#ifndef TOP_TABLE_H
#define TOP_TABLE_H

#include "top_view.h"

enum { TOP_COLUMNS_MAX = 16 };

struct top_column {
    const char *title;
    int narrow, wide; /* it is useful from, and gains nothing above */
    int rank;         /* the higher, the sooner it is left out */
    bool right;       /* numbers */
    int sort;         /* an enum top_sort, or -1 */
};

/* The widths of columns with gap between them in room; 0: left out. wanted: what is in them. */
void top_table_fit(const struct top_column *columns, size_t count, const int *wanted, int room,
                   int gap, int *widths);

/* Draws clients, and subjects, with their titles, on the lines from first on, at most count. */
void top_table_clients(struct canvas *canvas, int first, int count, const struct top_model *model,
                       const struct top_ui *ui);
void top_table_subjects(struct canvas *canvas, int first, int count, const struct top_model *model,
                        const struct top_ui *ui);

#endif
