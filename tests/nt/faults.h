/* faults.h: rows that only a system shows which fails on demand, and has other users. */
#ifndef TEST_NT_FAULTS_H
#define TEST_NT_FAULTS_H

int fault_rows(void);    /* calls of the system fail */
int race_rows(void);     /* the system is late */
int stranger_rows(void); /* peers that are not ours */

#endif
