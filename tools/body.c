#include "body.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <panpipe/sys.h>

#include "cli.h"
#include "error.h"
#include "json.h"
#include "text.h"
#include "value.h"

enum { READ_STEP = 64 * 1024 };

const char *const body_forms[] = { "raw", "json", "hex", "msgpack", NULL };

/* --- taking ---------------------------------------------------------------------------------- */

int body_too_large(void)
{
    return error_say(EXIT_LIMIT, "E_LIMIT", "a body is at most 16 MiB",
                     "send a large thing in pieces");
}

static int read_file(const char *path, struct bytes *given)
{
    char why[200];
    FILE *file = pp_file_open(path, "rb");
    size_t count = 1;

    while (file != NULL && count > 0 && given->size <= BODY_MAX) {
        count = fread(bytes_room(given, READ_STEP), 1, READ_STEP, file);
        given->size += count;
    }
    bool good = file != NULL && !ferror(file);
    snprintf(why, sizeof why, "cannot read %.100s: %s", path, strerror(errno));
    if (file != NULL)
        fclose(file);
    if (!good)
        return error_say(EXIT_FAILED, "E_IO", why, "");
    return given->size <= BODY_MAX ? GO_ON : body_too_large();
}

static int read_input(struct bytes *given)
{
    int64_t count;

    while ((count = pp_stdin_read(bytes_room(given, READ_STEP), READ_STEP)) > 0) {
        given->size += (size_t)count;
        if (given->size > BODY_MAX)
            return body_too_large();
    }
    return count == 0 ? GO_ON : error_status((int)count, pp_detail());
}

int body_given(const char *operand, bool may_read, struct bytes *given)
{
    if (operand[0] == '@')
        return read_file(operand + 1, given);
    if (may_read && strcmp(operand, "-") == 0)
        return read_input(given);
    bytes_add(given, operand, strlen(operand));
    return GO_ON;
}

/* --- to MessagePack -------------------------------------------------------------------------- */

static bool add_text(const char *data, size_t size, struct bytes *out)
{
    uint8_t head[VALUE_HEAD_MAX];

    bytes_add(out, head, value_head(head, size, text_is_utf8(data, size)));
    bytes_add(out, data, size);
    return true;
}

static bool add_hex(const char *data, size_t size, struct bytes *out, char *problem)
{
    struct bytes bytes = { 0 };
    bool good = text_from_hex(&bytes, data, size);

    if (good)
        add_text(bytes.data, bytes.size, out);
    else
        snprintf(problem, BODY_PROBLEM_MAX, "the body is not hexadecimal: two digits a byte");
    bytes_free(&bytes);
    return good;
}

/* params: an array stays; another value becomes an array of one. */
static bool add_json(const char *data, size_t size, bool params, struct bytes *out, char *problem)
{
    json_error_t error;
    json_t *json = json_loadb(data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    bool good = json != NULL;

    if (!good)
        snprintf(problem, BODY_PROBLEM_MAX, "the body is not JSON: %s", error.text);
    if (good && params && !json_is_array(json))
        bytes_add(out, "\x91", 1);
    if (good && !(good = json_to_value(json, out)))
        snprintf(problem, BODY_PROBLEM_MAX,
                 "one of $bin, $ext, $map, $uint, $float in the body is not as it must be");
    json_decref(json);
    return good;
}

static bool add_value(const char *data, size_t size, struct bytes *out, char *problem)
{
    bool good = size > 0 && value_size(data, size) == size;

    if (good)
        bytes_add(out, data, size);
    else
        snprintf(problem, BODY_PROBLEM_MAX, "the body is not one MessagePack value");
    return good;
}

static bool is_array(const char *data, size_t size)
{
    unsigned char first = size > 0 ? (unsigned char)data[0] : 0;

    return (first & 0xF0) == 0x90 || first == 0xDC || first == 0xDD;
}

bool body_params(enum body_form form, const char *data, size_t size, struct bytes *out,
                 char problem[BODY_PROBLEM_MAX])
{
    switch (form) {
    case BODY_RAW: bytes_add(out, "\x91", 1); return add_text(data, size, out);
    case BODY_HEX: bytes_add(out, "\x91", 1); return add_hex(data, size, out, problem);
    case BODY_JSON: return add_json(data, size, true, out, problem);
    case BODY_MSGPACK: break;
    }
    if (is_array(data, size))
        return add_value(data, size, out, problem);
    snprintf(problem, BODY_PROBLEM_MAX, "the body is not a MessagePack array");
    return false;
}

bool body_value(enum body_form form, const char *data, size_t size, struct bytes *out,
                char problem[BODY_PROBLEM_MAX])
{
    switch (form) {
    case BODY_RAW: return add_text(data, size, out);
    case BODY_HEX: return add_hex(data, size, out, problem);
    case BODY_JSON: return add_json(data, size, false, out, problem);
    case BODY_MSGPACK: break;
    }
    return add_value(data, size, out, problem);
}

/* --- for reading ----------------------------------------------------------------------------- */

static void show_json(const void *data, size_t size, struct bytes *out)
{
    json_t *json = json_from_value(data, size);

    json_print(json, out);
    json_decref(json);
}

void body_show_params(const void *params, size_t size, struct bytes *out)
{
    size_t count;
    const char *bytes = value_only_bytes(params, size, &count);

    if (bytes != NULL)
        bytes_add(out, bytes, count);
    else
        show_json(params, size, out);
}

void body_show_value(const void *value, size_t size, struct bytes *out)
{
    size_t count;
    const char *bytes = value_bytes(value, size, &count);

    if (bytes != NULL)
        bytes_add(out, bytes, count);
    else
        show_json(value, size, out);
}
