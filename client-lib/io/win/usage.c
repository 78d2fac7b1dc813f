/* usage.c: what this process is, and what it uses. */
#include "io/win/win.h"

#include <stdlib.h>

#include <psapi.h>
#include <winternl.h>

uint64_t ppi_process_id(void)
{
    return GetCurrentProcessId();
}

uint32_t ppi_process_generation(void)
{
    return 0; /* a process is never forked */
}

/* What SystemExtendedHandleInformation is about: every handle of every process. */
enum { ALL_HANDLES = 64, LIST_BYTES_MIN = 256 * 1024, LIST_BYTES_MAX = 64 * 1024 * 1024 };
struct all_handles {
    ULONG_PTR count, reserved;
    struct {
        void *object;
        ULONG_PTR process, handle;
        ULONG access;
        USHORT trace, type;
        ULONG attributes, reserved;
    } handles[1]; /* count of them */
};

/* Wine 8 has GetProcessHandleCount, which finds 0; but there the list of all handles knows. */
uint64_t ppi_process_handles(void)
{
    DWORD count = 0;
    ULONG needed;

    if (GetProcessHandleCount(GetCurrentProcess(), &count) && count > 0)
        return count;
    for (ULONG size = LIST_BYTES_MIN; count == 0 && size <= LIST_BYTES_MAX; size *= 2) {
        struct all_handles *all = malloc(size);

        if (all == NULL)
            break;
        if (NtQuerySystemInformation((SYSTEM_INFORMATION_CLASS)ALL_HANDLES, all, size, &needed) ==
            0)
            for (ULONG_PTR i = 0; i < all->count; i++)
                count += all->handles[i].process == GetCurrentProcessId();
        free(all);
    }
    return count;
}

uint64_t ppi_process_handles_max(void)
{
    return 0; /* some 16 million: memory ends first */
}

uint64_t ppi_process_memory(void)
{
    PROCESS_MEMORY_COUNTERS counters = { .cb = sizeof counters };

    return K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters)
               ? counters.WorkingSetSize
               : 0;
}

static uint64_t duration_ns(const FILETIME *time)
{
    return ((uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime) * 100;
}

uint64_t ppi_process_cpu_ns(void)
{
    FILETIME created, ended, kernel, user;

    if (!GetProcessTimes(GetCurrentProcess(), &created, &ended, &kernel, &user))
        return 0;
    return duration_ns(&kernel) + duration_ns(&user);
}
