/* system_rows_linux.c: a port and what else Linux has: children, programs that are started,
 * signals.
 */
#define _GNU_SOURCE
#include "io/rows.h"
#include "support/support.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/handle.h"

/* The child's exit code: the concurrency value of a port that it opens, on one processor. */
static int open_on_one_processor(void)
{
    pp_port_stats stats = { .size = sizeof stats };
    cpu_set_t one;
    pp_port *port;

    if (sched_getaffinity(0, sizeof one, &one) != 0)
        return 0;
    for (int cpu = 0, found = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &one) && found++ > 0)
            CPU_CLR(cpu, &one);
    }
    if (sched_setaffinity(0, sizeof one, &one) != 0 || pp_port_open(&port, NULL) != PP_OK ||
        pp_port_info(port, &stats) != PP_OK)
        return 0;
    pp_port_close(port);
    return (int)stats.concurrency;
}

static void row_02_only_processors_that_this_process_may_use_count(void **state)
{
    int code;

    (void)state;
    pid_t child = fork(); /* the affinity is for the rest of a thread's life */
    assert_true(child >= 0);
    if (child == 0)
        _exit(open_on_one_processor());
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), 1);
}

/* The child's exit code: how many of its calls were not refused. */
static int use_in_child(struct pair *pair)
{
    pp_op op = PP_OP_INIT;
    pp_packet packet;
    char byte;
    int wrong = 0;

    wrong += pp_port_get(pair->port, &packet, -1) != PP_ESTATE;
    wrong += pp_port_get_many(pair->port, &packet, 1, 0) != PP_ESTATE;
    wrong += pp_port_post(pair->port, 0, 0, &op) != PP_ESTATE;
    wrong += pp_read(pair->server, &op, &byte, 1) != PP_ESTATE;
    wrong += pp_write(pair->server, &op, "x", 1) != PP_ESTATE;
    wrong += pp_port_shutdown(pair->port, PP_SHUT_FAST, -1, NULL, NULL) != PP_ESTATE;
    wrong += pp_close(pair->client) != PP_OK; /* the child's part of it */
    return wrong;
}

static void row_10_a_forked_child_cannot_use_the_port_and_does_it_no_harm(void **state)
{
    struct pair pair;
    pp_op read = PP_OP_INIT;
    char byte;
    int code;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(use_in_child(&pair));
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), 0);
    write_all(pair.client, "p", 1);
    pp_packet packet = next_packet(pair.port);
    assert_ptr_equal(packet.op, &read);
    assert_int_equal(byte, 'p');
    assert_int_equal(pp_read(pair.client, &read, &byte, 1), PP_PENDING);
    write_all(pair.server, "q", 1);
    assert_ptr_equal(next_packet(pair.port).op, &read);
    assert_int_equal(byte, 'q');
    pair_close(&pair);
}

/* Descriptors that a program started from here would get. */
static int inherited(void)
{
    int count = 0;

    for (int descriptor = 0; descriptor < 1024; descriptor++) {
        int flags = fcntl(descriptor, F_GETFD);

        count += flags >= 0 && (flags & FD_CLOEXEC) == 0;
    }
    return count;
}

static void row_10_programs_that_are_started_inherit_nothing(void **state)
{
    struct pair pair;
    pp_op read = PP_OP_INIT;
    char byte;

    (void)state;
    int before = inherited();
    pair_open(&pair, NULL);
    assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
    write_all(pair.client, "p", 1);
    next_packet(pair.port);
    assert_int_equal(inherited(), before);
    pair_close(&pair);
}

/* SIGPIPE would end the process: it has its default action, and all ways to write are tried. */
static void row_92_writing_to_a_closed_peer_raises_no_signal(void **state)
{
    enum { SIZE = 4 * 1024 * 1024 };
    const pp_piece pieces[] = { { "he", 2 }, { "ad", 2 } };
    void (*action)(int) = signal(SIGPIPE, SIG_DFL);
    char *large = calloc(1, SIZE);

    (void)state;
    for (int way = 0; way < 3; way++) {
        struct pair pair;
        pp_op op = PP_OP_INIT;

        pair_open(&pair, NULL);
        if (way == 2) /* in the system's hands when the peer closes */
            assert_int_equal(pp_write(pair.server, &op, large, SIZE), PP_PENDING);
        pp_close(pair.client);
        pair.client = NULL;
        if (way == 0)
            assert_int_equal(pp_write(pair.server, &op, "x", 1), PP_PENDING);
        if (way == 1)
            assert_int_equal(pp_write_gather(pair.server, &op, pieces, 2), PP_PENDING);
        assert_int_equal(next_packet(pair.port).status, PP_EPEERCLOSED);
        pair_close(&pair);
    }
    free(large);

    struct streams streams; /* and the library's own way, which starts no operation */
    streams_open(&streams);
    pp_close(streams.client);
    streams.client = NULL;
    assert_true(ppi_handle_try_write(streams.server, pieces, 2) < 0);
    streams_close(&streams);
    signal(SIGPIPE, action);
}

int system_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_02_only_processors_that_this_process_may_use_count),
        TEST(row_10_a_forked_child_cannot_use_the_port_and_does_it_no_harm),
        TEST(row_10_programs_that_are_started_inherit_nothing),
        TEST(row_92_writing_to_a_closed_peer_raises_no_signal),
    };
    int failures = 0;

    RUN_GROUP(&failures, "Linux", tests);
    return failures;
}
