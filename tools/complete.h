/* complete.h: what the scripts for the shells have in common. */
#ifndef COMPLETE_H
#define COMPLETE_H

#include "cli.h"

/* How long the broker has to answer while somebody waits for a completion. */
#define COMPLETE_PATIENCE "300ms"

/* The command line of panpipe, behind its name, that lists what an operand may be; NULL: nothing
 * does. */
const char *complete_list(enum operand kind);

/* Prints text inside single quotes of the shell; letters of special get a backslash. */
void complete_quote(const char *text, const char *special, const char *quote);

/* Prints the options of a table, a space before each: all, or those with a value. */
void complete_options(const struct option *table, bool with_value);

/* The words of a choice, with spaces between. */
void complete_choice(const char *const *words);

#endif
