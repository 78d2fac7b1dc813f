/* top_view.h: `panpipe top` on a screen of any size: drawn from what it knows and what its user
 * wants, and from nothing else. */
#ifndef TOP_VIEW_H
#define TOP_VIEW_H

#include "canvas.h"
#include "top_list.h"

enum { TOP_FILTER_MAX = 64, TOP_MESSAGE_MAX = 200 };

/* What the user wants, and is told. */
struct top_ui {
    bool interactive; /* there are keys */
    enum top_sort sort;
    bool reverse;
    char filter[TOP_FILTER_MAX];
    bool edits_filter;
    uint64_t selected; /* a client; 0: none */
    bool paused, shows_help, shows_events;
    bool asks_kick; /* the selected one: yes or no? */
    int interval_ms;
    char message[TOP_MESSAGE_MAX]; /* about the last key; "": none */
    char gone[TOP_MESSAGE_MAX];    /* why there are no new figures; "": there are */
    const json_t *events;          /* NULL: not known */
};

void top_view(struct canvas *canvas, const struct top_model *model, const struct top_ui *ui);

/* How many lines all of it needs. */
int top_view_lines(const struct top_model *model);

#endif
