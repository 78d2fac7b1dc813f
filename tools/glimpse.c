#include "glimpse.h"

#include <stdint.h>
#include <string.h>

#include "json.h"
#include "text.h"
#include "value.h"

enum { DEPTH_MAX = 32, LETTER_MAX = 4 };
#define ELLIPSIS "\xE2\x80\xA6"

/* Where the next value begins, and how much of it there is. */
struct rest {
    const uint8_t *data;
    size_t size;
};

static void add(struct bytes *out, const char *text)
{
    bytes_add(out, text, strlen(text));
}

/* --- letters --------------------------------------------------------------------------------- */

void glimpse_text(const char *text, size_t size, struct bytes *out)
{
    if (size == 0)
        return;
    bytes_add(out, text, size);
    text_clean(out->data + out->size - size, size);
}

static void add_hex(struct bytes *out, const uint8_t *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        const char pair[] = { digits[data[i] >> 4], digits[data[i] & 15] };

        bytes_add(out, pair, sizeof pair);
    }
}

/* How much of a text that was cut is whole letters: the last may have only begun. */
static size_t whole_letters(const char *text, size_t size)
{
    for (size_t less = 1; less < LETTER_MAX && less <= size; less++) {
        uint8_t byte = (uint8_t)text[size - less];

        if (byte >= 0xC2 && byte <= 0xF4 && !text_is_utf8(text + size - less, less))
            return size - less;
    }
    return size;
}

/* --- values ---------------------------------------------------------------------------------- */

/* The head of a text, a binary, an array or a map. */
enum shape { OTHER, TEXT, BINARY, ARRAY, MAP };
struct head {
    enum shape shape;
    size_t size;    /* of the head */
    uint32_t count; /* bytes or elements behind it */
};

static struct head with_length(enum shape shape, const struct rest *rest, size_t length_size)
{
    struct head head = { shape, 1 + length_size, 0 };

    if (rest->size < head.size)
        return (struct head){ OTHER, 0, 0 };
    for (size_t i = 1; i <= length_size; i++)
        head.count = head.count << 8 | rest->data[i];
    return head;
}

static struct head read_head(const struct rest *rest)
{
    uint8_t first = rest->size > 0 ? rest->data[0] : 0xC0;

    if ((first & 0xE0) == 0xA0)
        return (struct head){ TEXT, 1, first & 0x1F };
    if ((first & 0xF0) == 0x90)
        return (struct head){ ARRAY, 1, first & 0x0F };
    if ((first & 0xF0) == 0x80)
        return (struct head){ MAP, 1, first & 0x0F };
    switch (first) {
    case 0xC4: return with_length(BINARY, rest, 1);
    case 0xC5: return with_length(BINARY, rest, 2);
    case 0xC6: return with_length(BINARY, rest, 4);
    case 0xD9: return with_length(TEXT, rest, 1);
    case 0xDA: return with_length(TEXT, rest, 2);
    case 0xDB: return with_length(TEXT, rest, 4);
    case 0xDC: return with_length(ARRAY, rest, 2);
    case 0xDD: return with_length(ARRAY, rest, 4);
    case 0xDE: return with_length(MAP, rest, 2);
    case 0xDF: return with_length(MAP, rest, 4);
    default: return (struct head){ OTHER, 0, 0 };
    }
}

static void skip(struct rest *rest, size_t size)
{
    rest->data += size;
    rest->size -= size;
}

/* A number or the like, or a text or binary that is whole: as JSON. false: it is cut. */
static bool add_scalar(struct rest *rest, struct bytes *out)
{
    struct bytes line = { 0 };
    size_t size = value_size(rest->data, rest->size);

    if (size == 0)
        return false;
    json_t *json = json_from_value(rest->data, size);
    json_print(json, &line);
    json_decref(json);
    glimpse_text(line.data, line.size, out);
    bytes_free(&line);
    skip(rest, size);
    return true;
}

/* The beginning of a text or binary of which the end is missing, as it would be in JSON. */
static void add_begun(const struct rest *rest, const struct head *head, struct bytes *out)
{
    const char *text = (const char *)rest->data + head->size;
    size_t size = whole_letters(text, rest->size - head->size);
    struct bytes line = { 0 };

    if (head->shape == BINARY) {
        add_hex(out, rest->data + head->size, rest->size - head->size);
    } else if (text_is_utf8(text, size)) {
        json_t *json = json_must(json_stringn_nocheck(text, size));

        json_print(json, &line);
        json_decref(json);
        glimpse_text(line.data, line.size - 1, out); /* without the closing quote */
        bytes_free(&line);
    }
    add(out, ELLIPSIS);
}

static bool add_value(struct rest *rest, unsigned depth, struct bytes *out);

/* The values of an array or map. false: they are cut; the ellipsis is there. */
static bool add_elements(struct rest *rest, const struct head *head, unsigned depth,
                         struct bytes *out)
{
    bool map = head->shape == MAP;

    skip(rest, head->size);
    add(out, map ? "{" : "[");
    for (uint32_t i = 0; i < head->count; i++) {
        if (i > 0)
            add(out, ",");
        if (!add_value(rest, depth + 1, out))
            return false;
        if (!map)
            continue;
        add(out, ":");
        if (!add_value(rest, depth + 1, out))
            return false;
    }
    add(out, map ? "}" : "]");
    return true;
}

/* One value, which may be cut: then it ends with an ellipsis, and the answer is false. */
static bool add_value(struct rest *rest, unsigned depth, struct bytes *out)
{
    struct head head = read_head(rest);

    if ((head.shape == ARRAY || head.shape == MAP) && depth < DEPTH_MAX)
        return add_elements(rest, &head, depth, out);
    if (add_scalar(rest, out))
        return true;
    if (head.shape == TEXT || head.shape == BINARY)
        add_begun(rest, &head, out);
    else
        add(out, ELLIPSIS);
    return false;
}

/* A text or binary that is all there is to show: without quotes, as far as it is there. */
static bool add_only(const struct rest *rest, struct bytes *out)
{
    struct head head = read_head(rest);
    const char *text = (const char *)rest->data + head.size;

    if (head.shape != TEXT && head.shape != BINARY)
        return false;
    bool cut = rest->size - head.size < head.count;
    size_t size = cut ? whole_letters(text, rest->size - head.size) : head.count;
    if (text_is_utf8(text, size))
        glimpse_text(text, size, out);
    else
        add_hex(out, (const uint8_t *)text, size);
    if (cut)
        add(out, ELLIPSIS);
    return true;
}

void glimpse(const void *value, size_t size, bool params, struct bytes *out)
{
    struct rest rest = { value, size };
    struct head head = read_head(&rest);

    if (params && head.shape == ARRAY && head.count == 1) {
        struct rest first = { rest.data + head.size, rest.size - head.size };

        if (add_only(&first, out))
            return;
    }
    if (params || !add_only(&rest, out))
        add_value(&rest, 0, out);
}

void glimpse_cut(struct bytes *text, int limit)
{
    size_t room = 0, length; /* where the ellipsis would stand */
    int columns = 0;

    for (size_t at = 0; at < text->size; at += length) {
        columns += text_letter(text->data + at, text->size - at, &length);
        if (columns > limit) {
            text->size = room;
            add(text, ELLIPSIS);
            return;
        }
        if (columns < limit)
            room = at + length;
    }
}
