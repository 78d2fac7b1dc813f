/* splitter.h: cuts a stream of blocks into messages: lines, or MessagePack values. */
#ifndef SPLITTER_H
#define SPLITTER_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"
#include "value.h"

/* Zeroed, it is at the beginning. */
struct splitter {
    bool values;        /* else lines */
    struct bytes carry; /* of a message that began in an earlier block, behind free room */
    struct value_scan scan;
};

/* Calls take for each message that ends in the block, and goes on as long as that returns GO_ON.
 * In front of a message INPUT_HEADROOM bytes may be written over, as they may in front of data;
 * they belong to messages that were taken before. GO_ON, or an exit code. */
typedef int splitter_take(char *message, size_t size);
int splitter_feed(struct splitter *splitter, char *data, size_t size, splitter_take *take);

/* The end of the stream: a last line need not end with a newline. */
int splitter_end(struct splitter *splitter, splitter_take *take);

void splitter_free(struct splitter *splitter);

#endif
