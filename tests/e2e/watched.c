#include "e2e/watched.h"

#include "support/support.h"
#include "support/text.h"

#include <msgpack.h>

struct bus watched;
struct raw alice, bob, carol;

static struct ppi_buf answer;        /* the last one */
static msgpack_unpacked answer_tree; /* of it */

/* One after the other, so that their numbers are in that order. */
static void enter(struct raw *raw, const char *name)
{
    raw_open(raw, &watched);
    say(raw, "[0, 1, '$hello', [{'v': 1, 'name': '%s'}]]", name);
    hear(raw, "[1, 1, null, '?']");
}

void watched_open(const char *settings)
{
    bus_open(&watched, settings);
    enter(&alice, "alice");
    enter(&bob, "bob");
    raw_open(&carol, &watched);
    settle(&carol);
}

void watched_close(void)
{
    raw_close(&alice);
    raw_close(&bob);
    raw_close(&carol);
    bus_close(&watched);
    msgpack_unpacked_destroy(&answer_tree);
    ppi_buf_deinit(&answer);
}

/* --- asking ---------------------------------------------------------------------------------- */

void ask(const char *method, const char *params)
{
    size_t size;

    say(&carol, "[0, 7, '%s', %s]", method, params);
    while ((size = raw_frame_size(&carol)) == 0)
        assert_true(raw_receive(&carol));
    ppi_buf_clear(&answer);
    assert_int_equal(ppi_buf_append(&answer, ppi_buf_data(&carol.in), size), PP_OK);
    ppi_buf_consume(&carol.in, size);
    msgpack_unpacked_destroy(&answer_tree);
    msgpack_unpacked_init(&answer_tree);
    assert_int_equal(
        msgpack_unpack_next(&answer_tree, (const char *)ppi_buf_data(&answer), size, NULL),
        MSGPACK_UNPACK_SUCCESS);
}

void answered(const char *expected)
{
    assert_true(text_matches(expected, ppi_buf_data(&answer), ppi_buf_size(&answer)));
}

/* What one word of a path leads to: a map's key, or an array's index; NULL: nothing. */
static const msgpack_object *step(const msgpack_object *in, const char *word, size_t length)
{
    size_t index = strtoul(word, NULL, 10);

    if (in->type == MSGPACK_OBJECT_ARRAY)
        return index < in->via.array.size ? &in->via.array.ptr[index] : NULL;
    for (uint32_t i = 0; in->type == MSGPACK_OBJECT_MAP && i < in->via.map.size; i++) {
        const msgpack_object_str *key = &in->via.map.ptr[i].key.via.str;

        if (key->size == length && memcmp(key->ptr, word, length) == 0)
            return &in->via.map.ptr[i].val;
    }
    return NULL;
}

/* What is in the answer's result at a path of words with a slash between them. */
static const msgpack_object *at_path(const char *path)
{
    const msgpack_object *found = &answer_tree.data.via.array.ptr[3];

    for (const char *word = path; found != NULL && *word != '\0';) {
        size_t length = strcspn(word, "/");

        found = step(found, word, length);
        word += length + (word[length] == '/');
    }
    if (found == NULL)
        fail_msg("the answer has no %s", path);
    return found;
}

double number(const char *format, ...)
{
    char path[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    const msgpack_object *found = at_path(path);
    if (found->type == MSGPACK_OBJECT_FLOAT64)
        return found->via.f64;
    if (found->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        fail_msg("%s is no number", path);
    return (double)found->via.u64;
}

size_t count(const char *path)
{
    const msgpack_object *found = at_path(path);

    assert_int_equal(found->type, MSGPACK_OBJECT_ARRAY);
    return found->via.array.size;
}

double stat_of(const char *name)
{
    ask("$sys.stats", "[]");
    return number("%s", name);
}

void settle(struct raw *raw)
{
    say(raw, "[0, 99, '$sync', []]");
    hear(raw, "[1, 99, null, null]");
}
