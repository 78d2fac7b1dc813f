/* sddl.h: see windows.h. */
#ifndef TEST_NT_SDDL_H
#define TEST_NT_SDDL_H

#include <windows.h>

#define SDDL_REVISION_1 1

BOOL ConvertSidToStringSidA(PSID sid, char **text);
BOOL ConvertStringSidToSidA(const char *text, PSID *sid);
BOOL ConvertStringSecurityDescriptorToSecurityDescriptorA(const char *text, DWORD revision,
                                                          PSECURITY_DESCRIPTOR *security,
                                                          ULONG *size);
BOOL ConvertSecurityDescriptorToStringSecurityDescriptorA(PSECURITY_DESCRIPTOR security,
                                                          DWORD revision, DWORD what, char **text,
                                                          ULONG *length);

#endif
