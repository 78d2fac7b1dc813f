/* service.c: service.h with Windows' service manager, the event log, and a log in a file.
 *
 * The service manager's dispatcher has the main thread; it calls service_main on a thread of its
 * own, and on_control on the main thread. What it is told is one state at a time, with a checkpoint
 * that grows while a change of state goes on. */
#include "io/service.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "io/win/win.h"

enum { START_HINT_MS = 10000, STOP_HINT_MS = 3000, LINE_MAX = 1024, EVENT_NUMBER = 1 };

static struct {
    struct ppi_mutex lock;
    SERVICE_STATUS_HANDLE handle; /* NULL: this is no service */
    SERVICE_STATUS status;
    wchar_t name[257];
    int (*run)(void *context);
    void *context;
    int code;
    HANDLE events; /* the event log */
} service = { .lock = PPI_MUTEX_INIT };

int ppi_service_begin(void)
{
    return PP_OK;
}

/* --- states ---------------------------------------------------------------------------------- */

/* Never back: who is stopping is not running again. */
static void report(DWORD state, DWORD hint_ms)
{
    static const DWORD order[] = { [SERVICE_STOPPED] = 4,
                                   [SERVICE_START_PENDING] = 1,
                                   [SERVICE_STOP_PENDING] = 3,
                                   [SERVICE_RUNNING] = 2 };
    SERVICE_STATUS *status = &service.status;
    bool pending = state == SERVICE_START_PENDING || state == SERVICE_STOP_PENDING;

    ppi_mutex_lock(&service.lock);
    if (service.handle != NULL &&
        (status->dwCurrentState == 0 || order[state] >= order[status->dwCurrentState])) {
        status->dwServiceType = SERVICE_WIN32_OWN_PROCESS;
        status->dwCurrentState = state;
        status->dwControlsAccepted =
            state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN : 0;
        status->dwCheckPoint = pending ? status->dwCheckPoint + 1 : 0;
        status->dwWaitHint = hint_ms;
        status->dwWin32ExitCode = service.code != 0 ? ERROR_SERVICE_SPECIFIC_ERROR : NO_ERROR;
        status->dwServiceSpecificExitCode = (DWORD)service.code;
        SetServiceStatus(service.handle, status);
    }
    ppi_mutex_unlock(&service.lock);
}

void ppi_service_ready(const char *words)
{
    (void)words;
    report(SERVICE_RUNNING, 0);
}

void ppi_service_stopping(uint32_t within_ms)
{
    report(SERVICE_STOP_PENDING, within_ms + STOP_HINT_MS);
}

void ppi_service_alive(void)
{
    /* nobody asks, see ppi_service_alive_ms */
}

uint32_t ppi_service_alive_ms(void)
{
    return 0;
}

static DWORD WINAPI on_control(DWORD control, DWORD type, void *data, void *context)
{
    (void)type;
    (void)data;
    (void)context;
    switch (control) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_SHUTDOWN: ppi_tell_end(); return NO_ERROR;
    case SERVICE_CONTROL_INTERROGATE: return NO_ERROR;
    default: return ERROR_CALL_NOT_IMPLEMENTED;
    }
}

static void WINAPI service_main(DWORD count, wchar_t **arguments)
{
    (void)count;
    (void)arguments;
    service.handle = RegisterServiceCtrlHandlerExW(service.name, on_control, NULL);
    if (service.handle == NULL)
        return;
    report(SERVICE_START_PENDING, START_HINT_MS);
    service.events = RegisterEventSourceW(NULL, L"Panpipe");
    int code = service.run(service.context);
    service.code = code;
    if (service.events != NULL)
        DeregisterEventSource(service.events);
    service.events = NULL;
    report(SERVICE_STOPPED, 0);
}

int ppi_service_run(const char *name, int (*run)(void *context), void *context, int *code)
{
    const SERVICE_TABLE_ENTRYW table[] = { { service.name, service_main }, { NULL, NULL } };

    if (!ppi_wide(name, service.name, PPI_COUNT(service.name)))
        return ppi_fail(PP_EINVAL, "a service's name has at most 256 characters");
    service.run = run;
    service.context = context;
    if (!StartServiceCtrlDispatcherW(table)) {
        DWORD error = GetLastError();

        if (error == ERROR_FAILED_SERVICE_CONTROLLER_CONNECT)
            return ppi_fail(PP_ESTATE, "--service is for the service manager: say "
                                       "panpiped service start");
        return ppi_win_fail(error, "the service manager");
    }
    *code = service.code;
    return PP_OK;
}

/* --- the log --------------------------------------------------------------------------------- */

bool ppi_service_logs(void)
{
    return service.events != NULL;
}

/* Without a file of messages: the viewer shows the line below a remark that says so. */
static void report_line(const char *line, size_t length)
{
    wchar_t wide[LINE_MAX];
    const wchar_t *texts[] = { wide };
    int priority = 6;

    if (length > 3 && line[0] == '<' && line[2] == '>') {
        priority = line[1] - '0';
        line += 3;
        length -= 3;
    }
    int count = MultiByteToWideChar(CP_UTF8, 0, line, (int)length, wide, LINE_MAX - 1);
    wide[count] = L'\0';
    ReportEventW(service.events,
                 priority <= 3   ? EVENTLOG_ERROR_TYPE
                 : priority == 4 ? EVENTLOG_WARNING_TYPE
                                 : EVENTLOG_INFORMATION_TYPE,
                 0, EVENT_NUMBER, NULL, 1, 0, texts, NULL);
}

void ppi_service_write(const char *lines, size_t size)
{
    while (size > 0) {
        const char *end = memchr(lines, '\n', size);
        size_t length = end != NULL ? (size_t)(end - lines) : size;

        report_line(lines, length < LINE_MAX - 1 ? length : LINE_MAX - 1);
        length += end != NULL;
        lines += length;
        size -= length;
    }
}

int ppi_errors_to_file(const char *path, bool anew, uint64_t *size)
{
    static HANDLE before;
    wchar_t wide[PP_PATH_MAX], old[PP_PATH_MAX + 2];
    LARGE_INTEGER length = { .QuadPart = 0 };

    if (!ppi_wide(path, wide, PPI_COUNT(wide)))
        return ppi_fail(PP_EINVAL, "the log's path is no UTF-8, or too long: %.150s", path);
    swprintf(old, PPI_COUNT(old), L"%ls.1", wide);
    if (anew && before != NULL) { /* or it could not be renamed */
        CloseHandle(before);
        before = NULL;
        MoveFileExW(wide, old, MOVEFILE_REPLACE_EXISTING);
    }
    HANDLE file = CreateFileW(wide, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                              OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return ppi_win_fail(GetLastError(), path);
    GetFileSizeEx(file, &length);
    *size = (uint64_t)length.QuadPart;
    SetStdHandle(STD_ERROR_HANDLE, file);
    before = file;
    return PP_OK;
}
