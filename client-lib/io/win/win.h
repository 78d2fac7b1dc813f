/* win.h: what the files of this folder share. */
#ifndef PPI_WIN_H
#define PPI_WIN_H

#include <stdatomic.h>

#include <panpipe/pipe.h>

#include "base/list.h"
#include "base/map.h"
#include "io/driver.h"
#include "io/op.h"

/* --- error.c ------------------------------------------------------------------------------- */

/* The status behind a Win32 error number. */
int ppi_win_status(DWORD error);

/* ppi_fail with that status; what says which call failed, and on what. */
int ppi_win_fail(DWORD error, const char *what);

/* The error number of an operation that the system has ended. */
DWORD ppi_win_outcome(const OVERLAPPED *overlapped);

/* --- text.c -------------------------------------------------------------------------------- */

/* UTF-8 into wide[0 .. size), UTF-16. false: it is no UTF-8, or does not fit. */
bool ppi_wide(const char *text, wchar_t *wide, size_t size);

/* And back. */
bool ppi_narrow(const wchar_t *wide, char *text, size_t size);

/* --- queue_iocp.c, bind.c and timer.c ------------------------------------------------------ */

struct ppi_queue {
    HANDLE port;
    bool adopted;           /* the port is the program's: not ours to close, packets not all ours */
    atomic_bool ended;      /* whoever comes to take leaves at once */
    atomic_bool relayed;    /* the relay is in the kernel's queue */
    atomic_uint waiting;    /* threads inside the kernel, or about to enter it */
    OVERLAPPED relay;       /* the packet that tells a waiter that the port has ended */
    struct ppi_mutex lock;  /* of what follows; innermost of all locks */
    struct ppi_map own;     /* adopted: the handles whose completions come here, by address */
    struct ppi_list timers; /* that run */
};

/* The system's part of an operation, and back. */
_Static_assert(sizeof(OVERLAPPED) <= sizeof(((pp_op *)0)->priv_.system), "OVERLAPPED has grown");
static inline OVERLAPPED *ppi_overlapped(pp_op *op)
{
    return (OVERLAPPED *)(void *)op->priv_.system;
}

/* From now on the completions of the handle's pipe come to port, for the pipe's life.
 * PP_OK, PP_ENOMEM, PP_ELIMIT, PP_EIO; PP_ENOTSUP: it is bound to another, and this Windows
 * cannot change that. */
int ppi_iocp_bind(pp_handle *handle, pp_port *port);
/* Forgets a pipe that is closed. */
void ppi_iocp_unbind(pp_handle *handle);

/* Takes one running timer out, which then will not run: its op is ended, canceled. NULL: none. */
pp_op *ppi_timer_drop(struct ppi_queue *queue);

/* --- npipe.c and listener.c ---------------------------------------------------------------- */

/* Named pipes. */
extern const struct ppi_pipe_driver ppi_npipe_driver;

int ppi_listener_open(pp_handle **out, const char *name, const pp_listen_config *config);
/* Takes half-built listeners too. */
void ppi_listener_close(pp_handle *handle);

/* The pipe a listener's accept waits on. */
pp_handle *ppi_listener_first(const pp_handle *handle);

/* Gives the first instance, which is connected, away; another listens before. PP_OK or why not. */
int ppi_listener_take(pp_handle *handle, pp_handle **connection);

/* --- process.c ----------------------------------------------------------------------------- */

/* The arguments, a list that ends with NULL, as a command line in UTF-16; from malloc. NULL:
 * pp_detail, *error. */
wchar_t *ppi_command_line(const char *const *arguments, int *error);

/* A handle that a child may inherit: a file (NULL: this process's own). NULL: it has none;
 * INVALID_HANDLE_VALUE: GetLastError. */
HANDLE ppi_standard_handle(const char *file, DWORD number);

/* Starts a command line, which may be written to, with those standard handles that are not NULL.
 * 0 or the number of the error. */
DWORD ppi_create_process(struct ppi_process *process, wchar_t *line, HANDLE handles[3],
                         DWORD flags);

/* --- streams.c and service.c --------------------------------------------------------------- */

/* Somebody wants this process to end: as ppi_watch_for_end says. */
void ppi_tell_end(void);

/* Lines for the event log, while ppi_service_logs. */
void ppi_service_write(const char *lines, size_t size);

/* --- place.c ------------------------------------------------------------------------------- */

/* Takes the name of a pipe for this process. PP_OK; PP_EINUSE, PP_EUNTRUSTED ... */
int ppi_place_lock(const wchar_t *path, HANDLE *lock);

/* --- security.c ---------------------------------------------------------------------------- */

/* The SID of this process's user, as text; NULL: the system does not tell. */
const char *ppi_own_sid(void);

enum { PPI_SID_MAX = PP_SID_MAX };

/* Who may do what with a pipe, as config says. PP_OK: free it with LocalFree; PP_EINVAL: no such
 * user or group ... */
int ppi_pipe_security(const pp_listen_config *config, PSECURITY_DESCRIPTOR *security);
/* Or with the lock on its name. Free with LocalFree; NULL: GetLastError. */
PSECURITY_DESCRIPTOR ppi_lock_security(void);

/* Whose pipe it is: the SID of the server's user, as text. false: GetLastError. */
bool ppi_pipe_owner(HANDLE pipe, char owner[PPI_SID_MAX]);

/* Is the owner one that a client expects? expected: the dial's; "": this user or the system. */
bool ppi_owner_expected(const char *owner, const char *expected);

/* ppi_pipe_driver.peer and .exe. */
int ppi_pipe_peer(pp_handle *handle, pp_peer *peer);
int ppi_pipe_exe(pp_handle *handle, char *path, size_t size);

#endif
