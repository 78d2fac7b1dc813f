/* scan.c: the scanner on msgpack-c's parser template.
 *
 * The template is a resumable state machine for one MessagePack value. We let it parse the
 * elements of the envelope one after the other, so that the place where each begins is known
 * without asking the template for positions, and give it callbacks that do next to nothing:
 * a number is noted, a string's place is noted, and a container passes its depth up.
 *
 * Most frames are whole where they lie and in the usual forms: these the quick way finds (skip.h),
 * and whatever it does not know is the parser's to judge.
 *
 * What a peer claims (lengths, counts) is never believed: whenever bytes are missing, what the
 * open claims need at least is compared with what a frame may have. */
#include "wire/scan.h"

#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"
#include "wire/skip.h"

/* The envelope is one level itself. */
#define MSGPACK_EMBED_STACK_SIZE 31
_Static_assert(MSGPACK_EMBED_STACK_SIZE + 1 == PPI_DEPTH_MAX, "depth of the template's stack");

#include <msgpack/sysdep.h>
#include <msgpack/unpack_define.h>

#include <msgpack.h>

/* What the template keeps of a value: its enum ppi_value_kind, and for containers the depth. */
typedef struct {
    uint8_t kind, depth;
} value;

/* The last number and string seen. */
typedef struct {
    uint64_t number;
    uint32_t text_length; /* it ends where its element ends */
} notes;

#define msgpack_unpack_struct(name) struct element##name
#define msgpack_unpack_func(ret, name) static inline ret element##name
#define msgpack_unpack_callback(name) on##name
#define msgpack_unpack_object value
#define msgpack_unpack_user notes

struct element_context;
static inline void element_init(struct element_context *context);
static inline int element_execute(struct element_context *context, const char *data, size_t size,
                                  size_t *at);
static inline value element_data(struct element_context *context);

static inline value on_root(notes *notes_)
{
    (void)notes_;
    return (value){ PPI_VALUE_OTHER, 0 };
}

static inline int number(notes *notes_, uint64_t n, bool negative, value *v)
{
    notes_->number = n;
    *v = (value){ negative ? PPI_VALUE_OTHER : PPI_VALUE_NUMBER, 0 };
    return 0;
}

static inline int other(value *v)
{
    *v = (value){ PPI_VALUE_OTHER, 0 };
    return 0;
}

static inline int on_uint8(notes *n, uint8_t d, value *v)
{
    return number(n, d, false, v);
}
static inline int on_uint16(notes *n, uint16_t d, value *v)
{
    return number(n, d, false, v);
}
static inline int on_uint32(notes *n, uint32_t d, value *v)
{
    return number(n, d, false, v);
}
static inline int on_uint64(notes *n, uint64_t d, value *v)
{
    return number(n, d, false, v);
}
static inline int on_int8(notes *n, int8_t d, value *v)
{
    return number(n, (uint64_t)d, d < 0, v);
}
static inline int on_int16(notes *n, int16_t d, value *v)
{
    return number(n, (uint64_t)d, d < 0, v);
}
static inline int on_int32(notes *n, int32_t d, value *v)
{
    return number(n, (uint64_t)d, d < 0, v);
}
static inline int on_int64(notes *n, int64_t d, value *v)
{
    return number(n, (uint64_t)d, d < 0, v);
}
static inline int on_float(notes *n, float d, value *v)
{
    (void)n;
    (void)d;
    return other(v);
}
static inline int on_double(notes *n, double d, value *v)
{
    (void)n;
    (void)d;
    return other(v);
}
static inline int on_nil(notes *n, value *v)
{
    (void)n;
    return other(v);
}
static inline int on_true(notes *n, value *v)
{
    (void)n;
    return other(v);
}
static inline int on_false(notes *n, value *v)
{
    (void)n;
    return other(v);
}

static inline int on_array(notes *n, uint32_t count, value *v)
{
    (void)n;
    (void)count;
    *v = (value){ PPI_VALUE_ARRAY, 1 };
    return 0;
}

static inline int on_map(notes *n, uint32_t count, value *v)
{
    (void)n;
    (void)count;
    *v = (value){ PPI_VALUE_OTHER, 1 };
    return 0;
}

static inline void contain(value *container, value item)
{
    if (item.depth >= container->depth)
        container->depth = item.depth + 1;
}

static inline int on_array_item(notes *n, value *container, value item)
{
    (void)n;
    contain(container, item);
    return 0;
}

static inline int on_map_item(notes *n, value *container, value key, value item)
{
    (void)n;
    contain(container, key);
    contain(container, item);
    return 0;
}

static inline int on_str(notes *n, const char *base, const char *text, uint32_t length, value *v)
{
    (void)base;
    (void)text;
    n->text_length = length;
    *v = (value){ PPI_VALUE_TEXT, 0 };
    return 0;
}

static inline int on_bin(notes *n, const char *base, const char *data, uint32_t length, value *v)
{
    (void)n;
    (void)base;
    (void)data;
    (void)length;
    return other(v);
}

/* The length counts the type byte: 0 is the template's overflow of an ext32 of 2^32-1 bytes. */
static inline int on_ext(notes *n, const char *base, const char *data, uint32_t length, value *v)
{
    (void)n;
    (void)base;
    (void)data;
    return length == 0 ? MSGPACK_UNPACK_PARSE_ERROR : other(v);
}

#include <msgpack/unpack_template.h>

struct ppi_scanner {
    uint32_t frame_max;
    uint32_t missing;
    size_t at;        /* scanned so far */
    size_t begin;     /* of the element */
    uint8_t element;  /* of the envelope, from 1; 0: not begun */
    uint8_t elements; /* 3 or 4 */
    bool inside;      /* in the middle of the element */
    struct ppi_frame frame;
    struct element_context context;
};
_Static_assert(sizeof(struct ppi_scanner) <= PPI_SCANNER_BYTES, "memory of a scanner");

struct ppi_scanner *ppi_scanner_init(void *memory, uint32_t frame_max)
{
    struct ppi_scanner *scanner = memory;

    scanner->frame_max = frame_max;
    ppi_scanner_reset(scanner);
    return scanner;
}

void ppi_scanner_reset(struct ppi_scanner *scanner)
{
    scanner->at = 0;
    scanner->element = 0;
    scanner->inside = false;
    scanner->missing = 0;
}

uint32_t ppi_scan_missing(const struct ppi_scanner *scanner)
{
    return scanner->missing;
}

/* How many bytes the claims that are open need at least. */
static uint64_t open_claims(const struct ppi_scanner *scanner, size_t size)
{
    const struct element_context *context = &scanner->context;
    uint64_t left = scanner->elements - scanner->element; /* a byte for each later element */

    if (!scanner->inside)
        return left + 1;
    left += context->cs == MSGPACK_CS_HEADER ? 1 : context->trail - (size - scanner->at);
    for (unsigned i = 0; i < context->top; i++) {
        uint64_t count = context->stack[i].count; /* with the one that is being parsed */

        left += context->stack[i].ct == MSGPACK_CT_ARRAY_ITEM ? count - 1
                : context->stack[i].ct == MSGPACK_CT_MAP_KEY  ? 2 * count - 1
                                                              : 2 * count - 2;
    }
    return left;
}

static enum ppi_scan more(struct ppi_scanner *scanner, size_t size)
{
    uint64_t left = open_claims(scanner, size);

    if (size + left > scanner->frame_max)
        return PPI_SCAN_LARGE;
    scanner->missing = (uint32_t)left;
    return PPI_SCAN_MORE;
}

/* Notes the element that has just ended; false: it does not belong there. */
static bool note(struct ppi_scanner *scanner)
{
    struct ppi_frame *frame = &scanner->frame;
    const notes *seen = &scanner->context.user;
    value v = element_data(&scanner->context);
    unsigned element = scanner->element;

    if (element == 1) {
        frame->type = (uint8_t)seen->number;
        frame->id = 0;
        return v.kind == PPI_VALUE_NUMBER &&
               (scanner->elements == 4 ? seen->number <= PPI_ANSWER
                                       : seen->number == PPI_NOTIFICATION);
    }
    if (element == 2 && frame->type != PPI_NOTIFICATION) {
        frame->id = (uint32_t)seen->number;
        return v.kind == PPI_VALUE_NUMBER && seen->number <= UINT32_MAX;
    }
    if (element < scanner->elements) { /* the subject, or the error */
        frame->rest = (uint32_t)scanner->begin;
        frame->subject_length = frame->type == PPI_ANSWER ? 0 : seen->text_length;
        frame->subject = (uint32_t)scanner->at - frame->subject_length;
        return v.kind == PPI_VALUE_TEXT || frame->type == PPI_ANSWER;
    }
    frame->params = (uint32_t)scanner->begin;
    frame->depth = v.depth;
    return v.kind == PPI_VALUE_ARRAY || frame->type == PPI_ANSWER;
}

/* The head of the array that every frame is: only the short form, only 3 or 4 elements. */
static enum ppi_scan begin_frame(struct ppi_scanner *scanner, uint8_t head)
{
    if (head != 0x93 && head != 0x94)
        return PPI_SCAN_ALIEN;
    scanner->elements = head & 0x0f;
    scanner->element = 1;
    scanner->at = 1;
    return PPI_SCAN_FRAME;
}

/* A frame that is all there, and as most are: true, and it is filled in. Else the parser must
 * look. */
static bool quick_frame(const uint8_t *data, size_t size, uint32_t frame_max,
                        struct ppi_frame *frame)
{
    unsigned depth;
    size_t at = 2, part, length = 0;
    uint64_t id = 0;

    if (size < 2 ||
        (data[0] == 0x93 ? data[1] != PPI_NOTIFICATION : data[0] != 0x94 || data[1] > PPI_ANSWER))
        return false;
    frame->type = data[1];
    if (frame->type != PPI_NOTIFICATION) {
        if ((part = ppi_skip_number(data + at, size - at, &id)) == 0 || id > UINT32_MAX)
            return false;
        at += part;
    }
    frame->id = (uint32_t)id;
    frame->rest = (uint32_t)at;
    part = frame->type == PPI_ANSWER ? ppi_skip(data + at, size - at, &depth)
                                     : ppi_skip_text(data + at, size - at, &length);
    if (part == 0 || (at += part) == size)
        return false;
    frame->subject_length = (uint32_t)length;
    frame->subject = (uint32_t)(at - length);
    frame->params = (uint32_t)at;
    if ((frame->type != PPI_ANSWER && !ppi_skip_is_array(data[at])) ||
        (part = ppi_skip(data + at, size - at, &depth)) == 0 || at + part > frame_max)
        return false;
    frame->depth = (uint8_t)depth;
    frame->size = (uint32_t)(at + part);
    frame->data = data;
    return true;
}

enum ppi_scan ppi_scan(struct ppi_scanner *scanner, const uint8_t *data, size_t size,
                       struct ppi_frame *frame)
{
    if (size == 0)
        return PPI_SCAN_MORE;
    if (scanner->element == 0 && quick_frame(data, size, scanner->frame_max, frame))
        return PPI_SCAN_FRAME;
    if (scanner->element == 0 && begin_frame(scanner, data[0]) != PPI_SCAN_FRAME)
        return PPI_SCAN_ALIEN;
    while (scanner->element <= scanner->elements) {
        if (!scanner->inside) {
            element_init(&scanner->context);
            scanner->inside = true;
            scanner->begin = scanner->at;
        }
        int result = element_execute(&scanner->context, (const char *)data, size, &scanner->at);
        if (result == 0)
            return more(scanner, size);
        if (result < 0)
            return result == MSGPACK_UNPACK_NOMEM_ERROR ? PPI_SCAN_DEEP : PPI_SCAN_BAD;
        scanner->inside = false;
        if (!note(scanner))
            return PPI_SCAN_BAD;
        scanner->element++;
    }
    if (scanner->at > scanner->frame_max)
        return PPI_SCAN_LARGE;
    *frame = scanner->frame;
    frame->data = data;
    frame->size = (uint32_t)scanner->at;
    ppi_scanner_reset(scanner);
    return PPI_SCAN_FRAME;
}

/* By the parser. */
static struct ppi_value parse_value(const uint8_t *data, size_t size)
{
    struct element_context context;
    struct ppi_value result = { 0 };
    size_t at = 0;

    element_init(&context);
    int ended = element_execute(&context, (const char *)data, size, &at);
    if (ended == MSGPACK_UNPACK_NOMEM_ERROR)
        result.depth = PPI_DEPTH_MAX + 1;
    if (ended != 1)
        return result;
    result.kind = element_data(&context).kind;
    result.depth = element_data(&context).depth;
    result.size = at;
    result.number = context.user.number;
    result.text_length = result.kind == PPI_VALUE_TEXT ? context.user.text_length : 0;
    result.text = (const char *)data + at - result.text_length;
    return result;
}

struct ppi_value ppi_value_at(const uint8_t *data, size_t size)
{
    struct ppi_value result = { 0 };

    if (size == 0)
        return result;
    if ((result.size = ppi_skip_number(data, size, &result.number)) > 0) {
        result.kind = PPI_VALUE_NUMBER;
    } else if ((result.size = ppi_skip_text(data, size, &result.text_length)) > 0) {
        result.kind = PPI_VALUE_TEXT;
        result.text = (const char *)data + result.size - result.text_length;
    } else if (ppi_skip_is_array(data[0]) &&
               (result.size = ppi_skip(data, size, &result.depth)) > 0) {
        result.kind = PPI_VALUE_ARRAY;
    } else {
        result = parse_value(data, size);
    }
    return result;
}

size_t ppi_array_at(const uint8_t *data, size_t size, unsigned *depth)
{
    if (size == 0 || !ppi_skip_is_array(data[0]))
        return 0;

    size_t quick = ppi_skip(data, size, depth);
    if (quick > 0)
        return quick;
    struct ppi_value parsed = parse_value(data, size);
    *depth = parsed.depth;
    return parsed.size;
}

/* The head of an array: its size in bytes, and how many elements follow; 0: it is none. */
static size_t array_head(const uint8_t *data, size_t size, uint32_t *count)
{
    if (size >= 1 && (data[0] & 0xF0) == 0x90) {
        *count = data[0] & 0x0F;
        return 1;
    }
    if (size >= 3 && data[0] == 0xDC) {
        *count = (uint32_t)data[1] << 8 | data[2];
        return 3;
    }
    if (size >= 5 && data[0] == 0xDD) {
        *count =
            (uint32_t)data[1] << 24 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 8 | data[4];
        return 5;
    }
    return 0;
}

int ppi_slices(const uint8_t *data, size_t size, struct ppi_slice *slices, int max)
{
    uint32_t count = 0;
    size_t at = array_head(data, size, &count);

    if (at == 0 || count > INT32_MAX)
        return -1;
    for (int i = 0; i < max && i < (int)count; i++) {
        slices[i].data = data + at;
        slices[i].size = ppi_value_at(data + at, size - at).size;
        if (slices[i].size == 0)
            return -1;
        at += slices[i].size;
    }
    return (int)count;
}
