/* calls.h: requests on their way to a server, and their answers: exactly one each. */
#ifndef CALLS_H
#define CALLS_H

#include "worker.h"

/* A request to be served: rest begins at the header of the subject. */
struct request {
    struct peer *caller;
    uint32_t id;
    const char *subject;
    size_t subject_length;
    const uint8_t *rest;
    size_t rest_size;
    uint32_t deadline_ms; /* 0: none */
    uint32_t wait_ms;     /* for a server that takes it */
    uint32_t subs;        /* calls_await_subs */
};
enum { CALL_WAIT_MS_MAX = 60 * 60 * 1000 };

/* Passes a request on to one server, or answers it with an error.
 * PPI_HOLD: its servers have no room; PPI_STOP: the caller broke the protocol and is closed. */
enum ppi_verdict calls_request(struct worker *worker, const struct request *request);

/* Answers with the number of subscriptions of the subject as soon as that is request->subs; it is
 * an open call of the caller until then. PPI_STOP as above. */
enum ppi_verdict calls_await_subs(struct worker *worker, const struct request *request);

/* In the write section: a subscription or a service was entered. Calls that have waited for it go
 * on. */
void calls_look(struct worker *worker, const struct sub *entered);

/* In a view: the same for calls that wait for servers to have room for them: for what was freed in
 * this packet; or (always) for whatever was freed since the last look. */
void calls_look_freed(struct worker *worker, bool always);

/* Passes a server's answer back. Late and unknown answers are counted and ignored. */
void calls_answer(struct worker *worker, struct peer *server, const struct ppi_frame *frame);

/* The caller does not want the answer any more: it gets E_CANCELED at once. false: no such call. */
bool calls_cancel(struct worker *worker, struct peer *caller, uint32_t id);

/* Ends the peer's own calls with an error ("E_NAME text"); its servers are told. */
void calls_end_own(struct worker *worker, struct peer *caller, const char *error);

/* Ends the peer's calls whose time is over. */
void calls_expire(struct worker *worker, struct peer *caller, uint64_t now_ns);

/* The peer is gone (write section): its calls that it was not sent go to another server; who
 * waits for its other answers gets E_GONE; nobody need answer it. */
void calls_peer_gone(struct worker *worker, struct peer *peer);

#endif
