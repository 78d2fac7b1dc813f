/* error.c: the one place where errors of the system become statuses. */
#include "io/win/win.h"

#include <winternl.h>

#include "base/status.h"

#ifndef ERROR_HANDLES_CLOSED /* some headers do not have it */
#define ERROR_HANDLES_CLOSED 676
#endif

static const struct {
    DWORD error;
    int status;
} table[] = {
    { ERROR_SUCCESS, PP_OK },
    /* the other side */
    { ERROR_BROKEN_PIPE, PP_EPEERCLOSED },
    { ERROR_NO_DATA, PP_EPEERCLOSED },
    { ERROR_PIPE_NOT_CONNECTED, PP_EPEERCLOSED },
    { ERROR_BAD_PIPE, PP_EPEERCLOSED },
    { ERROR_NETNAME_DELETED, PP_EPEERCLOSED },
    /* this side */
    { ERROR_OPERATION_ABORTED, PP_ECANCELED },
    { ERROR_HANDLES_CLOSED, PP_ECANCELED },
    { ERROR_ABANDONED_WAIT_0, PP_ECLOSED },
    { ERROR_INVALID_HANDLE, PP_ECLOSED },
    { ERROR_NOT_FOUND, PP_ENOTFOUND },
    /* names */
    { ERROR_PIPE_BUSY, PP_EBUSY },
    { ERROR_SEM_TIMEOUT, PP_EBUSY },
    { ERROR_FILE_NOT_FOUND, PP_ENOSERVER },
    { ERROR_PATH_NOT_FOUND, PP_ENOSERVER },
    { ERROR_ALREADY_EXISTS, PP_EINUSE },
    { ERROR_INVALID_NAME, PP_EINVAL },
    { ERROR_BAD_PATHNAME, PP_EINVAL },
    { ERROR_FILENAME_EXCED_RANGE, PP_EINVAL },
    /* rights */
    { ERROR_ACCESS_DENIED, PP_EACCESS },
    { ERROR_PRIVILEGE_NOT_HELD, PP_EACCESS },
    { ERROR_INVALID_OWNER, PP_EACCESS },
    /* means */
    { ERROR_NOT_ENOUGH_MEMORY, PP_ENOMEM },
    { ERROR_OUTOFMEMORY, PP_ENOMEM },
    { ERROR_COMMITMENT_LIMIT, PP_ENOMEM },
    { ERROR_TOO_MANY_OPEN_FILES, PP_ELIMIT },
    { ERROR_NO_SYSTEM_RESOURCES, PP_ELIMIT },
    { ERROR_NOT_ENOUGH_QUOTA, PP_ELIMIT },
    { ERROR_INVALID_USER_BUFFER, PP_ELIMIT },
    { ERROR_NOT_SUPPORTED, PP_ENOTSUP },
};

int ppi_win_status(DWORD error)
{
    for (size_t i = 0; i < PPI_COUNT(table); i++)
        if (table[i].error == error)
            return table[i].status;
    return PP_EIO;
}

int ppi_win_fail(DWORD error, const char *what)
{
    return ppi_fail(ppi_win_status(error), "%s: Windows error %lu", what, (unsigned long)error);
}

DWORD ppi_win_outcome(const OVERLAPPED *overlapped)
{
    NTSTATUS status = (NTSTATUS)overlapped->Internal;

    return status == 0 ? ERROR_SUCCESS : RtlNtStatusToDosError(status);
}
