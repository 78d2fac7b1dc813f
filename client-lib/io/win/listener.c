/* listener.c: a name, and the instances of its pipe.
 *
 * An instance is one end of a pipe to which one client can connect. A listener keeps a few, in the
 * order in which they were made, which is the order in which the system gives them to clients.
 * Each is a stream already, only that nobody is at its other end yet; an accept waits for a client
 * of the first one, and hands it out when there is one. The others catch clients that come in
 * between, whose accept then ends at once.
 *
 * Before an instance is handed out another one is made: the name is never without an instance, so
 * that nobody else can take it. An instance is used for one client only. */
#include "io/win/win.h"

#include <stdlib.h>

#include "base/status.h"
#include "io/handle.h"

enum {
    INSTANCES = 4,
    PIPE_BYTES = 64 * 1024 /* that the system takes before a writer must wait, in each direction */
};

struct ppi_listener {
    wchar_t path[PP_PATH_MAX];
    HANDLE lock;                   /* on the name, held for life; NULL: not yet */
    PSECURITY_DESCRIPTOR security; /* of every instance; from LocalAlloc */
    pp_handle *first, *last;
    unsigned count;
};

/* The instance's end of a new pipe; NULL: GetLastError. */
static HANDLE create_pipe(struct ppi_listener *listener)
{
    SECURITY_ATTRIBUTES attributes = { sizeof attributes, listener->security, FALSE };
    DWORD first = listener->first == NULL ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0;
    HANDLE pipe = CreateNamedPipeW(
        listener->path, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | first,
        PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
        PIPE_UNLIMITED_INSTANCES, PIPE_BYTES, PIPE_BYTES, 0, &attributes);

    return pipe == INVALID_HANDLE_VALUE ? NULL : pipe;
}

static int add_instance(struct ppi_listener *listener)
{
    pp_handle *instance = ppi_handle_new(PPI_STREAM, &ppi_npipe_driver);

    if (instance == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    instance->os.pipe = create_pipe(listener);
    instance->os.accepted = true;
    if (instance->os.pipe == NULL) {
        DWORD error = GetLastError();

        pp_close(instance);
        return ppi_win_fail(error, "CreateNamedPipe");
    }
    if (listener->first == NULL)
        listener->first = instance;
    else
        listener->last->os.later = instance;
    listener->last = instance;
    listener->count++;
    return PP_OK;
}

/* Makes instances until there are count of them. PP_OK or why there are fewer. */
static int fill(struct ppi_listener *listener, unsigned count)
{
    int error = PP_OK;

    while (listener->count < count && error == PP_OK)
        error = add_instance(listener);
    return error;
}

/* Why the first instance was refused although the lock is ours: somebody without the lock has the
 * name. Connecting tells who. */
static int name_holder(const struct ppi_listener *listener)
{
    char owner[PPI_SID_MAX];
    HANDLE pipe = CreateFileW(listener->path, READ_CONTROL, 0, NULL, OPEN_EXISTING,
                              SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS, NULL);
    bool denied = pipe == INVALID_HANDLE_VALUE && GetLastError() == ERROR_ACCESS_DENIED;
    bool other = pipe != INVALID_HANDLE_VALUE && ppi_pipe_owner(pipe, owner) &&
                 ppi_own_sid() != NULL && _stricmp(owner, ppi_own_sid()) != 0;

    if (pipe != INVALID_HANDLE_VALUE)
        CloseHandle(pipe);
    if (denied || other)
        return ppi_fail(PP_EUNTRUSTED, "the name is held by another user");
    return ppi_fail(PP_EINUSE, "the name is held by a process that does not lock it");
}

static int open_name(struct ppi_listener *listener, const pp_listen_config *config)
{
    int error = ppi_pipe_security(config, &listener->security);

    if (error == PP_OK)
        error = ppi_place_lock(listener->path, &listener->lock);
    if (error != PP_OK)
        return error;
    error = fill(listener, INSTANCES);
    if (listener->first == NULL && (error == PP_EACCESS || error == PP_EBUSY))
        error = name_holder(listener);
    return error;
}

int ppi_listener_open(pp_handle **out, const char *name, const pp_listen_config *config)
{
    char path[PP_PATH_MAX];
    int error = pp_pipe_path(name, config->scope, path, sizeof path);

    if (error != PP_OK)
        return error;
    pp_handle *handle = ppi_handle_new(PPI_LISTENER, &ppi_npipe_driver);
    struct ppi_listener *listener = calloc(1, sizeof *listener);
    if (handle != NULL)
        handle->os.listener = listener;
    else
        free(listener);
    if (handle == NULL || listener == NULL)
        error = ppi_fail_plain(PP_ENOMEM);
    else if (!ppi_wide(path, listener->path, PPI_COUNT(listener->path)))
        error = ppi_fail(PP_EINVAL, "the path is no UTF-8: %s", path);
    else
        error = open_name(listener, config);
    if (error == PP_OK)
        *out = handle;
    else
        pp_close(handle);
    return error;
}

void ppi_listener_close(pp_handle *handle)
{
    struct ppi_listener *listener = handle->os.listener;
    pp_handle *next;

    if (listener == NULL)
        return;
    for (pp_handle *instance = listener->first; instance != NULL; instance = next) {
        next = instance->os.later;
        pp_close(instance);
    }
    if (listener->lock != NULL)
        CloseHandle(listener->lock); /* last: now the name is free */
    LocalFree(listener->security);
    free(listener);
    handle->os.listener = NULL;
}

pp_handle *ppi_listener_first(const pp_handle *handle)
{
    return handle->os.listener->first;
}

int ppi_listener_take(pp_handle *handle, pp_handle **connection)
{
    struct ppi_listener *listener = handle->os.listener;
    pp_handle *instance = listener->first;
    int error = handle->state <= PPI_OPEN ? fill(listener, INSTANCES + 1) : PP_OK;

    if (error != PP_OK && listener->count < 2)
        return error; /* it stays the first: the next accept has it at once */
    listener->first = instance->os.later;
    listener->count--;
    instance->os.later = NULL;
    *connection = instance;
    return PP_OK;
}
