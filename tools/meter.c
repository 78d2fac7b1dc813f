#include "meter.h"

#include "json.h"
#include "macros.h"

enum { FINE = 1 << METER_FINE_BITS };

static unsigned highest_bit(uint64_t number)
{
    unsigned bit = 0;

    while (number >>= 1)
        bit++;
    return bit;
}

/* Below FINE each number is a class; above, the bits behind the highest one choose it. */
static unsigned class_of(uint64_t ns)
{
    if (ns < FINE)
        return (unsigned)ns;
    unsigned shift = highest_bit(ns) - METER_FINE_BITS;
    return (shift + 1) * FINE + (unsigned)(ns >> shift) - FINE;
}

/* The middle of a class. */
static uint64_t time_of(unsigned class)
{
    if (class < FINE)
        return class;
    unsigned shift = class / FINE - 1;
    return ((uint64_t)(FINE + class % FINE) << shift) + ((uint64_t)1 << shift) / 2;
}

void meter_add(struct meter *meter, uint64_t ns)
{
    meter->count++;
    meter->classes[class_of(ns)]++;
}

uint64_t meter_quantile(const struct meter *meter, double share)
{
    uint64_t wanted = (uint64_t)((double)meter->count * share), passed = 0;

    for (unsigned class = 0; class < METER_CLASSES; class ++) {
        passed += meter->classes[class];
        if (passed > wanted || (passed == meter->count && passed > 0))
            return time_of(class);
    }
    return 0;
}

void meter_report(const struct meter *meter, json_t *report)
{
    static const struct {
        const char *name;
        double share;
    } lines[] = { { "p50_us", 0.5 }, { "p90_us", 0.9 }, { "p99_us", 0.99 }, { "p999_us", 0.999 } };

    for (size_t i = 0; i < COUNT_OF(lines); i++)
        json_object_set_new(
            report, lines[i].name,
            json_must(json_real((double)meter_quantile(meter, lines[i].share) / 1e3)));
}
