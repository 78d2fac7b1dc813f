/* tapped.h: what is routed, told to the taps. Only while broker->tapped. */
#ifndef TAPPED_H
#define TAPPED_H

#include "calls.h"
#include "router.h"

/* A run of messages was routed. */
void tap_run(struct worker *worker, const struct receipt *receipt);

/* What a call's end has to know of its beginning; freed with free. */
struct tap_note;

/* A call goes to its server; from then on it has a note. */
void tap_call(struct worker *worker, struct call *call, const struct request *request);
/* A request is answered with an error, since it can go to nobody. */
void tap_refused(struct worker *worker, const struct request *request, const char *error);
/* A call was answered by its server; or it ends with an error of the broker's. */
void tap_answer(struct worker *worker, const struct call *call, const struct ppi_frame *frame);
void tap_ended(struct worker *worker, const struct call *call, const char *error);

#endif
