/* bus.h: a broker under test, and bare connections to it, as sentences.
 *
 * The same tests run against a real panpiped over real pipes (Linux, and Windows under Wine), and
 * against the broker's own code on simulated pipes with a simulated clock (sim/). */
#ifndef BUS_H
#define BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <panpipe/pipe.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "io/sys.h"
#include "sim/sim.h"

enum bus_kind { BUS_REAL, BUS_SIM };

/* Which kind bus_open makes, and with how many workers. */
void bus_use(enum bus_kind kind, unsigned workers);
bool bus_is_simulated(void);

/* In programs with sim_has_turns (sim/turns.h) a simulated broker has 1 to 4 workers, which take
 * turns, and transfers that are short or late: all by that seed, from the next bus_open on. */
void bus_use_seed(uint64_t seed);
uint64_t bus_seed(void);

struct bus {
    char name[PP_PATH_MAX];
    struct ppi_process process; /* real */
    bool running;
    char log[PP_PATH_MAX]; /* of a real one: standard error */
    pp_port *port;         /* simulated */
    struct broker *broker;
};

/* The program panpiped. */
const char *bus_program(void);

/* Starts a broker; settings are lines of its configuration file, or NULL. */
void bus_open(struct bus *bus, const char *settings);
/* Gives it a name only. */
void bus_name(struct bus *bus);
/* One of that name; another one, once that one has ended. */
void bus_open_again(struct bus *bus, const char *settings);

/* Tells it to end, as SIGTERM does; waits until it has, which must be in good order. Where it is
 * simulated, every connection must be closed before the wait. */
void bus_stop(struct bus *bus);
void bus_await_end(struct bus *bus);
/* Both. */
void bus_close(struct bus *bus);
/* Ends a real one at once. */
void bus_kill(struct bus *bus);

/* A test after which no broker is left, also when it fails. */
#define BUS_TEST(function) cmocka_unit_test_teardown(function, bus_clean_up)
int bus_clean_up(void **state);

/* Does the log of a real broker have that text? A simulated one has none: it does what can be done
 * now, and true is the answer. */
bool bus_log_has(struct bus *bus, const char *text);

/* Lets so much of the broker's time pass. */
void bus_pass_ms(struct bus *bus, unsigned milliseconds);

/* A bare connection. */
struct raw {
    struct bus *bus;
    pp_handle *pipe;
    struct ppi_buf in; /* came, not looked at yet */
    bool ended;
    uint32_t fence;
};

void raw_open(struct raw *raw, struct bus *bus);
void raw_close(struct raw *raw);

/* Sends a message as text (support/text.h), or bytes. */
void say(struct raw *raw, const char *text, ...) PPI_PRINTF(2, 3);
void say_bytes(struct raw *raw, const void *bytes, size_t size);
#define SAY_BYTES(raw, literal) say_bytes(raw, literal, sizeof literal - 1)

/* The next message is this one; or these very bytes. */
void hear(struct raw *raw, const char *expected);
void hear_bytes(struct raw *raw, const void *bytes, size_t size);
#define HEAR_BYTES(raw, literal) hear_bytes(raw, literal, sizeof literal - 1)

/* Takes the next message; is it this one? For what may be so a moment later. */
bool hears(struct raw *raw, const char *expected);

/* Nothing comes before the answer to a ping that is sent now. */
void hear_nothing(struct raw *raw);

/* The connection has ended; what came before it, if anything, was heard. */
void hear_end(struct raw *raw);
/* The same, whatever came before it. */
void skip_to_end(struct raw *raw);

/* Takes what has come, at least one byte, or the end (false). */
bool raw_receive(struct raw *raw);

/* Are the bytes at the front of what came a whole message? Its size, or 0. */
size_t raw_frame_size(const struct raw *raw);

#endif
