/* file_end_rows.c: how operations of files end before they are done, and what is left of them. */
#include "io/rows.h"
#include "support/support.h"

#include <panpipe/file.h>

enum { COUNT = 200, BYTES = 64 * 1024 };

/* Many writes on one file, started all at once. */
struct writes {
    pp_port *port;
    pp_handle *file;
    char path[PP_PATH_MAX];
    pp_op ops[COUNT];
    unsigned packets[COUNT]; /* how many each has had */
    atomic_uint done, canceled;
};
static char data[BYTES];

static void writes_start(struct writes *writes)
{
    static unsigned count;
    char folder[PP_PATH_MAX - 64];

    memset(writes->ops, 0, sizeof writes->ops);
    memset(writes->packets, 0, sizeof writes->packets);
    writes->done = writes->canceled = 0;
    ppi_temporary_folder(folder, sizeof folder);
    snprintf(writes->path, sizeof writes->path, "%s/panpipe-end-%llu-%u", folder,
             (unsigned long long)ppi_process_id(), count++);
    assert_int_equal(pp_port_open(&writes->port, NULL), PP_OK);
    assert_int_equal(
        pp_file_open(&writes->file, writes->path, PP_FILE_READ | PP_FILE_WRITE | PP_FILE_CREATE),
        PP_OK);
    assert_int_equal(pp_port_attach(writes->port, writes->file, 0), PP_OK);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(pp_file_write_at(writes->file, &writes->ops[i], data, BYTES, i * BYTES),
                         PP_PENDING);
}

static void count_packet(void *context, const pp_packet *packet)
{
    struct writes *writes = context;

    writes->packets[packet->op - writes->ops]++;
    writes->done += packet->status == PP_OK && packet->bytes == BYTES;
    writes->canceled += packet->status == PP_ECANCELED;
}

static void each_ended_once(struct writes *writes)
{
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(writes->packets[i], 1);
    assert_int_equal(writes->done + writes->canceled, COUNT);
    print_message("# %u were done, %u canceled\n", (unsigned)writes->done,
                  (unsigned)writes->canceled);
}

static void take_all(struct writes *writes)
{
    pp_packet packet;

    for (unsigned i = 0; i < COUNT; i++) {
        packet = next_packet(writes->port);
        count_packet(writes, &packet);
    }
    assert_int_equal(pp_port_get(writes->port, &packet, 0), 0);
    each_ended_once(writes);
}

static void writes_end(struct writes *writes)
{
    assert_int_equal(pp_port_shutdown(writes->port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    pp_port_close(writes->port);
    remove(writes->path);
}

static void row_54_all_operations_of_a_file_are_canceled_at_once(void **state)
{
    static struct writes writes;

    (void)state;
    writes_start(&writes);
    int result = pp_cancel(writes.file, NULL);
    assert_true(result == PP_OK || result == PP_ENOTFOUND); /* a system may have done them all */
    take_all(&writes);
    assert_int_equal(pp_cancel(writes.file, NULL), PP_ENOTFOUND);
    assert_int_equal(pp_cancel(writes.file, &writes.ops[0]), PP_ENOTFOUND);
    assert_int_equal(pp_file_write_at(writes.file, &writes.ops[0], data, BYTES, 0), PP_PENDING);
    assert_int_equal(next_packet(writes.port).status, PP_OK); /* nothing is broken */
    assert_int_equal(pp_close(writes.file), PP_OK);
    writes_end(&writes);
}

static void row_54_one_operation_of_a_file_is_canceled(void **state)
{
    static struct writes writes;

    (void)state;
    writes_start(&writes);
    int result = pp_cancel(writes.file, &writes.ops[COUNT - 1]);
    take_all(&writes);
    if (result == PP_OK && writes.canceled > 0)
        assert_int_equal(writes.ops[COUNT - 1].status, PP_ECANCELED);
    assert_in_range(writes.canceled, 0, 1);
    assert_int_equal(pp_close(writes.file), PP_OK);
    writes_end(&writes);
}

static void row_55_a_file_is_closed_with_operations_in_flight(void **state)
{
    static struct writes writes;
    uint64_t handles = ppi_process_handles();

    (void)state;
    for (int round = 0; round < 5; round++) {
        writes_start(&writes);
        assert_int_equal(pp_close(writes.file), PP_OK);
        take_all(&writes);
        writes_end(&writes);
    }
    if (ppi_on_linux()) /* Windows keeps some for its threads */
        EVENTUALLY(ppi_process_handles() <= handles);
}

static void row_59_a_shutdown_ends_what_is_asked_of_files(void **state)
{
    static struct writes writes;

    (void)state;
    writes_start(&writes);
    assert_int_equal(
        pp_port_shutdown(writes.port, PP_SHUT_FAST, TEST_PATIENCE_MS, count_packet, &writes),
        PP_OK);
    each_ended_once(&writes);
    assert_int_equal(pp_file_write_at(writes.file, &writes.ops[0], data, BYTES, 0), PP_ECLOSED);
    assert_int_equal(pp_close(writes.file), PP_OK);
    writes_end(&writes);
}

static void take_until_closed(void *argument)
{
    struct writes *writes = argument;
    pp_packet packet;

    while (pp_port_get(writes->port, &packet, -1) == 1)
        count_packet(writes, &packet);
}

static void row_60_a_draining_shutdown_lets_files_be_written(void **state)
{
    static struct writes writes;
    struct runner runner;
    uint64_t size;

    (void)state;
    writes_start(&writes);
    runner_start(&runner, take_until_closed, &writes);
    assert_int_equal(pp_port_shutdown(writes.port, PP_SHUT_DRAIN, TEST_PATIENCE_MS, NULL, NULL),
                     PP_OK);
    runner_join(&runner);
    each_ended_once(&writes);
    assert_int_equal(writes.done, COUNT);
    assert_int_equal(pp_close(writes.file), PP_OK);
    pp_port_close(writes.port);
    assert_int_equal(pp_file_open(&writes.file, writes.path, PP_FILE_READ), PP_OK);
    assert_int_equal(pp_file_size(writes.file, &size), PP_OK);
    assert_int_equal(size, COUNT * BYTES);
    pp_close(writes.file);
    remove(writes.path);
}

static void row_43_each_start_on_a_file_has_one_packet_whoever_cancels(void **state)
{
    enum { ROUNDS = 30 };
    static struct writes writes;
    struct runner runner;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        writes_start(&writes);
        runner_start(&runner, take_until_closed, &writes);
        for (unsigned i = 0; i < COUNT; i += 3)
            pp_cancel(writes.file, &writes.ops[COUNT - 1 - i]);
        pp_close(writes.file);
        EVENTUALLY(writes.done + writes.canceled == COUNT);
        assert_int_equal(pp_port_shutdown(writes.port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL),
                         PP_OK);
        runner_join(&runner);
        each_ended_once(&writes);
        pp_port_close(writes.port);
        remove(writes.path);
    }
}

static int count_one(void *context, const char *name, int entry)
{
    (void)name;
    (void)entry;
    ++*(unsigned *)context;
    return 0;
}

static unsigned threads(void)
{
    unsigned count = 0;

    assert_int_equal(pp_folder_each("/proc/self/task", count_one, &count), PP_OK);
    return count;
}

static void row_89_helpers_are_few_and_leave_with_the_last_file(void **state)
{
    static struct writes writes;

    (void)state;
    only_on_linux("files are overlapped by the system");
    EVENTUALLY(threads() <= 2); /* those of earlier tests; the second may be a sanitizer's */
    unsigned before = threads();
    writes_start(&writes);
    take_all(&writes);
    unsigned during = threads(); /* helpers stay while a file is open; a driver may have one, too */
    assert_in_range(during, 2, before + PP_FILE_HELPERS + 1);
    assert_int_equal(pp_close(writes.file), PP_OK);
    EVENTUALLY(threads() < during);
    writes_end(&writes);
    EVENTUALLY(threads() <= before);
}

/* --- folders --------------------------------------------------------------------------------- */

struct found {
    unsigned files, folders, others;
    bool stop;
};

static int note(void *context, const char *name, int entry)
{
    struct found *found = context;

    assert_string_not_equal(name, ".");
    assert_string_not_equal(name, "..");
    found->files += entry == PP_ENTRY_FILE;
    found->folders += entry == PP_ENTRY_FOLDER;
    found->others += entry == PP_ENTRY_OTHER;
    return found->stop ? 42 : 0;
}

static void row_89_folders_are_made_and_listed(void **state)
{
    /* it stays there, and another process may have our number: its name is a random one */
    char folder[PP_PATH_MAX - 64], path[PP_PATH_MAX], inner[PP_PATH_MAX + 16];
    struct found found = { 0 };

    (void)state;
    ppi_temporary_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/panpipe-folder-%llu", folder, (unsigned long long)ppi_random());
    assert_int_equal(pp_folder_each(path, note, &found), PP_ENOTFOUND);
    assert_int_equal(pp_folder_make(path), PP_OK);
    assert_int_equal(pp_folder_make(path), PP_EINUSE);
    assert_int_equal(pp_folder_each(path, note, &found), PP_OK);
    assert_int_equal(found.files + found.folders + found.others, 0);
    for (int i = 0; i < 3; i++) {
        snprintf(inner, sizeof inner, "%s/%d", path, i);
        pp_handle *file;
        if (i == 0)
            assert_int_equal(pp_folder_make(inner), PP_OK);
        else if (pp_file_open(&file, inner, PP_FILE_WRITE | PP_FILE_NEW) == PP_OK)
            pp_close(file);
    }
    assert_int_equal(pp_folder_each(inner, note, &found), PP_ENOTSUP); /* the last is a file */
    assert_int_equal(pp_folder_each(path, note, &found), PP_OK);
    assert_int_equal(found.files, 2);
    assert_int_equal(found.folders, 1);
    found.stop = true;
    assert_int_equal(pp_folder_each(path, note, &found), 42);
    assert_int_equal(found.files + found.folders, 4);
    snprintf(inner, sizeof inner, "%s/no/deeper", path);
    assert_int_equal(pp_folder_make(inner), PP_ENOTFOUND);
    assert_int_equal(pp_folder_make(NULL), PP_EINVAL);
    assert_int_equal(pp_folder_each(NULL, note, &found), PP_EINVAL);
}

static void a_file_is_no_terminal(void **state)
{
    (void)state;
    assert_int_equal(pp_is_terminal(-1), 0);
    assert_int_equal(pp_is_terminal(3), 0);
    assert_in_range(pp_is_terminal(2), 0, 1);
}

int file_end_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_43_each_start_on_a_file_has_one_packet_whoever_cancels),
        TEST(row_54_all_operations_of_a_file_are_canceled_at_once),
        TEST(row_54_one_operation_of_a_file_is_canceled),
        TEST(row_55_a_file_is_closed_with_operations_in_flight),
        TEST(row_59_a_shutdown_ends_what_is_asked_of_files),
        TEST(row_60_a_draining_shutdown_lets_files_be_written),
        TEST(row_89_helpers_are_few_and_leave_with_the_last_file),
        TEST(row_89_folders_are_made_and_listed),
        TEST(a_file_is_no_terminal),
    };
    int failures = 0;

    RUN_GROUP(&failures, "the ends of files", tests);
    return failures;
}
