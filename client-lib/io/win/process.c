/* process.c: other processes.
 *
 * A child inherits its three standard handles and nothing else: they are named in a list, since
 * other threads may have made inheritable handles of their own. It gets a process group, so that
 * Ctrl-Break can be sent to it alone. */
#include "io/win/win.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/status.h"

enum {
    SIGNAL_BASE = 256, /* codes from here on are signals, numbered as on POSIX systems */
    SIGNAL_INTERRUPT = 2,
    SIGNAL_KILL = 9,
    SIGNAL_CRASH = 11,
    SIGNAL_TERMINATE = 15,
    COMMAND_LINE_MAX = 32767 /* the system's limit */
};
#define FIRST_CRASH_CODE 0xC0000000u /* programs end with such codes by exceptions only */
#define CONTROL_EXIT_CODE 0xC000013Au

/* Appends one argument so that the child's C library finds it again: in quotes, with a backslash
 * before each quote, and with backslashes doubled where they come before a quote. */
static int append_argument(struct ppi_buf *line, const char *argument)
{
    size_t backslashes = 0;
    int error = ppi_buf_append(line, ppi_buf_size(line) == 0 ? "\"" : " \"",
                               ppi_buf_size(line) == 0 ? 1 : 2);

    for (const char *at = argument; error == PP_OK; at++) {
        if (*at == '\0' || *at == '"')
            for (size_t i = 0; i < backslashes && error == PP_OK; i++)
                error = ppi_buf_append(line, "\\", 1);
        if (*at == '\0')
            break;
        if (*at == '"' && error == PP_OK)
            error = ppi_buf_append(line, "\\", 1);
        backslashes = *at == '\\' ? backslashes + 1 : 0;
        if (error == PP_OK)
            error = ppi_buf_append(line, at, 1);
    }
    return error == PP_OK ? ppi_buf_append(line, "\"", 1) : error;
}

wchar_t *ppi_command_line(const char *const *arguments, int *error)
{
    struct ppi_buf line = { 0 };
    wchar_t *wide = NULL;

    *error = PP_OK;
    for (size_t i = 0; arguments[i] != NULL && *error == PP_OK; i++)
        *error = append_argument(&line, arguments[i]);
    if (*error == PP_OK)
        *error = ppi_buf_append(&line, "", 1);
    if (*error == PP_OK && (wide = malloc(COMMAND_LINE_MAX * sizeof *wide)) == NULL)
        *error = ppi_fail_plain(PP_ENOMEM);
    if (wide != NULL && !ppi_wide((char *)ppi_buf_data(&line), wide, COMMAND_LINE_MAX)) {
        free(wide);
        wide = NULL;
        *error = ppi_fail(PP_EIO, "the command line is too long, or is no UTF-8");
    }
    ppi_buf_deinit(&line);
    return wide;
}

HANDLE ppi_standard_handle(const char *file, DWORD number)
{
    SECURITY_ATTRIBUTES inherited = { sizeof inherited, NULL, TRUE };
    HANDLE self = GetCurrentProcess(), own, handle = NULL;
    bool reads = number == STD_INPUT_HANDLE;
    wchar_t path[MAX_PATH];

    if (file == NULL) {
        own = GetStdHandle(number);
        if (own != NULL && own != INVALID_HANDLE_VALUE)
            DuplicateHandle(self, own, self, &handle, 0, TRUE, DUPLICATE_SAME_ACCESS);
        return handle;
    }
    if (!ppi_wide(file, path, PPI_COUNT(path))) {
        SetLastError(ERROR_INVALID_NAME);
        return INVALID_HANDLE_VALUE;
    }
    return CreateFileW(path, reads ? GENERIC_READ : GENERIC_WRITE,
                       FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited,
                       reads ? OPEN_EXISTING : CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
}

/* Opens the three; false: GetLastError. */
static bool open_handles(const struct ppi_stdio *stdio, HANDLE handles[3])
{
    static const struct ppi_stdio own = { NULL, NULL, NULL };

    if (stdio == NULL)
        stdio = &own;
    handles[0] = ppi_standard_handle(stdio->input, STD_INPUT_HANDLE);
    if (handles[0] != INVALID_HANDLE_VALUE)
        handles[1] = ppi_standard_handle(stdio->output, STD_OUTPUT_HANDLE);
    if (handles[0] != INVALID_HANDLE_VALUE && handles[1] != INVALID_HANDLE_VALUE)
        handles[2] = ppi_standard_handle(stdio->errors, STD_ERROR_HANDLE);
    return handles[0] != INVALID_HANDLE_VALUE && handles[1] != INVALID_HANDLE_VALUE &&
           handles[2] != INVALID_HANDLE_VALUE;
}

static void close_handles(HANDLE handles[3])
{
    for (int i = 0; i < 3; i++)
        if (handles[i] != NULL && handles[i] != INVALID_HANDLE_VALUE)
            CloseHandle(handles[i]);
}

DWORD ppi_create_process(struct ppi_process *process, wchar_t *line, HANDLE handles[3], DWORD flags)
{
    STARTUPINFOEXW startup = { 0 };
    PROCESS_INFORMATION info;
    HANDLE inherited[3];
    DWORD error = 0, count = 0;
    SIZE_T size = 0;

    for (int i = 0; i < 3; i++)
        if (handles[i] != NULL)
            inherited[count++] = handles[i];
    startup.StartupInfo.cb = sizeof startup;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = handles[0];
    startup.StartupInfo.hStdOutput = handles[1];
    startup.StartupInfo.hStdError = handles[2];
    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    startup.lpAttributeList = malloc(size);
    if (startup.lpAttributeList == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    if (!InitializeProcThreadAttributeList(startup.lpAttributeList, 1, 0, &size)) {
        error = GetLastError();
        free(startup.lpAttributeList);
        return error;
    }
    if (count > 0 &&
        !UpdateProcThreadAttribute(startup.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                   inherited, count * sizeof *inherited, NULL, NULL))
        error = GetLastError();
    if (error == 0 &&
        !CreateProcessW(NULL, line, NULL, NULL, count > 0, flags | EXTENDED_STARTUPINFO_PRESENT,
                        NULL, NULL, &startup.StartupInfo, &info))
        error = GetLastError();
    DeleteProcThreadAttributeList(startup.lpAttributeList);
    free(startup.lpAttributeList);
    if (error == 0) {
        CloseHandle(info.hThread);
        *process = (struct ppi_process){ .handle = info.hProcess, .id = info.dwProcessId };
    }
    return error;
}

int ppi_process_start(struct ppi_process *process, const char *const *arguments,
                      const struct ppi_stdio *stdio)
{
    HANDLE handles[3] = { NULL, NULL, NULL };
    int status;
    wchar_t *line = ppi_command_line(arguments, &status);

    if (line == NULL)
        return status;
    DWORD error = open_handles(stdio, handles)
                      ? ppi_create_process(process, line, handles, CREATE_NEW_PROCESS_GROUP)
                      : GetLastError();
    close_handles(handles);
    free(line);
    switch (error) {
    case ERROR_SUCCESS: return PP_OK;
    case ERROR_NOT_ENOUGH_MEMORY: return ppi_fail_plain(PP_ENOMEM);
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND: status = PP_ENOTFOUND; break;
    default: status = PP_EIO;
    }
    return ppi_fail(status, "%s: Windows error %lu", arguments[0], error);
}

/* Wine 8 has no Ctrl-Break; there Ctrl-C comes to a group too, if it did not switch it off. */
static bool send_break(DWORD group)
{
    return GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, group) ||
           GenerateConsoleCtrlEvent(CTRL_C_EVENT, group);
}

int ppi_process_signal(struct ppi_process *process, enum ppi_signal signal)
{
    static const int numbers[] = { [PPI_INTERRUPT] = SIGNAL_INTERRUPT,
                                   [PPI_TERMINATE] = SIGNAL_TERMINATE,
                                   [PPI_KILL] = SIGNAL_KILL };

    if (process->handle == NULL || WaitForSingleObject(process->handle, 0) == WAIT_OBJECT_0)
        return ppi_fail_plain(PP_ENOTFOUND);
    process->signaled = numbers[signal];
    if (signal == PPI_KILL ? TerminateProcess(process->handle, SIGNAL_BASE + SIGNAL_KILL)
                           : send_break(process->id))
        return PP_OK;
    return ppi_fail(PP_EIO, "process %lu: Windows error %lu", process->id, GetLastError());
}

/* The code of ppi_process_wait. */
static int exit_code(const struct ppi_process *process, DWORD code)
{
    if (code == CONTROL_EXIT_CODE)
        return SIGNAL_BASE + (process->signaled != 0 ? process->signaled : SIGNAL_INTERRUPT);
    return code >= FIRST_CRASH_CODE ? SIGNAL_BASE + SIGNAL_CRASH : (int)code;
}

int ppi_process_wait(struct ppi_process *process, int timeout_ms, int *code)
{
    DWORD number = 0;

    if (WaitForSingleObject(process->handle, timeout_ms < 0 ? INFINITE : (DWORD)timeout_ms) !=
            WAIT_OBJECT_0 ||
        !GetExitCodeProcess(process->handle, &number))
        return 0;
    *code = exit_code(process, number);
    CloseHandle(process->handle);
    process->handle = NULL;
    return 1;
}

const char *ppi_program_path(void)
{
    static char path[3 * MAX_PATH];
    wchar_t wide[MAX_PATH];
    DWORD length = GetModuleFileNameW(NULL, wide, MAX_PATH);

    if (length == 0 || length == MAX_PATH || !ppi_narrow(wide, path, sizeof path))
        path[0] = '\0';
    return path;
}

void ppi_raise_handle_limit(void)
{
    /* a process has millions of handles by itself */
}

void ppi_temporary_folder(char *path, size_t size)
{
    wchar_t wide[MAX_PATH + 1];
    DWORD length = GetTempPathW(PPI_COUNT(wide), wide);

    while (length > 0 && length < PPI_COUNT(wide) && wide[length - 1] == L'\\')
        wide[--length] = L'\0';
    if (length == 0 || length >= PPI_COUNT(wide) || !ppi_narrow(wide, path, size))
        snprintf(path, size, ".");
}
