/* top_list.h: which rows of `panpipe top` are shown, and in which order. */
#ifndef TOP_LIST_H
#define TOP_LIST_H

#include "top_model.h"

/* What clients are sorted by. TOP_BY_STATE: those in trouble first, then the busiest. */
enum top_sort {
    TOP_BY_STATE,
    TOP_BY_ID,
    TOP_BY_NAME,
    TOP_BY_PID,
    TOP_BY_IN,
    TOP_BY_OUT,
    TOP_BY_QUEUE,
    TOP_BY_OLDEST,
    TOP_BY_DROP,
    TOP_SORTS
};
extern const char *const top_sorts[]; /* their names; NULL at the end */

/* The clients whose name, program, user or pid contains filter, whatever the case, in order. rows
 * has room for all, or is NULL; how many there are. */
size_t top_list_clients(const struct top_model *model, const char *filter, enum top_sort sort,
                        bool reverse, const struct top_client **rows);

/* The same for subjects, or who sends or gets them; the busiest first. */
size_t top_list_subjects(const struct top_model *model, const char *filter,
                         const struct top_subject **rows);

#endif
