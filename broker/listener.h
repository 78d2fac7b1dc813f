/* listener.h: where connections come in. Several accepts are always pending, so that clients that
 * come all at once find somebody; out of handles, it pauses and goes on. */
#ifndef LISTENER_H
#define LISTENER_H

#include "state.h"

/* Takes the broker's name and begins to accept. PP_OK; PP_ENOMEM; or as pp_listen. */
int listener_open(struct broker *broker);

/* Lets nobody connect any more. all_in is called when all who had are accepted and have their
 * sessions, on a worker, outside of its view; or the listener was closed. */
void listener_refuse(struct broker *broker, void (*all_in)(struct broker *broker));

/* After all_in: takes the name again. PP_OK, or as pp_listen. */
int listener_reopen(struct broker *broker);

/* Accepts no more; the name is free. */
void listener_close(struct broker *broker);

/* When its accepts have come home. */
void listener_free(struct broker *broker);

#endif
