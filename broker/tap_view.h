/* tap_view.h: a message as taps see it: whether a filter lets it by, and its record. */
#ifndef TAP_VIEW_H
#define TAP_VIEW_H

#include <msgpack.h>

#include "router.h"
#include "tap_filter.h"

enum {
    TAP_RECORD_FIELDS = 15,
    TAP_RECORD_BYTES_MAX = 1280 /* without its body */
};

/* A message, or several of one run, as taps see it. */
struct tap_view {
    enum tap_kind kind;
    const char *subject;
    size_t subject_length;
    const struct peer *from;   /* NULL: the broker */
    const struct route *route; /* to those that have taken it; or NULL, and */
    const struct peer *to;     /* NULL: nobody */
    struct receipt receipt;
    uint64_t routed_ns; /* of an answer: when its call was; 0: not known */
    bool may_send;      /* what is staged may be sent from here */
    uint64_t ts, time_us;
};

/* Does the filter let it by, whatever its size? */
bool tap_view_passes(const struct tap_view *view, const struct tap_filter *filter);

/* Packs all fields of its record but the first two, n and missed; of the body cut bytes. */
void tap_view_pack(msgpack_packer *packer, const struct tap_view *view, uint32_t cut,
                   const uint8_t *body, size_t size);

#endif
