/* security.c: whose pipe it is, who may connect, and who is at the other end.
 *
 * Users are told apart by their SIDs, as the system recorded them; process numbers are used again
 * and prove nothing. Each side is checked by the other: the server by the client through the owner
 * of the pipe, which only a holder of that SID can be; the client by the server through
 * impersonation, which the client allows for identification only. */
#include "io/win/win.h"

#include <stdio.h>
#include <string.h>

#include <sddl.h>

#include "base/compiler.h"
#include "base/status.h"
#include "io/handle.h"

static bool sid_text(PSID sid, char text[PPI_SID_MAX])
{
    char *found = NULL;

    if (!ConvertSidToStringSidA(sid, &found))
        return false;
    int length = snprintf(text, PPI_SID_MAX, "%s", found);
    LocalFree(found);
    return length > 0 && length < PPI_SID_MAX;
}

static bool token_sid(HANDLE token, char text[PPI_SID_MAX])
{
    union {
        TOKEN_USER user;
        char bytes[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    } info;
    DWORD size;

    return GetTokenInformation(token, TokenUser, &info, sizeof info, &size) &&
           sid_text(info.user.User.Sid, text);
}

static INIT_ONCE own_once = INIT_ONCE_STATIC_INIT;
static char own_sid[PPI_SID_MAX];

static BOOL WINAPI find_own_sid(INIT_ONCE *init, void *parameter, void **context)
{
    HANDLE token;

    (void)init;
    (void)parameter;
    (void)context;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return FALSE;
    BOOL found = token_sid(token, own_sid);
    CloseHandle(token);
    return found;
}

const char *ppi_own_sid(void)
{
    return InitOnceExecuteOnce(&own_once, find_own_sid, NULL, NULL) ? own_sid : NULL;
}

static PSECURITY_DESCRIPTOR parse(const char *text)
{
    PSECURITY_DESCRIPTOR security = NULL;

    return ConvertStringSecurityDescriptorToSecurityDescriptorA(text, SDDL_REVISION_1, &security,
                                                                NULL)
               ? security
               : NULL;
}

/* The SID of a user or group given as one, or by its name. */
static bool find_sid(const char *name, char sid[PPI_SID_MAX])
{
    union {
        SID sid;
        char bytes[SECURITY_MAX_SID_SIZE];
    } found;
    wchar_t wide[256], domain[256];
    DWORD size = sizeof found, domain_size = PPI_COUNT(domain);
    SID_NAME_USE use;
    PSID parsed = NULL;

    if (_strnicmp(name, "S-", 2) == 0 && ConvertStringSidToSidA(name, &parsed)) {
        bool fits = sid_text(parsed, sid);

        LocalFree(parsed);
        return fits;
    }
    return ppi_wide(name, wide, PPI_COUNT(wide)) &&
           LookupAccountNameW(NULL, wide, &found, &size, domain, &domain_size, &use) &&
           sid_text(&found, sid);
}

bool ppi_user_name(const pp_peer *who, char *name, size_t size)
{
    wchar_t user[256], domain[256], wide[512];
    DWORD user_size = PPI_COUNT(user), domain_size = PPI_COUNT(domain);
    SID_NAME_USE use;
    PSID sid = NULL;

    if ((who->flags & PP_PEER_SID) == 0 || !ConvertStringSidToSidA(who->sid, &sid))
        return false;
    bool found = LookupAccountSidW(NULL, sid, user, &user_size, domain, &domain_size, &use);
    LocalFree(sid);
    if (!found)
        return false;
    _snwprintf(wide, PPI_COUNT(wide), L"%ls%ls%ls", domain, domain[0] != 0 ? L"\\" : L"", user);
    return ppi_narrow(wide, name, size);
}

/* What a client may do: read and write, and not make instances of its own (FILE_APPEND_DATA, which
 * is why this is not GW). */
static void allow(char ace[PPI_SID_MAX + 32], const char *sid)
{
    snprintf(ace, PPI_SID_MAX + 32, "(A;;0x12019B;;;%s)", sid);
}

/* The rights of those clients who are not the owner or the system. */
static int client_rights(const pp_listen_config *config, char aces[2][PPI_SID_MAX + 32])
{
    char sid[PPI_SID_MAX];

    aces[0][0] = aces[1][0] = '\0';
    if (config->access == PP_ACCESS_LOCAL)
        allow(aces[0], "AU");
    if (config->access == PP_ACCESS_ADMINS)
        allow(aces[0], "BA");
    if (config->access == PP_ACCESS_USER) {
        if (config->user == NULL)
            return ppi_fail(PP_EINVAL, "access %s wants a user", pp_access_name(config->access));
        if (!find_sid(config->user, sid))
            return ppi_fail(PP_EINVAL, "there is no user %.80s", config->user);
        allow(aces[0], sid);
    }
    if (config->access == PP_ACCESS_ADMINS && config->group != NULL) {
        if (!find_sid(config->group, sid))
            return ppi_fail(PP_EINVAL, "there is no group %.80s", config->group);
        allow(aces[1], sid);
    }
    return PP_OK;
}

/* Nobody from the network, nobody without a name; the system and the owner may do anything. Clients
 * cannot be programs of low integrity, which the label says. */
int ppi_pipe_security(const pp_listen_config *config, PSECURITY_DESCRIPTOR *security)
{
    char text[5 * PPI_SID_MAX], aces[2][PPI_SID_MAX + 32];
    const char *own = ppi_own_sid();

    if (own == NULL)
        return ppi_win_fail(GetLastError(), "this user's SID");
    int error = client_rights(config, aces);
    if (error != PP_OK)
        return error;
    snprintf(text, sizeof text,
             "O:%sD:P(D;;GA;;;NU)(D;;GA;;;AN)(A;;GA;;;SY)(A;;GA;;;%s)%s%sS:(ML;;NW;;;ME)", own, own,
             aces[0], aces[1]);
    *security = parse(text);
    return *security != NULL ? PP_OK : ppi_win_fail(GetLastError(), "the rights of the pipe");
}

int pp_access_describe(const pp_listen_config *config, char *text, size_t size)
{
    PSECURITY_DESCRIPTOR security = NULL;
    char *found = NULL;

    if (config == NULL || config->size != sizeof *config || config->access > PP_ACCESS_ADMINS ||
        text == NULL)
        return ppi_fail(PP_EINVAL, "config, config.access or text is wrong");
    int error = ppi_pipe_security(config, &security);
    if (error != PP_OK)
        return error;
    if (!ConvertSecurityDescriptorToStringSecurityDescriptorA(
            security, SDDL_REVISION_1,
            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION | LABEL_SECURITY_INFORMATION,
            &found, NULL))
        error = ppi_win_fail(GetLastError(), "the rights of the pipe");
    else if (snprintf(text, size, "%s", found) >= (int)size)
        error = ppi_fail(PP_EINVAL, "there is no room for the text");
    LocalFree(found);
    LocalFree(security);
    return error;
}

PSECURITY_DESCRIPTOR ppi_lock_security(void)
{
    char text[3 * PPI_SID_MAX];
    const char *own = ppi_own_sid();

    if (own == NULL)
        return NULL;
    snprintf(text, sizeof text, "O:%sD:P(A;;GA;;;SY)(A;;GA;;;%s)", own, own);
    return parse(text);
}

bool ppi_pipe_owner(HANDLE pipe, char owner[PPI_SID_MAX])
{
    union {
        SECURITY_DESCRIPTOR_RELATIVE header;
        char bytes[sizeof(SECURITY_DESCRIPTOR_RELATIVE) + SECURITY_MAX_SID_SIZE];
    } security;
    PSID sid = NULL;
    BOOL defaulted;
    DWORD size;

    return GetKernelObjectSecurity(pipe, OWNER_SECURITY_INFORMATION, &security, sizeof security,
                                   &size) &&
           GetSecurityDescriptorOwner(&security, &sid, &defaulted) && sid != NULL &&
           sid_text(sid, owner);
}

static const char system_user[] = "S-1-5-18", administrators[] = "S-1-5-32-544";

bool ppi_user_is_own(const struct pp_peer *who)
{
    const char *own = ppi_own_sid();

    return (who->flags & PP_PEER_SID) != 0 && own != NULL &&
           (strcmp(who->sid, own) == 0 || strcmp(who->sid, system_user) == 0);
}

bool ppi_owner_expected(const char *owner, const char *expected)
{
    const char *own = ppi_own_sid();

    if (expected[0] != '\0')
        return _stricmp(owner, expected) == 0;
    return (own != NULL && strcmp(owner, own) == 0) || strcmp(owner, system_user) == 0 ||
           strcmp(owner, administrators) == 0;
}

static void read_session(HANDLE token, pp_peer *peer)
{
    DWORD size, session;

    if (!GetTokenInformation(token, TokenSessionId, &session, sizeof session, &size))
        return;
    peer->session = session;
    peer->flags |= PP_PEER_SESSION;
}

static void read_integrity(HANDLE token, pp_peer *peer)
{
    union {
        TOKEN_MANDATORY_LABEL label;
        char bytes[sizeof(TOKEN_MANDATORY_LABEL) + SECURITY_MAX_SID_SIZE];
    } info;
    DWORD size;

    if (!GetTokenInformation(token, TokenIntegrityLevel, &info, sizeof info, &size))
        return;
    PSID sid = info.label.Label.Sid;
    DWORD last = (DWORD)*GetSidSubAuthorityCount(sid) - 1;
    peer->integrity = *GetSidSubAuthority(sid, last);
    peer->flags |= PP_PEER_INTEGRITY;
}

static void read_container(HANDLE token, pp_peer *peer)
{
    enum { IS_APP_CONTAINER = 29 }; /* TokenIsAppContainer, of Windows 8 */
    DWORD size, contained = 0;

    if (GetTokenInformation(token, (TOKEN_INFORMATION_CLASS)IS_APP_CONTAINER, &contained,
                            sizeof contained, &size) &&
        contained != 0)
        peer->flags |= PP_PEER_APP_CONTAINER;
}

/* The user at the client's end, if it is known (already).
 * Between the impersonation and its end nothing is done but opening the token. A thread that could
 * not stop would serve others with the client's rights: then the process must not live on. */
static void read_client(HANDLE pipe, pp_peer *peer)
{
    HANDLE token = NULL;

    if (!ImpersonateNamedPipeClient(pipe))
        return;
    BOOL opened = OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token);
    if (!RevertToSelf())
        TerminateProcess(GetCurrentProcess(), ERROR_CANNOT_IMPERSONATE);
    if (!opened)
        return;
    SECURITY_IMPERSONATION_LEVEL level = SecurityAnonymous;
    DWORD size;
    if (GetTokenInformation(token, TokenImpersonationLevel, &level, sizeof level, &size) &&
        level >= SecurityIdentification && token_sid(token, peer->sid)) {
        peer->flags |= PP_PEER_SID;
        read_session(token, peer);
        read_integrity(token, peer);
        read_container(token, peer);
    }
    CloseHandle(token);
}

static bool peer_process(const pp_handle *handle, ULONG *process)
{
    return handle->os.accepted ? GetNamedPipeClientProcessId(handle->os.pipe, process)
                               : GetNamedPipeServerProcessId(handle->os.pipe, process);
}

int ppi_pipe_peer(pp_handle *handle, pp_peer *peer)
{
    ULONG process = 0;

    if (handle->os.pipe == NULL)
        return PP_ESTATE;
    if (peer_process(handle, &process)) {
        peer->pid = process;
        peer->flags |= PP_PEER_PID;
    }
    if (handle->os.accepted)
        read_client(handle->os.pipe, peer);
    else if (ppi_pipe_owner(handle->os.pipe, peer->sid))
        peer->flags |= PP_PEER_SID;
    return PP_OK;
}

/* For people only: the number may be another process's by now. */
int ppi_pipe_exe(pp_handle *handle, char *path, size_t size)
{
    enum { PATH_CHARS = 1024 };
    wchar_t wide[PATH_CHARS];
    DWORD length = PATH_CHARS;
    ULONG number = 0;

    if (handle->os.pipe == NULL)
        return PP_ESTATE;
    if (!peer_process(handle, &number))
        return PP_ENOTFOUND;
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, number);
    if (process == NULL)
        return GetLastError() == ERROR_ACCESS_DENIED ? PP_EACCESS : PP_ENOTFOUND;
    bool known = QueryFullProcessImageNameW(process, 0, wide, &length);
    CloseHandle(process);
    if (!known)
        return PP_ENOTFOUND;
    if (ppi_narrow(wide, path, size))
        return PP_OK;
    path[0] = '\0';
    return PP_ELIMIT;
}
