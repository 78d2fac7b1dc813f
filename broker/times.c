#include "times.h"

/* Below 8 each nanosecond is a class; from there on each power of two has eight. */
static unsigned class_of(uint64_t ns)
{
    unsigned shift = 0;

    while (ns >> shift >= 16)
        shift++;
    unsigned class = shift * 8 + (unsigned)(ns >> shift);
    return class < TIMES_CLASSES ? class : TIMES_CLASSES - 1;
}

uint64_t times_ns(unsigned class)
{
    unsigned shift = class < 16 ? 0 : class / 8 - 1;

    return ((uint64_t)(class - shift * 8 + 1) << shift) - 1;
}

void times_add(struct times *times, uint64_t ns, uint64_t count)
{
    times->counts[class_of(ns)] += count;
}

void times_sum(struct times *times, const struct times *others)
{
    for (unsigned i = 0; i < TIMES_CLASSES; i++)
        times->counts[i] += others->counts[i];
}

uint64_t times_quantile_ns(const struct times *times, double part)
{
    uint64_t all = 0, seen = 0;

    for (unsigned i = 0; i < TIMES_CLASSES; i++)
        all += times->counts[i];
    for (unsigned i = 0; i < TIMES_CLASSES; i++) {
        seen += times->counts[i];
        if (seen > 0 && (double)seen >= part * (double)all)
            return times_ns(i);
    }
    return 0;
}
