#include "support/text.h"

#include "support/support.h"

#include <jansson.h>
#include <msgpack.h>

#include "wire/envelope.h"

static void pack_json(msgpack_packer *packer, json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        msgpack_pack_map(packer, json_object_size(value));
        json_object_foreach(value, key, item)
        {
            msgpack_pack_str(packer, strlen(key));
            msgpack_pack_str_body(packer, key, strlen(key));
            pack_json(packer, item);
        }
        break;
    case JSON_ARRAY:
        msgpack_pack_array(packer, json_array_size(value));
        json_array_foreach(value, i, item) pack_json(packer, item);
        break;
    case JSON_STRING:
        msgpack_pack_str(packer, json_string_length(value));
        msgpack_pack_str_body(packer, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER: msgpack_pack_int64(packer, json_integer_value(value)); break;
    case JSON_REAL: msgpack_pack_double(packer, json_real_value(value)); break;
    case JSON_TRUE: msgpack_pack_true(packer); break;
    case JSON_FALSE: msgpack_pack_false(packer); break;
    case JSON_NULL: msgpack_pack_nil(packer); break;
    }
}

void text_pack(struct ppi_buf *buf, const char *text)
{
    char *json = malloc(strlen(text) + 1);
    msgpack_packer packer;
    json_error_t error;

    strcpy(json, text);
    for (char *at = json; (at = strchr(at, '\'')) != NULL;)
        *at = '"';
    json_t *value = json_loads(json, JSON_DECODE_ANY, &error);
    if (value == NULL)
        print_error("no JSON: %s: %s\n", text, error.text);
    assert_non_null(value);
    msgpack_packer_init(&packer, buf, ppi_pack_write);
    pack_json(&packer, value);
    json_decref(value);
    free(json);
}

static bool matches(const msgpack_object *expected, const msgpack_object *actual);

static bool text_object_matches(const msgpack_object_str *expected, const msgpack_object *actual)
{
    size_t length = expected->size;

    if (length == 1 && expected->ptr[0] == '?')
        return true;
    if (actual->type != MSGPACK_OBJECT_STR)
        return false;
    if (length > 0 && expected->ptr[length - 1] == '*')
        return actual->via.str.size >= length - 1 &&
               memcmp(actual->via.str.ptr, expected->ptr, length - 1) == 0;
    return actual->via.str.size == length &&
           memcmp(actual->via.str.ptr, expected->ptr, length) == 0;
}

/* Has actual the pair? */
static bool has(const msgpack_object_map *actual, const msgpack_object_kv *pair)
{
    for (uint32_t i = 0; i < actual->size; i++)
        if (matches(&pair->key, &actual->ptr[i].key))
            return matches(&pair->val, &actual->ptr[i].val);
    return false;
}

static bool matches(const msgpack_object *expected, const msgpack_object *actual)
{
    if (expected->type == MSGPACK_OBJECT_STR)
        return text_object_matches(&expected->via.str, actual);
    if (expected->type != actual->type)
        return false;
    if (expected->type == MSGPACK_OBJECT_ARRAY) {
        bool same = expected->via.array.size == actual->via.array.size;

        for (uint32_t i = 0; same && i < expected->via.array.size; i++)
            same = matches(&expected->via.array.ptr[i], &actual->via.array.ptr[i]);
        return same;
    }
    if (expected->type == MSGPACK_OBJECT_MAP) {
        for (uint32_t i = 0; i < expected->via.map.size; i++)
            if (!has(&actual->via.map, &expected->via.map.ptr[i]))
                return false;
        return true;
    }
    return msgpack_object_equal(*expected, *actual);
}

bool text_matches(const char *expected, const void *data, size_t size)
{
    struct ppi_buf buf = { 0 };
    msgpack_unpacked want, got;
    bool same = false;

    text_pack(&buf, expected);
    msgpack_unpacked_init(&want);
    msgpack_unpacked_init(&got);
    assert_int_equal(
        msgpack_unpack_next(&want, (const char *)ppi_buf_data(&buf), ppi_buf_size(&buf), NULL),
        MSGPACK_UNPACK_SUCCESS);
    if (msgpack_unpack_next(&got, data, size, NULL) == MSGPACK_UNPACK_SUCCESS) {
        same = matches(&want.data, &got.data);
        if (!same) {
            char text[1024];

            msgpack_object_print_buffer(text, sizeof text, got.data);
            print_error("expected %s\ngot      %s\n", expected, text);
        }
    }
    msgpack_unpacked_destroy(&want);
    msgpack_unpacked_destroy(&got);
    ppi_buf_deinit(&buf);
    return same;
}
