/* usage.c: what this process is, and what it uses. */
#include "io/win/win.h"

#include <psapi.h>

uint64_t ppi_process_id(void)
{
    return GetCurrentProcessId();
}

uint32_t ppi_process_generation(void)
{
    return 0; /* a process is never forked */
}

/* Handles are small multiples of four, the smallest that is free first: behind so many that are
 * none there are no more. */
enum { HANDLE_STEP = 4, NONE_MAX = 512 };

/* Wine 8 has GetProcessHandleCount, which finds 0. There each is tried: to ask for the list of all
 * handles of all processes crashes its server when one of them is just beginning. */
uint64_t ppi_process_handles(void)
{
    DWORD count = 0, flags;

    if (GetProcessHandleCount(GetCurrentProcess(), &count) && count > 0)
        return count;
    for (uintptr_t at = HANDLE_STEP, none = 0; none < NONE_MAX; at += HANDLE_STEP, none++) {
        if (GetHandleInformation((HANDLE)at, &flags)) {
            count++;
            none = 0;
        }
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
