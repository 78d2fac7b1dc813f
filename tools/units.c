#include "units.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "macros.h"

/* A number below 1,000, or so, with as many decimals as are of interest. */
static void show(char text[UNITS_MAX], double number, bool whole, const char *unit)
{
    int decimals = number < 9.95 && !whole && number > 0 ? 1 : 0;

    snprintf(text, UNITS_MAX, "%.*f%s", decimals, number, unit);
}

void units_count(char text[UNITS_MAX], double number)
{
    static const char *const units[] = { "", "k", "M", "G", "T" };
    size_t i = 0;

    if (isnan(number)) {
        snprintf(text, UNITS_MAX, "-");
        return;
    }
    if (number < 999.5) {
        show(text, number, number == (double)(uint64_t)number, "");
        return;
    }
    for (; number >= 999.5 && i + 1 < COUNT_OF(units); i++)
        number /= 1000;
    snprintf(text, UNITS_MAX, "%.*f%s", number < 99.95 ? 1 : 0, number, units[i]);
}

void units_bytes(char text[UNITS_MAX], double bytes)
{
    static const char *const units[] = { " B", " KiB", " MiB", " GiB", " TiB" };
    size_t i = 0;

    if (isnan(bytes)) {
        snprintf(text, UNITS_MAX, "-");
        return;
    }
    for (; bytes >= 1023.5 && i + 1 < COUNT_OF(units); i++)
        bytes /= 1024;
    show(text, bytes, i == 0, units[i]);
}

/* Two units, the smaller one with two digits. */
static void show_two(char text[UNITS_MAX], uint64_t small, uint64_t in_large, const char *large,
                     const char *unit)
{
    snprintf(text, UNITS_MAX, "%u%s%02u%s", (unsigned)(small / in_large), large,
             (unsigned)(small % in_large), unit);
}

void units_minutes(char text[UNITS_MAX], uint64_t seconds)
{
    if (seconds < 3600)
        show_two(text, seconds, 60, "m", "s");
    else if (seconds < 86400)
        show_two(text, seconds / 60, 60, "h", "m");
    else
        show_two(text, seconds / 3600, 24, "d", "h");
}

void units_time(char text[UNITS_MAX], double ns)
{
    const double second = 1e9;
    uint64_t seconds = ns >= second ? (uint64_t)(ns / second) : 0;

    if (isnan(ns))
        snprintf(text, UNITS_MAX, "-");
    else if (ns < 999.5e3)
        show(text, ns / 1e3, false, "us");
    else if (ns < 999.5e6)
        show(text, ns / 1e6, false, "ms");
    else if (seconds < 10)
        show(text, ns / second, ns >= second && (double)seconds * second >= ns, "s");
    else if (seconds < 60)
        snprintf(text, UNITS_MAX, "%us", (unsigned)seconds);
    else
        units_minutes(text, seconds);
}
