/* fuzz.h: what the fuzz targets share. A target is one file with one function; run_corpus.c calls
 * it with the files of its corpus and seeded mutations of them, libFuzzer with what it finds. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The target: must return 0 whatever the bytes are, and always do the same with the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Before the first input: programs stop at the first mistake of ours. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What must hold for every input; if it does not, the program says so and aborts. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))
void fuzz_fail(const char *file, int line, const char *condition);

/* A copy in memory of exactly that size, so that a sanitizer sees each byte read beyond. */
uint8_t *fuzz_copy(const void *data, size_t size);

/* Takes the first byte of the input away; 0 if there is none. Targets let it choose how they go
 * about the rest. */
uint8_t fuzz_byte(const uint8_t **data, size_t *size);

#endif
