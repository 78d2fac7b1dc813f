/* model_tests.h: what both programs of model_tests.c call. */
#ifndef TEST_NT_MODEL_TESTS_H
#define TEST_NT_MODEL_TESTS_H

/* How many failed. on_wine: tests of what Wine 8 does otherwise are skipped. */
int model_tests(int on_wine);

#endif
