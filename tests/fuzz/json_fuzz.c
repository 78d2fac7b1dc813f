/* json_fuzz.c: what the program panpipe reads and prints. The first byte chooses what the rest is:
 * JSON, MessagePack, a stream of lines or values in pieces, base64, hexadecimal. */
#include <stdlib.h>
#include <string.h>

#include "../tools/body.h"
#include "../tools/error.h"
#include "../tools/json.h"
#include "../tools/splitter.h"
#include "../tools/text.h"
#include "../tools/value.h"
#include "fuzz/fuzz.h"
#include "support/random.h"

enum { GO_ON = -1, HEADROOM = 16, MESSAGES_MAX = 4096 }; /* as in tools/cli.h, tools/input.h */

/* In the place of tools/error.c, which would print. */
int error_say(int code, const char *name, const char *why, const char *hint)
{
    FUZZ_CHECK(name[0] == 'E' && why[0] != '\0' && hint != NULL);
    return code;
}

int error_status(int status, const char *words)
{
    (void)words;
    return status;
}

/* Prints a value as JSON, reads that again, and prints it: both are the same, if it can be printed
 * at all (MessagePack that is nested too deep becomes null). */
static void check_print(const void *value, size_t size)
{
    struct bytes first = { 0 }, again = { 0 }, second = { 0 };
    char problem[BODY_PROBLEM_MAX];
    json_t *json = json_from_value(value, size);

    json_print(json, &first);
    json_decref(json);
    FUZZ_CHECK(first.size > 0 && text_is_utf8(first.data, first.size));
    FUZZ_CHECK(memchr(first.data, '\n', first.size) == NULL);
    FUZZ_CHECK(body_value(BODY_JSON, first.data, first.size, &again, problem));
    FUZZ_CHECK(value_size(again.data, again.size) == again.size);
    json = json_from_value(again.data, again.size);
    json_print(json, &second);
    json_decref(json);
    FUZZ_CHECK(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    bytes_free(&first);
    bytes_free(&again);
    bytes_free(&second);
}

static void check_body(enum body_form form, const char *data, size_t size)
{
    struct bytes params = { 0 }, value = { 0 }, shown = { 0 };
    char problem[BODY_PROBLEM_MAX] = "";

    bool params_are = body_params(form, data, size, &params, problem);
    FUZZ_CHECK(params_are == (problem[0] == '\0'));
    bool value_is = body_value(form, data, size, &value, problem);
    FUZZ_CHECK(form == BODY_MSGPACK ? value_is >= params_are : value_is == params_are);
    if (params_are) {
        FUZZ_CHECK(value_size(params.data, params.size) == params.size);
        uint8_t head = (uint8_t)params.data[0];
        FUZZ_CHECK((head & 0xF0) == 0x90 || head == 0xDC || head == 0xDD);
        body_show_params(params.data, params.size, &shown);
    }
    if (value_is) {
        FUZZ_CHECK(value_size(value.data, value.size) == value.size);
        body_show_value(value.data, value.size, &shown);
        check_print(value.data, value.size);
    }
    bytes_free(&params);
    bytes_free(&value);
    bytes_free(&shown);
}

/* --- streams --------------------------------------------------------------------------------- */

static struct {
    struct bytes all;
    size_t sizes[MESSAGES_MAX];
    size_t count;
} taken;

static int take(char *message, size_t size)
{
    memset(message - HEADROOM, '#', HEADROOM); /* as it may */
    bytes_add(&taken.all, message, size);
    if (taken.count < MESSAGES_MAX)
        taken.sizes[taken.count] = size;
    taken.count++;
    return GO_ON;
}

/* The exit code of feeding data in pieces of at most step bytes. */
static int split(bool values, const char *data, size_t size, uint64_t seed, uint32_t step_max)
{
    struct splitter splitter = { .values = values };
    int code = GO_ON;

    taken.all.size = taken.count = 0;
    for (size_t at = 0, step; at < size && code == GO_ON; at += step) {
        step = 1 + random_below(&seed, step_max);
        step = step < size - at ? step : size - at;
        char headroom[HEADROOM] = "";
        struct bytes block = { 0 };
        bytes_add(&block, headroom, sizeof headroom);
        bytes_add(&block, data + at, step);
        code = splitter_feed(&splitter, block.data + HEADROOM, step, take);
        bytes_free(&block);
    }
    if (code == GO_ON)
        code = splitter_end(&splitter, take);
    splitter_free(&splitter);
    return code;
}

static void check_split(bool values, const char *data, size_t size)
{
    static size_t sizes[MESSAGES_MAX];
    int whole = split(values, data, size, 1, UINT32_MAX / 2);
    struct bytes all = taken.all;
    size_t count = taken.count;

    memset(&taken.all, 0, sizeof taken.all);
    memcpy(sizes, taken.sizes, sizeof sizes);
    if (!values)
        FUZZ_CHECK(whole == GO_ON && all.size + count >= size && all.size <= size);
    for (uint32_t step_max = 1; step_max <= 64; step_max *= 8) {
        FUZZ_CHECK(split(values, data, size, size, step_max) == whole);
        FUZZ_CHECK(taken.count == count && taken.all.size == all.size);
        FUZZ_CHECK(all.size == 0 || memcmp(taken.all.data, all.data, all.size) == 0);
        FUZZ_CHECK(memcmp(sizes, taken.sizes,
                          (count < MESSAGES_MAX ? count : MESSAGES_MAX) * sizeof *sizes) == 0);
    }
    bytes_free(&all);
    bytes_free(&taken.all);
    memset(&taken.all, 0, sizeof taken.all);
}

static void check_base64(const char *data, size_t size)
{
    struct bytes text = { 0 }, back = { 0 }, any = { 0 };

    text_to_base64(&text, data, size);
    FUZZ_CHECK(text_from_base64(&back, text.data, text.size));
    FUZZ_CHECK(back.size == size && (size == 0 || memcmp(back.data, data, size) == 0));
    if (text_from_base64(&any, data, size))
        FUZZ_CHECK(size % 4 == 0 && any.size <= size / 4 * 3);
    bytes_free(&text);
    bytes_free(&back);
    bytes_free(&any);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t mode = fuzz_byte(&data, &size) % 7;
    char *copy = (char *)fuzz_copy(data, size);

    switch (mode) {
    case 0: check_body(BODY_JSON, copy, size); break;
    case 1: check_body(BODY_MSGPACK, copy, size); break;
    case 2: check_body(BODY_HEX, copy, size); break;
    case 3: check_body(BODY_RAW, copy, size); break;
    case 4: check_split(false, copy, size); break;
    case 5: check_split(true, copy, size); break;
    default: check_base64(copy, size); break;
    }
    free(copy);
    return 0;
}
