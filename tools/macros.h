/* macros.h: the few things that C11 cannot say portably, or shortly. */
#ifndef MACROS_H
#define MACROS_H

#if defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

#endif
