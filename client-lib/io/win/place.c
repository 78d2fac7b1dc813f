/* place.c: the names of pipes, and the lock on a name.
 *
 * A server that lives holds an event named after its pipe. Nothing is done with the event: it is
 * enough that it exists, and the system removes it with the last handle to it, however the process
 * ends. (A mutex would belong to a thread, and be abandoned with it.) The lock tells a living
 * server of ours from anybody else who has the name, whom FILE_FLAG_FIRST_PIPE_INSTANCE meets; on
 * Wine, which knows no such flag, it is the only guard. */
#include "io/win/win.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "io/name.h"

enum { NAME_MAX_BYTES = 256 }; /* the system's limit for a pipe's whole name */
static const char prefix[] = "\\\\.\\pipe\\";
static const wchar_t lock_prefix[] = L"Global\\pp."; /* for all sessions, as pipes are */

int pp_pipe_path(const char *name, uint32_t scope, char *path, size_t size)
{
    const size_t prefix_length = sizeof prefix - 1;
    char full[PP_PATH_MAX * 2];

    if (name == NULL || path == NULL || scope > PP_SCOPE_SYSTEM)
        return ppi_fail(PP_EINVAL, "name, path or scope is wrong");
    if (_strnicmp(name, prefix, prefix_length) == 0 && name[prefix_length] != '\0') {
        snprintf(full, sizeof full, "%s", name);
    } else if (!ppi_name_valid(name)) {
        return PP_EINVAL;
    } else if (scope == PP_SCOPE_SYSTEM) {
        snprintf(full, sizeof full, "%spanpipe.%s", prefix, name);
    } else {
        const char *user = ppi_own_sid();

        if (user == NULL)
            return ppi_win_fail(GetLastError(), "this user's SID");
        snprintf(full, sizeof full, "%spanpipe.%s.%s", prefix, user, name);
    }
    if (strlen(full) > NAME_MAX_BYTES)
        return ppi_fail(PP_EINVAL, "a pipe's name has at most %d bytes: %.80s...", NAME_MAX_BYTES,
                        full);
    if (snprintf(path, size, "%s", full) >= (int)size)
        return ppi_fail(PP_EINVAL, "there is no room for the path");
    return PP_OK;
}

/* Names of pipes are the same in upper and lower case, those of events are not; and in those a
 * backslash would name a folder. */
static void lock_name(const wchar_t *path, wchar_t name[PP_PATH_MAX])
{
    const size_t begin = PPI_COUNT(lock_prefix) - 1;
    size_t length = begin;

    memcpy(name, lock_prefix, sizeof lock_prefix);
    for (path += sizeof prefix - 1; *path != L'\0' && length < PP_PATH_MAX - 1; path++)
        name[length++] = *path == L'\\' ? L'/' : *path;
    name[length] = L'\0';
    LCMapStringEx(LOCALE_NAME_INVARIANT, LCMAP_UPPERCASE, name + begin, (int)(length - begin),
                  name + begin, (int)(length - begin), NULL, NULL, 0);
}

int ppi_place_lock(const wchar_t *path, HANDLE *lock)
{
    SECURITY_ATTRIBUTES attributes = { sizeof attributes, ppi_lock_security(), FALSE };
    wchar_t name[PP_PATH_MAX];

    if (attributes.lpSecurityDescriptor == NULL)
        return ppi_win_fail(GetLastError(), "the rights of the name's lock");
    lock_name(path, name);
    *lock = CreateEventW(&attributes, TRUE, FALSE, name);
    DWORD error = GetLastError();
    LocalFree(attributes.lpSecurityDescriptor);
    if (*lock != NULL && error == ERROR_ALREADY_EXISTS) {
        CloseHandle(*lock);
        *lock = NULL;
        return ppi_fail(PP_EINUSE, "the name is served by a living process");
    }
    if (*lock != NULL)
        return PP_OK;
    if (error == ERROR_ACCESS_DENIED)
        return ppi_fail(PP_EUNTRUSTED, "the name is held by another user");
    if (error == ERROR_INVALID_HANDLE)
        return ppi_fail(PP_EINUSE, "the name of the lock is used for something else");
    return ppi_win_fail(error, "the name's lock");
}
