/* samples.h: frames that must be understood, for the tests of the scanner and of what uses it. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { SAMPLES = 24 };

/* The i-th sample, appended to buf: all three types of frame; every type and width of value, also
 * wider than need be; empty and nested containers; the deepest nesting; some KiB of text. */
void sample_append(struct ppi_buf *buf, int i);

/* [2, subject, [bytes]] with that many bytes of filling. */
void sample_publish(struct ppi_buf *buf, const char *subject, size_t filling);

#endif
