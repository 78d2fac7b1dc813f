/* raw_port_rows.c: GetQueuedCompletionStatus and its four outcomes; warnings that are packets. */
#include "io/win/raw.h"

struct raw_packet raw_get(HANDLE port, DWORD timeout_ms)
{
    struct raw_packet packet = { 0 };

    packet.result =
        GetQueuedCompletionStatus(port, &packet.bytes, &packet.key, &packet.overlapped, timeout_ms);
    packet.error = packet.result ? 0 : GetLastError();
    return packet;
}

static void row_16_a_posted_packet_without_overlapped_is_a_success(void **state)
{
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);

    (void)state;
    assert_true(PostQueuedCompletionStatus(port, 5, RAW_KEY, NULL));
    struct raw_packet packet = raw_get(port, TEST_PATIENCE_MS);
    assert_true(packet.result); /* though there is no OVERLAPPED: NULL alone says nothing */
    assert_null(packet.overlapped);
    assert_int_equal(packet.bytes, 5);
    assert_int_equal(packet.key, RAW_KEY);
    CloseHandle(port);
}

static void row_16_failures_with_and_without_a_packet_look_alike(void **state)
{
    struct raw_pipe pipe;
    OVERLAPPED read = { 0 };
    char byte;

    (void)state;
    raw_pipe_open(&pipe, PIPE_TYPE_BYTE);
    raw_pipe_connect(&pipe);

    struct raw_packet packet = raw_get(pipe.port, 0);
    assert_false(packet.result); /* nothing was there */
    assert_int_equal(packet.error, WAIT_TIMEOUT);
    assert_null(packet.overlapped);

    packet = raw_get((HANDLE)(ULONG_PTR)0xBAD0, 0);
    assert_false(packet.result); /* the call was wrong */
    assert_int_equal(packet.error, ERROR_INVALID_HANDLE);
    assert_null(packet.overlapped);

    assert_false(ReadFile(pipe.server, &byte, 1, NULL, &read));
    assert_int_equal(GetLastError(), ERROR_IO_PENDING);
    assert_true(CancelIoEx(pipe.server, &read));
    packet = raw_get(pipe.port, TEST_PATIENCE_MS);
    assert_false(packet.result); /* a packet, of an operation that failed */
    assert_int_equal(packet.error, ERROR_OPERATION_ABORTED);
    assert_ptr_equal(packet.overlapped, &read);
    assert_int_equal(packet.key, RAW_KEY);
    raw_pipe_close(&pipe);
}

static void wait_at_port(void *argument)
{
    struct raw_packet *packet = argument;

    *packet = raw_get((HANDLE)packet->key, TEST_PATIENCE_MS);
}

/* Why pp_port_shutdown posts, and why the port is closed last. */
static void row_11_closing_the_port_abandons_its_waiters(void **state)
{
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    struct raw_packet packet = { .key = (ULONG_PTR)port };
    struct runner runner;

    (void)state;
    exempt_on_wine("row 11: Wine 8 does not wake the waiters; Microsoft's page of "
                   "GetQueuedCompletionStatus has ERROR_ABANDONED_WAIT_0");
    runner_start(&runner, wait_at_port, &packet);
    ppi_sleep_ms(100); /* it most likely waits by now; if not, its handle is wrong: 6 */
    CloseHandle(port);
    runner_join(&runner);
    assert_false(packet.result);
    assert_null(packet.overlapped);
    assert_true(packet.error == ERROR_ABANDONED_WAIT_0 || packet.error == ERROR_INVALID_HANDLE);
}

/* ReadFile returns FALSE with an error that is not ERROR_IO_PENDING, and yet a packet comes: who
 * frees the OVERLAPPED on such an error frees what the system still uses. */
static void row_46_more_data_is_an_error_with_a_packet(void **state)
{
    struct raw_pipe pipe;
    OVERLAPPED read = { 0 };
    char bytes[4];

    (void)state;
    raw_pipe_open(&pipe, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE);
    raw_pipe_connect(&pipe);
    raw_write(pipe.client, "0123456789", 10);
    assert_false(ReadFile(pipe.server, bytes, sizeof bytes, NULL, &read));
    assert_int_equal(GetLastError(), ERROR_MORE_DATA);
    struct raw_packet packet = raw_get(pipe.port, TEST_PATIENCE_MS);
    assert_false(packet.result);
    assert_int_equal(packet.error, ERROR_MORE_DATA);
    assert_ptr_equal(packet.overlapped, &read);
    assert_int_equal(packet.bytes, sizeof bytes);
    assert_memory_equal(bytes, "0123", 4);
    raw_pipe_close(&pipe);
}

/* In skip mode the same call cannot be told from one that is done: Windows 8 and later queue. */
static void row_46_more_data_in_skip_mode_is_queued_all_the_same(void **state)
{
    struct raw_pipe pipe;
    OVERLAPPED read = { 0 };
    char bytes[4];

    (void)state;
    exempt_on_wine("row 46: Wine 8 queues none, as Windows 7; dlls/ntdll/tests/pipe.c of Wine, "
                   "which runs on Windows, has a packet from Windows 8 on");
    raw_pipe_open(&pipe, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE);
    raw_pipe_connect(&pipe);
    assert_true(
        SetFileCompletionNotificationModes(pipe.server, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS));
    raw_write(pipe.client, "0123456789", 10);
    assert_false(ReadFile(pipe.server, bytes, sizeof bytes, NULL, &read));
    struct raw_packet packet = raw_get(pipe.port, TEST_PATIENCE_MS);
    assert_int_equal(packet.error, ERROR_MORE_DATA);
    assert_ptr_equal(packet.overlapped, &read);
    raw_pipe_close(&pipe);
}

static void CALLBACK count_call(ULONG_PTR counter)
{
    ++*(int *)counter;
}

/* Such a call ends the wait of the system's own; the library's lets none in. */
static void row_25_not_offered_no_call_of_the_systems_comes_in(void **state)
{
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    OVERLAPPED_ENTRY entry;
    pp_port *ours;
    pp_packet packet;
    ULONG count = 0;
    int calls = 0;

    (void)state;
    assert_int_equal(pp_port_open(&ours, NULL), PP_OK);
    assert_true(QueueUserAPC(count_call, GetCurrentThread(), (ULONG_PTR)&calls));
    assert_int_equal(pp_port_get(ours, &packet, 10), 0);
    assert_int_equal(calls, 0);
    assert_false(GetQueuedCompletionStatusEx(port, &entry, 1, &count, TEST_PATIENCE_MS, TRUE));
    assert_int_equal(GetLastError(), WAIT_IO_COMPLETION);
    assert_int_equal(calls, 1);
    pp_port_close(ours);
    CloseHandle(port);
}

int raw_port_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_11_closing_the_port_abandons_its_waiters),
        TEST(row_16_a_posted_packet_without_overlapped_is_a_success),
        TEST(row_16_failures_with_and_without_a_packet_look_alike),
        TEST(row_25_not_offered_no_call_of_the_systems_comes_in),
        TEST(row_46_more_data_is_an_error_with_a_packet),
        TEST(row_46_more_data_in_skip_mode_is_queued_all_the_same),
    };
    int failures = 0;

    RUN_GROUP(&failures, "Windows' own port", tests);
    return failures;
}
