/* fields.h: the dictionary: every name that --json prints and --format takes, once. They are those
 * of the broker (broker/SYS.md); what a command adds itself is here too. Tables, --format help and
 * the manual take their words from here. */
#ifndef FIELDS_H
#define FIELDS_H

#include <stdbool.h>

/* What is printed: each kind of object has fields of its own. */
enum fields {
    FIELDS_NONE = 0,
    FIELDS_STATS = 1 << 0,
    FIELDS_CLIENTS = 1 << 1,
    FIELDS_SUBS = 1 << 2,
    FIELDS_SUBJECTS = 1 << 3,
    FIELDS_EVENTS = 1 << 4,
    FIELDS_RECORDS = 1 << 5,  /* of a tap */
    FIELDS_MESSAGES = 1 << 6, /* of sub */
    FIELDS_SERVICES = 1 << 7,
    FIELDS_RECEIPTS = 1 << 8,
    FIELDS_RESULTS = 1 << 9,
    FIELDS_TRIPS = 1 << 10,
    FIELDS_BENCH = 1 << 11,
    FIELDS_PLACE = 1 << 12,
    FIELDS_CLIENT = 1 << 13,  /* of show client, beside those of clients */
    FIELDS_SENDERS = 1 << 14, /* in from, of a subject */
    FIELDS_BROKER = 1 << 15,  /* of show broker, beside those of stats */
    FIELDS_KICKED = 1 << 16,
    FIELDS_CHECKS = 1 << 17,
    FIELDS_ERRORS = 1 << 18,
    FIELDS_FINDINGS = 1 << 19, /* of doctor */
    FIELDS_TOP = 1 << 20
};

struct field {
    const char *path; /* "who.pid": pid in the object who. NULL ends the dictionary */
    unsigned of;      /* any of enum fields */
    const char *title;
    const char *help;
    bool open; /* it may have anything in it: "params.0.name" */
};

extern const struct field fields[];

/* The field of these objects that a path leads to, or into; NULL: there is none. */
const struct field *fields_find(unsigned of, const char *path);

/* The path that could have been meant; NULL: none. */
const char *fields_meant(unsigned of, const char *path);

/* What a field's number counts, as its name tells: the ending _ns, _us, _ms or _bytes, or bytes_
 * in front. ts is a time of day, milliseconds since 1970. */
enum unit { UNIT_NONE, UNIT_NS, UNIT_US, UNIT_MS, UNIT_BYTES, UNIT_TIME };
enum unit fields_unit(const char *path);

/* Its name: "bytes"; "": none. */
const char *fields_unit_name(const char *path);

/* How much of the name is left without its unit: 6 of "uptime_ms". */
int fields_label(const char *path);

/* Lines for --format help and the manual: path, unit, what it is. */
void fields_help(unsigned of);

#endif
