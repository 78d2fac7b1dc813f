/* meta.h: who sent a message, as those are told who ask for it (option meta): a map
 * {from, name, pid, uid or sid, ts}. */
#ifndef META_H
#define META_H

#include "state.h"

enum { META_MAX = 320 }; /* bytes, with the longest name and SID */

/* Writes it at out, with the time that is now; how many bytes. In a view. */
size_t meta_write(uint8_t out[META_MAX], const struct peer *from);

/* The same of what the broker itself says: from is 0, and there is no user. */
size_t meta_write_own(uint8_t out[META_MAX]);

#endif
