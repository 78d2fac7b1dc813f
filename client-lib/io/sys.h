/* sys.h: what else an operating system gives. One half of the platform seam (the other half is
 * driver.h); implemented in io/linux and io/win, and nothing above the seam asks the C library
 * for time, randomness or threads.
 *
 * sys_os.h comes from the platform's folder and defines struct ppi_mutex, ppi_cond and
 * ppi_thread with the functions that are better inline. */
#ifndef PPI_SYS_H
#define PPI_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sys_os.h"

enum { PPI_NS_PER_MS = 1000000 };
#define PPI_FOREVER UINT64_MAX /* a deadline that never comes */

/* Nanoseconds on a clock that only goes forward and stands still while the machine sleeps. */
uint64_t ppi_now_ns(void);

/* Milliseconds since 1970, for logs. */
uint64_t ppi_wall_ms(void);

/* That time as 2026-11-21T20:52:00.123Z. */
enum { PPI_TIME_TEXT = 32 };
void ppi_time_text(char out[PPI_TIME_TEXT], uint64_t wall_ms);

/* The deadline timeout_ms from now; negative: PPI_FOREVER. */
uint64_t ppi_deadline_ns(int timeout_ms);

/* Milliseconds until deadline_ns, rounded up; 0 if it is over, -1 for PPI_FOREVER. */
int ppi_until_ms(uint64_t deadline_ns);

/* Not for secrets: jitter, hash seeds. */
uint64_t ppi_random(void);

/* Mutex and condition: as everywhere. They cannot fail; waits may end for no reason. Beside these:
 * ppi_mutex_lock, ppi_mutex_unlock, ppi_cond_wait, ppi_cond_signal, ppi_cond_broadcast. */
void ppi_mutex_init(struct ppi_mutex *mutex);
void ppi_mutex_deinit(struct ppi_mutex *mutex);
void ppi_cond_init(struct ppi_cond *cond);
void ppi_cond_deinit(struct ppi_cond *cond);
/* false: deadline_ns is over. */
bool ppi_cond_wait_until(struct ppi_cond *cond, struct ppi_mutex *mutex, uint64_t deadline_ns);

/* Something one thread waits for and others set. The calling thread's own, made when first asked
 * for, gone with the thread; NULL: no handle left. */
struct ppi_event *ppi_thread_event(void);
/* Who sets it holds it first, while it is sure that its thread has not ended; that thread's end
 * waits for the set. */
void ppi_event_hold(struct ppi_event *event);
void ppi_event_set(struct ppi_event *event);
/* Waits until it is set and resets it. false: deadline_ns is over. */
bool ppi_event_wait(struct ppi_event *event, uint64_t deadline_ns);

/* PP_OK, PP_ENOMEM or PP_ELIMIT. The thread must be joined. */
int ppi_thread_start(struct ppi_thread *thread, void (*run)(void *argument), void *argument);
void ppi_thread_join(struct ppi_thread *thread);

/* Calls hook at the end of every thread that called ppi_at_thread_exit, on that thread; also if it
 * gave another hook, so a hook looks whether the thread has anything of its own. At most two
 * different functions in a process. */
void ppi_at_thread_exit(void (*hook)(void));
/* For its two implementations. */
void ppi_exit_hooks_add(void (*hook)(void));
void ppi_exit_hooks_run(void);

/* Processors that this process may use (affinity and quota), at least 1. */
uint32_t ppi_processors(void);

uint64_t ppi_process_id(void);

/* A number that differs in a forked child. */
uint32_t ppi_process_generation(void);

/* Is it this process's own user, or one that may do everything here anyway (root, SYSTEM)? */
struct pp_peer;
bool ppi_user_is_own(const struct pp_peer *who);

/* The name that the system has for the user, in UTF-8 ("DOMAIN\name" on Windows). It may have to
 * ask others for it, and block. false: it has none, or one that does not fit. */
bool ppi_user_name(const struct pp_peer *who, char *name, size_t size);

/* The first and every further wish of somebody outside that this process ends (SIGINT, SIGTERM,
 * the console is closed): wish(context, how many so far), on a thread of its own. Once, before
 * other threads are started. PP_OK, PP_ENOMEM, PP_ELIMIT. */
int ppi_watch_for_end(void (*wish)(void *context, unsigned count), void *context);

/* Lets this process open as many handles as the system allows it. */
void ppi_raise_handle_limit(void);

/* Other processes. A started process is waited for once. */
enum ppi_signal { PPI_INTERRUPT, PPI_TERMINATE, PPI_KILL };
struct ppi_stdio { /* files; NULL: this process's own */
    const char *input, *output, *errors;
};
/* Starts the program arguments[0], a path, with a list that ends with NULL. stdio may be NULL.
 * Files for output are written anew. PP_OK, PP_ENOMEM, PP_ENOTFOUND, PP_EIO. */
int ppi_process_start(struct ppi_process *process, const char *const *arguments,
                      const struct ppi_stdio *stdio);
/* PP_OK, PP_ENOTFOUND: it has ended. Windows: PPI_INTERRUPT and PPI_TERMINATE are Ctrl-Break, which
 * only processes on the same console can send; PP_EIO. */
int ppi_process_signal(struct ppi_process *process, enum ppi_signal signal);
/* 1: it has ended, *code is its exit code, or 256 + the signal's number. 0: timeout. */
int ppi_process_wait(struct ppi_process *process, int timeout_ms, int *code);

/* The path of the program that runs, for tests that start themselves again. */
const char *ppi_program_path(void);

/* fopen, with the path in UTF-8. */
FILE *ppi_file_open(const char *path, const char *mode);

/* A folder for files that nobody will miss, without a slash at the end. */
void ppi_temporary_folder(char *path, size_t size);

/* What this process uses: handles (file descriptors) open, and how many it may have; resident
 * memory in bytes; processor time of all its threads. 0: not known, or no limit. */
uint64_t ppi_process_handles(void);
uint64_t ppi_process_handles_max(void);
uint64_t ppi_process_memory(void);
uint64_t ppi_process_cpu_ns(void);

/* How often the calling thread waited, giving its processor up. 0 where it is not known. */
uint64_t ppi_thread_waits(void);

/* Lets another thread run, for loops that wait for a moment. */
void ppi_yield(void);

/* Sleeps; for back-off and for tests, never to wait for something that can be waited for. */
void ppi_sleep_ms(unsigned milliseconds);

/* What tests must know to say why a row cannot be shown: is this Wine? Is it Linux? */
bool ppi_on_wine(void);
bool ppi_on_linux(void);

/* Writes to standard error, past what the C library keeps for it; may block. false: nobody is
 * there to read it. */
bool ppi_errors_write(const void *data, size_t size);

/* The environment's value, or NULL. */
const char *ppi_environment(const char *name);

#endif
