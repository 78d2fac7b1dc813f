/* drivers_linux.c: which driver a port has on Linux, above all where io_uring is refused: then it
 * has epoll, and works. `test_drivers works` ends with 0 where io_uring does.
 *
 * A process finds out about io_uring once, and a filter of system calls cannot be taken back; so
 * each refusal is tried in a child. */
#include "support/forked_linux.h"
#include "support/support.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"

extern char **environ;

static const char sysctl_path[] = "/proc/sys/kernel/io_uring_disabled";

/* The environment with that driver in it; NULL: with none. */
static void choose(const char *driver)
{
    enum { VARIABLES_MAX = 500 };
    static char *variables[VARIABLES_MAX + 1], entry[64];
    static const char name[] = "PANPIPE_DRIVER=";
    size_t count = 0;

    for (char **at = environ; *at != NULL && count < VARIABLES_MAX - 1; at++)
        if (strncmp(*at, name, strlen(name)) != 0)
            variables[count++] = *at;
    snprintf(entry, sizeof entry, "%s%s", name, driver != NULL ? driver : "");
    if (driver != NULL)
        variables[count++] = entry;
    variables[count] = NULL;
    environ = variables;
}

/* From now on this process's system call fails with that number. */
static bool forbid(long call, int number)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)number),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { PPI_COUNT(filter), filter };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

/* A byte each way over a port's streams, one of which waits for it. */
static bool port_works(pp_port *port)
{
    struct streams streams;
    pp_op read = PP_OP_INIT, write = PP_OP_INIT;
    char byte = 0;
    bool well = true;

    streams_open(&streams);
    well = pp_port_attach(port, streams.server, 1) == PP_OK &&
           pp_read(streams.server, &read, &byte, 1) == PP_PENDING;
    write_all(streams.client, "x", 1);
    well = well && next_packet(port).op == &read && byte == 'x' &&
           pp_write(streams.server, &write, "y", 1) == PP_PENDING &&
           next_packet(port).op == &write && read_all(streams.client, &byte, 1) && byte == 'y';
    streams_close(&streams);
    return well;
}

/* Does a port that was asked to use io_uring have driver, and work? For children. */
static int port_has(const char *driver)
{
    pp_port_stats stats = { .size = sizeof stats };
    pp_port *port;

    choose("io_uring");
    if (pp_port_open(&port, NULL) != PP_OK)
        return 2;
    pp_port_info(port, &stats);
    if (driver != NULL && strcmp(stats.driver, driver) != 0)
        return 3;
    bool well = port_works(port);
    pp_port_close(port);
    return well ? 0 : 4;
}

static int without(long call, int number)
{
    pid_t child = fork();

    if (child == 0)
        _exit(forbid(call, number) ? port_has("epoll") : 5);
    return exit_code_of(child);
}

static bool io_uring_works(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(port_has("io_uring"));
    return exit_code_of(child) == 0;
}

static void skip_where_refused(void)
{
    if (io_uring_works())
        return;
    print_message("# io_uring is refused here, or the library was built without it\n");
    skip();
}

static void epoll_is_used_unless_asked_otherwise(void **state)
{
    const char *names[] = { NULL, "", "epoll" };

    (void)state;
    for (size_t i = 0; i < PPI_COUNT(names); i++) {
        pp_port_stats stats = { .size = sizeof stats };
        pp_port *port;

        choose(names[i]);
        assert_int_equal(pp_port_open(&port, NULL), PP_OK);
        assert_int_equal(pp_port_info(port, &stats), PP_OK);
        assert_string_equal(stats.driver, "epoll");
        pp_port_close(port);
    }
}

static void a_driver_that_is_not_known_is_refused(void **state)
{
    pp_port *port;

    (void)state;
    choose("kqueue");
    assert_int_equal(pp_port_open(&port, NULL), PP_EINVAL);
    assert_non_null(strstr(pp_detail(), "kqueue"));
    choose(NULL);
}

/* As containers do it, and old kernels. */
static void a_filter_that_refuses_rings_leaves_epoll(void **state)
{
    (void)state;
    assert_int_equal(without(__NR_io_uring_setup, EPERM), 0);
    assert_int_equal(without(__NR_io_uring_setup, ENOSYS), 0);
    assert_int_equal(without(__NR_io_uring_setup, ENOMEM), 0);
}

/* Setting one up is allowed, using it is not. */
static void a_ring_that_cannot_be_used_leaves_epoll(void **state)
{
    (void)state;
    assert_int_equal(without(__NR_io_uring_enter, EPERM), 0);
    assert_int_equal(without(__NR_io_uring_enter, ENOSYS), 0);
    assert_int_equal(without(__NR_io_uring_register, EPERM), 0);
}

/* The process has used rings before it is locked in. */
static void a_filter_that_comes_later_leaves_epoll_to_the_next_port(void **state)
{
    (void)state;
    skip_where_refused();
    pid_t child = fork();
    if (child == 0) {
        int code = port_has("io_uring");

        _exit(code != 0 ? code : forbid(__NR_io_uring_setup, EPERM) ? port_has("epoll") : 5);
    }
    assert_int_equal(exit_code_of(child), 0);
}

/* It cannot work any more, but neither hangs nor spins, and can be left. */
static int locked_out(void)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;
    pp_op read = PP_OP_INIT;
    pp_packet packet;
    struct pair pair;
    char byte;

    choose("io_uring");
    config.flags = PP_PORT_SINGLE_CONSUMER;
    pair_open(&pair, &config);
    if (pp_read(pair.server, &read, &byte, 1) != PP_PENDING ||
        pp_port_get(pair.port, &packet, 1) != 0 || !forbid(__NR_io_uring_enter, EPERM))
        return 5;
    ppi_check_set_hook(NULL);
    uint64_t used_ns = ppi_process_cpu_ns();
    if (pp_port_get(pair.port, &packet, 200) != 0)
        return 6;
    used_ns = ppi_process_cpu_ns() - used_ns;
    pp_thread_detach();
    return used_ns < 100u * PPI_NS_PER_MS ? 0 : 7;
}

static void a_consumer_locked_out_of_its_ring_does_not_hang(void **state)
{
    (void)state;
    skip_where_refused();
    pid_t child = fork();
    if (child == 0)
        _exit(locked_out());
    assert_int_equal(exit_code_of(child), 0);
}

/* Before Linux 5.12 a ring's memory counts as locked. */
static void a_port_works_with_no_memory_to_lock(void **state)
{
    const struct rlimit none = { 0, 0 };

    (void)state;
    pid_t child = fork();
    if (child == 0)
        _exit(setrlimit(RLIMIT_MEMLOCK, &none) == 0 ? port_has(NULL) : 5);
    assert_int_equal(exit_code_of(child), 0);
}

static bool write_sysctl(int value)
{
    FILE *file = fopen(sysctl_path, "w");

    if (file == NULL)
        return false;
    fputc(value, file);
    return fclose(file) == 0; /* that is when it is written */
}

static void a_system_that_has_rings_switched_off_leaves_epoll(void **state)
{
    FILE *file = fopen(sysctl_path, "r");
    int before = file != NULL ? fgetc(file) : EOF;

    (void)state;
    if (file != NULL)
        fclose(file);
    if (before == EOF || !write_sysctl('2')) {
        print_message("# kernel.io_uring_disabled cannot be set here\n");
        skip();
    }
    pid_t child = fork();
    if (child == 0)
        _exit(port_has("epoll"));
    int code = exit_code_of(child);
    assert_true(write_sysctl(before));
    assert_int_equal(code, 0);
}

/* More operations end at once than the ring has room to tell of. */
static void more_completions_than_a_ring_holds_all_arrive(void **state)
{
    enum { COUNT = 1500 };
    static struct streams streams[COUNT];
    static pp_op reads[COUNT];
    static char bytes[COUNT];
    pp_port_config config = PP_PORT_CONFIG_INIT;
    pp_port *port;
    pp_packet packet;

    (void)state;
    skip_where_refused();
    ppi_raise_handle_limit();
    choose("io_uring");
    config.flags = PP_PORT_SINGLE_CONSUMER;
    assert_int_equal(pp_port_open(&port, &config), PP_OK);
    for (int i = 0; i < COUNT; i++) {
        streams_open(&streams[i]);
        assert_int_equal(pp_port_attach(port, streams[i].server, (uintptr_t)i), PP_OK);
        assert_int_equal(pp_read(streams[i].server, &reads[i], &bytes[i], 1), PP_PENDING);
    }
    for (int i = 0; i < 2 * COUNT / 128; i++) /* so many entries go to the kernel in one turn */
        assert_int_equal(pp_port_get(port, &packet, 0), 0);
    for (int i = 0; i < COUNT; i++)
        write_all(streams[i].client, "x", 1);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(pp_port_get(port, &packet, TEST_PATIENCE_MS), 1);
        assert_int_equal(packet.status, PP_OK);
        assert_int_equal(bytes[packet.key]++, 'x');
    }
    assert_int_equal(pp_port_get(port, &packet, 0), 0);
    for (int i = 0; i < COUNT; i++)
        streams_close(&streams[i]);
    pp_port_close(port);
    choose(NULL);
}

/* What a child does with a port that it has not opened. */
static int misuse(struct pair *pair)
{
    pp_packet packet;
    pp_op op = PP_OP_INIT;
    char byte;
    int wrong = pp_port_get(pair->port, &packet, 0) != PP_ESTATE;

    wrong += pp_read(pair->client, &op, &byte, 1) != PP_ESTATE;
    pp_thread_detach();
    pp_close(pair->server);
    pp_close(pair->client);
    pp_port_close(pair->port);
    return wrong;
}

static void a_forked_child_does_its_parents_port_no_harm(void **state)
{
    const char *drivers[] = { "epoll", "io_uring" };

    (void)state;
    for (int i = 0; i < 4; i++) {
        pp_port_config config = PP_PORT_CONFIG_INIT;
        pp_op reads[2] = { PP_OP_INIT };
        struct pair pair;
        pp_packet packet;
        char byte;

        choose(drivers[i % 2]);
        config.flags = i / 2 == 1 ? PP_PORT_SINGLE_CONSUMER : 0;
        pair_open(&pair, &config);
        assert_int_equal(pp_read(pair.server, &reads[0], &byte, 1), PP_PENDING);
        assert_int_equal(pp_read_pooled(pair.client, &reads[1], 0), PP_PENDING);
        assert_int_equal(pp_port_get(pair.port, &packet, 1), 0); /* both are under way */
        pid_t child = fork();
        if (child == 0)
            _exit(misuse(&pair));
        assert_int_equal(exit_code_of(child), 0);
        write_all(pair.client, "x", 1);
        assert_ptr_equal(next_packet(pair.port).op, &reads[0]);
        write_all(pair.server, "y", 1);
        assert_ptr_equal(next_packet(pair.port).op, &reads[1]);
        pp_buffer_release(reads[1].buffer);
        pair_close(&pair);
    }
    choose(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(epoll_is_used_unless_asked_otherwise),
        TEST(a_driver_that_is_not_known_is_refused),
        /* this process must not try a ring out itself before: its children would not do it again */
        TEST(a_filter_that_refuses_rings_leaves_epoll),
        TEST(a_ring_that_cannot_be_used_leaves_epoll),
        TEST(a_system_that_has_rings_switched_off_leaves_epoll),
        TEST(a_filter_that_comes_later_leaves_epoll_to_the_next_port),
        TEST(a_consumer_locked_out_of_its_ring_does_not_hang),
        TEST(a_port_works_with_no_memory_to_lock),
        TEST(a_forked_child_does_its_parents_port_no_harm),
        TEST(more_completions_than_a_ring_holds_all_arrive),
    };

    ppi_check_set_hook(ppi_check_abort);
    if (argc == 2 && strcmp(argv[1], "works") == 0)
        return io_uring_works() ? 0 : 1;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("drivers of the port", tests, NULL, NULL) == 0 ? 0 : 1;
}
