/* variant.h: one way to get messages through a broker: which broker, and what its clients do.
 *
 * The functions of a client are a process's whole life: they connect, call client_ready, work, and
 * may return when there is nothing left to do; the harness ends the process. */
#ifndef PEERS_VARIANT_H
#define PEERS_VARIANT_H

#include <stdint.h>
#include <sys/types.h>

#include "board.h"

struct wire;

struct variant {
    const char *name;
    const char *server;      /* the broker's program: in our own folder if it has a '/' */
    const struct wire *wire; /* of bare bytes: raw.h. NULL: the functions are a library's users */
    const char *mode;        /* what the file makes of it */

    /* Starts the broker; it takes connections when this returns. */
    pid_t (*start)(const struct variant *variant);

    /* NULL: not measured. */
    void (*subscribe)(const struct variant *variant, int channel, int connections);
    void (*publish)(const struct variant *variant, int channel);
    void (*respond)(const struct variant *variant);
    void (*request)(const struct variant *variant, unsigned outstanding);
    unsigned outstanding_max; /* 0: any */
    /* Opens connections that do nothing. */
    void (*idle)(const struct variant *variant, int connections);

    /* What may be on its way, so that the broker loses nothing; 0: the broker itself holds the
     * publisher up. */
    uint64_t window_messages, window_bytes;
};

extern const struct variant limit_scan, limit_scaniov, panpipe_raw, panpipe, panpipe_sync, zmq;

/* The folder of this run: sockets, configurations, what brokers say. */
extern char run_folder[];
enum { RUN_PATH_MAX = 96 }; /* a socket's path has 108 bytes at most */

/* RUN_FOLDER/VARIANT.NAME, where a broker listens. Static, until the next call but three. */
const char *run_path(const struct variant *variant, const char *name);

/* Starts a broker; its words go to a file of the run's folder. It ends with the harness. */
pid_t start_server(const struct variant *variant, const char *const *arguments);

/* Waits until somebody listens there. */
void wait_for_server(const char *path);

/* Ends this process with words; the run has failed. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Dies unless condition holds. */
#define must(condition) ((condition) ? (void)0 : die("%s:%d: %s", __FILE__, __LINE__, #condition))

#endif
