/* process.h: see windows.h. */
#ifndef TEST_NT_PROCESS_H
#define TEST_NT_PROCESS_H

#include <stdint.h>

uintptr_t _beginthreadex(void *security, unsigned stack, unsigned (*run)(void *), void *argument,
                         unsigned flags, unsigned *id);

#endif
