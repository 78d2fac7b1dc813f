/* storm.h: connections for many threads at once: they block, with a limit, and never assert. */
#ifndef STORM_H
#define STORM_H

#include <msgpack.h>
#include <stdatomic.h>

#include "e2e/bus.h"
#include "wire/scan.h"

enum { STORM_CHUNK = 64 * 1024, STORM_STUCK_MS = 30000 };

extern struct bus storm_bus;

/* No new lives: the time is over, or something went wrong. */
extern atomic_bool storm_ending;

/* The first thing that went wrong, as text; threads other than the test's must not assert. */
extern char storm_wrong[300];
void storm_complain(const char *format, ...) PPI_PRINTF(1, 2);

struct conn {
    uint64_t seed;
    pp_handle *pipe;
    bool ended;
    bool reading;
    pp_op read_op;
    struct ppi_buf in, out;
    msgpack_packer packer; /* into out */
    uint32_t next_id;
    uint8_t chunk[STORM_CHUNK];
};

/* false: it was complained about. Close it in any case. */
bool conn_open(struct conn *conn, const char *broker, uint64_t seed);
void conn_close(struct conn *conn);

/* A random number, the connection's own. */
uint32_t conn_below(struct conn *conn, uint32_t bound);

/* Packs text; [0, id, method, [ with count params to come, whose id is returned; a $hello; filling,
 * and how much: some is larger than what the broker copies, and smaller ones lie between. */
void conn_pack_text(struct conn *conn, const char *text);
uint32_t conn_pack_call(struct conn *conn, const char *method, unsigned count);
void conn_pack_hello(struct conn *conn);
/* A request that may wait for a while: a call for a server, or for subscriptions of its subject. */
void conn_pack_patient(struct conn *conn, const char *subject);
void conn_pack_bytes(struct conn *conn, size_t size);
size_t conn_random_size(struct conn *conn);

/* Sends what was packed; false: the connection has ended. */
bool conn_flush(struct conn *conn);

/* The next frame; NULL: none came in time, or (ended) none will. It stays until conn_taken. */
const uint8_t *conn_receive(struct conn *conn, int timeout_ms, size_t *size);
void conn_taken(struct conn *conn, size_t size);

/* Waits for the answer to id; everything else is passed over. false: it never came. */
bool conn_await(struct conn *conn, uint32_t id);

struct frame {
    uint32_t type, id;
    const char *subject; /* not of answers */
    size_t subject_length;
    struct ppi_slice params; /* of answers: the error */
};
struct frame frame_parse(const uint8_t *data, size_t size);
bool frame_is_about(const struct frame *frame, const char *subject);

/* The frame that answers id, past everything else; NULL: it never came. It stays until conn_taken.
 */
const uint8_t *conn_answer(struct conn *conn, uint32_t id, size_t *size);

/* What the broker says about itself; and that of every subscription accepted = delivered + lost +
 * merged + queued. These assert: for the test's own thread. */
uint64_t storm_stat(struct conn *conn, const char *name);
void storm_check_figures(struct conn *conn);

/* Lives: subscribes, unsubscribes, calls, breaks the protocol; taps, and kicks others. */
void passer_life(struct conn *conn);
void operator_life(struct conn *conn);

/* A number from the environment. */
unsigned storm_setting(const char *name, unsigned usual);

#endif
