/* units.h: numbers in few columns. What is not known (NAN) is "-". */
#ifndef UNITS_H
#define UNITS_H

#include <stdint.h>

enum { UNITS_MAX = 16 };

/* "0.5", "12", "48.2k", "131k", "1.2M": at most 5 columns. */
void units_count(char text[UNITS_MAX], double number);
/* "0 B", "812 KiB", "3.1 MiB": at most 8. */
void units_bytes(char text[UNITS_MAX], double bytes);
/* "11us", "1.9ms", "220ms", "12s", "14m02s", "3h12m", "3d04h": at most 6 below 100 days. */
void units_time(char text[UNITS_MAX], double ns);
/* A minute or more, as units_time has it. */
void units_minutes(char text[UNITS_MAX], uint64_t seconds);

#endif
