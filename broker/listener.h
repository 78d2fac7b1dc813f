/* listener.h: where connections come in. Several accepts are always pending, so that clients that
 * come all at once find somebody; out of handles, it pauses and goes on. */
#ifndef LISTENER_H
#define LISTENER_H

#include "state.h"

/* Takes the broker's name and begins to accept. PP_OK; PP_ENOMEM; or as pp_listen. */
int listener_open(struct broker *broker);

/* Accepts no more; the name is free. */
void listener_close(struct broker *broker);

/* When its accepts have come home. */
void listener_free(struct broker *broker);

#endif
