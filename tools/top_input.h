/* top_input.h: what keys do to `panpipe top`. */
#ifndef TOP_INPUT_H
#define TOP_INPUT_H

#include "io/console.h"
#include "top_view.h"

/* What is left for the command to do. */
enum top_wish { TOP_DRAW, TOP_REDRAW, TOP_QUIT, TOP_KICK, TOP_LOOK, TOP_EVENTS };

/* TOP_DRAW: something else is to be shown; TOP_REDRAW: all of it, on a screen that may have
 * changed; TOP_KICK: the selected client; TOP_LOOK: the interval may be over already; TOP_EVENTS:
 * ask for them. */
enum top_wish top_input(struct top_ui *ui, const struct top_model *model,
                        const struct ppi_key_press *press);

#endif
