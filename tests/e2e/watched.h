/* watched.h: a broker with two clients, who have said their names, and carol, who asks it. */
#ifndef WATCHED_H
#define WATCHED_H

#include "e2e/bus.h"

extern struct bus watched;
extern struct raw alice, bob, carol;

void watched_open(const char *settings);
void watched_close(void);

/* Asks the broker; what follows is about the last answer. */
void ask(const char *method, const char *params);

/* It is this (support/text.h). */
void answered(const char *expected);

/* A number in its result, at a path: keys of maps and indexes of arrays with a slash between. */
double number(const char *format, ...) PPI_PRINTF(1, 2);

/* How many elements the array there has. */
size_t count(const char *path);

/* Asks for one number of $sys.stats. */
double stat_of(const char *name);

/* All that came from raw has been handled. */
void settle(struct raw *raw);

#endif
