/* rows.h: the conformance suite of the port and the pipes. Each test is named after the row of the
 * table of semantics that it shows; client-lib/io/ROWS.md is the table. A name goes on with
 * not_offered or compile_time where that is what it shows: row_25_not_offered_no_wait_is_alertable.
 */
#ifndef ROWS_H
#define ROWS_H

int port_rows(void);   /* 1 to 24: the port, and taking from it */
int worker_rows(void); /* 20 to 35: concurrency, workers, posts */
int pool_rows(void);   /* 28 to 31: handlers that block, threads that leave */
int op_rows(void);     /* 38 to 51: operations and their packets */
int end_rows(void);    /* 53 to 60: cancel, close, shutdown */
int stream_rows(void); /* 63 to 78: the message pump and streams */
int buffer_rows(void); /* 64, 65: the pool of buffers, and when it is exhausted */
int name_rows(void);   /* 79 to 88: names, connecting, leaving */
int file_rows(void);   /* 89 to 91: files, and what they share with pipes */
int file_end_rows(void);
int file_fork_rows(void);
int access_rows(void); /* 87, and io/SECURITY.md: who may connect */
int thread_rows(void); /* 12 to 61: threads come, go, and hand over work */
int corner_rows(void); /* 4 to 85: corners of rows that are shown elsewhere */
int absent_rows(void); /* 3 to 75: what the compiler shows, and what is not offered */
int system_rows(
    void); /* what there is on one system only; Windows: its own calls, and their traps */

/* Ports that one thread takes from, PP_PORT_SINGLE_CONSUMER; `test_rows single` runs all rows that
 * open a pair on such a port. */
int consumer_rows(void);

/* A loop that is not the port's: lent descriptors (Linux), adopted native ports (Windows). */
int foreign_loop_rows(void);

/* What the main of test_rows is called in a program that has one of its own. */
int rows_main(int argc, char **argv);

#endif
