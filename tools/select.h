/* select.h: --where, --sort and -n: which objects of a list, and in what order. */
#ifndef SELECT_H
#define SELECT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "fields.h"
#include "options.h"

struct select {
    struct option_list where; /* "field=value", "field>number" ...: all must hold */
    const char *sort;         /* "key,-key": - is descending */
    uint64_t count;           /* 0: all */
};

/* The three options of a struct select, for a command's table. */
#define SELECT_OPTIONS(select)                                                                     \
    { 0,           "where",                                                                        \
      "TEST",      "only those: field=value, !=, >, <, >=, <=; several: all must hold",            \
      OPTION_MANY, &(select).where,                                                                \
      NULL },                                                                                      \
        { 0,           "sort",         "KEYS", "by these fields, -KEY: the largest first",         \
          OPTION_TEXT, &(select).sort, NULL },                                                     \
    {                                                                                              \
        'n', "count", "N", "the first N only", OPTION_COUNT, &(select).count, NULL                 \
    }

/* A number that was given for a field with that unit: "2.5"; bytes also as 64k, 4M or 4MiB, times
 * as 500us, 200ms, 2s, 1m or 1h. false: it is none. */
bool select_number(const char *text, enum unit unit, double *number);

/* Do the fields named belong to these objects (enum fields)? GO_ON, or the exit code: it was said
 * what is wrong. */
int select_check(const struct select *select, unsigned of);

/* Leaves those of rows that are wanted, in their order. */
void select_rows(const struct select *select, json_t *rows);

#endif
