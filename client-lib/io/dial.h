/* dial.h: connecting, with its repetitions, as one operation. The same on every system: a pipe
 * driver need only try once (ppi_pipe_driver.connect). */
#ifndef PPI_DIAL_H
#define PPI_DIAL_H

#include <panpipe/pipe.h>

#include "io/start.h"
#include "io/timer.h"

/* The pause between two attempts doubles up to PPI_DIAL_PAUSE_MAX_MS; when that has gone on for
 * long, up to a hundredth of the time since the first one, and PPI_DIAL_PAUSE_LONG_MS: a server
 * that comes back is found within a second, and one that stays away costs little. */
enum {
    PPI_DIAL_PAUSE_MIN_MS = 1,
    PPI_DIAL_PAUSE_MAX_MS = 50,
    PPI_DIAL_PAUSE_LONG_MS = 500,
    PPI_DIAL_TIMEOUT_MS = 5000
};

struct ppi_dial {
    char path[PP_PATH_MAX];
    bool logical;     /* the path was made of a name */
    char server[192]; /* who must own the server; "" by default rule */
    uint32_t flags;
    int32_t timeout_ms;
    uint64_t began_ns, deadline_ns;
    uint64_t next_try_ns; /* a waited operation is not tried before */
    uint64_t pause_ns;
    struct ppi_timer timer;
    unsigned timers; /* started, not stopped or handled: each holds a reference on the handle */
    pp_handle *handle;
    /* PP_DIAL_START; see start.h */
    char start[PPI_START_NAME];  /* the broker to start; "": none */
    char words[PPI_START_WORDS]; /* why it cannot be */
    bool started, awaited;       /* by this connect, by another's */
    int deaths;                  /* brokers that ended without a word, the last one's start */
    uint64_t death_ms;
};

/* Begins, or goes on with, a connect; as ppi_pipe_driver.begin. */
bool ppi_dial_begin(pp_handle *handle, pp_op *op);

/* Only a user's own broker, under a logical name, is started. PP_OK, PP_EINVAL. */
int ppi_dial_check_start(const char *name, uint32_t scope);

/* Stops the timer, if it runs. Lock held. */
void ppi_dial_stop(pp_handle *handle);

/* The packet of a connect was taken: pp_detail tells why no broker can be started; and the dial of
 * a stream that is connected goes, which is larger than the rest of the handle. */
void ppi_dial_taken(pp_handle *handle);

#endif
