/* unit.h: tests of the pure parts: bytes, subjects, queues, the index, the monitor's filter, top.
 */
#ifndef UNIT_H
#define UNIT_H

int base_tests(void);
int scan_tests(void);
int skip_tests(void);
int subject_tests(void);
int outq_tests(void);
int reader_tests(void);
int index_tests(void);
int times_tests(void);
int filter_tests(void);
int record_tests(void);
int top_tests(void);

#endif
