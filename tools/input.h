/* input.h: standard input as packets: a thread reads it block by block and posts each block to the
 * session's port. So input that never comes keeps nobody from hearing Ctrl-C or the broker. At
 * most INPUT_BLOCKS blocks are read ahead. */
#ifndef INPUT_H
#define INPUT_H

#include "session.h"

enum { INPUT_BLOCKS = 2, INPUT_BLOCK_BYTES = 256 * 1024, INPUT_HEADROOM = 16 };

struct input_block {
    struct task task;
    char *data;       /* in front of it INPUT_HEADROOM bytes are free */
    int64_t size;     /* 0: the end; negative: a status, */
    char detail[160]; /* and its words */
};

/* Starts to read. Once in a program's life. PP_OK, or why not. */
int input_open(struct session *session);

/* The block that comes next: wait for its task; then it is yours until it is given back. */
struct input_block *input_next(void);
void input_return(struct input_block *block);

/* Before session_close. A thread that waits for input cannot be stopped: it ends with the process,
 * and touches nothing but its own any more. */
void input_close(void);

#endif
