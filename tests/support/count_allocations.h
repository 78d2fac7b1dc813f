/* count_allocations.h: how often this process has asked for memory. The test programs are linked
 * with --wrap, so every call from our own objects is counted, whatever allocates in the end. */
#ifndef TEST_COUNT_ALLOCATIONS_H
#define TEST_COUNT_ALLOCATIONS_H

#include <stdint.h>

/* Calls of malloc, calloc and realloc so far, by all threads. 0: they cannot be counted here. */
uint64_t allocations_counted(void);

#endif
