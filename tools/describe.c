/* describe.c: what is served, by whom, and what they say about it. */
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "error.h"
#include "macros.h"
#include "out.h"
#include "print.h"
#include "text.h"

static size_t found;

enum { INDENT = 2, LABEL_WIDTH = 8 }; /* "params", and two between */

/* A text of a doc's, on one line. */
static const char *clean(const json_t *text, struct bytes *line)
{
    line->size = 0;
    if (json_is_string(text))
        bytes_add(line, json_string_value(text), json_string_length(text));
    bytes_add(line, "", 1);
    error_clean(line->data);
    return line->data;
}

/* Its lines, one below the other. */
static void print_text(const json_t *text, struct bytes *line)
{
    const char *at = json_is_string(text) ? json_string_value(text) : "";

    while (*at != '\0') {
        size_t length = strcspn(at, "\n");

        line->size = 0;
        bytes_add(line, at, length);
        bytes_add(line, "", 1);
        error_clean(line->data);
        out_format("%*s%s\n", INDENT, "", line->data);
        at += length + (at[length] != '\0');
    }
}

static void print_cell(const char *text, int width)
{
    out_format("%s%*s", text, width > text_width(text) ? width - text_width(text) : 0, "");
}

/* How wide the cells at i are. */
static int width_of(const json_t *rows, size_t i, struct bytes *line)
{
    int width = 0;

    for (size_t row = 0; row < json_array_size(rows); row++) {
        int one = text_width(clean(json_array_get(json_array_get(rows, row), i), line));

        width = one > width ? one : width;
    }
    return width;
}

static void print_label(const char *label, size_t row)
{
    out_format("%*s", INDENT, "");
    print_cell(row == 0 ? label : "", LABEL_WIDTH);
}

static void print_params(const json_t *params, struct bytes *line)
{
    int name = width_of(params, 0, line), type = width_of(params, 1, line);

    for (size_t row = 0; row < json_array_size(params); row++) {
        const json_t *param = json_array_get(params, row);
        bool more = json_array_size(param) > 2;

        print_label("params", row);
        print_cell(clean(json_array_get(param, 0), line), name + 2);
        print_cell(clean(json_array_get(param, 1), line), more ? type + 2 : 0);
        out_format("%s\n", more ? clean(json_array_get(param, 2), line) : "");
    }
}

static void print_doc(const json_t *doc, struct bytes *line)
{
    const json_t *result = json_object_get(doc, "result"), *errors = json_object_get(doc, "errors");

    print_text(json_is_object(doc) ? json_object_get(doc, "text") : doc, line);
    print_params(json_object_get(doc, "params"), line);
    if (result != NULL) {
        print_label("result", 0);
        out_format("%s\n", clean(result, line));
    }
    for (size_t row = 0; row < json_array_size(errors); row++) {
        print_label("errors", row);
        out_format("%s\n", clean(json_array_get(errors, row), line));
    }
}

/* "svc.sum  by adder (client 3), exclusive, at most 2 calls at once" */
static void print_service(const json_t *service, int width, struct bytes *line)
{
    json_int_t most = json_integer_value(json_object_get(service, "max_inflight"));

    print_cell(clean(json_object_get(service, "pattern"), line), width + 2);
    out_format("by %s (client %lld)", clean(json_object_get(service, "name"), line),
               (long long)json_integer_value(json_object_get(service, "client")));
    out_text(json_is_true(json_object_get(service, "exclusive")) ? ", exclusive" : "");
    if (most > 0)
        out_format(", at most %lld call%s at once", (long long)most, most == 1 ? "" : "s");
    out_text("\n");
}

static void print_services(const struct cli *cli, const json_t *services)
{
    struct bytes line = { 0 };
    int width = 0;

    found = json_array_size(services);
    if (!print_is_text()) {
        if (found > 0 || cli->operand_count == 0)
            print_table(services, NULL, 0);
        return;
    }
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *service = json_array_get(services, i);
        int one = text_width(clean(json_object_get(service, "pattern"), &line));

        width = one > width ? one : width;
    }
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *service = json_array_get(services, i);

        print_service(service, width, &line);
        print_doc(json_object_get(service, "doc"), &line);
    }
    bytes_free(&line);
}

int describe(const struct cli *cli)
{
    const char *pattern = cli_operand(cli, 0);
    char why[300];
    int code = ask(cli, "$describe", ask_with(pattern), print_services);

    if (code != EXIT_DONE || found > 0 || pattern == NULL)
        return code;
    snprintf(why, sizeof why, "nobody serves %.255s", pattern);
    return error_say(EXIT_NOBODY, "E_NORESP", why, "panpipe describe tells what is served");
}
