#include "json.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "macros.h"
#include "text.h"

static const char *const forms[] = { "$bin", "$ext", "$map", "$uint", "$float" };

json_t *json_must(json_t *json)
{
    return bytes_must(json);
}

/* --- to JSON --------------------------------------------------------------------------------- */

static json_t *form(const char *name, json_t *value)
{
    json_t *object = json_must(json_object());

    json_object_set_new(object, name, json_must(value));
    return object;
}

static json_t *base64(const char *data, size_t size)
{
    struct bytes text = { 0 };

    text_to_base64(&text, data, size);
    json_t *json = json_must(json_stringn_nocheck(text.data != NULL ? text.data : "", text.size));
    bytes_free(&text);
    return json;
}

json_t *json_from_text(const char *text, size_t size)
{
    if (size == 0) /* then text may be NULL */
        return json_must(json_string(""));
    return text_is_utf8(text, size) ? json_must(json_stringn_nocheck(text, size))
                                    : form("$bin", base64(text, size));
}

static json_t *from_number(uint64_t number)
{
    char digits[24];

    if (number <= INT64_MAX)
        return json_must(json_integer((json_int_t)number));
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    return form("$uint", json_string(digits));
}

static json_t *from_float(double number)
{
    if (isnan(number) || isinf(number))
        return form("$float", json_string(isnan(number) ? "nan" : number > 0 ? "inf" : "-inf"));
    return json_must(json_real(number));
}

static json_t *from_pairs(const msgpack_object_map *map)
{
    json_t *pairs = json_must(json_array());

    for (uint32_t i = 0; i < map->size; i++) {
        json_t *pair = json_must(json_array());

        json_array_append_new(pair, json_from_object(&map->ptr[i].key));
        json_array_append_new(pair, json_from_object(&map->ptr[i].val));
        json_array_append_new(pairs, pair);
    }
    return form("$map", pairs);
}

static bool is_form(const json_t *object)
{
    for (size_t i = 0; i < COUNT_OF(forms) && json_object_size(object) == 1; i++)
        if (json_object_get(object, forms[i]) != NULL)
            return true;
    return false;
}

/* A copy of a text that can be a name in JSON, terminated; NULL: it cannot. */
static char *name_of(const msgpack_object *key)
{
    const msgpack_object_str *text = &key->via.str;

    if (key->type != MSGPACK_OBJECT_STR || !text_is_utf8(text->ptr, text->size))
        return NULL;
    char *name = bytes_must(calloc(text->size + 1, 1));
    if (text->size > 0) /* else its bytes may be NULL */
        memcpy(name, text->ptr, text->size);
    if (strlen(name) == text->size)
        return name;
    free(name);
    return NULL;
}

static json_t *from_map(const msgpack_object_map *map)
{
    json_t *object = json_must(json_object());
    bool plain = true;

    for (uint32_t i = 0; i < map->size && plain; i++) {
        char *name = name_of(&map->ptr[i].key);

        plain = name != NULL;
        if (!plain)
            break;
        json_object_set_new_nocheck(object, name, json_from_object(&map->ptr[i].val));
        free(name);
    }
    if (plain && json_object_size(object) == map->size && !is_form(object))
        return object;
    json_decref(object);
    return from_pairs(map);
}

static json_t *from_ext(const msgpack_object_ext *ext)
{
    json_t *pair = json_must(json_array());

    json_array_append_new(pair, json_must(json_integer(ext->type)));
    json_array_append_new(pair, base64(ext->ptr, ext->size));
    return form("$ext", pair);
}

static json_t *from_array(const msgpack_object_array *array)
{
    json_t *json = json_must(json_array());

    for (uint32_t i = 0; i < array->size; i++)
        json_array_append_new(json, json_from_object(&array->ptr[i]));
    return json;
}

json_t *json_from_object(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_NIL: break;
    case MSGPACK_OBJECT_BOOLEAN: return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER: return from_number(object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: return json_must(json_integer(object->via.i64));
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: return from_float(object->via.f64);
    case MSGPACK_OBJECT_STR: return json_from_text(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_BIN: return form("$bin", base64(object->via.bin.ptr, object->via.bin.size));
    case MSGPACK_OBJECT_EXT: return from_ext(&object->via.ext);
    case MSGPACK_OBJECT_ARRAY: return from_array(&object->via.array);
    case MSGPACK_OBJECT_MAP: return from_map(&object->via.map);
    }
    return json_null();
}

json_t *json_from_value(const void *data, size_t size)
{
    msgpack_unpacked unpacked;
    json_t *json = NULL;

    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, data, size, NULL) == MSGPACK_UNPACK_SUCCESS)
        json = json_from_object(&unpacked.data);
    msgpack_unpacked_destroy(&unpacked);
    return json != NULL ? json : json_null();
}

/* --- from JSON ------------------------------------------------------------------------------- */

static bool pack(const json_t *json, msgpack_packer *packer);

static void pack_text(const json_t *json, msgpack_packer *packer)
{
    msgpack_pack_str(packer, json_string_length(json));
    msgpack_pack_str_body(packer, json_string_value(json), json_string_length(json));
}

static bool unpack_base64(const json_t *json, struct bytes *out)
{
    return json_is_string(json) &&
           text_from_base64(out, json_string_value(json), json_string_length(json));
}

static bool pack_bin(const json_t *json, msgpack_packer *packer)
{
    struct bytes bytes = { 0 };
    bool good = unpack_base64(json, &bytes);

    if (good) {
        msgpack_pack_bin(packer, bytes.size);
        msgpack_pack_bin_body(packer, bytes.data, bytes.size);
    }
    bytes_free(&bytes);
    return good;
}

static bool pack_ext(const json_t *json, msgpack_packer *packer)
{
    const json_t *type = json_array_get(json, 0);
    struct bytes bytes = { 0 };
    bool good = json_array_size(json) == 2 && json_is_integer(type) &&
                json_integer_value(type) >= INT8_MIN && json_integer_value(type) <= INT8_MAX &&
                unpack_base64(json_array_get(json, 1), &bytes);

    if (good) {
        msgpack_pack_ext(packer, bytes.size, (int8_t)json_integer_value(type));
        msgpack_pack_ext_body(packer, bytes.data, bytes.size);
    }
    bytes_free(&bytes);
    return good;
}

static bool pack_pairs(const json_t *json, msgpack_packer *packer)
{
    size_t count = json_array_size(json);
    bool good = json_is_array(json);

    msgpack_pack_map(packer, count);
    for (size_t i = 0; i < count && good; i++) {
        const json_t *pair = json_array_get(json, i);

        good = json_array_size(pair) == 2 && pack(json_array_get(pair, 0), packer) &&
               pack(json_array_get(pair, 1), packer);
    }
    return good;
}

static bool pack_uint(const json_t *json, msgpack_packer *packer)
{
    const char *text = json_is_string(json) ? json_string_value(json) : "";
    uint64_t number;

    if (!text_to_number(text, &number))
        return false;
    msgpack_pack_uint64(packer, number);
    return true;
}

static bool pack_float(const json_t *json, msgpack_packer *packer)
{
    const char *text = json_is_string(json) ? json_string_value(json) : "";

    if (strcmp(text, "nan") == 0)
        msgpack_pack_double(packer, NAN);
    else if (strcmp(text, "inf") == 0 || strcmp(text, "-inf") == 0)
        msgpack_pack_double(packer, text[0] == '-' ? -INFINITY : INFINITY);
    else
        return false;
    return true;
}

static bool pack_object(const json_t *json, msgpack_packer *packer)
{
    static bool (*const packs[])(const json_t *, msgpack_packer *) = { pack_bin, pack_ext,
                                                                       pack_pairs, pack_uint,
                                                                       pack_float };
    json_t *object = (json_t *)(uintptr_t)json, *value;
    const char *name;

    for (size_t i = 0; i < COUNT_OF(forms) && json_object_size(json) == 1; i++)
        if ((value = json_object_get(json, forms[i])) != NULL)
            return packs[i](value, packer);
    msgpack_pack_map(packer, json_object_size(json));
    json_object_foreach(object, name, value)
    {
        msgpack_pack_str(packer, strlen(name));
        msgpack_pack_str_body(packer, name, strlen(name));
        if (!pack(value, packer))
            return false;
    }
    return true;
}

static bool pack_array(const json_t *json, msgpack_packer *packer)
{
    msgpack_pack_array(packer, json_array_size(json));
    for (size_t i = 0; i < json_array_size(json); i++)
        if (!pack(json_array_get(json, i), packer))
            return false;
    return true;
}

static bool pack(const json_t *json, msgpack_packer *packer)
{
    switch (json_typeof(json)) {
    case JSON_NULL: msgpack_pack_nil(packer); break;
    case JSON_TRUE: msgpack_pack_true(packer); break;
    case JSON_FALSE: msgpack_pack_false(packer); break;
    case JSON_INTEGER: msgpack_pack_int64(packer, json_integer_value(json)); break;
    case JSON_REAL: msgpack_pack_double(packer, json_real_value(json)); break;
    case JSON_STRING: pack_text(json, packer); break;
    case JSON_ARRAY: return pack_array(json, packer);
    case JSON_OBJECT: return pack_object(json, packer);
    }
    return true;
}

bool json_to_value(const json_t *json, struct bytes *out)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, bytes_write);
    return pack(json, &packer);
}

/* --- printing -------------------------------------------------------------------------------- */

static int add(const char *data, size_t size, void *bytes)
{
    bytes_add(bytes, data, size);
    return 0;
}

static bool has_real(const json_t *json)
{
    json_t *parent = (json_t *)(uintptr_t)json, *value;
    const char *name;
    bool found = json_is_real(json);

    for (size_t i = 0; i < json_array_size(json) && !found; i++)
        found = has_real(json_array_get(json, i));
    json_object_foreach(parent, name, value) found = found || has_real(value);
    return found;
}

/* The shortest text that is read as the same number. */
static void print_real(const json_t *json, struct bytes *out)
{
    enum { DIGITS_MIN = 15, DIGITS_MAX = 17 };
    char text[32] = "";
    size_t size = 0;

    for (size_t digits = DIGITS_MIN; digits <= DIGITS_MAX; digits++) {
        size =
            json_dumpb(json, text, sizeof text - 1, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        text[size] = '\0';
        if (strtod(text, NULL) == json_real_value(json))
            break;
    }
    bytes_add(out, text, size);
}

static void print_array(const json_t *json, struct bytes *out)
{
    bytes_add(out, "[", 1);
    for (size_t i = 0; i < json_array_size(json); i++) {
        if (i > 0)
            bytes_add(out, ",", 1);
        json_print(json_array_get(json, i), out);
    }
    bytes_add(out, "]", 1);
}

static void print_object(const json_t *json, struct bytes *out)
{
    json_t *object = (json_t *)(uintptr_t)json, *value;
    const char *name, *before = "{";

    json_object_foreach(object, name, value)
    {
        json_t *text = json_must(json_string_nocheck(name));

        bytes_add(out, before, 1);
        json_print(text, out);
        bytes_add(out, ":", 1);
        json_print(value, out);
        json_decref(text);
        before = ",";
    }
    bytes_add(out, "}", 1);
}

void json_print(const json_t *json, struct bytes *out)
{
    if (!has_real(json)) /* most have none */
        json_dump_callback(json, add, out, JSON_COMPACT | JSON_ENCODE_ANY);
    else if (json_is_real(json))
        print_real(json, out);
    else if (json_is_array(json))
        print_array(json, out);
    else
        print_object(json, out);
}
