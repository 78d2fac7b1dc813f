/* raw_pipe_rows.c: ConnectNamedPipe, for clients that were faster than it. */
#include "io/win/raw.h"

void raw_pipe_open(struct raw_pipe *pipe, DWORD mode)
{
    snprintf(pipe->path, sizeof pipe->path, "%s.raw", test_path());
    pipe->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    assert_non_null(pipe->port);
    pipe->server = CreateNamedPipeA(pipe->path, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                                    mode | PIPE_REJECT_REMOTE_CLIENTS, 1, 4096, 4096, 0, NULL);
    assert_true(pipe->server != INVALID_HANDLE_VALUE);
    pipe->client = INVALID_HANDLE_VALUE;
    assert_ptr_equal(CreateIoCompletionPort(pipe->server, pipe->port, RAW_KEY, 0), pipe->port);
}

void raw_pipe_connect(struct raw_pipe *pipe)
{
    pipe->client = CreateFileA(pipe->path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                               SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS, NULL);
    assert_true(pipe->client != INVALID_HANDLE_VALUE);
}

void raw_pipe_close(struct raw_pipe *pipe)
{
    if (pipe->client != INVALID_HANDLE_VALUE)
        CloseHandle(pipe->client);
    CloseHandle(pipe->server);
    CloseHandle(pipe->port);
}

void raw_write(HANDLE end, const void *data, DWORD size)
{
    DWORD written = 0;

    assert_true(WriteFile(end, data, size, &written, NULL));
    assert_int_equal(written, size);
}

/* Reads through the port; the packet's error, 0 for success. */
static DWORD read_server(struct raw_pipe *pipe, char *bytes, DWORD size, DWORD *got)
{
    OVERLAPPED read = { 0 };

    if (!ReadFile(pipe->server, bytes, size, NULL, &read) && GetLastError() != ERROR_IO_PENDING)
        return GetLastError();
    struct raw_packet packet = raw_get(pipe->port, TEST_PATIENCE_MS);
    assert_ptr_equal(packet.overlapped, &read);
    *got = packet.bytes;
    return packet.error;
}

/* FALSE, and no packet, and yet everything is well: the connection stands. */
static void row_81_an_early_client_makes_an_error_that_is_none(void **state)
{
    struct raw_pipe pipe;
    OVERLAPPED connect = { 0 };
    char bytes[4];
    DWORD got = 0;

    (void)state;
    raw_pipe_open(&pipe, PIPE_TYPE_BYTE);
    raw_pipe_connect(&pipe);
    assert_false(ConnectNamedPipe(pipe.server, &connect));
    assert_int_equal(GetLastError(), ERROR_PIPE_CONNECTED);
    assert_int_equal(raw_get(pipe.port, 50).error, WAIT_TIMEOUT);
    raw_write(pipe.client, "hi", 2);
    assert_int_equal(read_server(&pipe, bytes, sizeof bytes, &got), 0);
    assert_int_equal(got, 2);
    raw_pipe_close(&pipe);
}

/* Row 50: after such an error the macro says that the operation is pending, for ever. */
static void row_81_the_early_clients_overlapped_seems_pending(void **state)
{
    struct raw_pipe pipe;
    OVERLAPPED connect = { 0 };

    (void)state;
    raw_pipe_open(&pipe, PIPE_TYPE_BYTE);
    raw_pipe_connect(&pipe);
    assert_false(ConnectNamedPipe(pipe.server, &connect));
    assert_int_equal(GetLastError(), ERROR_PIPE_CONNECTED);
    assert_false(HasOverlappedIoCompleted(&connect));
    raw_pipe_close(&pipe);
}

/* It wrote and left before anybody looked: the error says "no data", and the data is there. */
static void row_82_a_client_that_left_makes_no_data_and_left_some(void **state)
{
    struct raw_pipe pipe;
    OVERLAPPED connect = { 0 };
    char bytes[4];
    DWORD got = 0;

    (void)state;
    raw_pipe_open(&pipe, PIPE_TYPE_BYTE);
    raw_pipe_connect(&pipe);
    raw_write(pipe.client, "hi", 2);
    CloseHandle(pipe.client);
    pipe.client = INVALID_HANDLE_VALUE;
    assert_false(ConnectNamedPipe(pipe.server, &connect));
    assert_int_equal(GetLastError(), ERROR_NO_DATA);
    assert_int_equal(raw_get(pipe.port, 50).error, WAIT_TIMEOUT);
    assert_int_equal(read_server(&pipe, bytes, sizeof bytes, &got), 0);
    assert_int_equal(got, 2);
    assert_memory_equal(bytes, "hi", 2);
    assert_int_equal(read_server(&pipe, bytes, sizeof bytes, &got), ERROR_BROKEN_PIPE);
    raw_pipe_close(&pipe);
}

/* Who asks the same instance again gets the same answer, at full speed, for ever. */
static void row_82_the_instance_serves_nobody_until_it_is_disconnected(void **state)
{
    struct raw_pipe pipe;
    OVERLAPPED connect = { 0 };

    (void)state;
    raw_pipe_open(&pipe, PIPE_TYPE_BYTE);
    raw_pipe_connect(&pipe);
    CloseHandle(pipe.client);
    for (int i = 0; i < 3; i++) {
        assert_false(ConnectNamedPipe(pipe.server, &connect));
        assert_int_equal(GetLastError(), ERROR_NO_DATA);
    }
    pipe.client = CreateFileA(pipe.path, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    assert_true(pipe.client == INVALID_HANDLE_VALUE);
    assert_int_equal(GetLastError(), ERROR_PIPE_BUSY);
    assert_true(DisconnectNamedPipe(pipe.server));
    assert_false(ConnectNamedPipe(pipe.server, &connect));
    assert_int_equal(GetLastError(), ERROR_IO_PENDING);
    raw_pipe_connect(&pipe);
    struct raw_packet packet = raw_get(pipe.port, TEST_PATIENCE_MS);
    assert_true(packet.result);
    assert_ptr_equal(packet.overlapped, &connect);
    raw_pipe_close(&pipe);
}

int raw_pipe_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_81_an_early_client_makes_an_error_that_is_none),
        TEST(row_81_the_early_clients_overlapped_seems_pending),
        TEST(row_82_a_client_that_left_makes_no_data_and_left_some),
        TEST(row_82_the_instance_serves_nobody_until_it_is_disconnected),
    };
    int failures = 0;

    RUN_GROUP(&failures, "Windows' own pipes", tests);
    return failures;
}
