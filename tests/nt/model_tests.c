/* model_tests.c: what the model of Windows says of ports and pipes, in plain calls of Win32. The
 * file is compiled twice: against the model, where any seed must pass, and for Windows, where Wine
 * must; what Wine 8 does otherwise is exempt there by name. A test is named after the row of the
 * port's table that is its source. */
#include "nt/model_tests.h"
#include "nt/model_support.h"

/* --- the port -------------------------------------------------------------------------------- */

static HANDLE open_port(DWORD concurrency)
{
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, concurrency);

    assert_non_null(port);
    return port;
}

static void row_16_a_get_has_four_outcomes(void **state)
{
    HANDLE port = open_port(0);
    OVERLAPPED own, *overlapped = &own;
    ULONG_PTR key = 0;
    DWORD bytes = 0;

    (void)state;
    assert_false(GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, 0));
    assert_int_equal(GetLastError(), WAIT_TIMEOUT);
    assert_null(overlapped);
    assert_true(PostQueuedCompletionStatus(port, 5, 6, NULL)); /* the exception */
    assert_true(GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, 0));
    assert_null(overlapped);
    assert_int_equal(key, 6);
    close_one(&port);
    overlapped = NULL;
    assert_false(GetQueuedCompletionStatus(INVALID_HANDLE_VALUE, &bytes, &key, &overlapped, 0));
    assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
    assert_null(overlapped);
}

static void row_19_packets_leave_in_the_order_of_their_coming(void **state)
{
    HANDLE port = open_port(0);
    OVERLAPPED_ENTRY entries[16];
    ULONG count = 0;

    (void)state;
    for (ULONG_PTR i = 0; i < 10; i++)
        assert_true(PostQueuedCompletionStatus(port, UINT32_MAX, i, (OVERLAPPED *)(i * 3)));
    assert_true(GetQueuedCompletionStatusEx(port, entries, 16, &count, 0, FALSE)); /* row 23 */
    assert_int_equal(count, 10);
    for (ULONG_PTR i = 0; i < 10; i++) { /* row 33 */
        assert_int_equal(entries[i].lpCompletionKey, i);
        assert_int_equal(entries[i].lpOverlapped, i * 3);
        assert_int_equal(entries[i].dwNumberOfBytesTransferred, UINT32_MAX);
    }
    close_one(&port);
}

struct worker {
    HANDLE port, thread, gate;
    ULONG_PTR key; /* of the packet it got; 0: none yet */
    DWORD error;
};

/* Takes one packet; then waits at the gate, if there is one. */
static DWORD WINAPI work(void *argument)
{
    struct worker *worker = argument;
    OVERLAPPED *overlapped = NULL;
    ULONG_PTR key = 0;
    DWORD bytes;

    BOOL got = GetQueuedCompletionStatus(worker->port, &bytes, &key, &overlapped, PATIENCE_MS);
    worker->error = got ? ERROR_SUCCESS : GetLastError();
    worker->key = key;
    if (worker->gate != NULL)
        WaitForSingleObject(worker->gate, PATIENCE_MS);
    return 0;
}

/* When it returns the worker waits; on Windows, which does not tell, most likely. */
static void start_worker(struct worker *worker, HANDLE port, HANDLE gate)
{
    int before = waiters_of(port);

    memset(worker, 0, sizeof *worker);
    worker->port = port;
    worker->gate = gate;
    worker->thread = CreateThread(NULL, 0, work, worker, 0, NULL);
    assert_non_null(worker->thread);
    if (before < 0) {
        Sleep(100);
        return;
    }
    for (int i = 0; i < PATIENCE_MS && waiters_of(port) == before; i++)
        Sleep(1);
    assert_int_equal(waiters_of(port), before + 1);
}

static void join_worker(struct worker *worker)
{
    assert_int_equal(WaitForSingleObject(worker->thread, PATIENCE_MS), WAIT_OBJECT_0);
    close_one(&worker->thread);
}

static void row_11_closing_a_port_frees_who_waits(void **state)
{
    HANDLE port = open_port(0);
    struct worker worker;

    (void)state;
    exempt_on_wine("row 11: Wine 8 lets the waiter wait");
    start_worker(&worker, port, NULL);
    close_one(&port);
    join_worker(&worker);
    assert_int_equal(worker.error, ERROR_ABANDONED_WAIT_0);
}

static void row_20_the_newest_waiter_gets_the_packet(void **state)
{
    HANDLE port = open_port(4);
    struct worker workers[3];

    (void)state;
    exempt_on_wine("row 20: Wine 8 releases the oldest waiter first");
    for (int i = 0; i < 3; i++)
        start_worker(&workers[i], port, NULL);
    for (int i = 2; i >= 0; i--) {
        assert_true(PostQueuedCompletionStatus(port, 0, (ULONG_PTR)i + 1, NULL));
        join_worker(&workers[i]);
        assert_int_equal(workers[i].key, i + 1);
    }
    close_one(&port);
}

static void row_28_a_thread_that_waits_lets_another_run(void **state)
{
    HANDLE port = open_port(1), gate = CreateEventW(NULL, TRUE, FALSE, NULL);
    struct worker first, second;

    (void)state;
    start_worker(&first, port, gate);
    start_worker(&second, port, NULL);
    assert_true(PostQueuedCompletionStatus(port, 0, 1, NULL));
    assert_true(PostQueuedCompletionStatus(port, 0, 2, NULL));
    SetEvent(gate); /* whichever has gate, the other one has got its packet, or gets it now */
    join_worker(&first);
    join_worker(&second);
    assert_int_equal(first.key + second.key, 3);
    close_one(&gate);
    close_one(&port);
}

static void row_27_no_more_threads_run_than_the_concurrency_value(void **state)
{
    HANDLE port = open_port(1);
    struct worker worker;
    OVERLAPPED_ENTRY entry;
    ULONG count;

    (void)state;
    exempt_on_wine("row 27: Wine 8 ignores the concurrency value");
    assert_true(PostQueuedCompletionStatus(port, 0, 1, NULL));
    assert_int_equal(next_entry(port).lpCompletionKey, 1); /* from now on this thread counts */
    assert_true(PostQueuedCompletionStatus(port, 0, 2, NULL));
    memset(&worker, 0, sizeof worker);
    worker.port = port;
    worker.thread = CreateThread(NULL, 0, work, &worker, 0, NULL);
    for (volatile unsigned long long spin = 0; spin < 200000000; spin = spin + 1)
        ; /* it does not block, so the other one may not go on */
    assert_true(GetQueuedCompletionStatusEx(port, &entry, 1, &count, 0, FALSE));
    assert_int_equal(entry.lpCompletionKey, 2);
    assert_true(PostQueuedCompletionStatus(port, 0, 3, NULL));
    join_worker(&worker); /* which blocks */
    assert_int_equal(worker.key, 3);
    close_one(&port);
}

static void row_05_a_pipe_is_on_one_port_for_its_life(void **state)
{
    struct ends ends;
    HANDLE other = open_port(0);

    (void)state;
    open_on_port(&ends);
    assert_null(CreateIoCompletionPort(ends.server, other, 1, 0));
    assert_int_equal(GetLastError(), ERROR_INVALID_PARAMETER);
    close_one(&other);
    close_ends(&ends);
}

/* --- operations and packets ------------------------------------------------------------------ */

static void row_43_a_pending_read_makes_one_packet(void **state)
{
    OVERLAPPED read = { 0 };
    struct ends ends;
    char buffer[16];

    (void)state;
    open_on_port(&ends);
    assert_false(ReadFile(ends.server, buffer, sizeof buffer, NULL, &read));
    assert_int_equal(GetLastError(), ERROR_IO_PENDING);
    assert_empty(ends.port);
    OVERLAPPED write = { .hEvent = (HANDLE)((ULONG_PTR)CreateEventW(NULL, TRUE, FALSE, NULL) | 1) };
    WriteFile(ends.client, "abc", 3, NULL, &write);
    OVERLAPPED_ENTRY entry = next_entry(ends.port);
    assert_ptr_equal(entry.lpOverlapped, &read);
    assert_int_equal(entry.lpCompletionKey, SERVER_KEY);
    assert_int_equal(entry.dwNumberOfBytesTransferred, 3);
    assert_int_equal(read.Internal, 0);
    assert_empty(ends.port); /* row 51: the low bit of hEvent */
    HANDLE event = (HANDLE)((ULONG_PTR)write.hEvent & ~(ULONG_PTR)1);
    assert_int_equal(WaitForSingleObject(event, PATIENCE_MS), WAIT_OBJECT_0);
    assert_int_equal(write.InternalHigh, 3);
    close_one(&event);
    close_ends(&ends);
}

static void row_44_success_at_once_makes_a_packet_and_an_error_at_once_none(void **state)
{
    OVERLAPPED write = { 0 };
    struct ends ends;

    (void)state;
    open_on_port(&ends);
    BOOL done = WriteFile(ends.client, "abc", 3, NULL, &write);
    assert_true(done || GetLastError() == ERROR_IO_PENDING);
    assert_ptr_equal(next_entry(ends.port).lpOverlapped, &write);
    close_one(&ends.server);
    done = WriteFile(ends.client, "abc", 3, NULL, &write);
    assert_false(done);
    if (GetLastError() != ERROR_IO_PENDING) {
        assert_int_equal(GetLastError(), ERROR_NO_DATA);
        assert_empty(ends.port);
    } else {
        assert_ptr_equal(next_entry(ends.port).lpOverlapped, &write);
    }
    close_ends(&ends);
}

static void row_47_in_skip_mode_success_at_once_makes_no_packet(void **state)
{
    OVERLAPPED write = { 0 };
    struct ends ends;

    (void)state;
    open_on_port(&ends);
    assert_true(SetFileCompletionNotificationModes(
        ends.client, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE));
    for (int i = 0; i < 20; i++) {
        if (WriteFile(ends.client, "abc", 3, NULL, &write)) {
            assert_int_equal(write.InternalHigh, 3);
            assert_empty(ends.port);
        } else {
            assert_int_equal(GetLastError(), ERROR_IO_PENDING);
            assert_ptr_equal(next_entry(ends.port).lpOverlapped, &write);
        }
    }
    close_ends(&ends);
}

static void row_53_a_canceled_read_delivers_its_packet(void **state)
{
    OVERLAPPED read = { 0 };
    struct ends ends;
    char byte;

    (void)state;
    open_on_port(&ends);
    assert_false(ReadFile(ends.server, &byte, 1, NULL, &read));
    assert_true(CancelIoEx(ends.server, &read));
    OVERLAPPED_ENTRY entry = next_entry(ends.port);
    assert_ptr_equal(entry.lpOverlapped, &read);
    assert_int_equal(RtlNtStatusToDosError((NTSTATUS)read.Internal), ERROR_OPERATION_ABORTED);
    assert_false(CancelIoEx(ends.server, &read)); /* row 54 */
    assert_int_equal(GetLastError(), ERROR_NOT_FOUND);
    close_ends(&ends);
}

static void row_54_to_cancel_all_of_nothing_finds_nothing(void **state)
{
    struct ends ends;

    (void)state;
    exempt_on_wine("row 54: Wine 8 cancels nothing with success");
    open_on_port(&ends);
    assert_false(CancelIoEx(ends.server, NULL));
    assert_int_equal(GetLastError(), ERROR_NOT_FOUND);
    close_ends(&ends);
}

static DWORD WINAPI read_and_leave(void *argument)
{
    struct ends *ends = argument;
    static OVERLAPPED read;
    static char byte;

    ReadFile(ends->server, &byte, 1, NULL, &read);
    return 0;
}

static void row_52_a_call_on_a_port_outlives_its_thread(void **state)
{
    struct ends ends;
    struct call call;

    (void)state;
    open_on_port(&ends);
    HANDLE thread = CreateThread(NULL, 0, read_and_leave, &ends, 0, NULL);
    assert_int_equal(WaitForSingleObject(thread, PATIENCE_MS), WAIT_OBJECT_0);
    close_one(&thread);
    assert_empty(ends.port);
    start_write(&call, ends.client, "x", 1);
    OVERLAPPED_ENTRY entry = next_entry(ends.port);
    if (entry.lpCompletionKey == CLIENT_KEY) /* the write's came first */
        entry = next_entry(ends.port);
    assert_int_equal(entry.lpCompletionKey, SERVER_KEY);
    assert_int_equal(entry.dwNumberOfBytesTransferred, 1);
    assert_int_equal(outcome(&call), ERROR_SUCCESS);
    close_ends(&ends);
}

static void row_55_closing_ends_a_pending_read(void **state)
{
    OVERLAPPED read = { 0 };
    struct ends ends;
    char byte;

    (void)state;
    open_on_port(&ends);
    assert_false(ReadFile(ends.server, &byte, 1, NULL, &read));
    close_one(&ends.server);
    OVERLAPPED_ENTRY entry = next_entry(ends.port);
    assert_ptr_equal(entry.lpOverlapped, &read);
    assert_int_equal(RtlNtStatusToDosError((NTSTATUS)read.Internal), ERROR_BROKEN_PIPE);
    close_ends(&ends);
}

int model_tests(int on_wine)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_16_a_get_has_four_outcomes),
        cmocka_unit_test(row_19_packets_leave_in_the_order_of_their_coming),
        cmocka_unit_test(row_11_closing_a_port_frees_who_waits),
        cmocka_unit_test(row_20_the_newest_waiter_gets_the_packet),
        cmocka_unit_test(row_28_a_thread_that_waits_lets_another_run),
        cmocka_unit_test(row_27_no_more_threads_run_than_the_concurrency_value),
        cmocka_unit_test(row_05_a_pipe_is_on_one_port_for_its_life),
        cmocka_unit_test(row_43_a_pending_read_makes_one_packet),
        cmocka_unit_test(row_44_success_at_once_makes_a_packet_and_an_error_at_once_none),
        cmocka_unit_test(row_47_in_skip_mode_success_at_once_makes_no_packet),
        cmocka_unit_test(row_53_a_canceled_read_delivers_its_packet),
        cmocka_unit_test(row_54_to_cancel_all_of_nothing_finds_nothing),
        cmocka_unit_test(row_52_a_call_on_a_port_outlives_its_thread),
        cmocka_unit_test(row_55_closing_ends_a_pending_read),
    };

    wine = on_wine;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("ports and packets", tests, NULL, NULL) + model_pipe_tests();
}
