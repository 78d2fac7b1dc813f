/* filter.h: which messages a monitor shows, in words that must all be true:
 *
 *   subj:ui.>  or  ui.>    the subject matches a pattern; * and > alone match all that is routed
 *   from:X  to:X           a client: its number, its name, or pid:N
 *   kind:K                 pub, call (also req, request), answer, error
 *   size:>64k  size:<=1m   the bytes of the params; k, m and g count in 1024s
 *   drop:yes               somebody was refused it, or nobody was there */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "bytes.h"

enum { FILTER_SUBJECT_MAX = 255, FILTER_CLIENT_MAX = 64, FILTER_PROBLEM_MAX = 320 };

/* Zeroed, everything passes. */
struct filter {
    char subject[FILTER_SUBJECT_MAX + 1];
    char from[FILTER_CLIENT_MAX + 1], to[FILTER_CLIENT_MAX + 1];
    const char *kind;            /* NULL: any */
    uint64_t size_min, size_max; /* 0: any */
    bool dropped;
};

/* Adds the words of a text, which white space separates. false: problem says what is wrong. */
bool filter_add(struct filter *filter, const char *text, char problem[FILTER_PROBLEM_MAX]);

/* Adds the params of $sys.tap to out. cut, max: its options; 0: not given. */
void filter_pack(const struct filter *filter, uint64_t cut, uint64_t max, struct bytes *out);

/* Adds what the broker made of it, a map of the same form, as words again. */
void filter_show(const json_t *map, struct bytes *out);

#endif
