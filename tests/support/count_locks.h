/* count_locks.h: which mutexes this process has locked, and how often. For programs that are linked
 * with --wrap=pthread_mutex_lock, so every lock of our own objects is counted and the product knows
 * nothing of it. */
#ifndef TEST_COUNT_LOCKS_H
#define TEST_COUNT_LOCKS_H

#include <stdint.h>

/* Forgets what was counted. No other thread may lock meanwhile. */
void locks_forget(void);

/* Locks taken since, by all threads. */
uint64_t locks_counted(void);

/* How often this mutex was locked. And the one that was locked most often. */
uint64_t locks_on(const void *mutex);
const void *locks_most(void);

#endif
