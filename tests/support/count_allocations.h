/* count_allocations.h: how often this process has asked for memory, and what happens if it gets
 * none. The test programs are linked with --wrap, so every call from our own objects is counted,
 * whatever allocates in the end. */
#ifndef TEST_COUNT_ALLOCATIONS_H
#define TEST_COUNT_ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Calls of malloc, calloc and realloc so far, by all threads. */
uint64_t allocations_counted(void);

/* Blocks that are in use: what was allocated and not freed. */
int64_t allocations_live(void);

/* Lets n allocations succeed and the one after them fail, once. */
void allocations_fail_after(unsigned n);

/* Has it failed? From now on none fails. */
bool allocations_failed(void);

#endif
