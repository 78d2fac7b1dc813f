/* tapper.h: a broker, an operator who taps, and two clients, "a" and "b", whom he listens to. */
#ifndef TAPPER_H
#define TAPPER_H

#include <msgpack.h>

#include "e2e/bus.h"

extern struct bus tapped;
extern struct raw tapper, a, b;

void tappers_open(const char *settings);
void tappers_close(void);

/* Their numbers are 1 to 3; in a real broker one more, after the one that tried. */
int number_of(int which);

/* The operator taps; it is the nth tap of this broker. */
void tap(int n, const char *filter);

/* The record that is the next message, until record_done; its fields. */
struct record {
    msgpack_unpacked message;
    size_t size;
    const msgpack_object_map *map;
};
struct record next_record(void);
const msgpack_object *record_field(const struct record *record, const char *name);
uint64_t record_figure(const struct record *record, const char *name);
void record_done(struct record *record);

/* The next record has these fields, and as body the bytes of that text (support/text.h). */
void hear_record(const char *fields, const char *body);

#endif
