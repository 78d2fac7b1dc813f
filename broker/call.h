/* call.h: a call's record, and the two maps in which it is: its caller's and its server's. */
#ifndef CALL_H
#define CALL_H

#include "worker.h"

/* Memory for a call, kept by the worker for the next ones. NULL: there is none. */
struct call *call_new(struct worker *worker);
void call_free(struct worker *worker, struct call *call);

/* With the lock of a map in which call is. true: it is the caller's now to answer and to free;
 * false: somebody else's, or its request is not on its way yet. */
bool call_claim(struct call *call);

/* Enters it at the caller. PP_OK, PP_ELIMIT, PP_ENOMEM, PP_EPROTO: the id is in use. */
int call_enter_at_caller(struct call *call, uint32_t limit);
void call_forget_at_caller(struct call *call);

/* Enters it at the server under the next id that is free. PP_OK, PP_ENOMEM. */
int call_enter_at_server(struct call *call);
void call_forget_at_server(struct worker *worker, struct call *call);

/* Its service has one call less to answer: there is a slot for one that waits, perhaps. Part of
 * call_forget_at_server. */
void call_count_down(struct worker *worker, const struct call *call);

#endif
