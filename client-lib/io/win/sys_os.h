/* sys_os.h for Windows: slim locks, condition variables, handles. */
#ifndef PPI_SYS_OS_H
#define PPI_SYS_OS_H

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <stdbool.h>
#include <stdint.h>
#include <windows.h>

struct ppi_mutex {
    SRWLOCK lock;
};
#define PPI_MUTEX_INIT                                                                             \
    {                                                                                              \
        SRWLOCK_INIT                                                                               \
    }

struct ppi_cond {
    CONDITION_VARIABLE cond;
};
#define PPI_COND_INIT                                                                              \
    {                                                                                              \
        CONDITION_VARIABLE_INIT                                                                    \
    }
struct ppi_thread {
    HANDLE handle;
};

static inline void ppi_mutex_lock(struct ppi_mutex *mutex)
{
    AcquireSRWLockExclusive(&mutex->lock);
}

static inline void ppi_mutex_unlock(struct ppi_mutex *mutex)
{
    ReleaseSRWLockExclusive(&mutex->lock);
}

static inline void ppi_cond_wait(struct ppi_cond *cond, struct ppi_mutex *mutex)
{
    SleepConditionVariableSRW(&cond->cond, &mutex->lock, INFINITE, 0);
}

static inline void ppi_cond_signal(struct ppi_cond *cond)
{
    WakeConditionVariable(&cond->cond);
}

static inline void ppi_cond_broadcast(struct ppi_cond *cond)
{
    WakeAllConditionVariable(&cond->cond);
}

struct ppi_process {
    HANDLE handle; /* until it was waited for */
    DWORD id;
    int signaled; /* the number of the last signal that was sent to it; 0: none */
};

struct pp_handle;
struct pp_port;
struct ppi_listener;

/* What a handle keeps for the system. */
struct ppi_os_handle {
    HANDLE pipe;                   /* one end of a pipe; NULL: none, or none any more */
    HANDLE events[2];              /* of each lane, for operations that are waited for; NULL: none
                                      was needed yet */
    bool canceled[2];              /* of each lane's current: its end was asked for */
    bool accepted;                 /* the other end is the client */
    struct pp_port *bound;         /* the port that gets the pipe's completions; referenced */
    struct ppi_listener *listener; /* owned; a listener's name and its instances */
    struct pp_handle *later;       /* the instance after this one in the listener's list */
};

#endif
