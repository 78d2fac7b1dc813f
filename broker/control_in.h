/* control_in.h: a control request as it came in: its params, and the ways to answer it. */
#ifndef CONTROL_IN_H
#define CONTROL_IN_H

#include "options.h"
#include "worker.h"

enum { PARAMS_MAX = 4 };

/* One control message. */
struct request_in {
    struct worker *worker;
    struct peer *peer;
    const struct ppi_frame *frame;
    bool call;   /* wants an answer */
    bool urgent; /* frames of the peer are held, and this one might act before them */
    struct ppi_slice params[PARAMS_MAX];
    int count; /* of params; may be more than PARAMS_MAX */
};

/* Answers with an error; a notification gets a $note instead. */
void in_fail(const struct request_in *in, const char *name, const char *text);

/* Answers; a notification gets nothing. */
void in_answer_nil(const struct request_in *in);
void in_answer_number(const struct request_in *in, uint64_t number);

/* The param with index i, which what describes. false: it is none such; answered with an error. */
bool in_text(const struct request_in *in, int i, const char *what, const char **text,
             size_t *length);
bool in_number(const struct request_in *in, int i, const char *what, uint64_t *number);

/* The options, if there are any; false: answered with an error. */
bool in_options(const struct request_in *in, int i, struct option *known, size_t count);

#endif
