/* waits.h: calls that wait for a server, or for subscriptions: their copies, and their list.
 *
 * A call is entered in the view in which nothing was found for it. Servers and subscriptions come
 * in the write section only, so none comes between the look and the list. */
#ifndef WAITS_H
#define WAITS_H

#include "state.h"

struct request; /* calls.h */

/* Gives the call something to wait with; the request is copied. PP_OK, PP_ENOMEM; PP_ELIMIT: the
 * caller's calls that wait have queue_hard bytes. */
int wait_new(struct call *call, const struct request *request);

/* Puts it into the broker's list. */
void wait_enter(struct call *call);

/* Takes it out, and frees it. */
void wait_free(struct call *call);

/* Notes whether it only waits for room. */
void wait_set_crowded(struct wait *wait, bool crowded);

/* Is a subscription, or a service, what it waits for? */
bool wait_is_for(const struct wait *wait, const struct sub *sub);

/* The subject's text; wait->subject_length bytes. */
const char *wait_subject(const struct wait *wait);

#endif
