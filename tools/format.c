#include "format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell.h"
#include "fields.h"
#include "macros.h"
#include "out.h"
#include "text.h"

enum { PATH_MAX_BYTES = 96, WIDTH_MAX = 500 };

enum type { TYPE_RAW, TYPE_TEXT, TYPE_JSON, TYPE_UNIT };

struct piece {
    struct bytes text;         /* in front of the field */
    char path[PATH_MAX_BYTES]; /* "": none */
    enum type type;
    enum unit unit;
    int width;
    bool right;
};

static struct {
    struct piece *pieces;
    size_t count;
} format;

static const struct {
    const char *name;
    enum type type;
    enum unit unit;
} types[] = {
    { "text", TYPE_TEXT, UNIT_NONE }, { "json", TYPE_JSON, UNIT_NONE },
    { "time", TYPE_UNIT, UNIT_TIME }, { "bytes", TYPE_UNIT, UNIT_BYTES },
    { "ns", TYPE_UNIT, UNIT_NS },     { "us", TYPE_UNIT, UNIT_US },
    { "ms", TYPE_UNIT, UNIT_MS },
};

/* --- reading --------------------------------------------------------------------------------- */

static struct piece *add_piece(void)
{
    format.pieces = bytes_must(realloc(format.pieces, (format.count + 1) * sizeof *format.pieces));
    memset(&format.pieces[format.count], 0, sizeof *format.pieces);
    return &format.pieces[format.count++];
}

static bool take_type(struct piece *piece, const char *text, size_t length)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strlen(types[i].name) == length && memcmp(types[i].name, text, length) == 0) {
            piece->type = types[i].type;
            piece->unit = types[i].unit;
            return true;
        }
    }
    return false;
}

static bool take_width(struct piece *piece, const char *text, size_t length)
{
    bool aligned = length > 0 && strchr("<>-", text[0]) != NULL;
    size_t at = aligned ? 1 : 0;

    piece->right = aligned && text[0] == '>';
    piece->width = 0;
    for (; at < length && text[at] >= '0' && text[at] <= '9' && piece->width < WIDTH_MAX; at++)
        piece->width = piece->width * 10 + (text[at] - '0');
    return at == length && piece->width > 0 && piece->width <= WIDTH_MAX;
}

static bool take_path(struct piece *piece, const char *text, size_t length, unsigned of,
                      char problem[FORMAT_PROBLEM_MAX])
{
    snprintf(piece->path, sizeof piece->path, "%.*s", (int)length, text);
    if (length > 0 && length < sizeof piece->path && fields_find(of, piece->path) != NULL)
        return true;
    const char *meant = fields_meant(of, piece->path);
    if (meant != NULL)
        snprintf(problem, FORMAT_PROBLEM_MAX, "there is no field %.40s; did you mean %s?",
                 piece->path, meant);
    else
        snprintf(problem, FORMAT_PROBLEM_MAX,
                 "there is no field \"%.40s\"; --format help lists them", piece->path);
    return false;
}

/* What is between { and }. */
static bool take_field(struct piece *piece, const char *text, size_t length, unsigned of,
                       char problem[FORMAT_PROBLEM_MAX])
{
    const char *end = text + length;
    const char *colon = memchr(text, ':', length);

    if (!take_path(piece, text, (size_t)((colon != NULL ? colon : end) - text), of, problem))
        return false;
    while (colon != NULL) {
        const char *word = colon + 1;

        colon = memchr(word, ':', (size_t)(end - word));
        size_t size = (size_t)((colon != NULL ? colon : end) - word);
        if (take_type(piece, word, size) || take_width(piece, word, size))
            continue;
        snprintf(problem, FORMAT_PROBLEM_MAX,
                 "\"%.*s\" is no width like 10, <10 or >10, and none of text, json, time, bytes, "
                 "ns, us, ms",
                 (int)(size < 40 ? size : 40), word);
        return false;
    }
    return true;
}

/* Adds the one letter that two at text stand for; false: they do not. */
static bool take_escape(struct piece *piece, const char *text)
{
    static const char *const escapes[] = { "{{", "}}", "\\\\", "\\t", "\\n" };
    static const char letters[] = { '{', '}', '\\', '\t', '\n' };

    for (size_t i = 0; i < COUNT_OF(letters); i++) {
        if (text[0] == escapes[i][0] && text[1] == escapes[i][1]) {
            bytes_add(&piece->text, &letters[i], 1);
            return true;
        }
    }
    return false;
}

bool format_begin(const char *text, unsigned of, char problem[FORMAT_PROBLEM_MAX])
{
    struct piece *piece = add_piece();

    while (*text != '\0') {
        size_t plain = strcspn(text, "{}\\");

        bytes_add(&piece->text, text, plain);
        text += plain;
        if (*text == '\0')
            break;
        if (take_escape(piece, text)) {
            text += 2;
            continue;
        }
        const char *end = *text == '{' ? strchr(text, '}') : NULL;
        if (end == NULL) {
            snprintf(problem, FORMAT_PROBLEM_MAX, "%s",
                     *text == '{'   ? "a { has no } behind it"
                     : *text == '}' ? "a } has no { before it; } itself is }}"
                                    : "only \\t, \\n and \\\\ are known");
            return false;
        }
        if (!take_field(piece, text + 1, (size_t)(end - text - 1), of, problem))
            return false;
        piece = add_piece();
        text = end + 1;
    }
    return true;
}

void format_end(void)
{
    for (size_t i = 0; i < format.count; i++)
        bytes_free(&format.pieces[i].text);
    free(format.pieces);
    format.pieces = NULL;
    format.count = 0;
}

bool format_uses(const char *path)
{
    for (size_t i = 0; i < format.count; i++)
        if (strncmp(format.pieces[i].path, path, strlen(path)) == 0)
            return true;
    return false;
}

/* --- printing -------------------------------------------------------------------------------- */

static void print_field(const struct piece *piece, const json_t *value, struct bytes *cell)
{
    switch (piece->type) {
    case TYPE_RAW: cell_raw(cell, value); break;
    case TYPE_TEXT: cell_value(cell, value, fields_unit(piece->path)); break;
    case TYPE_JSON: cell_json(cell, value); break;
    case TYPE_UNIT: cell_value(cell, value, piece->unit); break;
    }
    int padding = piece->width - text_width(cell->data);
    if (piece->right && padding > 0)
        out_format("%*s", padding, "");
    out_text(cell->data);
    if (!piece->right && padding > 0)
        out_format("%*s", padding, "");
}

static bool has_any(const json_t *object)
{
    bool asked = false;

    for (size_t i = 0; i < format.count; i++) {
        const char *path = format.pieces[i].path;

        asked = asked || path[0] != '\0';
        if (path[0] != '\0' && cell_follow(object, path) != NULL)
            return true;
    }
    return !asked;
}

void format_print(const json_t *object)
{
    struct bytes cell = { 0 };

    if (!has_any(object))
        return;
    for (size_t i = 0; i < format.count; i++) {
        const struct piece *piece = &format.pieces[i];

        out_bytes(piece->text.data, piece->text.size);
        if (piece->path[0] != '\0')
            print_field(piece, cell_follow(object, piece->path), &cell);
    }
    out_text("\n");
    bytes_free(&cell);
}
