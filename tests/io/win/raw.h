/* raw.h: Windows' own calls, as they are documented, and their traps: what a program without this
 * library must know. No call here is the library's. What Wine does otherwise is skipped by name,
 * with the source of the real behaviour. */
#ifndef RAW_H
#define RAW_H

#include "support/support.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

enum { RAW_KEY = 7 };

/* A named pipe of the test's own, both ends overlapped, the server's on a completion port. */
struct raw_pipe {
    HANDLE port, server, client;
    char path[PP_PATH_MAX];
};

/* Makes port and server; mode: PIPE_TYPE_... | PIPE_READMODE_... Nobody has connected. */
void raw_pipe_open(struct raw_pipe *pipe, DWORD mode);
void raw_pipe_connect(struct raw_pipe *pipe); /* the client's end */
void raw_pipe_close(struct raw_pipe *pipe);
void raw_write(HANDLE end, const void *data, DWORD size);

/* GetQueuedCompletionStatus, with everything it gives. */
struct raw_packet {
    BOOL result;
    DWORD error; /* only if result is FALSE */
    DWORD bytes;
    ULONG_PTR key;
    OVERLAPPED *overlapped;
};
struct raw_packet raw_get(HANDLE port, DWORD timeout_ms);

int raw_port_rows(void);
int raw_pipe_rows(void);

#endif
