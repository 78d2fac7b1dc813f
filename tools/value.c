#include "value.h"

/* What the first byte of a value says about it. */
struct shape {
    uint8_t number; /* bytes of the number behind it */
    uint8_t extra;  /* bytes behind that, in any case */
    enum { PLAIN, TEXT, LIST, MAP, BAD } kind;
    uint8_t fixed; /* the number itself, where none follows */
};

static struct shape shape_of(uint8_t first)
{
    static const struct shape from_c0[] = {
        { 0, 0, PLAIN, 0 },  { 0, 0, BAD, 0 },   { 0, 0, PLAIN, 0 }, { 0, 0, PLAIN, 0 },
        { 1, 0, TEXT, 0 },   { 2, 0, TEXT, 0 },  { 4, 0, TEXT, 0 }, /* bin */
        { 1, 1, TEXT, 0 },   { 2, 1, TEXT, 0 },  { 4, 1, TEXT, 0 }, /* ext */
        { 0, 4, PLAIN, 0 },  { 0, 8, PLAIN, 0 },                    /* floats */
        { 0, 1, PLAIN, 0 },  { 0, 2, PLAIN, 0 }, { 0, 4, PLAIN, 0 }, { 0, 8, PLAIN, 0 },
        { 0, 1, PLAIN, 0 },  { 0, 2, PLAIN, 0 }, { 0, 4, PLAIN, 0 }, { 0, 8, PLAIN, 0 },
        { 0, 2, PLAIN, 0 },  { 0, 3, PLAIN, 0 }, { 0, 5, PLAIN, 0 }, { 0, 9, PLAIN, 0 },
        { 0, 17, PLAIN, 0 },                                        /* ext of fixed size */
        { 1, 0, TEXT, 0 },   { 2, 0, TEXT, 0 },  { 4, 0, TEXT, 0 }, /* str */
        { 2, 0, LIST, 0 },   { 4, 0, LIST, 0 },  { 2, 0, MAP, 0 },   { 4, 0, MAP, 0 },
    };

    if (first < 0x80 || first >= 0xE0)
        return (struct shape){ 0, 0, PLAIN, 0 };
    if (first < 0x90)
        return (struct shape){ 0, 0, MAP, first & 0x0F };
    if (first < 0xA0)
        return (struct shape){ 0, 0, LIST, first & 0x0F };
    if (first < 0xC0)
        return (struct shape){ 0, 0, TEXT, first & 0x1F };
    return from_c0[first - 0xC0];
}

static uint64_t number_of(const uint8_t *head, const struct shape *shape)
{
    uint64_t number = shape->fixed;

    for (int i = 1; i <= shape->number; i++)
        number = number << 8 | head[i];
    return number;
}

/* The head of a value is there. */
static void take_head(struct value_scan *scan, const struct shape *shape)
{
    uint64_t number = number_of(scan->head, shape);

    scan->head_used = 0;
    scan->open--;
    scan->skip = shape->extra + (shape->kind == TEXT ? number : 0);
    if (shape->kind == LIST)
        scan->open += number;
    if (shape->kind == MAP)
        scan->open += 2 * number;
}

enum value_end value_scan(struct value_scan *scan, const uint8_t *data, size_t size, size_t *used)
{
    size_t at = 0;

    if (!scan->begun)
        scan->open = 1;
    scan->begun = true;
    while (scan->open > 0 || scan->skip > 0) {
        if (at == size)
            return VALUE_MORE;
        if (scan->skip > 0) {
            size_t step = scan->skip < size - at ? (size_t)scan->skip : size - at;

            scan->skip -= step;
            at += step;
            continue;
        }
        scan->head[scan->head_used++] = data[at++];
        const struct shape shape = shape_of(scan->head[0]);
        if (shape.kind == BAD)
            return VALUE_BAD;
        if (scan->head_used == 1u + shape.number)
            take_head(scan, &shape);
    }
    *used = at;
    return VALUE_COMPLETE;
}

size_t value_size(const void *data, size_t size)
{
    struct value_scan scan = { 0 };
    size_t used = 0;

    return value_scan(&scan, data, size, &used) == VALUE_COMPLETE ? used : 0;
}

const void *value_first(const void *array, size_t size, size_t *first_size)
{
    const uint8_t *bytes = array;
    const struct shape shape = shape_of(size > 0 ? bytes[0] : 0);
    size_t head = 1u + shape.number;

    if (shape.kind != LIST || size < head || number_of(bytes, &shape) == 0)
        return NULL;
    *first_size = value_size(bytes + head, size - head);
    return *first_size > 0 ? bytes + head : NULL;
}

const char *value_bytes(const void *data, size_t size, size_t *count)
{
    const uint8_t *bytes = data;
    const struct shape shape = shape_of(size > 0 ? bytes[0] : 0);
    size_t head = 1u + shape.number;

    if (shape.kind != TEXT || shape.extra != 0 || size < head ||
        number_of(bytes, &shape) != size - head)
        return NULL;
    *count = size - head;
    return (const char *)bytes + head;
}

const char *value_only_bytes(const void *array, size_t size, size_t *count)
{
    const uint8_t *bytes = array;

    return size > 1 && bytes[0] == 0x91 ? value_bytes(bytes + 1, size - 1, count) : NULL;
}

size_t value_head(uint8_t head[VALUE_HEAD_MAX], size_t size, bool text)
{
    int bytes = size <= UINT8_MAX ? 1 : size <= UINT16_MAX ? 2 : 4;

    if (text && size < 32) {
        head[0] = (uint8_t)(0xA0 | size);
        return 1;
    }
    head[0] = (uint8_t)((text ? 0xD9 : 0xC4) + (bytes == 4 ? 2 : bytes - 1));
    for (int i = 1; i <= bytes; i++)
        head[i] = (uint8_t)(size >> 8 * (bytes - i));
    return 1u + (size_t)bytes;
}
