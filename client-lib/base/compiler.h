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

#define PPI_COUNT(array) (sizeof(array) / sizeof *(array))

#endif
