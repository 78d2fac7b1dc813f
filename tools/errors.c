/* errors.c: the names of errors, what they mean, and what to do. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "error.h"
#include "json.h"
#include "macros.h"
#include "print.h"

enum { NAMES_MAX = 64 };

static const struct print_column columns[] = {
    { .field = "code" }, { .field = "exit" }, { .field = "text" }, { .field = "hint" }
};

static json_t *row_of(const struct error_kind *kind)
{
    return json_must(json_pack("{s:s, s:i, s:s, s:s?}", "code", kind->name, "exit", kind->code,
                               "text", kind->why, "hint",
                               kind->hint[0] != '\0' ? kind->hint : NULL));
}

static int unknown(const char *name)
{
    const char *names[NAMES_MAX + 1] = { NULL }, *meant;
    char why[200];

    for (size_t i = 0; i < NAMES_MAX && error_kind_at(i) != NULL; i++)
        names[i] = error_kind_at(i)->name;
    meant = options_meant(name, names);
    snprintf(why, sizeof why, "there is no error %.60s%s%s%s", name,
             meant != NULL ? "; did you mean " : "", meant != NULL ? meant : "",
             meant != NULL ? "?" : "");
    return error_say(EXIT_NOT_FOUND, "E_NOTFOUND", why, "panpipe errors lists them");
}

int errors(const struct cli *cli)
{
    const char *name = cli_operand(cli, 0), *last = "";
    json_t *rows = json_must(json_array());
    const struct error_kind *kind;
    int code = EXIT_DONE;

    for (size_t i = 0; (kind = error_kind_at(i)) != NULL; i++) {
        if ((name == NULL || strcmp(kind->name, name) == 0) && strcmp(kind->name, last) != 0)
            json_array_append_new(rows, row_of(kind));
        last = kind->name;
    }
    if (json_array_size(rows) > 0)
        print_table(rows, columns, COUNT_OF(columns));
    else
        code = unknown(name);
    json_decref(rows);
    return code;
}
