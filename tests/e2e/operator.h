/* operator.h: a broker and its operator, who has two connections: an ear, which is told of events,
 * and a hand. And a client, for the tests to open. */
#ifndef OPERATOR_H
#define OPERATOR_H

#include "e2e/bus.h"

extern struct bus operated;
extern struct raw ear, hand, client;

/* The ear is told of those events, in plain form. */
void operator_open(const char *settings, const char *pattern);
void operator_close(void);

/* A number of the map that the next message ends with: its result, or its only param. */
uint64_t next_number(struct raw *raw, const char *name);

/* A number of $sys.stats. */
uint64_t figure(const char *name);

/* The next that the ear hears is that event, with these fields; its number. */
uint64_t hear_event(const char *kind, const char *fields);
/* The same, whatever comes before. */
void await_event(const char *kind, const char *fields);

#endif
