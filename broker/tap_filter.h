/* tap_filter.h: what a tap shows, as it was asked for (SYS.md). */
#ifndef TAP_FILTER_H
#define TAP_FILTER_H

#include <msgpack.h>

#include "control_in.h"
#include "wire/subject.h"

enum {
    TAP_CUT_BYTES = 512, /* of a message, if the filter does not say otherwise */
    TAP_CUT_BYTES_MAX = 64 * 1024
};

/* Who is meant: by a client's number, its process, or its name. */
struct tap_who {
    enum { WHO_ANYBODY, WHO_CLIENT, WHO_PROCESS, WHO_NAME } by;
    uint64_t number;
    char name[PPI_LABEL_MAX + 1];
};

enum tap_kind { TAP_ANY, TAP_PUB, TAP_CALL, TAP_ANSWER, TAP_ERROR };

/* What a tap shows: all that is given must be true. */
struct tap_filter {
    size_t subject_length; /* 0: all that is routed */
    char subject[PPI_SUBJECT_MAX];
    struct tap_who from, to;
    enum tap_kind kind;
    uint64_t size_min, size_max; /* bytes */
    bool dropped;                /* only what did not reach everybody, or reached nobody */
    uint32_t cut;
    uint64_t max; /* records; 0: no end */
};

const char *tap_kind_name(enum tap_kind kind);

/* Reads a filter from the request's first param; false: answered with an error. And packs it as it
 * was understood. */
bool tap_filter_read(const struct request_in *in, struct tap_filter *filter);
void tap_filter_pack(msgpack_packer *packer, const struct tap_filter *filter);

#endif
