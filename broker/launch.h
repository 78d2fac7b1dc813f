/* launch.h: who has started the program, and is told what becomes of it: a client that wanted a
 * broker (io/start.h), systemd or Windows' service manager (io/service.h); or nobody in particular.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <panpipe/port.h>

#include "settings.h"

enum { ON_DEMAND_IDLE_MS = 60000 };

/* on_demand: the lock that a client passes, for the broker of that name; NULL: none. Before other
 * threads are started. PP_OK, or why not: pp_detail. */
int launch_begin(const char *on_demand, const char *name);

/* It listens at path. The port's life is watched from now on. */
void launch_ready(pp_port *port, const char *path);

/* It does not, and ends; why. */
void launch_failed(const char *words);

/* It is asked to end. */
void launch_stopping(const struct settings *settings);

#endif
