#include "canvas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "macros.h"
#include "text.h"

enum { UNKNOWN = '?', LETTER_BYTES = 4, LEVELS = 8 };

void canvas_clear(struct canvas *canvas, int columns, int lines)
{
    size_t count = (size_t)columns * (size_t)lines;

    if (columns != canvas->columns || lines != canvas->lines) {
        free(canvas->cells);
        canvas->cells = bytes_must(calloc(count > 0 ? count : 1, sizeof *canvas->cells));
    }
    canvas->columns = columns;
    canvas->lines = lines;
    for (size_t i = 0; i < count; i++)
        canvas->cells[i] = (struct canvas_cell){ ' ', STYLE_PLAIN };
}

void canvas_free(struct canvas *canvas)
{
    free(canvas->cells);
    *canvas = (struct canvas){ 0 };
}

/* --- letters --------------------------------------------------------------------------------- */

/* Those that need one column on every terminal: no marks that are put over others, none that are
 * written to the left, none that are wide. */
static bool is_narrow(uint32_t letter)
{
    static const struct {
        uint32_t first, last;
    } narrow[] = {
        { 0x20, 0x7E },     { 0xA0, 0xAC },     { 0xAE, 0x2FF },    { 0x370, 0x482 },
        { 0x48A, 0x58F },   { 0x1E00, 0x1FFF }, { 0x2010, 0x2027 }, { 0x2030, 0x205E },
        { 0x20A0, 0x20BF }, { 0x2100, 0x218F }, { 0x2190, 0x21FF }, { 0x2500, 0x259F },
    };

    for (size_t i = 0; i < COUNT_OF(narrow); i++)
        if (letter >= narrow[i].first && letter <= narrow[i].last)
            return true;
    return false;
}

/* The letter at text; *text is then behind it. What is no UTF-8 is UNKNOWN, byte by byte. */
static uint32_t take_letter(const char **text)
{
    size_t length;
    uint32_t letter = text_code(*text, LETTER_BYTES, &length);

    *text += length;
    return is_narrow(letter) ? letter : UNKNOWN;
}

int canvas_width(const char *text)
{
    int width = 0;

    for (; *text != '\0'; width++)
        take_letter(&text);
    return width;
}

static void add_letter(uint32_t letter, struct bytes *out)
{
    char bytes[LETTER_BYTES];
    size_t size = letter < 0x80 ? 1 : letter < 0x800 ? 2 : letter < 0x10000 ? 3 : 4;

    for (size_t i = size - 1; i > 0; i--, letter >>= 6)
        bytes[i] = (char)(0x80 | (letter & 0x3F));
    bytes[0] = (char)(size == 1 ? letter : (0xF00u >> size & 0xFF) | letter);
    bytes_add(out, bytes, size);
}

/* --- drawing --------------------------------------------------------------------------------- */

static void set(struct canvas *canvas, int line, int column, enum style style, uint32_t letter)
{
    if (line < 0 || line >= canvas->lines || column < 0 || column >= canvas->columns)
        return;
    canvas->cells[line * canvas->columns + column] =
        (struct canvas_cell){ canvas->utf8 || letter < 0x80 ? letter : UNKNOWN, style };
}

int canvas_put(struct canvas *canvas, int line, int column, int room, enum style style,
               const char *text)
{
    int end = column + room < canvas->columns ? column + room : canvas->columns;

    for (; *text != '\0' && column < end; column++) {
        uint32_t letter = take_letter(&text);

        if (column == end - 1 && *text != '\0')
            letter = canvas->utf8 ? 0x2026 : '~'; /* an ellipsis */
        set(canvas, line, column, style, letter);
    }
    return column;
}

void canvas_put_right(struct canvas *canvas, int line, int column, int room, enum style style,
                      const char *text)
{
    int width = canvas_width(text);

    if (width < room)
        canvas_put(canvas, line, column + room - width, width, style, text);
    else
        canvas_put(canvas, line, column, room, style, text);
}

void canvas_style(struct canvas *canvas, int line, enum style style)
{
    for (int column = 0; line >= 0 && line < canvas->lines && column < canvas->columns; column++)
        canvas->cells[line * canvas->columns + column].style = style;
}

void canvas_put_level(struct canvas *canvas, int line, int column, enum style style, int level)
{
    static const char ascii[] = " .:-=+*#@";

    level = level < 0 ? 0 : level > LEVELS ? LEVELS : level;
    if (canvas->utf8)
        set(canvas, line, column, style, level > 0 ? 0x2580u + (uint32_t)level : ' ');
    else
        set(canvas, line, column, style, (unsigned char)ascii[level]);
}

/* --- showing --------------------------------------------------------------------------------- */

static void add_text(const char *text, struct bytes *out)
{
    bytes_add(out, text, strlen(text));
}

static void add_style(uint32_t style, bool color, struct bytes *out)
{
    static const char *const sequences[] = {
        [STYLE_PLAIN] = "\033[0m", [STYLE_STRONG] = "\033[0;1m",   [STYLE_FAINT] = "\033[0;2m",
        [STYLE_BAR] = "\033[0;7m", [STYLE_WARNING] = "\033[0;33m", [STYLE_ALARM] = "\033[0;1;31m",
    };
    bool colored = style == STYLE_WARNING || style == STYLE_ALARM;

    add_text(colored && !color ? sequences[STYLE_STRONG] : sequences[style], out);
}

static bool same(const struct canvas_cell *one, const struct canvas_cell *other)
{
    return one->letter == other->letter && one->style == other->style;
}

/* Writes a line from its first cell that has changed to its last. */
static void add_line(const struct canvas *canvas, const struct canvas *shown, int line, bool color,
                     uint32_t *style, struct bytes *out)
{
    const struct canvas_cell *cells = canvas->cells + line * canvas->columns;
    const struct canvas_cell *old = shown != NULL ? shown->cells + line * shown->columns : NULL;
    int first = 0, last = canvas->columns - 1;
    char place[32];

    while (old != NULL && first <= last && same(&cells[first], &old[first]))
        first++;
    while (old != NULL && last > first && same(&cells[last], &old[last]))
        last--;
    if (first > last)
        return;
    snprintf(place, sizeof place, "\033[%d;%dH", line + 1, first + 1);
    add_text(place, out);
    for (int column = first; column <= last; column++) {
        if (cells[column].style != *style)
            add_style(*style = cells[column].style, color, out);
        add_letter(cells[column].letter, out);
    }
}

void canvas_frame(const struct canvas *canvas, const struct canvas *shown, bool color,
                  struct bytes *out)
{
    uint32_t style = STYLE_PLAIN;

    if (shown != NULL && (shown->columns != canvas->columns || shown->lines != canvas->lines))
        shown = NULL;
    if (shown == NULL)
        add_text("\033[0m\033[2J", out);
    for (int line = 0; line < canvas->lines; line++)
        add_line(canvas, shown, line, color, &style, out);
    if (style != STYLE_PLAIN)
        add_style(STYLE_PLAIN, color, out);
}

void canvas_text(const struct canvas *canvas, struct bytes *out)
{
    size_t kept = out->size; /* behind the last line that is not empty */

    for (int line = 0; line < canvas->lines; line++) {
        const struct canvas_cell *cells = canvas->cells + line * canvas->columns;
        int width = canvas->columns;

        while (width > 0 && cells[width - 1].letter == ' ')
            width--;
        for (int column = 0; column < width; column++)
            add_letter(cells[column].letter, out);
        bytes_add(out, "\n", 1);
        if (width > 0)
            kept = out->size;
    }
    out->size = kept;
}
