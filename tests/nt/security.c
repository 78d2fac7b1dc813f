/* security.c: one user, whose identity everybody has. A security descriptor is its owner and its
 * text: the model parses nothing, and refuses nobody. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <sddl.h>

#include "nt/model.h"

enum { SID_TEXT = 200, PARTS_MAX = 15, DESCRIPTOR = sizeof(SECURITY_DESCRIPTOR_RELATIVE) };
static const char user[] = "S-1-5-21-1000-2000-3000-1001";
static const DWORD medium_integrity = 0x2000;

struct sid {
    BYTE revision, count, authority[6];
    DWORD parts[PARTS_MAX];
};

struct token {
    struct nt_object object;
    DWORD level;
};

/* --- SIDs ------------------------------------------------------------------------------------ */

static size_t sid_size(const struct sid *sid)
{
    return offsetof(struct sid, parts) + sid->count * sizeof(DWORD);
}

/* "S-1-5-21-..." */
static bool parse_sid(const char *text, struct sid *sid)
{
    char *end;

    *sid = (struct sid){ .revision = 1 };
    if (strncasecmp(text, "S-1-", 4) != 0 || !isdigit((unsigned char)text[4]))
        return false;
    sid->authority[5] = (BYTE)strtoul(text + 4, &end, 10);
    while (*end == '-' && isdigit((unsigned char)end[1]) && sid->count < PARTS_MAX)
        sid->parts[sid->count++] = (DWORD)strtoul(end + 1, &end, 10);
    return *end == '\0' && sid->count > 0;
}

BOOL ConvertStringSidToSidA(const char *text, PSID *out)
{
    struct sid sid;

    if (!parse_sid(text, &sid)) {
        SetLastError(ERROR_INVALID_SID);
        return FALSE;
    }
    *out = memcpy(nt_alloc(sizeof sid), &sid, sizeof sid);
    return TRUE;
}

BOOL ConvertSidToStringSidA(PSID from, char **text)
{
    struct sid sid;
    int length;

    memcpy(&sid, from, offsetof(struct sid, parts));
    memcpy(&sid, from, sid_size(&sid));
    *text = nt_alloc(SID_TEXT);
    length = snprintf(*text, SID_TEXT, "S-1-%u", sid.authority[5]);
    for (int i = 0; i < sid.count; i++)
        length += snprintf(*text + length, (size_t)(SID_TEXT - length), "-%u", sid.parts[i]);
    return TRUE;
}

BYTE *GetSidSubAuthorityCount(PSID sid)
{
    return &((struct sid *)sid)->count;
}

DWORD *GetSidSubAuthority(PSID sid, DWORD index)
{
    return &((struct sid *)sid)->parts[index];
}

BOOL LookupAccountNameW(const wchar_t *system, const wchar_t *name, PSID out, DWORD *size,
                        wchar_t *domain, DWORD *domain_size, SID_NAME_USE *use)
{
    struct sid sid;

    (void)system;
    if (wcscmp(name, L"tester") != 0 || !parse_sid(user, &sid) || *size < sid_size(&sid)) {
        SetLastError(ERROR_NONE_MAPPED);
        return FALSE;
    }
    memcpy(out, &sid, sid_size(&sid));
    domain[0] = L'\0';
    *domain_size = 0;
    *use = SidTypeUser;
    return TRUE;
}

BOOL LookupAccountSidW(const wchar_t *system, PSID sid, wchar_t *name, DWORD *name_size,
                       wchar_t *domain, DWORD *domain_size, SID_NAME_USE *use)
{
    char *text = NULL;

    (void)system;
    ConvertSidToStringSidA(sid, &text);
    bool own = strcmp(text, user) == 0;
    LocalFree(text);
    if (!own) {
        SetLastError(ERROR_NONE_MAPPED);
        return FALSE;
    }
    wcscpy(name, L"tester");
    *name_size = 6;
    domain[0] = L'\0';
    *domain_size = 0;
    *use = SidTypeUser;
    return TRUE;
}

/* --- tokens ---------------------------------------------------------------------------------- */

static HANDLE open_token(DWORD level)
{
    struct token *token = nt_alloc(sizeof *token);

    *token = (struct token){ { NT_TOKEN, 0, 1, false, true }, level };
    return nt_open(&token->object);
}

BOOL OpenProcessToken(HANDLE process, DWORD access, HANDLE *token)
{
    (void)process;
    (void)access;
    nt_enter();
    *token = open_token(SecurityImpersonation);
    return nt_result(ERROR_SUCCESS);
}

BOOL OpenThreadToken(HANDLE thread, DWORD access, BOOL as_self, HANDLE *token)
{
    (void)thread;
    (void)access;
    (void)as_self;
    nt_enter();
    DWORD error = nt_self()->impersonates ? nt_fault() : 1008; /* ERROR_NO_TOKEN */
    if (error == ERROR_SUCCESS)
        *token = open_token(nt_self()->client_level);
    return nt_result(error);
}

/* The information, and a SID behind it to which it points. */
static DWORD put_sid(const char *text, SID_AND_ATTRIBUTES *info, DWORD size)
{
    struct sid sid;

    if (!parse_sid(text, &sid) || size < sizeof *info + sid_size(&sid))
        return ERROR_INSUFFICIENT_BUFFER;
    info->Sid = info + 1;
    info->Attributes = 0;
    memcpy(info->Sid, &sid, sid_size(&sid));
    return ERROR_SUCCESS;
}

BOOL GetTokenInformation(HANDLE handle, TOKEN_INFORMATION_CLASS what, void *info, DWORD size,
                         DWORD *needed)
{
    char label[32];
    DWORD number = 0;

    nt_enter();
    const struct token *token = nt_find(handle, NT_TOKEN);
    if (token == NULL)
        return nt_result(ERROR_INVALID_HANDLE);
    *needed = sizeof number;
    if (what == TokenUser)
        return nt_result(put_sid(user, info, size));
    if (what == TokenIntegrityLevel) {
        snprintf(label, sizeof label, "S-1-16-%u", medium_integrity);
        return nt_result(put_sid(label, info, size));
    }
    if (what == TokenImpersonationLevel)
        number = token->level;
    else if (what == TokenSessionId)
        number = 1;
    memcpy(info, &number, sizeof number);
    return nt_result(ERROR_SUCCESS);
}

/* --- security descriptors -------------------------------------------------------------------- */

/* A descriptor: its head, the owner's SID, and its own text. */
struct descriptor {
    SECURITY_DESCRIPTOR_RELATIVE head;
    struct sid owner;
    char text[2048];
};
_Static_assert(offsetof(struct descriptor, owner) == DESCRIPTOR, "the owner lies behind the head");

BOOL ConvertStringSecurityDescriptorToSecurityDescriptorA(const char *text, DWORD revision,
                                                          PSECURITY_DESCRIPTOR *security,
                                                          ULONG *size)
{
    struct descriptor *made = nt_alloc(sizeof *made);
    char owner[SID_TEXT];

    (void)revision;
    (void)size;
    made->head = (SECURITY_DESCRIPTOR_RELATIVE){ .Revision = 1, .Owner = DESCRIPTOR };
    if (sscanf(text, "O:%199[S0-9-]", owner) != 1 || strlen(text) >= sizeof made->text ||
        !parse_sid(owner, &made->owner)) {
        nt_free(made);
        SetLastError(ERROR_INVALID_PARAMETER);
        return FALSE;
    }
    strcpy(made->text, text);
    *security = made;
    return TRUE;
}

/* Numbers come back in small letters. */
BOOL ConvertSecurityDescriptorToStringSecurityDescriptorA(PSECURITY_DESCRIPTOR security,
                                                          DWORD revision, DWORD what, char **text,
                                                          ULONG *length)
{
    const struct descriptor *from = security;

    (void)revision;
    (void)what;
    (void)length;
    *text = nt_alloc(sizeof from->text);
    strcpy(*text, from->text);
    for (char *at = *text; (at = strstr(at, "0x")) != NULL;)
        for (at += 2; isxdigit((unsigned char)*at); at++)
            *at = (char)tolower((unsigned char)*at);
    return TRUE;
}

void nt_security_owner(const SECURITY_ATTRIBUTES *attributes, char owner[200])
{
    const struct descriptor *from = attributes != NULL ? attributes->lpSecurityDescriptor : NULL;

    strcpy(owner, user);
    if (from != NULL)
        sscanf(from->text, "O:%199[S0-9-]", owner);
}

BOOL GetKernelObjectSecurity(HANDLE object, DWORD what, PSECURITY_DESCRIPTOR security, DWORD size,
                             DWORD *needed)
{
    SECURITY_DESCRIPTOR_RELATIVE head = { .Revision = 1, .Owner = DESCRIPTOR };
    struct sid owner;

    (void)what;
    nt_enter();
    const struct nt_end *end = nt_find(object, NT_END);
    if (end == NULL)
        return nt_result(ERROR_INVALID_HANDLE);
    const struct nt_name *name = end->pipe->name;
    bool good = parse_sid(name != NULL ? name->owner : user, &owner);
    *needed = (DWORD)(DESCRIPTOR + sid_size(&owner));
    if (!good || size < *needed)
        return nt_result(ERROR_INSUFFICIENT_BUFFER);
    memcpy(security, &head, sizeof head);
    memcpy((char *)security + DESCRIPTOR, &owner, sid_size(&owner));
    return nt_result(ERROR_SUCCESS);
}

BOOL GetSecurityDescriptorOwner(PSECURITY_DESCRIPTOR security, PSID *owner, BOOL *defaulted)
{
    const SECURITY_DESCRIPTOR_RELATIVE *head = security;

    *owner = head->Owner != 0 ? (char *)security + head->Owner : NULL;
    *defaulted = FALSE;
    return TRUE;
}

HANDLE LocalFree(void *memory)
{
    nt_free(memory);
    return NULL;
}
