/* model_pipe_tests.c: as model_tests.c, of pipes: names, instances, and the bytes in them. */
#include "nt/model_support.h"

/* --- names and instances --------------------------------------------------------------------- */

static DWORD open_error(const wchar_t *name)
{
    HANDLE client = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                                FILE_FLAG_OVERLAPPED, NULL);

    assert_true(client == INVALID_HANDLE_VALUE);
    return GetLastError();
}

static void row_79_a_name_has_one_first_instance(void **state)
{
    const wchar_t *name = new_name();
    HANDLE first = instance(name, FILE_FLAG_FIRST_PIPE_INSTANCE, 2);

    (void)state;
    exempt_on_wine("row 79: Wine 8 does not know FILE_FLAG_FIRST_PIPE_INSTANCE");
    assert_true(first != INVALID_HANDLE_VALUE);
    assert_true(instance(name, FILE_FLAG_FIRST_PIPE_INSTANCE, 2) == INVALID_HANDLE_VALUE);
    assert_int_equal(GetLastError(), ERROR_ACCESS_DENIED);
    close_one(&first);
    first = instance(name, FILE_FLAG_FIRST_PIPE_INSTANCE, 2);
    assert_true(first != INVALID_HANDLE_VALUE);
    close_one(&first);
}

static void row_79_a_name_has_no_more_instances_than_it_says(void **state)
{
    const wchar_t *name = new_name();
    HANDLE first = instance(name, 0, 1);

    (void)state;
    assert_true(first != INVALID_HANDLE_VALUE);
    assert_true(instance(name, 0, 1) == INVALID_HANDLE_VALUE);
    assert_int_equal(GetLastError(), ERROR_PIPE_BUSY);
    close_one(&first);
}

static void row_83_nobody_there_and_nobody_free_are_told_apart(void **state)
{
    struct ends ends;

    (void)state;
    assert_int_equal(open_error(L"\\\\.\\pipe\\panpipe-model-nobody"), ERROR_FILE_NOT_FOUND);
    open_ends(&ends);
    assert_int_equal(open_error(ends.name), ERROR_PIPE_BUSY);
    close_one(&ends.server);
    assert_int_equal(open_error(ends.name), ERROR_FILE_NOT_FOUND);
    close_ends(&ends);
}

static void row_88_names_are_the_same_in_upper_and_lower_case(void **state)
{
    wchar_t upper[64];
    const wchar_t *name = new_name();
    HANDLE server = instance(name, 0, 1), client;

    (void)state;
    swprintf(upper, 64, L"\\\\.\\PIPE\\PANPIPE-MODEL-%ls", name + 23);
    client = client_of(upper);
    close_one(&client);
    close_one(&server);
}

static void row_81_a_client_may_come_before_it_is_waited_for(void **state)
{
    struct call call;
    struct ends ends;

    (void)state;
    open_ends(&ends);
    start_connect(&call, ends.server);
    assert_int_equal(outcome(&call), ERROR_PIPE_CONNECTED);
    assert_int_equal(call.overlapped.Internal, STATUS_PENDING);
    assert_int_equal(do_write(ends.client, "hi", 2), 2);
    close_ends(&ends);
}

static void row_82_a_client_may_have_left_already(void **state)
{
    struct call call;
    struct ends ends;
    char text[8];

    (void)state;
    open_ends(&ends);
    assert_int_equal(do_write(ends.client, "hi", 2), 2);
    close_one(&ends.client);
    start_connect(&call, ends.server);
    assert_int_equal(outcome(&call), ERROR_NO_DATA);
    assert_int_equal(do_read(ends.server, text, sizeof text), 2);
    assert_int_equal(do_read(ends.server, text, sizeof text), FAILED_WITH(ERROR_BROKEN_PIPE));
    close_ends(&ends);
}

static void row_80_instances_are_taken_in_the_order_of_their_listening(void **state)
{
    const wchar_t *name = new_name();
    HANDLE servers[3], clients[3];
    struct call calls[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        servers[i] = instance(name, 0, 3);
        start_connect(&calls[i], servers[i]);
        assert_true(is_pending(&calls[i]));
    }
    for (int i = 0; i < 3; i++) {
        clients[i] = client_of(name);
        assert_int_equal(outcome(&calls[i]), ERROR_SUCCESS);
    }
    for (int i = 0; i < 3; i++) {
        close_one(&servers[i]);
        close_one(&clients[i]);
    }
}

static void row_84_a_disconnected_instance_serves_another_client(void **state)
{
    struct call read, connect;
    struct ends ends;
    char byte;

    (void)state;
    open_ends(&ends);
    assert_int_equal(do_write(ends.server, "lost", 4), 4);
    start_read(&read, ends.server, &byte, 1);
    assert_true(is_pending(&read));
    assert_true(DisconnectNamedPipe(ends.server));
    assert_int_equal(outcome(&read), ERROR_PIPE_NOT_CONNECTED);
    assert_int_equal(do_read(ends.client, &byte, 1), FAILED_WITH(ERROR_PIPE_NOT_CONNECTED));
    assert_int_equal(do_write(ends.client, "x", 1), FAILED_WITH(ERROR_PIPE_NOT_CONNECTED));
    close_one(&ends.client);
    start_connect(&connect, ends.server);
    ends.client = client_of(ends.name);
    assert_int_equal(outcome(&connect), ERROR_SUCCESS);
    assert_int_equal(do_write(ends.client, "x", 1), 1);
    assert_int_equal(do_read(ends.server, &byte, 1), 1);
    close_ends(&ends);
}

static void row_87_processes_are_known_and_a_client_after_its_first_byte(void **state)
{
    struct ends ends;
    ULONG process = 0;
    char byte;

    (void)state;
    open_ends(&ends);
    assert_true(GetNamedPipeClientProcessId(ends.server, &process));
    assert_int_equal(process, GetCurrentProcessId());
    assert_true(GetNamedPipeServerProcessId(ends.client, &process));
    assert_int_equal(process, GetCurrentProcessId());
    if (!wine) {
        assert_false(ImpersonateNamedPipeClient(ends.server));
        assert_int_equal(GetLastError(), ERROR_CANNOT_IMPERSONATE);
    }
    assert_int_equal(do_write(ends.client, "x", 1), 1);
    assert_int_equal(do_read(ends.server, &byte, 1), 1);
    assert_true(ImpersonateNamedPipeClient(ends.server));
    assert_true(RevertToSelf());
    close_ends(&ends);
}

/* --- bytes ----------------------------------------------------------------------------------- */

static void row_66_a_write_ends_when_its_rest_fits(void **state)
{
    char data[3 * QUOTA] = { 0 }, buffer[3 * QUOTA];
    struct call write;
    struct ends ends;

    (void)state;
    open_ends(&ends);
    assert_int_equal(do_write(ends.server, data, QUOTA), QUOTA); /* fits: row 68 */
    assert_int_equal(do_read(ends.client, buffer, QUOTA), QUOTA);
    start_write(&write, ends.server, data, sizeof data);
    assert_true(is_pending(&write));
    assert_int_equal(do_read(ends.client, buffer, QUOTA), QUOTA);
    assert_true(is_pending(&write));
    assert_int_equal(do_read(ends.client, buffer, QUOTA + 1), QUOTA + 1);
    assert_int_equal(outcome(&write), ERROR_SUCCESS);
    assert_int_equal(write.overlapped.InternalHigh, sizeof data);
    assert_int_equal(do_read(ends.client, buffer, sizeof buffer), QUOTA - 1);
    close_ends(&ends);
}

static void row_67_a_read_takes_what_is_there(void **state)
{
    struct call read;
    struct ends ends;
    char buffer[16];

    (void)state;
    open_ends(&ends);
    start_read(&read, ends.server, buffer, 3);
    assert_true(is_pending(&read));
    assert_int_equal(do_write(ends.client, "abcdef", 6), 6);
    assert_int_equal(outcome(&read), ERROR_SUCCESS);
    assert_int_equal(read.overlapped.InternalHigh, 3);
    assert_int_equal(do_write(ends.client, "gh", 2), 2);
    assert_int_equal(do_read(ends.server, buffer, sizeof buffer), 5);
    assert_memory_equal(buffer, "defgh", 5);
    close_ends(&ends);
}

static void row_70_reads_are_served_in_their_order(void **state)
{
    char buffers[3][2] = { { 0 } };
    struct call reads[3];
    struct ends ends;

    (void)state;
    open_ends(&ends);
    for (int i = 0; i < 3; i++)
        start_read(&reads[i], ends.server, buffers[i], 2);
    assert_int_equal(do_write(ends.client, "aabbc", 5), 5);
    for (int i = 0; i < 3; i++)
        assert_int_equal(outcome(&reads[i]), ERROR_SUCCESS);
    assert_memory_equal(buffers, "aabbc", 5);
    assert_int_equal(reads[2].overlapped.InternalHigh, 1);
    close_ends(&ends);
}

static void row_76_a_read_of_no_bytes_waits_for_data_and_takes_none(void **state)
{
    struct call read;
    struct ends ends;
    DWORD available = 0;
    char byte;

    (void)state;
    open_ends(&ends);
    start_read(&read, ends.server, &byte, 0);
    assert_true(is_pending(&read));
    assert_int_equal(do_write(ends.client, "x", 1), 1);
    assert_int_equal(outcome(&read), ERROR_SUCCESS);
    assert_int_equal(read.overlapped.InternalHigh, 0);
    assert_true(PeekNamedPipe(ends.server, NULL, 0, NULL, &available, NULL));
    assert_int_equal(available, 1);
    assert_int_equal(do_read(ends.server, &byte, 1), 1);
    close_ends(&ends);
}

static void row_77_a_write_of_no_bytes_wakes_nobody(void **state)
{
    struct call read;
    struct ends ends;
    char byte;

    (void)state;
    open_ends(&ends);
    start_read(&read, ends.server, &byte, 1);
    assert_int_equal(do_write(ends.client, "", 0), 0);
    assert_true(is_pending(&read));
    assert_int_equal(do_write(ends.client, "x", 1), 1);
    assert_int_equal(outcome(&read), ERROR_SUCCESS);
    close_ends(&ends);
}

static void row_85_what_was_written_can_be_read_after_the_close(void **state)
{
    struct ends ends;
    char buffer[16];

    (void)state;
    open_ends(&ends);
    assert_int_equal(do_write(ends.server, "bye", 3), 3);
    close_one(&ends.server);
    assert_int_equal(do_write(ends.client, "x", 1), FAILED_WITH(ERROR_NO_DATA));
    assert_int_equal(do_read(ends.client, buffer, 2), 2);
    assert_int_equal(do_read(ends.client, buffer, sizeof buffer), 1);
    assert_int_equal(do_read(ends.client, buffer, sizeof buffer), FAILED_WITH(ERROR_BROKEN_PIPE));
    assert_false(PeekNamedPipe(ends.client, NULL, 0, NULL, NULL, NULL));
    assert_int_equal(GetLastError(), ERROR_BROKEN_PIPE);
    close_ends(&ends);
}

static void row_55_closing_ends_what_is_pending_at_the_other_end(void **state)
{
    char data[2 * QUOTA] = { 0 }, byte;
    struct call read, write;
    struct ends ends;

    (void)state;
    open_ends(&ends);
    start_read(&read, ends.client, &byte, 1);
    start_write(&write, ends.client, data, sizeof data);
    assert_true(is_pending(&read));
    assert_true(is_pending(&write));
    close_one(&ends.server);
    assert_int_equal(outcome(&read), ERROR_BROKEN_PIPE);
    assert_int_equal(outcome(&write), ERROR_BROKEN_PIPE);
    close_ends(&ends);
}

static void row_58_a_canceled_write_leaves_what_was_read(void **state)
{
    char data[2 * QUOTA], buffer[2 * QUOTA];
    struct call write;
    struct ends ends;

    (void)state;
    memset(data, 'a', sizeof data);
    open_ends(&ends);
    start_write(&write, ends.client, data, sizeof data);
    assert_int_equal(do_read(ends.server, buffer, 10), 10);
    assert_true(is_pending(&write));
    assert_true(CancelIoEx(ends.client, &write.overlapped));
    assert_int_equal(outcome(&write), ERROR_OPERATION_ABORTED);
    assert_int_equal(do_write(ends.client, "b", 1), 1);
    assert_int_equal(do_read(ends.server, buffer, sizeof buffer), 1);
    assert_int_equal(buffer[0], 'b');
    close_ends(&ends);
}

int model_pipe_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_79_a_name_has_one_first_instance),
        cmocka_unit_test(row_79_a_name_has_no_more_instances_than_it_says),
        cmocka_unit_test(row_83_nobody_there_and_nobody_free_are_told_apart),
        cmocka_unit_test(row_88_names_are_the_same_in_upper_and_lower_case),
        cmocka_unit_test(row_81_a_client_may_come_before_it_is_waited_for),
        cmocka_unit_test(row_82_a_client_may_have_left_already),
        cmocka_unit_test(row_80_instances_are_taken_in_the_order_of_their_listening),
        cmocka_unit_test(row_84_a_disconnected_instance_serves_another_client),
        cmocka_unit_test(row_87_processes_are_known_and_a_client_after_its_first_byte),
        cmocka_unit_test(row_66_a_write_ends_when_its_rest_fits),
        cmocka_unit_test(row_67_a_read_takes_what_is_there),
        cmocka_unit_test(row_70_reads_are_served_in_their_order),
        cmocka_unit_test(row_76_a_read_of_no_bytes_waits_for_data_and_takes_none),
        cmocka_unit_test(row_77_a_write_of_no_bytes_wakes_nobody),
        cmocka_unit_test(row_85_what_was_written_can_be_read_after_the_close),
        cmocka_unit_test(row_55_closing_ends_what_is_pending_at_the_other_end),
        cmocka_unit_test(row_58_a_canceled_write_leaves_what_was_read),
    };

    return cmocka_run_group_tests_name("pipes", tests, NULL, NULL);
}
