/* support.h: what the tests share. Tests see every header, as no other layer may. */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include <panpipe/pipe.h>

#include "base/compiler.h"
#include "io/sys.h"

/* How long EVENTUALLY waits before the test has failed. What happens at once has happened within
 * TEST_SOON_MS, even on a busy machine; what ends only when a test's patience is over has not. */
enum { TEST_PATIENCE_MS = 20000, TEST_SOON_MS = TEST_PATIENCE_MS / 2 };

/* Waits until condition holds; the test fails if it never does. */
#define EVENTUALLY(condition)                                                                      \
    do {                                                                                           \
        uint64_t end_ns = ppi_deadline_ns(TEST_PATIENCE_MS);                                       \
        bool held;                                                                                 \
        while (!(held = (condition)) && ppi_now_ns() < end_ns)                                     \
            ppi_sleep_ms(1);                                                                       \
        if (!held)                                                                                 \
            print_error("never: %s\n", #condition);                                                \
        assert_true(held);                                                                         \
    } while (0)

/* Of some thousand programs Wine 8 does not begin one: it ends with 1, and has said nothing. */
bool was_not_begun(int code, bool said);

/* Did it take less than TEST_SOON_MS since then? */
bool took_no_time(uint64_t begin_ns);

/* A test of a group; its name is its function's. */
#define TEST(function) cmocka_unit_test(function)

/* A full path for a pipe that no other test uses. Static, until the next call but seven. */
const char *test_path(void);

/* Is this one of the systems where a row cannot be shown? Says so and skips the test. */
void exempt_on_wine(const char *reason);
void only_on_linux(const char *reason);
/* The same after a process was to be started, if there are none to be had. */
void needs_processes(int started);

/* Two connected streams, not attached. */
struct streams {
    pp_handle *listener, *server, *client;
};
void streams_open(struct streams *streams);
void streams_close(struct streams *streams);

/* The same on a port of their own: key 1 is the server's end, 2 the client's. */
struct pair {
    struct streams streams;
    pp_handle *server, *client; /* those of streams; NULL: the test has closed it */
    pp_port *port;
};
extern bool test_single_consumers; /* the port of every pair has one */
void pair_open(struct pair *pair, const pp_port_config *config);
void pair_close(struct pair *pair);

/* Takes the next packet, which must come in time. */
pp_packet next_packet(pp_port *port);

/* Waits for an operation that was started with pp_op_use_wait; its status. */
int wait_for(pp_op *op);

/* Whole transfers that wait. The handle may be attached or not. */
void write_all(pp_handle *stream, const void *data, size_t size);
/* false: the end came first. */
bool read_all(pp_handle *stream, void *data, size_t size);

/* The same for threads other than the test's, where nothing may be asserted: how much was
 * transferred until the end or an error. */
struct transfer {
    pp_handle *stream;
    char *data;
    size_t size;
    size_t done;
    atomic_bool over;
};
void read_transfer(void *transfer);
void write_transfer(void *transfer);

/* What Linux tells of the calling thread, for any thread to look at; NULL: nobody tells. */
FILE *own_state(void);
/* Does that thread sleep? With NULL it is taken for granted. */
bool sleeps(FILE *state);

/* A thread that must end before the test does. */
struct runner {
    struct ppi_thread thread;
    void (*run)(void *argument);
    void *argument;
};
void runner_start(struct runner *runner, void (*run)(void *argument), void *argument);
void runner_join(struct runner *runner);

/* Runs a group and adds its failures to *failures. */
#define RUN_GROUP(failures, name, tests)                                                           \
    (*(failures) += test_group_run(name, tests, PPI_COUNT(tests)))
int test_group_run(const char *name, const struct CMUnitTest *tests, size_t count);

/* A visitor is called with each group instead, and says how many failures there were. NULL: as
 * ever. */
typedef int (*test_visitor)(const char *name, const struct CMUnitTest *tests, size_t count);
void test_groups_visit(test_visitor visit);

#endif
