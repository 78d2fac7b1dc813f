/* timer.c: timers of the thread pool, which here has one thread. */
#include <stdlib.h>

#include "nt/model.h"

struct TP_TIMER {
    struct TP_TIMER *next;
    void (*callback)(PTP_CALLBACK_INSTANCE, void *, PTP_TIMER);
    void *context;
    uint64_t due_ns; /* UINT64_MAX: not set */
    bool running;    /* its callback is */
    bool closed;     /* and it goes after that */
};

static struct TP_TIMER *timers;
static pthread_cond_t set = PTHREAD_COND_INITIALIZER, ran = PTHREAD_COND_INITIALIZER;
static bool started;

static struct TP_TIMER *next_due(void)
{
    struct TP_TIMER *found = NULL;

    for (struct TP_TIMER *timer = timers; timer != NULL; timer = timer->next)
        if (timer->due_ns != UINT64_MAX && (found == NULL || timer->due_ns < found->due_ns))
            found = timer;
    return found;
}

static void drop(struct TP_TIMER *timer)
{
    struct TP_TIMER **at = &timers;

    while (*at != timer)
        at = &(*at)->next;
    *at = timer->next;
    nt_free(timer);
}

static void run(struct TP_TIMER *timer)
{
    timer->due_ns = UINT64_MAX;
    timer->running = true;
    nt_leave();
    nt_dawdle();
    timer->callback(NULL, timer->context, timer);
    nt_enter();
    timer->running = false;
    pthread_cond_broadcast(&ran);
    if (timer->closed)
        drop(timer);
}

/* SetThreadpoolTimer's clock ticks coarsely: a timer may be a tick early. */
static DWORD serve(void *argument)
{
    enum { TICK_NS = 1000000 };

    (void)argument;
    nt_enter();
    for (;;) {
        struct TP_TIMER *timer = next_due();
        uint64_t due_ns = timer != NULL ? timer->due_ns : UINT64_MAX;

        if (timer != NULL && due_ns <= nt_now() + nt_choose(TICK_NS)) {
            run(timer);
            continue;
        }
        nt_block();
        nt_wait(&set, due_ns);
        nt_unblock();
    }
    return 0;
}

PTP_TIMER CreateThreadpoolTimer(void (*callback)(PTP_CALLBACK_INSTANCE, void *, PTP_TIMER),
                                void *context, void *environment)
{
    (void)environment;
    nt_enter();
    DWORD error = nt_fault();
    bool start = !started && error == ERROR_SUCCESS;
    struct TP_TIMER *timer = NULL;
    if (error == ERROR_SUCCESS) {
        timer = nt_alloc(sizeof *timer);
        timer->callback = callback;
        timer->context = context;
        timer->due_ns = UINT64_MAX;
        timer->next = timers;
        timers = timer;
        started = true;
    }
    nt_result(error);
    if (start)
        nt_start_hidden(serve);
    return timer;
}

void SetThreadpoolTimer(PTP_TIMER timer, FILETIME *due, DWORD period_ms, DWORD window_ms)
{
    (void)period_ms;
    (void)window_ms;
    nt_enter();
    timer->due_ns = UINT64_MAX;
    if (due != NULL) { /* relative, in negative units of 100 ns */
        uint64_t units = 0 - ((uint64_t)due->dwHighDateTime << 32 | due->dwLowDateTime);
        uint64_t now_ns = nt_now(), most = (UINT64_MAX - 1 - now_ns) / 100;

        timer->due_ns = now_ns + (units < most ? units : most) * 100;
    }
    pthread_cond_signal(&set);
    nt_leave();
}

/* A callback that has not begun will not, if cancel; one that runs is awaited. */
void WaitForThreadpoolTimerCallbacks(PTP_TIMER timer, BOOL cancel)
{
    nt_enter();
    if (cancel)
        timer->due_ns = UINT64_MAX;
    nt_block();
    while (timer->running)
        nt_wait(&ran, UINT64_MAX);
    nt_unblock();
    nt_leave();
}

void CloseThreadpoolTimer(PTP_TIMER timer)
{
    nt_enter();
    timer->closed = true;
    timer->due_ns = UINT64_MAX;
    if (!timer->running)
        drop(timer);
    nt_leave();
}
