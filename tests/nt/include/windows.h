/* windows.h: stands in for Windows' header where client-lib/io/win is compiled against the model of
 * Windows in tests/nt. It declares what io/win uses, and nothing else; the model implements it.
 * Types have Windows' sizes, but wchar_t, which is the compiler's. */
#ifndef TEST_NT_WINDOWS_H
#define TEST_NT_WINDOWS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <strings.h>
#include <wchar.h>

#define WINAPI
#define CALLBACK
#define __stdcall

/* --- types ----------------------------------------------------------------------------------- */

typedef int BOOL;
typedef unsigned char UCHAR, BYTE;
typedef uint16_t WORD;
typedef int32_t LONG, NTSTATUS;
typedef uint32_t DWORD, ULONG;
typedef int64_t LONGLONG;
typedef uint64_t ULONGLONG;
typedef uintptr_t ULONG_PTR, DWORD_PTR;
typedef size_t SIZE_T;
typedef void *HANDLE, *HMODULE, *PSID, *PSECURITY_DESCRIPTOR;
typedef intptr_t (*FARPROC)(void);

enum { FALSE, TRUE };

typedef union LARGE_INTEGER {
    LONGLONG QuadPart;
} LARGE_INTEGER;

typedef union ULARGE_INTEGER {
    struct {
        DWORD LowPart, HighPart;
    };
    ULONGLONG QuadPart;
} ULARGE_INTEGER;

typedef struct FILETIME {
    DWORD dwLowDateTime, dwHighDateTime;
} FILETIME;

typedef struct OVERLAPPED {
    ULONG_PTR Internal, InternalHigh;
    DWORD Offset, OffsetHigh;
    HANDLE hEvent;
} OVERLAPPED;

typedef struct OVERLAPPED_ENTRY {
    ULONG_PTR lpCompletionKey;
    OVERLAPPED *lpOverlapped;
    ULONG_PTR Internal;
    DWORD dwNumberOfBytesTransferred;
} OVERLAPPED_ENTRY;

typedef struct SECURITY_ATTRIBUTES {
    DWORD nLength;
    void *lpSecurityDescriptor;
    BOOL bInheritHandle;
} SECURITY_ATTRIBUTES;

/* --- numbers --------------------------------------------------------------------------------- */

#define INVALID_HANDLE_VALUE ((HANDLE)(intptr_t)-1)
#define INFINITE UINT32_C(0xFFFFFFFF)
#define MAX_PATH 260
#define STATUS_PENDING ((NTSTATUS)0x103)

#define WAIT_OBJECT_0 UINT32_C(0)
#define WAIT_IO_COMPLETION UINT32_C(192)
#define WAIT_TIMEOUT UINT32_C(258)
#define WAIT_FAILED UINT32_C(0xFFFFFFFF)

#define ERROR_SUCCESS UINT32_C(0)
#define ERROR_FILE_NOT_FOUND UINT32_C(2)
#define ERROR_PATH_NOT_FOUND UINT32_C(3)
#define ERROR_TOO_MANY_OPEN_FILES UINT32_C(4)
#define ERROR_ACCESS_DENIED UINT32_C(5)
#define ERROR_INVALID_HANDLE UINT32_C(6)
#define ERROR_NOT_ENOUGH_MEMORY UINT32_C(8)
#define ERROR_OUTOFMEMORY UINT32_C(14)
#define ERROR_HANDLE_EOF UINT32_C(38)
#define ERROR_NOT_SUPPORTED UINT32_C(50)
#define ERROR_NETNAME_DELETED UINT32_C(64)
#define ERROR_INVALID_PARAMETER UINT32_C(87)
#define ERROR_BROKEN_PIPE UINT32_C(109)
#define ERROR_SEM_TIMEOUT UINT32_C(121)
#define ERROR_INSUFFICIENT_BUFFER UINT32_C(122)
#define ERROR_INVALID_NAME UINT32_C(123)
#define ERROR_BAD_PATHNAME UINT32_C(161)
#define ERROR_ALREADY_EXISTS UINT32_C(183)
#define ERROR_FILENAME_EXCED_RANGE UINT32_C(206)
#define ERROR_BAD_PIPE UINT32_C(230)
#define ERROR_PIPE_BUSY UINT32_C(231)
#define ERROR_NO_DATA UINT32_C(232)
#define ERROR_PIPE_NOT_CONNECTED UINT32_C(233)
#define ERROR_MORE_DATA UINT32_C(234)
#define ERROR_PIPE_CONNECTED UINT32_C(535)
#define ERROR_PIPE_LISTENING UINT32_C(536)
#define ERROR_HANDLES_CLOSED UINT32_C(676)
#define ERROR_ABANDONED_WAIT_0 UINT32_C(735)
#define ERROR_OPERATION_ABORTED UINT32_C(995)
#define ERROR_IO_PENDING UINT32_C(997)
#define ERROR_NO_UNICODE_TRANSLATION UINT32_C(1113)
#define ERROR_NOT_FOUND UINT32_C(1168)
#define ERROR_INVALID_OWNER UINT32_C(1307)
#define ERROR_PRIVILEGE_NOT_HELD UINT32_C(1314)
#define ERROR_NONE_MAPPED UINT32_C(1332)
#define ERROR_INVALID_SID UINT32_C(1337)
#define ERROR_CANNOT_IMPERSONATE UINT32_C(1368)
#define ERROR_NO_SYSTEM_RESOURCES UINT32_C(1450)
#define ERROR_COMMITMENT_LIMIT UINT32_C(1455)
#define ERROR_INVALID_USER_BUFFER UINT32_C(1784)
#define ERROR_NOT_ENOUGH_QUOTA UINT32_C(1816)

DWORD GetLastError(void);
void SetLastError(DWORD error);

/* --- handles, events, waits ------------------------------------------------------------------ */

BOOL CloseHandle(HANDLE handle);
BOOL GetHandleInformation(HANDLE handle, DWORD *flags);
HANDLE CreateEventW(const SECURITY_ATTRIBUTES *attributes, BOOL manual, BOOL signaled,
                    const wchar_t *name);
BOOL SetEvent(HANDLE event);
BOOL ResetEvent(HANDLE event);
DWORD WaitForSingleObject(HANDLE handle, DWORD timeout_ms);
DWORD WaitForMultipleObjects(DWORD count, const HANDLE *handles, BOOL all, DWORD timeout_ms);

/* --- pipes ----------------------------------------------------------------------------------- */

#define READ_CONTROL UINT32_C(0x00020000)
#define FILE_READ_DATA UINT32_C(0x1)
#define FILE_APPEND_DATA UINT32_C(0x4)
#define FILE_GENERIC_READ UINT32_C(0x00120089)
#define FILE_GENERIC_WRITE UINT32_C(0x00120116)
#define GENERIC_READ UINT32_C(0x80000000)
#define GENERIC_WRITE UINT32_C(0x40000000)
#define OPEN_EXISTING UINT32_C(3)
#define FILE_FLAG_FIRST_PIPE_INSTANCE UINT32_C(0x00080000)
#define SECURITY_SQOS_PRESENT UINT32_C(0x00100000)
#define SECURITY_ANONYMOUS UINT32_C(0)
#define SECURITY_IDENTIFICATION UINT32_C(0x00010000)
#define FILE_FLAG_OVERLAPPED UINT32_C(0x40000000)
#define PIPE_ACCESS_DUPLEX UINT32_C(3)
#define PIPE_TYPE_BYTE UINT32_C(0)
#define PIPE_READMODE_BYTE UINT32_C(0)
#define PIPE_WAIT UINT32_C(0)
#define PIPE_REJECT_REMOTE_CLIENTS UINT32_C(8)
#define PIPE_UNLIMITED_INSTANCES UINT32_C(255)

HANDLE CreateNamedPipeW(const wchar_t *name, DWORD mode, DWORD pipe_mode, DWORD max_instances,
                        DWORD out_bytes, DWORD in_bytes, DWORD timeout_ms,
                        const SECURITY_ATTRIBUTES *attributes);
BOOL ConnectNamedPipe(HANDLE pipe, OVERLAPPED *overlapped);
BOOL DisconnectNamedPipe(HANDLE pipe);
HANDLE CreateFileW(const wchar_t *name, DWORD access, DWORD share,
                   const SECURITY_ATTRIBUTES *attributes, DWORD disposition, DWORD flags,
                   HANDLE template_file);
BOOL ReadFile(HANDLE file, void *buffer, DWORD size, DWORD *done, OVERLAPPED *overlapped);
BOOL WriteFile(HANDLE file, const void *data, DWORD size, DWORD *done, OVERLAPPED *overlapped);
BOOL PeekNamedPipe(HANDLE pipe, void *buffer, DWORD size, DWORD *read, DWORD *available,
                   DWORD *left);
BOOL CancelIoEx(HANDLE file, OVERLAPPED *overlapped);
BOOL GetNamedPipeClientProcessId(HANDLE pipe, ULONG *process);
BOOL GetNamedPipeServerProcessId(HANDLE pipe, ULONG *process);
BOOL ImpersonateNamedPipeClient(HANDLE pipe);
BOOL RevertToSelf(void);

/* --- completion ports ------------------------------------------------------------------------ */

#define FILE_SKIP_COMPLETION_PORT_ON_SUCCESS 1
#define FILE_SKIP_SET_EVENT_ON_HANDLE 2

HANDLE CreateIoCompletionPort(HANDLE file, HANDLE port, ULONG_PTR key, DWORD concurrency);
BOOL SetFileCompletionNotificationModes(HANDLE file, UCHAR modes);
BOOL PostQueuedCompletionStatus(HANDLE port, DWORD bytes, ULONG_PTR key, OVERLAPPED *overlapped);
BOOL GetQueuedCompletionStatus(HANDLE port, DWORD *bytes, ULONG_PTR *key, OVERLAPPED **overlapped,
                               DWORD timeout_ms);
BOOL GetQueuedCompletionStatusEx(HANDLE port, OVERLAPPED_ENTRY *entries, ULONG count, ULONG *got,
                                 DWORD timeout_ms, BOOL alertable);

/* --- locks and threads ----------------------------------------------------------------------- */

typedef struct SRWLOCK {
    uint64_t system[8];
} SRWLOCK;
typedef struct CONDITION_VARIABLE {
    uint64_t system[8];
} CONDITION_VARIABLE;
#define SRWLOCK_INIT                                                                               \
    {                                                                                              \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

void InitializeSRWLock(SRWLOCK *lock);
void AcquireSRWLockExclusive(SRWLOCK *lock);
void ReleaseSRWLockExclusive(SRWLOCK *lock);
void InitializeConditionVariable(CONDITION_VARIABLE *condition);
BOOL SleepConditionVariableSRW(CONDITION_VARIABLE *condition, SRWLOCK *lock, DWORD timeout_ms,
                               ULONG flags);
void WakeConditionVariable(CONDITION_VARIABLE *condition);
void WakeAllConditionVariable(CONDITION_VARIABLE *condition);

typedef struct INIT_ONCE {
    int state;
} INIT_ONCE;
#define INIT_ONCE_STATIC_INIT                                                                      \
    {                                                                                              \
        0                                                                                          \
    }
BOOL InitOnceExecuteOnce(INIT_ONCE *once, BOOL (*run)(INIT_ONCE *, void *, void **),
                         void *parameter, void **context);

#define FLS_OUT_OF_INDEXES UINT32_C(0xFFFFFFFF)
DWORD FlsAlloc(void (*callback)(void *));
void *FlsGetValue(DWORD slot);
BOOL FlsSetValue(DWORD slot, void *value);

void Sleep(DWORD milliseconds);
BOOL SwitchToThread(void);
HANDLE GetCurrentThread(void);
HANDLE CreateThread(const SECURITY_ATTRIBUTES *attributes, SIZE_T stack, DWORD (*run)(void *),
                    void *argument, DWORD flags, DWORD *id);

/* --- timers of the thread pool --------------------------------------------------------------- */

typedef struct TP_TIMER *PTP_TIMER;
typedef struct TP_CALLBACK_INSTANCE *PTP_CALLBACK_INSTANCE;
PTP_TIMER CreateThreadpoolTimer(void (*callback)(PTP_CALLBACK_INSTANCE, void *, PTP_TIMER),
                                void *context, void *environment);
void SetThreadpoolTimer(PTP_TIMER timer, FILETIME *due, DWORD period_ms, DWORD window_ms);
void WaitForThreadpoolTimerCallbacks(PTP_TIMER timer, BOOL cancel);
void CloseThreadpoolTimer(PTP_TIMER timer);

/* --- the process and the machine ------------------------------------------------------------- */

#define PROCESS_QUERY_LIMITED_INFORMATION UINT32_C(0x1000)
#define ALL_PROCESSOR_GROUPS 0xFFFF
#define STD_ERROR_HANDLE ((DWORD)-12)

HANDLE GetCurrentProcess(void);
DWORD GetCurrentProcessId(void);
HANDLE OpenProcess(DWORD access, BOOL inherit, DWORD id);
BOOL QueryFullProcessImageNameW(HANDLE process, DWORD flags, wchar_t *name, DWORD *size);
BOOL TerminateProcess(HANDLE process, unsigned code);
BOOL GetProcessHandleCount(HANDLE process, DWORD *count);
BOOL GetProcessTimes(HANDLE process, FILETIME *created, FILETIME *ended, FILETIME *kernel,
                     FILETIME *user);
BOOL GetProcessAffinityMask(HANDLE process, DWORD_PTR *own, DWORD_PTR *all);
DWORD GetActiveProcessorCount(WORD group);
HANDLE GetStdHandle(DWORD number);
HMODULE GetModuleHandleW(const wchar_t *name);
FARPROC GetProcAddress(HMODULE module, const char *name);
BOOL QueryPerformanceCounter(LARGE_INTEGER *count);
BOOL QueryPerformanceFrequency(LARGE_INTEGER *frequency);
void GetSystemTimeAsFileTime(FILETIME *time);

/* --- text ------------------------------------------------------------------------------------ */

#define CP_UTF8 65001
#define MB_ERR_INVALID_CHARS UINT32_C(8)
#define LCMAP_UPPERCASE UINT32_C(0x200)
#define LOCALE_NAME_INVARIANT L""

int MultiByteToWideChar(unsigned page, DWORD flags, const char *text, int length, wchar_t *wide,
                        int size);
int WideCharToMultiByte(unsigned page, DWORD flags, const wchar_t *wide, int length, char *text,
                        int size, const char *instead, BOOL *replaced);
int LCMapStringEx(const wchar_t *locale, DWORD flags, const wchar_t *from, int from_size,
                  wchar_t *to, int to_size, void *version, void *reserved, intptr_t sort);

/* Of Windows' C library. */
#define _stricmp strcasecmp
#define _strnicmp strncasecmp
#define _snwprintf swprintf
int rand_s(unsigned *number);
FILE *_wfopen(const wchar_t *path, const wchar_t *mode);

/* --- security -------------------------------------------------------------------------------- */

#define SECURITY_MAX_SID_SIZE 68
#define OWNER_SECURITY_INFORMATION UINT32_C(1)
#define DACL_SECURITY_INFORMATION UINT32_C(4)
#define LABEL_SECURITY_INFORMATION UINT32_C(16)
#define TOKEN_QUERY UINT32_C(8)

typedef struct SID {
    BYTE Revision, SubAuthorityCount, IdentifierAuthority[6];
    DWORD SubAuthority[1];
} SID;
typedef struct SID_AND_ATTRIBUTES {
    PSID Sid;
    DWORD Attributes;
} SID_AND_ATTRIBUTES;
typedef struct TOKEN_USER {
    SID_AND_ATTRIBUTES User;
} TOKEN_USER;
typedef struct TOKEN_MANDATORY_LABEL {
    SID_AND_ATTRIBUTES Label;
} TOKEN_MANDATORY_LABEL;
typedef struct SECURITY_DESCRIPTOR_RELATIVE {
    BYTE Revision, Sbz1;
    WORD Control;
    DWORD Owner, Group, Sacl, Dacl;
} SECURITY_DESCRIPTOR_RELATIVE;
typedef enum TOKEN_INFORMATION_CLASS {
    TokenUser = 1,
    TokenImpersonationLevel = 9,
    TokenSessionId = 12,
    TokenIntegrityLevel = 25
} TOKEN_INFORMATION_CLASS;
typedef enum SECURITY_IMPERSONATION_LEVEL {
    SecurityAnonymous,
    SecurityIdentification,
    SecurityImpersonation
} SECURITY_IMPERSONATION_LEVEL;
typedef enum SID_NAME_USE { SidTypeUser = 1 } SID_NAME_USE;

HANDLE LocalFree(void *memory);
BOOL OpenProcessToken(HANDLE process, DWORD access, HANDLE *token);
BOOL OpenThreadToken(HANDLE thread, DWORD access, BOOL as_self, HANDLE *token);
BOOL GetTokenInformation(HANDLE token, TOKEN_INFORMATION_CLASS what, void *info, DWORD size,
                         DWORD *needed);
BYTE *GetSidSubAuthorityCount(PSID sid);
DWORD *GetSidSubAuthority(PSID sid, DWORD index);
BOOL LookupAccountNameW(const wchar_t *system, const wchar_t *name, PSID sid, DWORD *sid_size,
                        wchar_t *domain, DWORD *domain_size, SID_NAME_USE *use);
BOOL LookupAccountSidW(const wchar_t *system, PSID sid, wchar_t *name, DWORD *name_size,
                       wchar_t *domain, DWORD *domain_size, SID_NAME_USE *use);
BOOL GetKernelObjectSecurity(HANDLE object, DWORD what, PSECURITY_DESCRIPTOR security, DWORD size,
                             DWORD *needed);
BOOL GetSecurityDescriptorOwner(PSECURITY_DESCRIPTOR security, PSID *owner, BOOL *defaulted);

#endif
