/* service_control.c: a service is installed, started, stopped, removed.
 *
 * It runs as the system's own account, since that, or the user's own, is whose server a client
 * expects at a name for all users: a server of LocalService or of any other account would have to
 * be named by each client. Of the account's privileges it keeps none but the one that everybody
 * has, to pass through folders. */
#include <stdlib.h>
#include <wchar.h>

#include "base/status.h"
#include "io/service.h"
#include "io/sys.h"
#include "io/win/win.h"

enum { ARGUMENTS_MAX = 32, WAIT_MS = 30000, LOOK_MS = 50, RESTART_MS = 1000 };

/* What went wrong, and what to change. */
static int fail(DWORD error, const char *name)
{
    switch (error) {
    case ERROR_ACCESS_DENIED:
        return ppi_fail(PP_EACCESS, "only an administrator may do that: use a command prompt that "
                                    "was started with \"Run as administrator\"");
    case ERROR_SERVICE_DOES_NOT_EXIST:
        return ppi_fail(PP_ENOTFOUND,
                        "there is no service %.100s: panpiped service install makes "
                        "it",
                        name);
    case ERROR_SERVICE_EXISTS:
        return ppi_fail(PP_EINUSE,
                        "there is a service %.100s already: panpiped service uninstall "
                        "removes it, or choose another --name",
                        name);
    case ERROR_SERVICE_MARKED_FOR_DELETE:
        return ppi_fail(PP_EINUSE,
                        "the service %.100s is being removed: close the programs that "
                        "show services",
                        name);
    case ERROR_INVALID_NAME:
        return ppi_fail(PP_EINVAL, "%.100s cannot be the name of a service", name);
    default: return ppi_fail(PP_EIO, "service %.100s: Windows error %lu", name, error);
    }
}

/* --- installing ------------------------------------------------------------------------------ */

/* Beside what it was created with. Wine knows nothing of privileges. */
static DWORD configure(SC_HANDLE service)
{
    static wchar_t words[] = L"Routes messages between the programs of this machine (Panpipe).";
    static wchar_t privileges[] = L"SeChangeNotifyPrivilege\0";
    SERVICE_DESCRIPTIONW description = { words };
    SERVICE_REQUIRED_PRIVILEGES_INFOW required = { privileges };
    SC_ACTION restart = { SC_ACTION_RESTART, RESTART_MS };
    SERVICE_FAILURE_ACTIONSW failure = { .dwResetPeriod = 60,
                                         .cActions = 1,
                                         .lpsaActions = &restart };

    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_DESCRIPTION, &description))
        return GetLastError();
    if (ppi_on_wine())
        return ERROR_SUCCESS;
    return ChangeServiceConfig2W(service, SERVICE_CONFIG_FAILURE_ACTIONS, &failure) &&
                   ChangeServiceConfig2W(service, SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO,
                                         &required)
               ? ERROR_SUCCESS
               : GetLastError();
}

static int install(SC_HANDLE manager, const char *name, const wchar_t *wide,
                   const char *const *arguments)
{
    const char *all[ARGUMENTS_MAX] = { ppi_program_path(), "--service", name };
    int count = 3, status;

    for (; arguments != NULL && *arguments != NULL; arguments++) {
        if (count == ARGUMENTS_MAX - 1)
            return ppi_fail(PP_EINVAL, "there are too many arguments");
        all[count++] = *arguments;
    }
    wchar_t *line = ppi_command_line(all, &status);
    if (line == NULL)
        return status;
    SC_HANDLE service = CreateServiceW(manager, wide, wide, SERVICE_ALL_ACCESS,
                                       SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START,
                                       SERVICE_ERROR_NORMAL, line, NULL, NULL, NULL, NULL, NULL);
    DWORD error = service != NULL ? configure(service) : GetLastError();
    free(line);
    if (service != NULL && error != ERROR_SUCCESS)
        DeleteService(service);
    if (service != NULL)
        CloseServiceHandle(service);
    return error == ERROR_SUCCESS ? PP_OK : fail(error, name);
}

/* --- running --------------------------------------------------------------------------------- */

/* Waits for it to be in that state. The service manager can only be asked. */
static int await_state(SC_HANDLE service, const char *name, DWORD wanted)
{
    uint64_t deadline_ns = ppi_deadline_ns(WAIT_MS);
    SERVICE_STATUS status;

    for (;;) {
        if (!QueryServiceStatus(service, &status))
            return fail(GetLastError(), name);
        if (status.dwCurrentState == wanted)
            return PP_OK;
        if (wanted == SERVICE_RUNNING && status.dwCurrentState == SERVICE_STOPPED)
            return ppi_fail(PP_EIO,
                            "the service %.100s ended at once, with exit code %lu: the "
                            "event log says why (source Panpipe)",
                            name,
                            status.dwWin32ExitCode == ERROR_SERVICE_SPECIFIC_ERROR
                                ? status.dwServiceSpecificExitCode
                                : status.dwWin32ExitCode);
        if (ppi_until_ms(deadline_ns) == 0)
            return ppi_fail(PP_ETIMEDOUT, "the service %.100s takes longer than %d s", name,
                            WAIT_MS / 1000);
        Sleep(LOOK_MS);
    }
}

static int start(SC_HANDLE service, const char *name)
{
    if (!StartServiceW(service, 0, NULL) && GetLastError() != ERROR_SERVICE_ALREADY_RUNNING)
        return fail(GetLastError(), name);
    return await_state(service, name, SERVICE_RUNNING);
}

static int stop(SC_HANDLE service, const char *name)
{
    SERVICE_STATUS status;

    if (!ControlService(service, SERVICE_CONTROL_STOP, &status)) {
        DWORD error = GetLastError();

        if (error == ERROR_SERVICE_NOT_ACTIVE)
            return PP_OK;
        if (error != ERROR_SERVICE_CANNOT_ACCEPT_CTRL) /* it is stopping */
            return fail(error, name);
    }
    return await_state(service, name, SERVICE_STOPPED);
}

static int uninstall(SC_HANDLE service, const char *name)
{
    int status = stop(service, name);

    if (status == PP_OK && !DeleteService(service))
        status = fail(GetLastError(), name);
    return status;
}

int ppi_service_control(enum ppi_service_verb verb, const char *name, const char *const *arguments)
{
    static const DWORD rights[] = { [PPI_SERVICE_UNINSTALL] =
                                        SERVICE_STOP | SERVICE_QUERY_STATUS | DELETE,
                                    [PPI_SERVICE_START] = SERVICE_START | SERVICE_QUERY_STATUS,
                                    [PPI_SERVICE_STOP] = SERVICE_STOP | SERVICE_QUERY_STATUS };
    bool installs = verb == PPI_SERVICE_INSTALL;
    wchar_t wide[257];
    int status = PP_OK;

    if (!ppi_wide(name, wide, PPI_COUNT(wide)))
        return ppi_fail(PP_EINVAL, "a service's name has at most 256 characters");
    SC_HANDLE manager = OpenSCManagerW(
        NULL, NULL, installs ? SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE : SC_MANAGER_CONNECT);
    if (manager == NULL)
        return fail(GetLastError(), name);
    SC_HANDLE service = installs ? NULL : OpenServiceW(manager, wide, rights[verb]);
    if (!installs && service == NULL)
        status = fail(GetLastError(), name);
    else if (installs)
        status = install(manager, name, wide, arguments);
    else if (verb == PPI_SERVICE_START)
        status = start(service, name);
    else
        status = verb == PPI_SERVICE_STOP ? stop(service, name) : uninstall(service, name);
    if (service != NULL)
        CloseServiceHandle(service);
    CloseServiceHandle(manager);
    return status;
}
