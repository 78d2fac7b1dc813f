/* model_support.c: what the tests of the model share. */
#include "nt/model_support.h"

int wine;

void exempt_on_wine(const char *reason)
{
    if (!wine)
        return;
    print_message("# exempt on Wine: %s\n", reason);
    skip();
}

const wchar_t *new_name(void)
{
    static wchar_t name[64];
    static int count;

    swprintf(name, 64, L"\\\\.\\pipe\\panpipe-model-%d-%d", (int)GetCurrentProcessId(), count++);
    return name;
}

HANDLE instance(const wchar_t *name, DWORD flags, DWORD max)
{
    return CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | flags,
                            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT, max, QUOTA, QUOTA, 0,
                            NULL);
}

HANDLE client_of(const wchar_t *name)
{
    HANDLE client = INVALID_HANDLE_VALUE;

    for (int i = 0; client == INVALID_HANDLE_VALUE && i < 1000; i++)
        client = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                             FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
                             NULL);
    assert_true(client != INVALID_HANDLE_VALUE);
    return client;
}

static OVERLAPPED *ready(struct call *call)
{
    memset(call, 0, sizeof *call);
    call->overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    assert_non_null(call->overlapped.hEvent);
    return &call->overlapped;
}

static void started(struct call *call, BOOL done)
{
    call->error = done ? ERROR_SUCCESS : GetLastError();
}

int is_pending(const struct call *call)
{
    return call->error == ERROR_IO_PENDING &&
           WaitForSingleObject(call->overlapped.hEvent, 0) == WAIT_TIMEOUT;
}

DWORD outcome(struct call *call)
{
    if (call->error == ERROR_IO_PENDING) {
        assert_int_equal(WaitForSingleObject(call->overlapped.hEvent, PATIENCE_MS), WAIT_OBJECT_0);
        call->error = RtlNtStatusToDosError((NTSTATUS)call->overlapped.Internal);
    }
    CloseHandle(call->overlapped.hEvent);
    call->overlapped.hEvent = NULL;
    return call->error;
}

void start_read(struct call *call, HANDLE pipe, void *buffer, DWORD size)
{
    OVERLAPPED *overlapped = ready(call);

    started(call, ReadFile(pipe, buffer, size, NULL, overlapped));
}

void start_write(struct call *call, HANDLE pipe, const void *data, DWORD size)
{
    OVERLAPPED *overlapped = ready(call);

    started(call, WriteFile(pipe, data, size, NULL, overlapped));
}

void start_connect(struct call *call, HANDLE pipe)
{
    OVERLAPPED *overlapped = ready(call);

    started(call, ConnectNamedPipe(pipe, overlapped));
}

int64_t do_read(HANDLE pipe, void *buffer, DWORD size)
{
    struct call call;

    start_read(&call, pipe, buffer, size);
    return outcome(&call) == ERROR_SUCCESS ? (int64_t)call.overlapped.InternalHigh
                                           : FAILED_WITH(call.error);
}

int64_t do_write(HANDLE pipe, const void *data, DWORD size)
{
    struct call call;

    start_write(&call, pipe, data, size);
    return outcome(&call) == ERROR_SUCCESS ? (int64_t)call.overlapped.InternalHigh
                                           : FAILED_WITH(call.error);
}

void open_ends(struct ends *ends)
{
    ends->port = NULL;
    ends->name = new_name();
    ends->server = instance(ends->name, 0, PIPE_UNLIMITED_INSTANCES);
    assert_true(ends->server != INVALID_HANDLE_VALUE);
    ends->client = client_of(ends->name);
}

void open_on_port(struct ends *ends)
{
    open_ends(ends);
    ends->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    assert_non_null(ends->port);
    assert_true(CreateIoCompletionPort(ends->server, ends->port, SERVER_KEY, 0) == ends->port);
    assert_true(CreateIoCompletionPort(ends->client, ends->port, CLIENT_KEY, 0) == ends->port);
}

void close_one(HANDLE *handle)
{
    if (*handle != NULL)
        assert_true(CloseHandle(*handle));
    *handle = NULL;
}

void close_ends(struct ends *ends)
{
    close_one(&ends->server);
    close_one(&ends->client);
    close_one(&ends->port);
}

OVERLAPPED_ENTRY next_entry(HANDLE port)
{
    OVERLAPPED_ENTRY entry;
    ULONG count = 0;

    assert_true(GetQueuedCompletionStatusEx(port, &entry, 1, &count, PATIENCE_MS, FALSE));
    assert_int_equal(count, 1);
    return entry;
}

void assert_empty(HANDLE port)
{
    OVERLAPPED_ENTRY entry;
    ULONG count = 0;

    assert_false(GetQueuedCompletionStatusEx(port, &entry, 1, &count, 0, FALSE));
    assert_int_equal(GetLastError(), WAIT_TIMEOUT);
}
