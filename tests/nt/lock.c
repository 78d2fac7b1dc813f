/* lock.c: slim locks, condition variables, what is done once. Each lies in the caller's memory, as
 * a lock of POSIX, so that the thread sanitizer sees them as what they are. */
#include <string.h>

#include "nt/model.h"

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(SRWLOCK), "a lock has room for POSIX's");
_Static_assert(sizeof(pthread_cond_t) <= sizeof(CONDITION_VARIABLE), "so has a condition");

/* SRWLOCK_INIT is zeros, and so is POSIX's here. */
static pthread_mutex_t *mutex_of(SRWLOCK *lock)
{
    return (pthread_mutex_t *)(void *)lock->system;
}

static pthread_cond_t *condition_of(CONDITION_VARIABLE *condition)
{
    return (pthread_cond_t *)(void *)condition->system;
}

static void begin_wait(void)
{
    nt_enter();
    nt_block();
    nt_leave();
}

static void end_wait(void)
{
    nt_enter();
    nt_unblock();
    nt_leave();
}

void InitializeSRWLock(SRWLOCK *lock)
{
    memset(lock, 0, sizeof *lock);
}

void AcquireSRWLockExclusive(SRWLOCK *lock)
{
    if (pthread_mutex_trylock(mutex_of(lock)) == 0)
        return;
    begin_wait();
    pthread_mutex_lock(mutex_of(lock));
    end_wait();
}

void ReleaseSRWLockExclusive(SRWLOCK *lock)
{
    pthread_mutex_unlock(mutex_of(lock));
}

void InitializeConditionVariable(CONDITION_VARIABLE *condition)
{
    memset(condition, 0, sizeof *condition);
}

/* Its page: may wake without reason. */
BOOL SleepConditionVariableSRW(CONDITION_VARIABLE *condition, SRWLOCK *lock, DWORD timeout_ms,
                               ULONG flags)
{
    uint64_t deadline_ns = nt_deadline(timeout_ms);

    (void)flags;
    nt_enter();
    bool for_nothing = nt_maybe(8);
    nt_block();
    nt_leave();
    bool woken =
        nt_wait_with(condition_of(condition), mutex_of(lock), for_nothing ? nt_now() : deadline_ns);
    end_wait();
    if (woken || for_nothing)
        return TRUE;
    SetLastError(WAIT_TIMEOUT);
    return FALSE;
}

void WakeConditionVariable(CONDITION_VARIABLE *condition)
{
    pthread_cond_signal(condition_of(condition));
}

void WakeAllConditionVariable(CONDITION_VARIABLE *condition)
{
    pthread_cond_broadcast(condition_of(condition));
}

BOOL InitOnceExecuteOnce(INIT_ONCE *once, BOOL (*run)(INIT_ONCE *, void *, void **),
                         void *parameter, void **context)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&mutex);
    if (once->state == 0)
        once->state = run(once, parameter, context) != 0;
    bool done = once->state != 0;
    pthread_mutex_unlock(&mutex);
    return done;
}
