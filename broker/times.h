/* times.h: how long messages are in the broker, from when they were read until they are handed to
 * the system: as counts of classes that are an eighth as wide as their values. Every 32nd packet is
 * sampled, with all that it brings. */
#ifndef TIMES_H
#define TIMES_H

#include <stdint.h>

enum { TIMES_EVERY = 32, TIMES_CLASSES = 8 * 38 }; /* the last class begins after some 17 minutes */

struct times {
    uint64_t counts[TIMES_CLASSES];
};

void times_add(struct times *times, uint64_t ns, uint64_t count);

/* The longest time of a class. */
uint64_t times_ns(unsigned class);

/* Adds others to times. */
void times_sum(struct times *times, const struct times *others);

/* The time that a part of all did not take longer than, 0 < part < 1; 0: there are none. */
uint64_t times_quantile_ns(const struct times *times, double part);

#endif
