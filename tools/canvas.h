/* canvas.h: a screen as a grid of letters, so that nothing wraps, and only what has changed need be
 * written. What is no letter that every terminal shows in one column is shown as "?". */
#ifndef CANVAS_H
#define CANVAS_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

enum style { STYLE_PLAIN, STYLE_STRONG, STYLE_FAINT, STYLE_BAR, STYLE_WARNING, STYLE_ALARM };

/* Zeroed, it is empty. utf8: else everything is ASCII. */
struct canvas {
    bool utf8;
    int columns, lines;
    struct canvas_cell {
        uint32_t letter;
        uint32_t style;
    } * cells;
};

/* Makes it blank, with that size. */
void canvas_clear(struct canvas *canvas, int columns, int lines);
void canvas_free(struct canvas *canvas);

/* Puts text at a place, in at most room columns; what is longer is cut, with a mark. Outside the
 * canvas nothing happens. The column behind it. */
int canvas_put(struct canvas *canvas, int line, int column, int room, enum style style,
               const char *text);
/* The same at the right end of the room. */
void canvas_put_right(struct canvas *canvas, int line, int column, int room, enum style style,
                      const char *text);

/* Gives a whole line a style. */
void canvas_style(struct canvas *canvas, int line, enum style style);

/* A column that is level / 8 high. */
void canvas_put_level(struct canvas *canvas, int line, int column, enum style style, int level);

/* How many columns text needs. */
int canvas_width(const char *text);

/* Adds what makes a terminal that shows one canvas show another; shown NULL: it shows anything. */
void canvas_frame(const struct canvas *canvas, const struct canvas *shown, bool color,
                  struct bytes *out);

/* Adds its lines as text, without blanks at their ends, and without empty lines at its end. */
void canvas_text(const struct canvas *canvas, struct bytes *out);

#endif
