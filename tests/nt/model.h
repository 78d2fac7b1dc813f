/* model.h: a model of Windows' kernel, as far as client-lib/io/win uses it: named pipes, completion
 * ports, events, threads. It runs in a process of Linux, with real threads.
 *
 * A seed chooses what the documentation leaves open: whether a call ends at once or later, whether
 * its packet comes before it has returned, how much of the data there is a read takes, when a
 * cancel arrives. Seed 0 chooses nothing: every call ends as soon as it can.
 *
 * One lock holds for all of it. A call that has ended but is kept back becomes visible at one of
 * the next calls of any thread, at the latest when a thread waits. Rules have the row of the port's
 * table that they are from; client-lib/io/README.md names the table. */
#ifndef TEST_NT_MODEL_H
#define TEST_NT_MODEL_H

#include <pthread.h>
#include <stdbool.h>

#include <windows.h>
#include <winternl.h>

/* --- for tests ------------------------------------------------------------------------------- */

/* Before any other call. careful: to close what is no handle ends the process. */
void nt_begin(uint64_t seed, bool careful);

/* From now on one of so many calls that may fail for want of memory or the like, does; 0: none. */
void nt_set_faults(unsigned one_in);
/* The calls-th of those that may fail does, once; 0: none. */
void nt_fail_after(unsigned calls);
uint64_t nt_faults_made(void);

/* How many threads wait in a port; -1: it is none. */
int nt_port_waiters(HANDLE port);

/* --- object.c: the lock, choices, handles ---------------------------------------------------- */

enum nt_kind { NT_EVENT, NT_PORT, NT_END, NT_THREAD, NT_TOKEN, NT_PROCESS };

struct nt_object {
    enum nt_kind kind;
    unsigned handles, references; /* each handle has a reference, too */
    bool signaled, manual;        /* of what can be waited for; manual: until it is reset */
};

/* The lock. Between the two nothing is called that could call back. */
void nt_enter(void);
void nt_leave(void);

/* A number below count; always 0 with seed 0. And: one time in so many. */
uint32_t nt_choose(uint32_t count);
bool nt_maybe(uint32_t one_in);
/* The calling thread loses some time, maybe. Without the lock. */
void nt_dawdle(void);
/* Are there faults? Then less can be relied on in other ways, too. */
bool nt_is_wild(void);
/* Is this call to fail? The error, or ERROR_SUCCESS. */
DWORD nt_fault(void);

/* Memory that the tests do not count. Zeroed. */
void *nt_alloc(size_t size);
void nt_free(void *memory);

/* A new handle; object has one reference, which becomes the handle's. */
HANDLE nt_open(struct nt_object *object);
/* The object of a handle, if it is of that kind; else NULL, and ERROR_INVALID_HANDLE. */
void *nt_find(HANDLE handle, enum nt_kind kind);
void nt_ref(struct nt_object *object);
void nt_unref(struct nt_object *object);
void nt_signal(struct nt_object *object);

/* Leaves the lock: TRUE, or FALSE with that error. */
BOOL nt_result(DWORD error);

/* Nanoseconds; UINT64_MAX is never. */
uint64_t nt_deadline(DWORD timeout_ms);
uint64_t nt_now(void);
/* Waits with the lock; false: the deadline is over. */
bool nt_wait(pthread_cond_t *condition, uint64_t deadline_ns);
/* The same for any condition and lock. */
bool nt_wait_with(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t deadline_ns);

/* --- thread.c -------------------------------------------------------------------------------- */

enum { NT_SLOTS = 64 };

struct nt_thread {
    struct nt_object object;
    DWORD error;
    struct nt_port *port; /* from which it took last; referenced */
    bool active;          /* it counts there, unless it is blocked */
    unsigned blocked;
    bool impersonates;
    DWORD client_level; /* of the client that it impersonates */
    void *slots[NT_SLOTS];
};

struct nt_thread *nt_self(void);
void nt_start_hidden(DWORD (*run)(void *));

/* The calling thread is about to wait for something, or has. With the lock. Nothing is kept back
 * any more. */
void nt_block(void);
void nt_unblock(void);

/* --- iocp.c ---------------------------------------------------------------------------------- */

struct nt_port; /* begins with its object */
struct nt_packet {
    struct nt_packet *next;
    ULONG_PTR key;
    OVERLAPPED *overlapped;
    NTSTATUS status;
    DWORD bytes;
    bool late; /* the status block is filled when the packet is taken */
};

void nt_port_queue(struct nt_port *port, struct nt_packet packet);
void nt_port_closed(struct nt_port *port); /* its last handle */
void nt_port_freed(struct nt_port *port);
/* The thread counts no more, or again, or belongs to no port. */
void nt_port_rest(struct nt_thread *thread);
void nt_port_resume(struct nt_thread *thread);
void nt_port_forget(struct nt_thread *thread);

/* --- irp.c: operations ----------------------------------------------------------------------- */

#define NT_SUCCESS_STATUS ((NTSTATUS)0)
#define NT_TIMEOUT ((NTSTATUS)0x102)
#define NT_HANDLES_CLOSED ((NTSTATUS)0x8000000A)
#define NT_PIPE_BUSY ((NTSTATUS)0xC00000AC)
#define NT_DISCONNECTED ((NTSTATUS)0xC00000B0)
#define NT_CLOSING ((NTSTATUS)0xC00000B1)
#define NT_CONNECTED ((NTSTATUS)0xC00000B2)
#define NT_LISTENING ((NTSTATUS)0xC00000B3)
#define NT_CANCELLED ((NTSTATUS)0xC0000120)
#define NT_BROKEN ((NTSTATUS)0xC000014B)

enum nt_call { NT_READ, NT_WRITE, NT_LISTEN };

/* A call that was made on one end of a pipe. */
struct nt_irp {
    struct nt_irp *next; /* in its end's list, or among those that are kept back */
    enum nt_call call;
    struct nt_end *end;   /* referenced */
    struct nt_pipe *pipe; /* of a pending write: where its bytes are */
    const struct nt_thread *starter;
    OVERLAPPED *overlapped;
    struct nt_object *event; /* referenced; NULL: none */
    bool quiet;              /* no packet, says the low bit of hEvent: row 51 */
    bool doomed;             /* a cancel is on its way */
    char *buffer;            /* the caller's; of a write it is only read */
    DWORD size, bytes;
    NTSTATUS status;
};

/* It has ended: it leaves its end's list and becomes visible, now or later. */
void nt_irp_end(struct nt_irp *irp, NTSTATUS status, DWORD bytes);
/* The first call of that kind in the end's list; NULL: there is none. */
struct nt_irp *nt_irp_first(const struct nt_end *end, enum nt_call call);
/* What is kept back may become visible; all: it must. */
void nt_irp_publish(bool all);
/* Those of a thread that has ended. */
void nt_irp_orphan(const struct nt_thread *starter);

/* --- npfs.c: pipes and their data ------------------------------------------------------------ */

enum nt_state { NT_IS_DISCONNECTED, NT_IS_LISTENING, NT_IS_CONNECTED, NT_IS_CLOSING };
enum { NT_SERVER, NT_CLIENT };

struct nt_end {
    struct nt_object object;
    struct nt_end *next, *before; /* of all */
    struct nt_pipe *pipe;         /* NULL: closed */
    int side;
    bool overlapped, was_read;
    UCHAR modes;
    DWORD level;          /* a client's: what the server may do with its identity */
    struct nt_port *port; /* referenced; NULL: on none */
    ULONG_PTR key;        /* of its packets */
    struct nt_irp *irps;  /* in flight, oldest first */
};

/* A write that was not read yet: in memory of the system, or still the caller's. */
struct nt_chunk {
    struct nt_chunk *next;
    struct nt_irp *write; /* NULL: it has ended, data is the chunk's own */
    char *data;
    size_t size, taken;
};

struct nt_stream {
    struct nt_chunk *first, *last;
    size_t bytes, quota;
};

struct nt_pipe {
    struct nt_pipe *next; /* instances of a name, in the order in which they began to listen */
    struct nt_name *name;
    enum nt_state state;
    struct nt_end *ends[2];
    struct nt_stream to[2]; /* the data that this side will read */
};

struct nt_name {
    struct nt_name *next;
    wchar_t text[260];
    DWORD mode, max, count;
    char owner[200];
    struct nt_pipe *pipes;
};

/* Makes the call of an irp that is in its end's list. STATUS_PENDING: it stays there. *bytes when
 * it has ended. */
NTSTATUS nt_pipe_call(struct nt_irp *irp, DWORD *bytes);
/* Takes back what is left of a pending write. */
void nt_pipe_forget_write(struct nt_irp *irp);
void nt_pipe_end_closed(struct nt_end *end);
void nt_end_freed(struct nt_end *end);
struct nt_end *nt_all_ends(void);
/* A handle for one side of a pipe. */
HANDLE nt_end_open(struct nt_pipe *pipe, int side, DWORD flags);

/* --- names.c --------------------------------------------------------------------------------- */

/* The instance is an instance no more. */
void nt_name_leave(struct nt_pipe *pipe);
/* It listens from now on: the last of its name that will be chosen. */
void nt_name_requeue(struct nt_pipe *pipe);

/* --- security.c ------------------------------------------------------------------------------ */

/* The owner that a security descriptor names, as text. */
void nt_security_owner(const SECURITY_ATTRIBUTES *attributes, char owner[200]);

#endif
