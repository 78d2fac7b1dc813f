/* faults.h: rows that only a system shows which fails on demand. */
#ifndef TEST_NT_FAULTS_H
#define TEST_NT_FAULTS_H

int fault_rows(void);

#endif
