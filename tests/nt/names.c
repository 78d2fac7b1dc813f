/* names.c: names of pipes, and the instances that they have; who is at the other end. */
#include <string.h>
#include <unistd.h>

#include "nt/model.h"

enum { ACCESS_MASK = 3, NAME_MAX_CHARS = 256 };
static const wchar_t prefix[] = L"\\\\.\\pipe\\";
static struct nt_name *names;

/* Row 88: upper and lower case are the same. */
static struct nt_name *find_name(const wchar_t *text)
{
    for (struct nt_name *name = names; name != NULL; name = name->next)
        if (wcscasecmp(name->text, text) == 0)
            return name;
    return NULL;
}

static bool is_pipe(const wchar_t *text)
{
    const size_t length = sizeof prefix / sizeof *prefix - 1;

    return wcsncasecmp(text, prefix, length) == 0 && wcslen(text) <= NAME_MAX_CHARS;
}

static void append(struct nt_pipe *pipe)
{
    struct nt_pipe **at = &pipe->name->pipes;

    while (*at != NULL)
        at = &(*at)->next;
    pipe->next = NULL;
    *at = pipe;
}

static void take_out(struct nt_pipe *pipe)
{
    struct nt_pipe **at = &pipe->name->pipes;

    while (*at != pipe)
        at = &(*at)->next;
    *at = pipe->next;
}

void nt_name_requeue(struct nt_pipe *pipe)
{
    take_out(pipe);
    append(pipe);
}

void nt_name_leave(struct nt_pipe *pipe)
{
    struct nt_name *name = pipe->name, **at = &names;

    take_out(pipe);
    pipe->name = NULL;
    if (--name->count > 0)
        return;
    while (*at != name)
        at = &(*at)->next;
    *at = name->next;
    nt_free(name);
}

/* --- the server ------------------------------------------------------------------------------ */

/* Row 79: the first of an exclusive name must be the first; the others agree with it, and do not
 * exceed its number of instances. */
static DWORD check_instance(const struct nt_name *name, DWORD mode, DWORD max)
{
    if (name == NULL)
        return ERROR_SUCCESS;
    if ((mode & FILE_FLAG_FIRST_PIPE_INSTANCE) != 0)
        return ERROR_ACCESS_DENIED;
    if (((mode ^ name->mode) & ACCESS_MASK) != 0)
        return ERROR_ACCESS_DENIED;
    if (name->count >= (name->max < max ? name->max : max) && name->max != PIPE_UNLIMITED_INSTANCES)
        return ERROR_PIPE_BUSY;
    return ERROR_SUCCESS;
}

static struct nt_name *make_name(const wchar_t *text, DWORD mode, DWORD max,
                                 const SECURITY_ATTRIBUTES *attributes)
{
    struct nt_name *name = nt_alloc(sizeof *name);

    wcscpy(name->text, text);
    name->mode = mode;
    name->max = max;
    nt_security_owner(attributes, name->owner);
    name->next = names;
    names = name;
    return name;
}

/* Row 80: a new instance listens, whether ConnectNamedPipe is called or not. */
HANDLE CreateNamedPipeW(const wchar_t *text, DWORD mode, DWORD pipe_mode, DWORD max,
                        DWORD out_bytes, DWORD in_bytes, DWORD timeout_ms,
                        const SECURITY_ATTRIBUTES *attributes)
{
    HANDLE handle = INVALID_HANDLE_VALUE;

    (void)pipe_mode;
    (void)timeout_ms;
    nt_enter();
    DWORD error = is_pipe(text) ? nt_fault() : ERROR_INVALID_NAME;
    struct nt_name *name = error == ERROR_SUCCESS ? find_name(text) : NULL;
    if (error == ERROR_SUCCESS)
        error = check_instance(name, mode, max);
    if (error == ERROR_SUCCESS) {
        struct nt_pipe *pipe = nt_alloc(sizeof *pipe);

        pipe->name = name != NULL ? name : make_name(text, mode, max, attributes);
        pipe->name->count++;
        pipe->state = NT_IS_LISTENING;
        pipe->to[NT_SERVER].quota = in_bytes;
        pipe->to[NT_CLIENT].quota = out_bytes;
        append(pipe);
        handle = nt_end_open(pipe, NT_SERVER, mode);
    }
    nt_result(error);
    return handle;
}

/* --- the client ------------------------------------------------------------------------------ */

/* Row 83. Row 80: where ConnectNamedPipe is not called yet, some say busy. */
static DWORD find_instance(const struct nt_name *name, struct nt_pipe **found)
{
    struct nt_pipe *pipe = name != NULL ? name->pipes : NULL;

    if (name == NULL)
        return ERROR_FILE_NOT_FOUND;
    while (pipe != NULL && pipe->state != NT_IS_LISTENING)
        pipe = pipe->next;
    if (pipe == NULL)
        return ERROR_PIPE_BUSY;
    if (nt_irp_first(pipe->ends[NT_SERVER], NT_LISTEN) == NULL && nt_maybe(8))
        return ERROR_PIPE_BUSY;
    *found = pipe;
    return ERROR_SUCCESS;
}

/* CreateFile's page: without SECURITY_SQOS_PRESENT a server may do anything with the identity. */
static DWORD level_of(DWORD flags)
{
    return (flags & SECURITY_SQOS_PRESENT) != 0 ? flags >> 16 & 3 : SecurityImpersonation;
}

HANDLE CreateFileW(const wchar_t *text, DWORD access, DWORD share,
                   const SECURITY_ATTRIBUTES *attributes, DWORD disposition, DWORD flags,
                   HANDLE template_file)
{
    HANDLE handle = INVALID_HANDLE_VALUE;
    struct nt_pipe *pipe = NULL;
    struct nt_irp *listen;

    (void)access;
    (void)share;
    (void)attributes;
    (void)disposition;
    (void)template_file;
    nt_enter();
    DWORD error = nt_fault();
    if (error == ERROR_SUCCESS)
        error = find_instance(is_pipe(text) ? find_name(text) : NULL, &pipe);
    if (error == ERROR_SUCCESS) {
        handle = nt_end_open(pipe, NT_CLIENT, flags);
        pipe->ends[NT_CLIENT]->level = level_of(flags);
        pipe->state = NT_IS_CONNECTED;
        while ((listen = nt_irp_first(pipe->ends[NT_SERVER], NT_LISTEN)) != NULL)
            nt_irp_end(listen, 0, 0);
    }
    nt_result(error);
    return handle;
}

/* --- identity -------------------------------------------------------------------------------- */

/* Row 87: it is known also when the other end is closed. */
static BOOL process_of(HANDLE pipe, ULONG *process)
{
    nt_enter();
    *process = (ULONG)getpid();
    return nt_result(nt_find(pipe, NT_END) != NULL ? ERROR_SUCCESS : ERROR_INVALID_HANDLE);
}

BOOL GetNamedPipeClientProcessId(HANDLE pipe, ULONG *process)
{
    return process_of(pipe, process);
}

BOOL GetNamedPipeServerProcessId(HANDLE pipe, ULONG *process)
{
    return process_of(pipe, process);
}

/* Row 87: as the client of the last message that was read, so something must have been. */
BOOL ImpersonateNamedPipeClient(HANDLE handle)
{
    nt_enter();
    const struct nt_end *end = nt_find(handle, NT_END);
    bool known = end != NULL && end->side == NT_SERVER && end->was_read;
    struct nt_thread *thread = nt_self();
    if (known) {
        const struct nt_end *client = end->pipe->ends[NT_CLIENT];

        thread->impersonates = true;
        thread->client_level = client != NULL ? client->level : SecurityIdentification;
    }
    return nt_result(known ? ERROR_SUCCESS : ERROR_CANNOT_IMPERSONATE);
}

BOOL RevertToSelf(void)
{
    nt_self()->impersonates = false;
    return TRUE;
}
