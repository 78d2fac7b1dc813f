/* model_support.h: what the tests of the model share. They are plain Win32: each is compiled
 * against the model, and for Windows. */
#ifndef TEST_NT_MODEL_SUPPORT_H
#define TEST_NT_MODEL_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <windows.h>
#include <winternl.h>

/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { PATIENCE_MS = 20000, QUOTA = 1000, SERVER_KEY = 7, CLIENT_KEY = 8 };

/* How many threads wait in a port; -1: the system does not tell. Each main has its own. */
int waiters_of(HANDLE port);

extern int wine; /* is this Wine? */
void exempt_on_wine(const char *reason);

/* A name that no other test uses; until the next call. */
const wchar_t *new_name(void);
/* A server's end of it. */
HANDLE instance(const wchar_t *name, DWORD flags, DWORD max);
/* Some Windows say for a while that an instance is busy that nobody waits at. */
HANDLE client_of(const wchar_t *name);

/* A call that is waited for with an event. */
struct call {
    OVERLAPPED overlapped;
    DWORD error;
};
void start_read(struct call *call, HANDLE pipe, void *buffer, DWORD size);
void start_write(struct call *call, HANDLE pipe, const void *data, DWORD size);
void start_connect(struct call *call, HANDLE pipe);
int is_pending(const struct call *call);
/* How it has ended, however that was. */
DWORD outcome(struct call *call);

/* Whole calls: how many bytes, or FAILED_WITH an error. */
#define FAILED_WITH(error) (-(int64_t)(error))
int64_t do_read(HANDLE pipe, void *buffer, DWORD size);
int64_t do_write(HANDLE pipe, const void *data, DWORD size);

/* Two ends that are connected, maybe on a port. */
struct ends {
    HANDLE server, client, port;
    const wchar_t *name;
};
void open_ends(struct ends *ends);
void open_on_port(struct ends *ends);
void close_one(HANDLE *handle);
void close_ends(struct ends *ends);

OVERLAPPED_ENTRY next_entry(HANDLE port);
void assert_empty(HANDLE port);

/* The tests of model_pipe_tests.c; how many failed. */
int model_pipe_tests(void);

#endif
