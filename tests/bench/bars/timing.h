/* timing.h: what the programs of this folder have in common: their loads, and a clock. */
#ifndef BARS_TIMING_H
#define BARS_TIMING_H

enum { PING = 64, BLOCK = 64 * 1024 };

/* Prints what went wrong and ends the program if condition is false. */
#define must(condition) must_be(condition, #condition)
void must_be(int condition, const char *words);

double now_us(void);

/* Sorts times. */
double median(double *times, int count);

/* Two ends of a pipe, blocking. */
void pair_open(int ends[2]);

#endif
