/* console.h: the terminal that a program was started from: whether there is one, how large it is,
 * and all of it as a screen. It is for the program panpipe alone, and no part of libpanpipe.
 *
 * One screen for each process. ppi_console_wait is for one thread; ppi_console_write and
 * ppi_console_leave may be called by another at the same time. */
#ifndef PPI_CONSOLE_H
#define PPI_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

/* Is a standard stream a terminal? */
enum ppi_stream { PPI_STREAM_INPUT, PPI_STREAM_OUTPUT, PPI_STREAM_ERRORS };
bool ppi_console_is(enum ppi_stream stream);

/* Its columns and lines. false: it is none, or does not tell. */
bool ppi_console_size(enum ppi_stream stream, int *columns, int *lines);

/* Does it show letters beyond ASCII, as UTF-8? */
bool ppi_console_is_utf8(void);

/* Takes standard input and output as a screen: keys come one by one and are not shown, what was
 * there is kept for later, no cursor. However the program ends, the terminal is then as it was
 * before: who is killed has a process that stands by for that (Linux).
 * PP_OK; PP_ENOTSUP: they are no terminal, or one that cannot do this; PP_EIO: pp_detail. */
int ppi_console_enter(void);

/* Gives it back, and ends ppi_console_wait for good. Any number of times. */
void ppi_console_leave(void);

/* The same in a hurry, for who ends the process at once: waits for nobody. */
void ppi_console_restore(void);

/* Writes a frame: UTF-8, and control sequences. Nothing while the program is suspended.
 * PP_OK, or as pp_stdout_write. */
int ppi_console_write(const void *data, size_t size);

enum ppi_key {
    PPI_KEY_TEXT, /* a letter */
    PPI_KEY_ENTER,
    PPI_KEY_ESCAPE,
    PPI_KEY_BACKSPACE,
    PPI_KEY_UP,
    PPI_KEY_DOWN,
    PPI_KEY_LEFT,
    PPI_KEY_RIGHT,
    PPI_KEY_PAGE_UP,
    PPI_KEY_PAGE_DOWN,
    PPI_KEY_HOME,
    PPI_KEY_END,
    PPI_KEY_OTHER,
    PPI_KEY_REDRAW, /* none: another size, or the screen was somebody else's meanwhile */
    PPI_KEY_CLOSED  /* none: there is no terminal any more, or it was left */
};
struct ppi_key_press {
    enum ppi_key key;
    char text[8]; /* PPI_KEY_TEXT: UTF-8 */
};

/* Waits for the next key. Ctrl-C is none: it is pp_watch_for_end's; and Ctrl-Z suspends. */
void ppi_console_wait(struct ppi_key_press *press);

#endif
