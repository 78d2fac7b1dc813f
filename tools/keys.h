/* keys.h: the keys of the terminal as packets: a thread waits for each and posts it to the
 * session's port. */
#ifndef KEYS_H
#define KEYS_H

#include "io/console.h"
#include "session.h"

struct keys {
    struct task task; /* has ended: press is there */
    struct ppi_key_press press;
};

/* Starts, on a screen that was entered. Once in a program's life. NULL: why not is in pp_detail. */
struct keys *keys_open(struct session *session);

/* The key that is there was used: on with the next. */
void keys_next(void);

/* After the screen was left, and before session_close. */
void keys_close(void);

#endif
