/* interrupt.h: Ctrl-C, and whoever else outside wants the program to end. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <stdbool.h>

#include <panpipe/port.h>

/* The first thing in main. Until a port is named the wish ends the program at once, with
 * EXIT_INTERRUPTED. */
void interrupt_watch(void);

/* What is done before the program is ended at once, on another thread. */
void interrupt_last(void (*act)(void));

/* From now on the first wish posts op to port; the second one, or a while without an end, ends the
 * program at once: it may hang in a write to standard output. */
void interrupt_to(pp_port *port, pp_op *op);

/* As before: nobody will touch the port any more. false: op was posted. */
bool interrupt_withdraw(void);

#endif
