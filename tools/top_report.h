/* top_report.h: `panpipe top` for programs. */
#ifndef TOP_REPORT_H
#define TOP_REPORT_H

#include "top_model.h"

/* One interval as an object: {interval_ms, stats, clients, subjects}: the broker's answers, and
 * beside their fields what top makes of them: rates, whose names end with _per_s, and for a client
 * slow, blocked and held_by_name. */
json_t *top_report(const struct top_model *model);

#endif
