/* psapi.h: see windows.h. */
#ifndef TEST_NT_PSAPI_H
#define TEST_NT_PSAPI_H

#include <windows.h>

typedef struct PROCESS_MEMORY_COUNTERS {
    DWORD cb;
    SIZE_T WorkingSetSize;
} PROCESS_MEMORY_COUNTERS;

BOOL K32GetProcessMemoryInfo(HANDLE process, PROCESS_MEMORY_COUNTERS *counters, DWORD size);

#endif
