/* options.h: the maps of options that control methods take, as a list of what is known. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/scan.h"

enum { OPTIONS_BYTES_MAX = 8192, OPTION_PROBLEM_MAX = 160 };

enum option_type { OPTION_TEXT, OPTION_BOOL, OPTION_NUMBER, OPTION_ANY };

/* A known option. given says whether it was there; a text is a copy, without a 0 inside; raw is
 * where an OPTION_ANY lies. */
struct option {
    const char *name;
    enum option_type type;
    bool given;
    bool truth;
    uint64_t number;
    char text[256];
    size_t text_length;
    struct ppi_slice raw;
};

/* Reads a map (or nil) into the known options. Unknown ones are refused by name, unless they begin
 * with "x-". false: problem says what is wrong. */
bool options_read(struct ppi_slice map, struct option *known, size_t count,
                  char problem[OPTION_PROBLEM_MAX]);

#endif
