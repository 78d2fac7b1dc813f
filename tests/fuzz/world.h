/* world.h: bare ends of simulated pipes, for targets that talk bytes with the product. Everything
 * happens on the simulator (tests/sim), so the same bytes always do the same. */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <stdbool.h>

#include <panpipe/pipe.h>

#include "base/buf.h"

/* An end that keeps all it reads. Zero it before. */
struct bare {
    pp_handle *pipe; /* NULL: closed */
    pp_op read_op, write_op;
    bool reading, writing;
    bool deaf; /* does not read any more */
    bool ended;
    struct ppi_buf in;     /* received, not looked at yet */
    struct ppi_buf out[2]; /* to send: the one that is being written, and the next */
    uint8_t block[4096];
};

/* Connects to a name, and lets the other side accept; or takes over what was accepted. */
void bare_dial(struct bare *bare, const char *name);
void bare_take(struct bare *bare, pp_handle *accepted);

/* Sends, reads what comes, lets everybody work until nothing more happens. */
void bare_send(struct bare *bare, const void *data, size_t size);
void bare_turn(struct bare *bare);

void bare_close(struct bare *bare);

/* Takes the whole frames out of what was received and says how many there were; what is no frame
 * fails. A frame that ends like this, if it is not NULL, sets *seen. */
int bare_frames(struct bare *bare, const void *ending, size_t size, bool *seen);

#endif
