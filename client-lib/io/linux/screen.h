/* screen.h: the parts of a terminal's screen: its keys, and who gives it back after a kill. */
#ifndef PPI_SCREEN_H
#define PPI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include "io/console.h"

/* --- console.c ------------------------------------------------------------------------------ */

/* How the terminal was, and how a screen has it. */
struct ppi_terminal_modes {
    struct termios before, screen;
};

/* Puts the terminal back, unless somebody else has changed it since. Fit for a signal's handler. */
void ppi_terminal_restore(const struct ppi_terminal_modes *modes);

/* --- keys.c --------------------------------------------------------------------------------- */

/* Bytes of a terminal that are no key yet. */
struct ppi_key_bytes {
    unsigned char bytes[64];
    size_t count;
};

/* Takes the first key off. false: there is none, or more bytes may belong to it; whole: no more
 * will come now, so what is there is all of it. */
bool ppi_key_take(struct ppi_key_bytes *bytes, bool whole, struct ppi_key_press *press);

/* --- guardian.c ----------------------------------------------------------------------------- */

/* A process that waits for the end of this one and, if that had the screen, gives it back. */
void ppi_guardian_start(const struct ppi_terminal_modes *modes);
/* Who has the screen now. Fit for a signal's handler. */
void ppi_guardian_tell(bool screen);
/* Ends it. */
void ppi_guardian_stop(void);

#endif
