/* bind.c: which port gets the completions of which pipe.
 *
 * The system binds a pipe to a completion port for the pipe's life, with the key that its packets
 * carry: the address of the pp_handle. An accepted pipe may be bound before its handle is attached,
 * namely to its listener's port, which got the packet of the accept. If the handle is attached to
 * another port, the pipe must move. */
#include <winternl.h>

#include "base/status.h"
#include "io/handle.h"
#include "io/port.h"
#include "io/win/win.h"

static int note_own(struct ppi_queue *queue, pp_handle *handle)
{
    if (!queue->adopted)
        return PP_OK;
    ppi_mutex_lock(&queue->lock);
    int error = ppi_map_add(&queue->own, (uintptr_t)handle, handle);
    ppi_mutex_unlock(&queue->lock);
    return error == PP_OK ? PP_OK : ppi_fail_plain(error);
}

static void forget_own(struct ppi_queue *queue, pp_handle *handle)
{
    if (!queue->adopted)
        return;
    ppi_mutex_lock(&queue->lock);
    ppi_map_remove(&queue->own, (uintptr_t)handle);
    ppi_mutex_unlock(&queue->lock);
}

/* Moves a pipe from one port to another, as Windows 8.1 and later can. */
static DWORD replace_port(HANDLE pipe, HANDLE port, pp_handle *key)
{
    enum { REPLACE_COMPLETION = 61 }; /* FileReplaceCompletionInformation */
    typedef NTSTATUS(WINAPI * set_information)(HANDLE, IO_STATUS_BLOCK *, void *, ULONG, int);
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    FARPROC found = ntdll != NULL ? GetProcAddress(ntdll, "NtSetInformationFile") : NULL;
    struct {
        HANDLE port;
        void *key;
    } info = { port, key };
    IO_STATUS_BLOCK block;

    if (found == NULL)
        return ERROR_NOT_SUPPORTED;
    set_information set = (set_information)(void (*)(void))found;
    return set(pipe, &block, &info, sizeof info, REPLACE_COMPLETION) == 0 ? ERROR_SUCCESS
                                                                          : ERROR_NOT_SUPPORTED;
}

/* Operations that end at once make no packet, and touch no event. */
static DWORD associate(HANDLE pipe, HANDLE port, pp_handle *key)
{
    const UCHAR modes = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;

    if (CreateIoCompletionPort(pipe, port, (ULONG_PTR)key, 0) == NULL ||
        !SetFileCompletionNotificationModes(pipe, modes))
        return GetLastError();
    return ERROR_SUCCESS;
}

int ppi_iocp_bind(pp_handle *handle, pp_port *port)
{
    pp_port *before = handle->os.bound;

    if (before == port)
        return PP_OK;
    int status = note_own(port->queue, handle);
    if (status != PP_OK)
        return status;
    DWORD error = before != NULL ? replace_port(handle->os.pipe, port->queue->port, handle)
                                 : associate(handle->os.pipe, port->queue->port, handle);
    if (error != ERROR_SUCCESS) {
        forget_own(port->queue, handle);
        return ppi_win_fail(error, "binding a pipe to a completion port");
    }
    ppi_iocp_unbind(handle);
    ppi_port_ref(port);
    handle->os.bound = port;
    return PP_OK;
}

void ppi_iocp_unbind(pp_handle *handle)
{
    pp_port *port = handle->os.bound;

    if (port == NULL)
        return;
    forget_own(port->queue, handle);
    handle->os.bound = NULL;
    ppi_port_unref(port);
}
