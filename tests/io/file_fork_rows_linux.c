/* file_fork_rows_linux.c: what a child that is forked while helpers run has of them: none, until it
 * opens files of its own. */
#include "io/rows.h"
#include "support/forked_linux.h"
#include "support/support.h"

#include <unistd.h>

#include <panpipe/file.h>

enum { BYTES = 100000 };
static char data[BYTES];

/* Writes path on a port of its own. */
static int write_own(const char *path)
{
    pp_op op = PP_OP_INIT;
    pp_packet packet;
    pp_handle *file;
    pp_port *port;

    if (pp_port_open(&port, NULL) != PP_OK ||
        pp_file_open(&file, path, PP_FILE_WRITE | PP_FILE_NEW) != PP_OK ||
        pp_port_attach(port, file, 0) != PP_OK ||
        pp_file_write_at(file, &op, data, BYTES, 0) != PP_PENDING ||
        pp_port_get(port, &packet, TEST_PATIENCE_MS) != 1)
        return 100;
    pp_close(file);
    return packet.status;
}

#ifdef __has_feature /* clang's word; gcc has a macro */
#define ON_TSAN __has_feature(thread_sanitizer)
#elif defined __SANITIZE_THREAD__
#define ON_TSAN 1
#else
#define ON_TSAN 0
#endif

/* The child's exit code. */
static int in_child(pp_handle *parents, const char *path)
{
    pp_op op = PP_OP_INIT;
    char byte;

    if (pp_file_read_at(parents, &op, &byte, 1, 0) != PP_ESTATE ||
        pp_file_write_at(parents, &op, "x", 1, 0) != PP_ESTATE)
        return 101;
    return write_own(path);
}

static void row_10_a_forked_child_has_no_files_but_its_own(void **state)
{
    char folder[PP_PATH_MAX - 64], path[PP_PATH_MAX], childs[PP_PATH_MAX + 8];
    pp_op op = PP_OP_INIT;
    pp_handle *file;
    pp_port *port;

    (void)state;
#if ON_TSAN
    print_message("# row 10: the sanitizer ends a forked child that starts a thread\n");
    skip();
#endif
    ppi_temporary_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/panpipe-fork-%llu", folder,
             (unsigned long long)ppi_process_id());
    snprintf(childs, sizeof childs, "%s-child", path);
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    assert_int_equal(pp_file_open(&file, path, PP_FILE_READ | PP_FILE_WRITE | PP_FILE_NEW), PP_OK);
    assert_int_equal(pp_port_attach(port, file, 0), PP_OK);
    assert_int_equal(pp_file_write_at(file, &op, data, BYTES, 0), PP_PENDING);
    assert_int_equal(next_packet(port).status, PP_OK); /* so there is a helper */
    pid_t child = fork();
    if (child == 0)
        _exit(in_child(file, childs));
    assert_int_equal(exit_code_of(child), 0);
    assert_int_equal(pp_file_write_at(file, &op, data, BYTES, 0), PP_PENDING);
    assert_int_equal(next_packet(port).status, PP_OK); /* the parent's are unharmed */
    assert_int_equal(pp_close(file), PP_OK);
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    pp_port_close(port);
    remove(path);
    remove(childs);
}

int file_fork_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_10_a_forked_child_has_no_files_but_its_own),
    };
    int failures = 0;

    RUN_GROUP(&failures, "files and forks", tests);
    return failures;
}
