/* stream.h: messages that are printed as they come, by a command that does nothing else.
 *
 * The port has one worker, the command's thread: while it waits in a write to a slow reader it
 * takes nothing from the broker. What a batch of messages prints is gathered and written by a
 * packet that the first of them posts behind the batch: in blocks when they come fast, at once
 * when they do not. */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "session.h"

/* Static, as its session is. */
struct stream {
    struct session *session;
    uint64_t wanted;  /* it is over after so many; 0: never */
    uint64_t printed; /* so far */
    bool over;        /* on_message prints no more of them */

    struct task written; /* its packet comes behind the batch */
    bool posted;
    int output_code; /* not GO_ON: nothing can be written any more */
};

/* Before it is subscribed: on_message may be called at once. */
void stream_begin(struct stream *stream, struct session *session, uint64_t wanted);

/* on_message has printed one more. */
void stream_printed(struct stream *stream);

/* Until that many were printed, or --for is over (for_ms; 0: not given). what: what they are
 * called. The exit code. */
int stream_run(struct stream *stream, int for_ms, const char *what);

#endif
