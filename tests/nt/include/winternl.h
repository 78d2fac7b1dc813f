/* winternl.h: see windows.h. */
#ifndef TEST_NT_WINTERNL_H
#define TEST_NT_WINTERNL_H

#include <windows.h>

typedef struct IO_STATUS_BLOCK {
    NTSTATUS Status;
    ULONG_PTR Information;
} IO_STATUS_BLOCK;

ULONG RtlNtStatusToDosError(NTSTATUS status);

#endif
