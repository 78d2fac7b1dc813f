/* reply.h: what the broker itself says to a peer: answers, errors, notes. They are never refused
 * for want of room: they go to a reserve above queue_high; a peer that lets even that fill up is
 * cut. In a view, or in the write section with the worker that has it. */
#ifndef REPLY_H
#define REPLY_H

#include <msgpack.h>

#include "base/compiler.h"
#include "worker.h"

/* One frame: head and rest, as worker_collect_frame. */
void reply_frame(struct worker *worker, struct peer *peer, const void *head, size_t head_size,
                 const void *rest, size_t rest_size);

/* [1, id, "NAME text", nil] */
void reply_error(struct worker *worker, struct peer *peer, uint32_t id, const char *format, ...)
    PPI_PRINTF(4, 5);

/* [1, id, nil, what a packer wrote], or if there is no memory for that E_LIMIT. Between the first
 * call and the last the result is packed, or MessagePack appended. */
struct reply {
    struct ppi_buf buf;
    msgpack_packer packer;
    uint32_t id;
    bool failed; /* something is missing: there was no memory */
};
void reply_begin(struct reply *reply, uint32_t id);
void reply_append(struct reply *reply, const void *data, size_t size);
void reply_end(struct worker *worker, struct peer *peer, struct reply *reply);

/* [2, "$note", [name, text, {}]], to who said $hello; counted for everybody. */
void reply_note(struct worker *worker, struct peer *peer, const char *name, const char *format, ...)
    PPI_PRINTF(4, 5);

/* [2, "$bye", [name, text, retry_after_ms]], to who said $hello. */
void reply_bye(struct worker *worker, struct peer *peer, const char *name, const char *text,
               uint64_t retry_after_ms);

/* [2, "$cancel", [id]], to who said $hello. */
void reply_cancel(struct worker *worker, struct peer *server, uint32_t id);

/* One readable line, to who does not speak the protocol. */
void reply_text(struct worker *worker, struct peer *peer, const char *line);

#endif
