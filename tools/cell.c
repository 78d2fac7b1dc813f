#include "cell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/sys.h>

#include "error.h"
#include "json.h"
#include "macros.h"
#include "text.h"
#include "units.h"

enum { NUMBER_MAX = 64, NAME_MAX_BYTES = 64 };

/* --- numbers --------------------------------------------------------------------------------- */

/* A message may bring any number. */
static void print_number(char text[NUMBER_MAX], double number, const char *unit)
{
    const char *between = unit[0] != '\0' ? " " : "";
    bool small = number > -100 && number < 100;
    int decimals = !small || number == (double)(int)number ? 0 : number >= 10 ? 1 : 2;

    if (number > -1e21 && number < 1e21)
        snprintf(text, NUMBER_MAX, "%.*f%s%s", decimals, number, between, unit);
    else
        snprintf(text, NUMBER_MAX, "%.3g%s%s", number, between, unit);
}

static void print_duration(char text[NUMBER_MAX], double ns)
{
    const double second = 1e9, ages = 1e21;
    uint64_t seconds = ns > 0 && ns < ages ? (uint64_t)(ns / second) : 0;

    if (ns <= 0 || ns >= ages)
        print_number(text, ns / second, "s");
    else if (ns < 1e3)
        print_number(text, ns, "ns");
    else if (ns < 1e6)
        print_number(text, ns / 1e3, "us");
    else if (ns < second)
        print_number(text, ns / 1e6, "ms");
    else if (seconds < 60)
        print_number(text, ns / second, "s");
    else
        units_minutes(text, seconds);
}

static void print_bytes(char text[NUMBER_MAX], double bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    size_t i = 0;

    for (; bytes >= 1024 && i + 1 < COUNT_OF(units); i++)
        bytes /= 1024;
    print_number(text, bytes, units[i]);
}

/* What is no time of these 10,000 years is a number. */
static void print_time(char text[NUMBER_MAX], double ms)
{
    const double year_10000 = 253402300800e3;

    if (ms >= 0 && ms < year_10000)
        pp_time_text((uint64_t)ms, text);
    else
        print_number(text, ms, "");
}

static void cell_number(struct bytes *cell, double number, enum unit unit)
{
    char text[NUMBER_MAX];

    switch (unit) {
    case UNIT_NONE: print_number(text, number, ""); break;
    case UNIT_NS: print_duration(text, number); break;
    case UNIT_US: print_duration(text, number * 1e3); break;
    case UNIT_MS: print_duration(text, number * 1e6); break;
    case UNIT_BYTES: print_bytes(text, number); break;
    case UNIT_TIME: print_time(text, number); break;
    }
    cell_text(cell, text);
}

/* --- values ---------------------------------------------------------------------------------- */

static void set_text(struct bytes *cell, const char *text, size_t size)
{
    cell->size = 0;
    bytes_add(cell, text, size);
    bytes_add(cell, "", 1);
    text_clean(cell->data, size); /* a zero in it, too */
    error_clean(cell->data);
}

void cell_text(struct bytes *cell, const char *text)
{
    set_text(cell, text, strlen(text));
}

void cell_json(struct bytes *cell, const json_t *value)
{
    cell->size = 0;
    if (value != NULL)
        json_print(value, cell);
    else
        bytes_add(cell, "null", 4);
    bytes_add(cell, "", 1);
    error_clean(cell->data);
}

void cell_raw(struct bytes *cell, const json_t *value)
{
    if (json_is_string(value))
        set_text(cell, json_string_value(value), json_string_length(value));
    else if (json_is_boolean(value))
        cell_text(cell, json_is_true(value) ? "yes" : "no");
    else if (value == NULL || json_is_null(value))
        cell_text(cell, "-");
    else
        cell_json(cell, value);
}

void cell_value(struct bytes *cell, const json_t *value, enum unit unit)
{
    if (json_is_number(value))
        cell_number(cell, json_number_value(value), unit);
    else
        cell_raw(cell, value);
}

/* --- paths ----------------------------------------------------------------------------------- */

static const json_t *step(const json_t *value, const char *name)
{
    return json_is_array(value) && name[0] >= '0' && name[0] <= '9'
               ? json_array_get(value, strtoul(name, NULL, 10))
               : json_object_get(value, name);
}

const json_t *cell_follow(const json_t *object, const char *path)
{
    char name[NAME_MAX_BYTES];
    const json_t *value = object;

    for (const char *at = path;; at++) {
        size_t length = strcspn(at, ".|");

        snprintf(name, sizeof name, "%.*s", (int)length, at);
        value = value != NULL ? step(value, name) : NULL;
        at += length;
        if (*at == '.')
            continue;
        if (*at == '\0' || (value != NULL && !json_is_null(value)))
            return value;
        value = object; /* the next path */
    }
}
