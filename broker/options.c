#include "options.h"

#include <stdio.h>
#include <string.h>

#include <msgpack.h>

static struct option *find(struct option *known, size_t count, const msgpack_object_str *name)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(known[i].name) == name->size &&
            memcmp(known[i].name, name->ptr, name->size) == 0)
            return &known[i];
    return NULL;
}

/* false: the value is not of the option's type. */
static bool take(struct option *option, const msgpack_object *value)
{
    static const msgpack_object_type types[] = { [OPTION_TEXT] = MSGPACK_OBJECT_STR,
                                                 [OPTION_BOOL] = MSGPACK_OBJECT_BOOLEAN,
                                                 [OPTION_NUMBER] =
                                                     MSGPACK_OBJECT_POSITIVE_INTEGER };

    if (option->type != OPTION_ANY && value->type != types[option->type])
        return false;
    option->given = true;
    if (option->type == OPTION_BOOL)
        option->truth = value->via.boolean;
    if (option->type == OPTION_NUMBER)
        option->number = value->via.u64;
    if (option->type != OPTION_TEXT)
        return true;
    if (value->via.str.size >= sizeof option->text)
        return false;
    memcpy(option->text, value->via.str.ptr, value->via.str.size);
    option->text[value->via.str.size] = '\0';
    option->text_length = value->via.str.size;
    return strlen(option->text) == option->text_length;
}

/* As much of a peer's text as can be shown. */
static void show(const msgpack_object_str *name, char *out, size_t size)
{
    size_t length = name->size < size ? name->size : size - 1;

    for (size_t i = 0; i < length; i++)
        out[i] = name->ptr[i] > ' ' && name->ptr[i] < 0x7F ? name->ptr[i] : '?';
    out[length] = '\0';
}

static bool take_all(const msgpack_object_map *map, struct option *known, size_t count,
                     char problem[OPTION_PROBLEM_MAX])
{
    static const char *const wanted[] = { "a text of less than 256 bytes", "true or false",
                                          "a number that is not negative", "" };

    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key;

        if (key->type != MSGPACK_OBJECT_STR) {
            snprintf(problem, OPTION_PROBLEM_MAX, "the keys of options are texts");
            return false;
        }
        const msgpack_object_str *name = &key->via.str;
        struct option *option = find(known, count, name);
        if (option == NULL && name->size >= 2 && memcmp(name->ptr, "x-", 2) == 0)
            continue;
        if (option == NULL) {
            char shown[41];

            show(name, shown, sizeof shown);
            snprintf(problem, OPTION_PROBLEM_MAX, "option '%s' is not supported", shown);
            return false;
        }
        if (!take(option, &map->ptr[i].val)) {
            snprintf(problem, OPTION_PROBLEM_MAX, "option '%s' is %s", option->name,
                     wanted[option->type]);
            return false;
        }
    }
    return true;
}

/* Finds the bytes of an option in a map that was read before. */
static void find_raw(struct ppi_slice map, struct option *option)
{
    size_t at = map.data[0] == 0xDE ? 3 : map.data[0] == 0xDF ? 5 : 1;

    while (at < map.size) {
        struct ppi_value key = ppi_value_at(map.data + at, map.size - at);

        at += key.size;
        size_t size = ppi_value_at(map.data + at, map.size - at).size;
        if (key.kind == PPI_VALUE_TEXT && key.text_length == strlen(option->name) &&
            memcmp(key.text, option->name, key.text_length) == 0)
            option->raw = (struct ppi_slice){ map.data + at, size };
        at += size;
    }
}

bool options_read(struct ppi_slice map, struct option *known, size_t count,
                  char problem[OPTION_PROBLEM_MAX])
{
    msgpack_unpacked unpacked;
    bool good = false;

    if (map.size > OPTIONS_BYTES_MAX) {
        snprintf(problem, OPTION_PROBLEM_MAX, "options are at most %d bytes", OPTIONS_BYTES_MAX);
        return false;
    }
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, (const char *)map.data, map.size, NULL) !=
        MSGPACK_UNPACK_SUCCESS)
        snprintf(problem, OPTION_PROBLEM_MAX, "options cannot be read");
    else if (unpacked.data.type == MSGPACK_OBJECT_NIL)
        good = true;
    else if (unpacked.data.type != MSGPACK_OBJECT_MAP)
        snprintf(problem, OPTION_PROBLEM_MAX, "options are a map");
    else
        good = take_all(&unpacked.data.via.map, known, count, problem);
    msgpack_unpacked_destroy(&unpacked);
    for (size_t i = 0; good && i < count; i++)
        if (known[i].type == OPTION_ANY && known[i].given)
            find_raw(map, &known[i]);
    return good;
}
