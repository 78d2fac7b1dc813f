/* compiler.h: the few things that C11 cannot say portably. */
#ifndef PPI_COMPILER_H
#define PPI_COMPILER_H

#if defined(__GNUC__)
#define PPI_LIKELY(x) __builtin_expect(!!(x), 1)
#define PPI_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PPI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define PPI_NOINLINE __attribute__((noinline))
#else
#define PPI_LIKELY(x) (x)
#define PPI_UNLIKELY(x) (x)
#define PPI_PRINTF(text, first)
#define PPI_NOINLINE
#endif

/* Does the broker count and time what nobody but its operator reads? Always; but tests/bench also
 * builds it without, to know what that costs. */
#ifdef PANPIPE_NO_FIGURES
enum { PPI_FIGURES = 0 };
#else
enum { PPI_FIGURES = 1 };
#endif

#define PPI_COUNT(array) (sizeof(array) / sizeof *(array))

#endif
