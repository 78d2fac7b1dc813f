/* options.h: the command line, by tables. Options may stand before and behind operands; "--" ends
 * them; "-" is an operand. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
    OPTION_FLAG,  /* bool */
    OPTION_TEXT,  /* const char * */
    OPTION_COUNT, /* uint64_t, 1 to OPTION_COUNT_MAX */
    OPTION_RATE,  /* double, above 0 */
    OPTION_TIME,  /* int: milliseconds, 1 or more */
    OPTION_MANY,  /* struct option_list: it may be given more than once */
    OPTION_WORD   /* int: which of words */
};

/* More than anybody can wait for. */
#define OPTION_COUNT_MAX UINT64_C(1000000000000)

enum { OPTION_LIST_MAX = 16 };
struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
};

struct option {
    char letter;       /* 0: none */
    const char *name;  /* without the dashes; NULL ends a table */
    const char *value; /* what its value is called; NULL: a flag */
    const char *help;
    enum option_kind kind;
    void *out;
    const char *const *words; /* NULL at the end */
};

/* Takes argv[*at], and its value, if it is an option of one of the tables (NULL: none) and moves
 * *at behind. true: taken. false: *problem says why not, in words for the user. */
enum { OPTION_PROBLEM_MAX = 200 };
bool options_take(const struct option *const tables[2], char **argv, int argc, int *at,
                  char problem[OPTION_PROBLEM_MAX]);

/* A duration, "500ms", "2s", "1.5m", "1h", as milliseconds; 0: it is none. */
int options_time(const char *text);

/* Which of the names (NULL at the end) could have been meant; NULL: none of them. */
const char *options_meant(const char *text, const char *const *names);

/* The words as "raw, json or hex". */
void options_join(const char *const *words, char *text, size_t size);

/* The lines of a table for --help, through out.h. */
void options_help(const struct option *table);

#endif
