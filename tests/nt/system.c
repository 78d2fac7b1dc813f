/* system.c: text, clocks, and what a program asks about its process and its machine. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <psapi.h>

#include "nt/model.h"

/* --- text: UTF-8, and wide characters of 32 bits --------------------------------------------- */

/* One character of text, which has at most size bytes: how many they are; 0: it is no UTF-8. */
static int decode(const unsigned char *text, int size, wchar_t *out)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    int length = text[0] < 0x80   ? 1
                 : text[0] < 0xC2 ? 0
                 : text[0] < 0xE0 ? 2
                 : text[0] < 0xF0 ? 3
                 : text[0] < 0xF5 ? 4
                                  : 0;
    uint32_t code = length == 1 ? text[0] : text[0] & (0x7Fu >> length);

    if (length == 0 || length > size)
        return 0;
    for (int i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3Fu);
    }
    if (code < least[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return 0;
    *out = (wchar_t)code;
    return length;
}

int MultiByteToWideChar(unsigned page, DWORD flags, const char *text, int length, wchar_t *wide,
                        int size)
{
    int count = 0;

    (void)page;
    (void)flags;
    if (length < 0)
        length = (int)strlen(text) + 1;
    for (int at = 0, step; at < length; at += step, count++) {
        wchar_t character;

        step = decode((const unsigned char *)text + at, length - at, &character);
        if (step == 0 || count == size) {
            SetLastError(step == 0 ? ERROR_NO_UNICODE_TRANSLATION : ERROR_INSUFFICIENT_BUFFER);
            return 0;
        }
        wide[count] = character;
    }
    return count;
}

static int encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    int length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int i = length - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)((0xF00 >> length) | code);
    return length;
}

int WideCharToMultiByte(unsigned page, DWORD flags, const wchar_t *wide, int length, char *text,
                        int size, const char *instead, BOOL *replaced)
{
    int done = 0;

    (void)page;
    (void)flags;
    (void)instead;
    (void)replaced;
    if (length < 0)
        length = (int)wcslen(wide) + 1;
    for (int i = 0; i < length; i++) {
        char bytes[4];
        int count = encode((uint32_t)wide[i], bytes);

        if (done + count > size) {
            SetLastError(ERROR_INSUFFICIENT_BUFFER);
            return 0;
        }
        memcpy(text + done, bytes, (size_t)count);
        done += count;
    }
    return done;
}

int LCMapStringEx(const wchar_t *locale, DWORD flags, const wchar_t *from, int from_size,
                  wchar_t *to, int to_size, void *version, void *reserved, intptr_t sort)
{
    (void)locale;
    (void)flags;
    (void)version;
    (void)reserved;
    (void)sort;
    if (from_size > to_size)
        return 0;
    for (int i = 0; i < from_size; i++)
        to[i] = from[i] >= L'a' && from[i] <= L'z' ? from[i] - L'a' + L'A' : from[i];
    return from_size;
}

FILE *_wfopen(const wchar_t *path, const wchar_t *mode)
{
    char narrow[1024], narrow_mode[8];

    if (WideCharToMultiByte(CP_UTF8, 0, path, -1, narrow, sizeof narrow, NULL, NULL) == 0 ||
        WideCharToMultiByte(CP_UTF8, 0, mode, -1, narrow_mode, sizeof narrow_mode, NULL, NULL) == 0)
        return NULL;
    return fopen(narrow, narrow_mode);
}

int rand_s(unsigned *number)
{
    nt_enter();
    *number = nt_choose(UINT32_MAX);
    nt_leave();
    return 0;
}

/* --- clocks ---------------------------------------------------------------------------------- */

BOOL QueryPerformanceCounter(LARGE_INTEGER *count)
{
    count->QuadPart = (LONGLONG)nt_now();
    return TRUE;
}

BOOL QueryPerformanceFrequency(LARGE_INTEGER *frequency)
{
    frequency->QuadPart = 1000000000;
    return TRUE;
}

static FILETIME file_time(uint64_t units)
{
    return (FILETIME){ (DWORD)units, (DWORD)(units >> 32) };
}

void GetSystemTimeAsFileTime(FILETIME *time)
{
    const uint64_t from_1601_to_1970_s = 11644473600u;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    *time = file_time(((uint64_t)now.tv_sec + from_1601_to_1970_s) * 10000000u +
                      (uint64_t)now.tv_nsec / 100);
}

/* --- the process ----------------------------------------------------------------------------- */

static FILETIME duration(struct timeval time)
{
    return file_time((uint64_t)time.tv_sec * 10000000u + (uint64_t)time.tv_usec * 10u);
}

BOOL GetProcessTimes(HANDLE process, FILETIME *created, FILETIME *ended, FILETIME *kernel,
                     FILETIME *user)
{
    struct rusage usage;

    (void)process;
    getrusage(RUSAGE_SELF, &usage);
    *created = *ended = file_time(0);
    *kernel = duration(usage.ru_stime);
    *user = duration(usage.ru_utime);
    return TRUE;
}

BOOL K32GetProcessMemoryInfo(HANDLE process, PROCESS_MEMORY_COUNTERS *counters, DWORD size)
{
    struct rusage usage;

    (void)process;
    (void)size;
    getrusage(RUSAGE_SELF, &usage);
    counters->WorkingSetSize = (size_t)usage.ru_maxrss * 1024;
    return TRUE;
}

HANDLE GetCurrentProcess(void)
{
    return (HANDLE)(intptr_t)-1;
}

HANDLE GetCurrentThread(void)
{
    return (HANDLE)(intptr_t)-2;
}

DWORD GetCurrentProcessId(void)
{
    return (DWORD)getpid();
}

/* There is no process but this one. */
HANDLE OpenProcess(DWORD access, BOOL inherit, DWORD id)
{
    HANDLE handle = NULL;

    (void)access;
    (void)inherit;
    nt_enter();
    bool own = id == (DWORD)getpid();
    if (own) {
        struct nt_object *process = nt_alloc(sizeof *process);

        *process = (struct nt_object){ NT_PROCESS, 0, 1, false, true };
        handle = nt_open(process);
    }
    nt_result(own ? ERROR_SUCCESS : ERROR_INVALID_PARAMETER);
    return handle;
}

BOOL QueryFullProcessImageNameW(HANDLE process, DWORD flags, wchar_t *name, DWORD *size)
{
    char path[1024];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    (void)process;
    (void)flags;
    path[length > 0 ? length : 0] = '\0';
    int count = MultiByteToWideChar(CP_UTF8, 0, path, -1, name, (int)*size);
    *size = count > 0 ? (DWORD)count - 1 : 0;
    return count > 1;
}

BOOL TerminateProcess(HANDLE process, unsigned code)
{
    (void)process;
    _Exit((int)code);
}

DWORD GetActiveProcessorCount(WORD group)
{
    (void)group;
    return (DWORD)sysconf(_SC_NPROCESSORS_ONLN);
}

BOOL GetProcessAffinityMask(HANDLE process, DWORD_PTR *own, DWORD_PTR *all)
{
    DWORD count = GetActiveProcessorCount(0);

    (void)process;
    *own = *all = count < 64 ? ((DWORD_PTR)1 << count) - 1 : ~(DWORD_PTR)0;
    return TRUE;
}

/* A number that is no handle's. */
HANDLE GetStdHandle(DWORD number)
{
    return (HANDLE)(uintptr_t)number;
}
