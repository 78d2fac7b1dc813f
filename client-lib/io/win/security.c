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

/* Nobody from the network, nobody without a name; the system and the owner may do anything. All
 * others may read and write, not make instances of their own (FILE_APPEND_DATA, which is why this
 * is not GW). They cannot be programs of low integrity, which the label says. */
PSECURITY_DESCRIPTOR ppi_pipe_security(uint32_t access)
{
    char text[3 * PPI_SID_MAX];
    const char *own = ppi_own_sid();

    if (own == NULL)
        return NULL;
    snprintf(text, sizeof text,
             "O:%sD:P(D;;GA;;;NU)(D;;GA;;;AN)(A;;GA;;;SY)(A;;GA;;;%s)%sS:(ML;;NW;;;ME)", own, own,
             access == PP_ACCESS_LOCAL ? "(A;;0x12019B;;;AU)" : "");
    return parse(text);
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

/* The user at the client's end; false: not known (yet).
 * Between the impersonation and its end nothing is done but opening the token. A thread that could
 * not stop would serve others with the client's rights: then the process must not live on. */
static bool client_sid(HANDLE pipe, char sid[PPI_SID_MAX])
{
    HANDLE token = NULL;

    if (!ImpersonateNamedPipeClient(pipe))
        return false;
    BOOL opened = OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token);
    if (!RevertToSelf())
        TerminateProcess(GetCurrentProcess(), ERROR_CANNOT_IMPERSONATE);
    if (!opened)
        return false;
    SECURITY_IMPERSONATION_LEVEL level = SecurityAnonymous;
    DWORD size;
    bool known = GetTokenInformation(token, TokenImpersonationLevel, &level, sizeof level, &size) &&
                 level >= SecurityIdentification && token_sid(token, sid);
    CloseHandle(token);
    return known;
}

int ppi_pipe_peer(pp_handle *handle, pp_peer *peer)
{
    ULONG process = 0;
    bool accepted = handle->os.accepted;

    if (handle->os.pipe == NULL)
        return PP_ESTATE;
    if (accepted ? GetNamedPipeClientProcessId(handle->os.pipe, &process)
                 : GetNamedPipeServerProcessId(handle->os.pipe, &process)) {
        peer->pid = process;
        peer->flags |= PP_PEER_PID;
    }
    if (accepted ? client_sid(handle->os.pipe, peer->sid)
                 : ppi_pipe_owner(handle->os.pipe, peer->sid))
        peer->flags |= PP_PEER_SID;
    return PP_OK;
}
