/* control_describe.h: $describe: what is served, by whom, and what they say about it. */
#ifndef CONTROL_DESCRIBE_H
#define CONTROL_DESCRIBE_H

#include "control_in.h"

enum { DESCRIBE_BYTES_MAX = 1024 * 1024 }; /* of an answer, or frame_max if that is less */

enum ppi_verdict control_describe(const struct request_in *in);

#endif
