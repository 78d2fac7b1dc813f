#include "sim/turns.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/list.h"
#include "base/status.h"
#include "io/sys.h"
#include "sim/world.h"

const bool sim_has_turns = true;

enum { STEP_NS = 1000, THREADS_MAX = 64 };

struct turns_thread {
    struct ppi_list in_threads;
    struct ppi_thread *thread; /* as its starter knows it; NULL: the first */
    int number;
    sem_t turn;
    void (*run)(void *argument);
    void *run_argument;
    unsigned locks; /* that it has: meanwhile the turn is not passed on */
    bool ends, ended;
    /* what it waits for; NULL: nothing, it only waits for its turn */
    bool (*may_go_on)(void *argument);
    void *argument;
    uint64_t deadline_ns;
    const pthread_cond_t *cond; /* waited for; NULL: none, or signaled */
    struct ppi_event *event;
    bool event_set;
};

static struct {
    struct ppi_list threads;
    struct turns_thread first;
    int count;
    unsigned locks_a_turn;
} turns;
static _Thread_local struct turns_thread *self; /* NULL: takes no turns */
static pthread_key_t end_key;

/* --- the library's own functions, and what stands in their place ------------------------------ */

#define IN_PLACE_OF(type, name, ...)                                                               \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

/* --- turns ------------------------------------------------------------------------------------ */

static bool is_ready(struct turns_thread *thread)
{
    if (thread->ended)
        return false;
    return thread->may_go_on == NULL || thread->deadline_ns <= sim_world.now_ns ||
           thread->may_go_on(thread->argument);
}

static int find_ready(struct turns_thread *ready[THREADS_MAX])
{
    int count = 0;

    for (struct ppi_list *at = turns.threads.next; at != &turns.threads; at = at->next) {
        struct turns_thread *thread = PP_CONTAINER(at, struct turns_thread, in_threads);

        if (is_ready(thread) && count < THREADS_MAX)
            ready[count++] = thread;
    }
    return count;
}

/* All wait: lets time pass until one need not any more. */
static void jump(void)
{
    uint64_t soonest_ns = sim_next_ns();

    for (struct ppi_list *at = turns.threads.next; at != &turns.threads; at = at->next) {
        const struct turns_thread *thread = PP_CONTAINER(at, struct turns_thread, in_threads);

        if (!thread->ended && thread->deadline_ns < soonest_ns)
            soonest_ns = thread->deadline_ns;
    }
    if (soonest_ns == PPI_FOREVER) {
        fprintf(stderr, "sim: all threads wait for each other; SIM_SEED=%llu\n",
                (unsigned long long)sim_world.seed);
        abort();
    }
    if (soonest_ns > sim_world.now_ns)
        sim_world.now_ns = soonest_ns;
}

static void wait_for_turn(struct turns_thread *thread)
{
    while (sem_wait(&thread->turn) != 0)
        ;
}

/* Passes the turn on, to the calling thread perhaps, and waits for it unless the thread ends. */
static void pass(void)
{
    struct turns_thread *ready[THREADS_MAX], *next;
    int count;

    sim_world.now_ns += STEP_NS;
    while ((count = find_ready(ready)) == 0)
        jump();
    next = ready[count > 1 ? sim_random((uint32_t)count) : 0];
    if (next == self)
        return;
    sim_log("turn of %d", next->number);
    bool ends = self->ended;
    struct turns_thread *own = self;
    sem_post(&next->turn);
    if (!ends)
        wait_for_turn(own);
}

static bool turns_wait(bool (*may_go_on)(void *), void *argument, uint64_t deadline_ns)
{
    ppi_check(self->locks == 0);
    self->may_go_on = may_go_on;
    self->argument = argument;
    self->deadline_ns = deadline_ns;
    pass();
    self->may_go_on = NULL;
    self->deadline_ns = PPI_FOREVER;
    return sim_world.now_ns < deadline_ns;
}

static void turns_yield(void)
{
    if (self->locks == 0)
        turns_wait(NULL, NULL, PPI_FOREVER);
}

static struct turns_thread *owner_of(const struct ppi_event *event)
{
    for (struct ppi_list *at = turns.threads.next; at != &turns.threads; at = at->next) {
        struct turns_thread *thread = PP_CONTAINER(at, struct turns_thread, in_threads);

        if (thread->event == event && !thread->ended)
            return thread;
    }
    ppi_check(false);
    return NULL;
}

static bool turns_event_is_set(const struct ppi_event *event)
{
    return owner_of(event)->event_set;
}

static void turns_event_reset(struct ppi_event *event)
{
    owner_of(event)->event_set = false;
}

static const struct sim_turns functions = {
    .yield = turns_yield,
    .wait = turns_wait,
    .event_is_set = turns_event_is_set,
    .event_reset = turns_event_reset,
};

/* --- threads ---------------------------------------------------------------------------------- */

static void thread_init(struct turns_thread *thread)
{
    thread->deadline_ns = PPI_FOREVER;
    thread->number = turns.count++;
    ppi_check(sem_init(&thread->turn, 0, 0) == 0);
    ppi_list_append(&turns.threads, &thread->in_threads);
}

/* Runs with the thread's other last things; the second time, when they are done. */
static void last_turn(void *thread)
{
    if (!self->ends) {
        self->ends = true;
        pthread_setspecific(end_key, thread);
        return;
    }
    self->ended = true;
    pass();
}

static void thread_run(void *argument)
{
    self = argument;
    wait_for_turn(self);
    pthread_setspecific(end_key, self);
    self->run(self->run_argument);
}

IN_PLACE_OF(int, ppi_thread_start, struct ppi_thread *thread, void (*run)(void *), void *argument)
{
    if (self == NULL)
        return __real_ppi_thread_start(thread, run, argument);
    struct turns_thread *own = calloc(1, sizeof *own);
    ppi_check(own != NULL && turns.count < THREADS_MAX);
    own->thread = thread;
    own->run = run;
    own->run_argument = argument;
    thread_init(own);
    ppi_check(__real_ppi_thread_start(thread, thread_run, own) == PP_OK);
    turns_yield();
    return PP_OK;
}

static bool has_ended(void *thread)
{
    return ((struct turns_thread *)thread)->ended;
}

static struct turns_thread *find_thread(const struct ppi_thread *thread)
{
    for (struct ppi_list *at = turns.threads.next; at != &turns.threads; at = at->next) {
        struct turns_thread *found = PP_CONTAINER(at, struct turns_thread, in_threads);

        if (found->thread == thread)
            return found;
    }
    return NULL;
}

IN_PLACE_OF(void, ppi_thread_join, struct ppi_thread *thread)
{
    struct turns_thread *found = self != NULL ? find_thread(thread) : NULL;

    if (found != NULL)
        turns_wait(has_ended, found, PPI_FOREVER);
    __real_ppi_thread_join(thread);
    if (found == NULL)
        return;
    ppi_list_remove(&found->in_threads);
    sem_destroy(&found->turn);
    free(found);
    turns.count--;
}

/* --- locks, conditions, events ---------------------------------------------------------------- */

/* No lock is ever waited for: who has one keeps the turn. */
IN_PLACE_OF(int, pthread_mutex_lock, pthread_mutex_t *mutex)
{
    if (self != NULL)
        self->locks++;
    return __real_pthread_mutex_lock(mutex);
}

IN_PLACE_OF(int, pthread_mutex_unlock, pthread_mutex_t *mutex)
{
    int result = __real_pthread_mutex_unlock(mutex);

    if (self != NULL && --self->locks == 0 && turns.locks_a_turn > 0 &&
        sim_random(turns.locks_a_turn) == 0)
        turns_yield();
    return result;
}

static bool was_signaled(void *thread)
{
    return ((struct turns_thread *)thread)->cond == NULL;
}

/* false: the deadline is over. */
static bool wait_for_signal(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ns)
{
    self->cond = cond;
    pthread_mutex_unlock(mutex);
    turns_wait(was_signaled, self, deadline_ns);
    bool signaled = self->cond == NULL;
    self->cond = NULL;
    pthread_mutex_lock(mutex);
    return signaled;
}

IN_PLACE_OF(bool, ppi_cond_wait_until, struct ppi_cond *cond, struct ppi_mutex *mutex,
            uint64_t deadline_ns)
{
    if (self == NULL)
        return __real_ppi_cond_wait_until(cond, mutex, deadline_ns);
    return wait_for_signal(&cond->cond, &mutex->mutex, deadline_ns);
}

IN_PLACE_OF(int, pthread_cond_wait, pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    if (self == NULL)
        return __real_pthread_cond_wait(cond, mutex);
    wait_for_signal(cond, mutex, PPI_FOREVER);
    return 0;
}

static void signal_waiters(const pthread_cond_t *cond, bool all)
{
    for (struct ppi_list *at = turns.threads.next; at != &turns.threads; at = at->next) {
        struct turns_thread *thread = PP_CONTAINER(at, struct turns_thread, in_threads);

        if (thread->cond != cond)
            continue;
        thread->cond = NULL;
        if (!all)
            return;
    }
}

IN_PLACE_OF(int, pthread_cond_signal, pthread_cond_t *cond)
{
    if (self == NULL)
        return __real_pthread_cond_signal(cond);
    signal_waiters(cond, false);
    return 0;
}

IN_PLACE_OF(int, pthread_cond_broadcast, pthread_cond_t *cond)
{
    if (self == NULL)
        return __real_pthread_cond_broadcast(cond);
    signal_waiters(cond, true);
    return 0;
}

IN_PLACE_OF(struct ppi_event *, ppi_thread_event, void)
{
    struct ppi_event *event = __real_ppi_thread_event();

    if (self != NULL)
        self->event = event;
    return event;
}

IN_PLACE_OF(void, ppi_event_set, struct ppi_event *event)
{
    if (self != NULL)
        owner_of(event)->event_set = true;
    __real_ppi_event_set(event);
}

static bool event_is_set(void *event)
{
    return turns_event_is_set(event);
}

IN_PLACE_OF(bool, ppi_event_wait, struct ppi_event *event, uint64_t deadline_ns)
{
    if (self == NULL)
        return __real_ppi_event_wait(event, deadline_ns);
    bool in_time = turns_wait(event_is_set, event, deadline_ns) || self->event_set;
    self->event_set = false;
    return in_time;
}

/* --- time and chance -------------------------------------------------------------------------- */

IN_PLACE_OF(uint64_t, ppi_now_ns, void)
{
    if (self == NULL)
        return __real_ppi_now_ns();
    turns_yield();
    sim_world.now_ns += STEP_NS;
    return sim_world.now_ns;
}

IN_PLACE_OF(uint64_t, ppi_random, void)
{
    return self != NULL ? sim_random(UINT32_MAX) : __real_ppi_random();
}

IN_PLACE_OF(void, ppi_yield, void)
{
    if (self != NULL)
        turns_yield();
    else
        __real_ppi_yield();
}

static bool never(void *nothing)
{
    (void)nothing;
    return false;
}

IN_PLACE_OF(void, ppi_sleep_ms, unsigned milliseconds)
{
    if (self == NULL)
        __real_ppi_sleep_ms(milliseconds);
    else
        turns_wait(never, NULL, sim_world.now_ns + (uint64_t)milliseconds * PPI_NS_PER_MS);
}

/* --- beginning and end ------------------------------------------------------------------------ */

void sim_turns_begin(unsigned locks_a_turn)
{
    static bool prepared;

    if (!prepared)
        ppi_check(pthread_key_create(&end_key, last_turn) == 0);
    prepared = true;
    ppi_list_init(&turns.threads);
    turns.count = 0;
    turns.locks_a_turn = locks_a_turn;
    turns.first = (struct turns_thread){ .event = __real_ppi_thread_event() };
    thread_init(&turns.first);
    self = &turns.first;
    sim_world.turns = &functions;
}

bool sim_turns_end(void)
{
    bool alone = turns.count == 1;

    self = NULL;
    sim_world.turns = NULL;
    return alone;
}
