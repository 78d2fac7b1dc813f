/* meter.h: times of many messages, in little memory, and what is made of them. */
#ifndef METER_H
#define METER_H

#include <stdint.h>

#include <jansson.h>

/* Times are counted in classes that are at most 1/32 wider than their lower end. */
enum { METER_FINE_BITS = 5, METER_CLASSES = (64 - METER_FINE_BITS + 1) << METER_FINE_BITS };

/* Zeroed, it is empty. One thread's. */
struct meter {
    uint64_t count;
    uint64_t classes[METER_CLASSES];
};

void meter_add(struct meter *meter, uint64_t ns);

/* The time that a share of all, 0.5 or 0.99, did not exceed. Nanoseconds; 0: there is none. */
uint64_t meter_quantile(const struct meter *meter, double share);

/* Adds p50_us, p90_us, p99_us and p999_us to report. */
void meter_report(const struct meter *meter, json_t *report);

#endif
