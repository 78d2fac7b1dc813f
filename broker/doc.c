#include "doc.h"

#include <stdio.h>
#include <string.h>

#include <msgpack.h>

#include "wire/subject.h"

static bool fail(char problem[OPTION_PROBLEM_MAX], const char *words)
{
    snprintf(problem, OPTION_PROBLEM_MAX, "%s", words);
    return false;
}

static bool is_text(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_STR &&
           ppi_utf8(object->via.str.ptr, object->via.str.size);
}

/* Is it an array of so many texts? */
static bool is_texts(const msgpack_object *object, uint32_t least, uint32_t most)
{
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size < least ||
        object->via.array.size > most)
        return false;
    for (uint32_t i = 0; i < object->via.array.size; i++)
        if (!is_text(&object->via.array.ptr[i]))
            return false;
    return true;
}

static bool check_params(const msgpack_object *params, char problem[OPTION_PROBLEM_MAX])
{
    if (params->type != MSGPACK_OBJECT_ARRAY)
        return fail(problem, "doc: 'params' is an array of [name, type, text]");
    for (uint32_t i = 0; i < params->via.array.size; i++)
        if (!is_texts(&params->via.array.ptr[i], 2, 3)) {
            snprintf(problem, OPTION_PROBLEM_MAX,
                     "doc: param %u is [name, type] or [name, type, text], all texts", i + 1);
            return false;
        }
    return true;
}

static bool is_key(const msgpack_object *key, const char *name)
{
    return key->via.str.size == strlen(name) &&
           memcmp(key->via.str.ptr, name, key->via.str.size) == 0;
}

static bool check_pair(const msgpack_object_kv *pair, char problem[OPTION_PROBLEM_MAX])
{
    const msgpack_object *key = &pair->key, *value = &pair->val;

    if (!is_text(key))
        return fail(problem, "doc: the keys of the map are texts");
    if (key->via.str.size >= 2 && memcmp(key->via.str.ptr, "x-", 2) == 0)
        return true;
    if (is_key(key, "params"))
        return check_params(value, problem);
    if (is_key(key, "errors"))
        return is_texts(value, 0, UINT32_MAX) ||
               fail(problem, "doc: 'errors' is an array of texts");
    if (is_key(key, "text") || is_key(key, "result"))
        return is_text(value) || fail(problem, "doc: 'text' and 'result' are texts, UTF-8");
    return fail(problem, "doc: the keys are 'text', 'params', 'result' and 'errors', or 'x-...'");
}

static bool check(const msgpack_object *doc, char problem[OPTION_PROBLEM_MAX])
{
    if (doc->type != MSGPACK_OBJECT_MAP)
        return is_text(doc) || fail(problem, "doc: it is a text, UTF-8, or a map");
    for (uint32_t i = 0; i < doc->via.map.size; i++)
        if (!check_pair(&doc->via.map.ptr[i], problem))
            return false;
    return true;
}

bool doc_check(struct ppi_slice doc, char problem[OPTION_PROBLEM_MAX])
{
    msgpack_unpacked unpacked;

    if (doc.size > DOC_BYTES_MAX) {
        snprintf(problem, OPTION_PROBLEM_MAX, "doc: it has at most %d bytes", DOC_BYTES_MAX);
        return false;
    }
    msgpack_unpacked_init(&unpacked);
    bool good = msgpack_unpack_next(&unpacked, (const char *)doc.data, doc.size, NULL) ==
                        MSGPACK_UNPACK_SUCCESS
                    ? check(&unpacked.data, problem)
                    : fail(problem, "doc: it cannot be read");
    msgpack_unpacked_destroy(&unpacked);
    return good;
}
