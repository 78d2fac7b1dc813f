#include "splitter.h"

#include <string.h>

#include "body.h"
#include "cli.h"
#include "error.h"
#include "input.h"

/* Where the message that begins, or goes on, at data ends, and the next begins. false: not in
 * this block. *code is set if it can end nowhere. */
static bool find_end(struct splitter *splitter, const char *data, size_t size, size_t *end,
                     size_t *next, int *code)
{
    if (!splitter->values) {
        const char *newline = memchr(data, '\n', size);

        if (newline != NULL) {
            *end = (size_t)(newline - data);
            *next = *end + 1;
        }
        return newline != NULL;
    }
    switch (value_scan(&splitter->scan, (const uint8_t *)data, size, end)) {
    case VALUE_COMPLETE:
        *next = *end;
        splitter->scan = (struct value_scan){ 0 };
        return true;
    case VALUE_BAD:
        *code = error_say(EXIT_WRONG_USE, "E_USAGE", "standard input is not MessagePack", "");
        break;
    case VALUE_MORE: break;
    }
    return false;
}

static size_t carried(const struct splitter *splitter)
{
    return splitter->carry.size > 0 ? splitter->carry.size - INPUT_HEADROOM : 0;
}

static int carry(struct splitter *splitter, const char *data, size_t size)
{
    static const char headroom[INPUT_HEADROOM] = "";

    if (carried(splitter) + size > BODY_MAX)
        return body_too_large();
    if (splitter->carry.size == 0)
        bytes_add(&splitter->carry, headroom, sizeof headroom);
    bytes_add(&splitter->carry, data, size);
    return GO_ON;
}

static int take_carried(struct splitter *splitter, splitter_take *take)
{
    size_t size = carried(splitter);

    splitter->carry.size = 0;
    return take(splitter->carry.data + INPUT_HEADROOM, size);
}

int splitter_feed(struct splitter *splitter, char *data, size_t size, splitter_take *take)
{
    int code = GO_ON;

    for (size_t at = 0, end, next; at < size && code == GO_ON; at += next) {
        if (!find_end(splitter, data + at, size - at, &end, &next, &code))
            return code == GO_ON ? carry(splitter, data + at, size - at) : code;
        if (splitter->carry.size == 0)
            code = take(data + at, end);
        else if ((code = carry(splitter, data + at, end)) == GO_ON)
            code = take_carried(splitter, take);
    }
    return code;
}

int splitter_end(struct splitter *splitter, splitter_take *take)
{
    if (splitter->carry.size == 0)
        return GO_ON;
    if (splitter->values)
        return error_say(EXIT_WRONG_USE, "E_USAGE",
                         "standard input ends in the middle of a MessagePack value", "");
    return take_carried(splitter, take);
}

void splitter_free(struct splitter *splitter)
{
    bytes_free(&splitter->carry);
}
