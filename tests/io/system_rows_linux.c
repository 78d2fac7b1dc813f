/* system_rows_linux.c: a port and what else Linux has: children, programs that are started,
 * signals.
 */
#define _GNU_SOURCE
#include "io/rows.h"
#include "support/forked_linux.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <panpipe/file.h>

#include "io/handle.h"
#include "io/port.h"
#include "io/queue_user.h"

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
    (void)state;
    pid_t child = fork(); /* the affinity is for the rest of a thread's life */
    if (child == 0)
        _exit(open_on_one_processor());
    assert_int_equal(exit_code_of(child), 1);
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
    wrong += pp_cancel(pair->server, NULL) != PP_ESTATE;
    wrong += pp_abort(pair->server) != PP_ESTATE;
    wrong += pp_close(pair->server) != PP_ESTATE;
    wrong += pp_port_attach(pair->port, pair->streams.listener, 3) != PP_ESTATE;
    wrong += pp_port_shutdown(pair->port, PP_SHUT_FAST, -1, NULL, NULL) != PP_ESTATE;
    return wrong;
}

static void row_10_a_forked_child_cannot_use_the_port_and_does_it_no_harm(void **state)
{
    struct pair pair;
    pp_op read = PP_OP_INIT;
    char byte;

    (void)state;
    pair_open(&pair, NULL);
    assert_int_equal(pp_read(pair.server, &read, &byte, 1), PP_PENDING);
    pid_t child = fork();
    if (child == 0)
        _exit(use_in_child(&pair));
    assert_int_equal(exit_code_of(child), 0);
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

/* The child's exit code: 0 if it has posted to itself. */
static int post_to_itself(void)
{
    pp_op op = PP_OP_INIT;
    pp_packet packet;
    pp_port *port;

    alarm(TEST_PATIENCE_MS / 1000);
    pp_blocking_begin();
    pp_blocking_end();
    if (pp_port_open(&port, NULL) != PP_OK || pp_port_post(port, 0, 0, &op) != PP_OK ||
        pp_port_get(port, &packet, 0) != 1)
        return 1;
    pp_thread_detach();
    pp_port_close(port);
    return 0;
}

/* At that moment another worker may have a lock, which in the child nobody gives back. */
static void row_10_a_child_that_a_worker_forks_may_have_a_port_of_its_own(void **state)
{
    pp_op op = PP_OP_INIT;
    pp_port *port;

    (void)state;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    assert_int_equal(pp_port_post(port, 0, 0, &op), PP_OK);
    next_packet(port);
    ppi_mutex_lock(&port->queue->lock);
    pid_t child = fork();
    if (child == 0)
        _exit(post_to_itself());
    ppi_mutex_unlock(&port->queue->lock);
    assert_int_equal(exit_code_of(child), 0);
    pp_port_close(port);
}

/* The child's exit code: 0 if it does not hear what its parent is told. */
static int hear(void)
{
    return ppi_event_wait(ppi_thread_event(), 0) ? 1 : 0;
}

static void row_10_a_forked_child_does_not_wait_for_what_its_parent_waits_for(void **state)
{
    struct ppi_event *event = ppi_thread_event();

    (void)state;
    assert_non_null(event);
    ppi_event_hold(event);
    ppi_event_set(event);
    pid_t child = fork();
    if (child == 0)
        _exit(hear());
    assert_int_equal(exit_code_of(child), 0);
    assert_true(ppi_event_wait(event, 0));
}

static void row_10_a_forked_child_leaves_its_parents_name_alone(void **state)
{
    char path[PP_PATH_MAX];
    pp_op op = PP_OP_INIT;
    pp_handle *listener, *client;

    (void)state;
    snprintf(path, sizeof path, "%s", test_path());
    assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
    pid_t child = fork();
    if (child == 0)
        _exit(pp_close(listener) == PP_OK ? 0 : 1);
    assert_int_equal(exit_code_of(child), 0);
    assert_int_equal(pp_dial(&client, path, NULL), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_connect(client, &op), PP_PENDING);
    assert_int_equal(wait_for(&op), PP_OK);
    pp_close(client);
    pp_close(listener);
}

/* The child's exit code: was it told why there is no folder for its name? */
static int listen_where_no_folder_can_be_made(void)
{
    pp_handle *listener;

    if (setenv("XDG_RUNTIME_DIR", "/sys", 1) != 0 ||
        pp_listen(&listener, "name", NULL) != PP_EACCESS)
        return 1;
    return strncmp(pp_detail(), "folder /sys/panpipe: ", 21) == 0 ? 0 : 2;
}

static void row_79_a_folder_that_cannot_be_made_is_told_with_the_reason(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0)
        _exit(listen_where_no_folder_can_be_made());
    assert_int_equal(exit_code_of(child), 0);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool file_has(const char *path, const char *text)
{
    char found[64] = "";
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        return false;
    found[fread(found, 1, sizeof found - 1, file)] = '\0';
    fclose(file);
    return strcmp(found, text) == 0;
}

/* Somebody mistypes a path: nothing is changed, and nothing appears beside it. */
static void row_79_a_file_of_somebody_elses_is_left_alone(void **state)
{
    const char *path = test_path();
    char lock[PP_PATH_MAX];
    pp_handle *listener;

    (void)state;
    snprintf(lock, sizeof lock, "%s.lock", path);
    write_file(path, "mine");
    assert_int_equal(pp_listen(&listener, path, NULL), PP_EINUSE);
    assert_true(file_has(path, "mine"));
    assert_null(fopen(lock, "rb"));
    remove(path);

    write_file(lock, "[package]\nname = \"mine\"\n");
    assert_int_equal(pp_listen(&listener, path, NULL), PP_EINUSE);
    assert_true(file_has(lock, "[package]\nname = \"mine\"\n"));
    write_file(lock, "123456\n"); /* as a killed server leaves it */
    assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
    pp_close(listener);
    remove(lock);
}

static void row_83_a_connect_tells_the_number_of_the_systems_error(void **state)
{
    pp_op op = PP_OP_INIT;
    pp_handle *client;

    (void)state;
    assert_int_equal(pp_dial(&client, "/proc/no-such-folder/socket", NULL), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_connect(client, &op), PP_PENDING);
    assert_int_equal(wait_for(&op), PP_ENOSERVER);
    assert_int_equal(op.os_error, ENOENT);
    pp_close(client);
}

/* Between the ones that wait for a helper and those that one has begun there is no gap. */
static void row_54_what_is_asked_of_a_file_is_in_flight_until_its_packet_is_queued(void **state)
{
    enum { TIMES = 20000 };
    char folder[PP_PATH_MAX - 64], path[PP_PATH_MAX];
    pp_op op = PP_OP_INIT;
    pp_packet packet;
    pp_handle *file;
    pp_port *port;

    (void)state;
    ppi_temporary_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/panpipe-gap-%llu", folder,
             (unsigned long long)ppi_process_id());
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    assert_int_equal(pp_file_open(&file, path, PP_FILE_WRITE | PP_FILE_NEW), PP_OK);
    remove(path);
    assert_int_equal(pp_port_attach(port, file, 0), PP_OK);
    for (int i = 0; i < TIMES; i++) {
        assert_int_equal(pp_file_write_at(file, &op, "x", 1, 0), PP_PENDING);
        for (uint64_t end_ns = ppi_now_ns() + (uint64_t)i % 1000 * 50; ppi_now_ns() < end_ns;)
            ; /* the cancel meets the helper at another moment each time */
        if (pp_cancel(file, &op) == PP_ENOTFOUND)
            assert_int_equal(pp_port_get(port, &packet, 0), 1);
        else
            next_packet(port);
    }
    pp_close(file);
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    pp_port_close(port);
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
        TEST(row_10_a_child_that_a_worker_forks_may_have_a_port_of_its_own),
        TEST(row_10_a_forked_child_does_not_wait_for_what_its_parent_waits_for),
        TEST(row_10_a_forked_child_leaves_its_parents_name_alone),
        TEST(row_10_programs_that_are_started_inherit_nothing),
        TEST(row_79_a_folder_that_cannot_be_made_is_told_with_the_reason),
        TEST(row_79_a_file_of_somebody_elses_is_left_alone),
        TEST(row_83_a_connect_tells_the_number_of_the_systems_error),
        TEST(row_54_what_is_asked_of_a_file_is_in_flight_until_its_packet_is_queued),
        TEST(row_92_writing_to_a_closed_peer_raises_no_signal),
    };
    int failures = 0;

    RUN_GROUP(&failures, "Linux", tests);
    return failures;
}
