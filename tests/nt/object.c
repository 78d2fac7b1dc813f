/* object.c: the lock, what the seed chooses, handles, events, waiting. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nt/model.h"

enum { HANDLE_STEP = 4, WAITS_MAX = 64, NAME_MAX_CHARS = 260 };

struct event {
    struct nt_object object;
    struct event *next; /* of those that have names */
    wchar_t name[NAME_MAX_CHARS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER; /* an object was signaled */
static uint64_t seed, state;
static bool careful;
static unsigned fault_one_in, fault_after; /* fault_after: calls until the only one; 0: none */
static uint64_t faults;

static struct nt_object **table;
static size_t table_size, handle_count;
static size_t *closed; /* places in the table that are free, the last one is used next */
static size_t closed_count;
static struct event *named;

/* What the linker makes of the names: the tests count calls of malloc and let some fail. */
void *__real_calloc(size_t number, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);

/* --- choices --------------------------------------------------------------------------------- */

void nt_begin(uint64_t number, bool is_careful)
{
    seed = number;
    state = number * 0x9E3779B97F4A7C15u + 1;
    careful = is_careful;
}

uint32_t nt_choose(uint32_t count)
{
    if (seed == 0)
        return 0;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % count);
}

bool nt_maybe(uint32_t one_in)
{
    return seed != 0 && nt_choose(one_in) == 0;
}

void nt_set_faults(unsigned one_in)
{
    nt_enter();
    fault_one_in = one_in;
    nt_leave();
}

void nt_fail_after(unsigned calls)
{
    nt_enter();
    fault_after = calls;
    nt_leave();
}

bool nt_is_wild(void)
{
    return fault_one_in != 0;
}

uint64_t nt_faults_made(void)
{
    nt_enter();
    uint64_t count = faults;
    nt_leave();
    return count;
}

/* What ReadFile's and WriteFile's pages say of too many requests: row 65. */
DWORD nt_fault(void)
{
    static const DWORD errors[] = { ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_ENOUGH_MEMORY,
                                    ERROR_INVALID_USER_BUFFER, ERROR_NOT_ENOUGH_QUOTA };

    bool now = fault_one_in != 0 && nt_choose(fault_one_in) == 0;

    if (fault_after > 0 && --fault_after == 0)
        now = true;
    if (!now)
        return ERROR_SUCCESS;
    faults++;
    return errors[nt_choose(4)];
}

/* --- the lock -------------------------------------------------------------------------------- */

void nt_enter(void)
{
    pthread_mutex_lock(&lock);
    nt_irp_publish(false);
}

void nt_leave(void)
{
    bool pause = nt_maybe(16);

    pthread_mutex_unlock(&lock);
    if (pause) /* others go on with what this call has done, before it returns: row 45 */
        sched_yield();
}

BOOL nt_result(DWORD error)
{
    nt_leave();
    if (error == ERROR_SUCCESS)
        return TRUE;
    SetLastError(error);
    return FALSE;
}

uint64_t nt_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t nt_deadline(DWORD timeout_ms)
{
    return timeout_ms == INFINITE ? UINT64_MAX : nt_now() + (uint64_t)timeout_ms * 1000000u;
}

bool nt_wait_with(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t deadline_ns)
{
    struct timespec end = { (time_t)(deadline_ns / 1000000000u),
                            (long)(deadline_ns % 1000000000u) };

    if (deadline_ns == UINT64_MAX)
        return pthread_cond_wait(condition, mutex) == 0;
    return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &end) != ETIMEDOUT;
}

bool nt_wait(pthread_cond_t *condition, uint64_t deadline_ns)
{
    return nt_wait_with(condition, &lock, deadline_ns);
}

void nt_dawdle(void)
{
    enum { NAP_NS = 50000 };
    struct timespec nap = { 0, NAP_NS };

    pthread_mutex_lock(&lock);
    bool now = nt_maybe(4);
    pthread_mutex_unlock(&lock);
    if (now)
        nanosleep(&nap, NULL);
}

/* --- memory and handles ---------------------------------------------------------------------- */

void *nt_alloc(size_t size)
{
    void *memory = __real_calloc(1, size);

    if (memory == NULL)
        abort();
    return memory;
}

void nt_free(void *memory)
{
    __real_free(memory);
}

/* A handle that was closed is used again at once: who still uses it meets something else, row 56.
 */
HANDLE nt_open(struct nt_object *object)
{
    size_t at;

    if (closed_count > 0) {
        at = closed[--closed_count];
    } else {
        at = table_size++;
        table = __real_realloc(table, table_size * sizeof(struct nt_object *));
        closed = __real_realloc(closed, table_size * sizeof *closed);
    }
    table[at] = object;
    object->handles++;
    handle_count++;
    return (HANDLE)((at + 1) * HANDLE_STEP);
}

static struct nt_object **place_of(HANDLE handle)
{
    uintptr_t number = (uintptr_t)handle;
    size_t at = number / HANDLE_STEP;

    if (number % HANDLE_STEP != 0 || at == 0 || at > table_size || table[at - 1] == NULL)
        return NULL;
    return &table[at - 1];
}

void *nt_find(HANDLE handle, enum nt_kind kind)
{
    struct nt_object **place = place_of(handle);

    if (place != NULL && (*place)->kind == kind)
        return *place;
    SetLastError(ERROR_INVALID_HANDLE);
    return NULL;
}

void nt_ref(struct nt_object *object)
{
    object->references++;
}

static void forget_name(struct nt_object *object)
{
    for (struct event **at = &named; *at != NULL; at = &(*at)->next)
        if (&(*at)->object == object) {
            *at = (*at)->next;
            return;
        }
}

void nt_unref(struct nt_object *object)
{
    if (--object->references > 0)
        return;
    if (object->kind == NT_EVENT)
        forget_name(object);
    if (object->kind == NT_PORT)
        nt_port_freed((struct nt_port *)object);
    if (object->kind == NT_END)
        nt_end_freed((struct nt_end *)object);
    nt_free(object);
}

BOOL CloseHandle(HANDLE handle)
{
    nt_enter();
    struct nt_object **place = place_of(handle);
    if (place == NULL) {
        if (careful) {
            fprintf(stderr, "CloseHandle: %p is no handle\n", handle);
            abort();
        }
        return nt_result(ERROR_INVALID_HANDLE);
    }
    struct nt_object *object = *place;
    *place = NULL;
    closed[closed_count++] = (size_t)(place - table);
    handle_count--;
    if (--object->handles == 0 && object->kind == NT_PORT)
        nt_port_closed((struct nt_port *)object);
    if (object->handles == 0 && object->kind == NT_END)
        nt_pipe_end_closed((struct nt_end *)object);
    nt_unref(object);
    return nt_result(ERROR_SUCCESS);
}

BOOL GetHandleInformation(HANDLE handle, DWORD *flags)
{
    nt_enter();
    *flags = 0;
    return nt_result(place_of(handle) != NULL ? ERROR_SUCCESS : ERROR_INVALID_HANDLE);
}

BOOL GetProcessHandleCount(HANDLE process, DWORD *count)
{
    (void)process;
    nt_enter();
    *count = (DWORD)handle_count;
    return nt_result(ERROR_SUCCESS);
}

/* --- events ---------------------------------------------------------------------------------- */

static struct event *find_named(const wchar_t *name)
{
    for (struct event *event = named; event != NULL; event = event->next)
        if (wcscmp(event->name, name) == 0)
            return event;
    return NULL;
}

/* CreateEvent's page: a name that exists is opened, and ERROR_ALREADY_EXISTS said. */
HANDLE CreateEventW(const SECURITY_ATTRIBUTES *attributes, BOOL manual, BOOL signaled,
                    const wchar_t *name)
{
    (void)attributes;
    nt_enter();
    DWORD error = nt_fault();
    struct event *event = name != NULL ? find_named(name) : NULL;
    HANDLE handle = NULL;
    if (error == ERROR_SUCCESS && event != NULL) {
        nt_ref(&event->object);
        handle = nt_open(&event->object);
        error = ERROR_ALREADY_EXISTS;
    } else if (error == ERROR_SUCCESS) {
        event = nt_alloc(sizeof *event);
        event->object = (struct nt_object){ NT_EVENT, 0, 1, signaled != 0, manual != 0 };
        if (name != NULL) {
            wcsncpy(event->name, name, NAME_MAX_CHARS - 1);
            event->next = named;
            named = event;
        }
        handle = nt_open(&event->object);
    }
    nt_leave();
    SetLastError(error);
    return handle;
}

void nt_signal(struct nt_object *object)
{
    object->signaled = true;
    pthread_cond_broadcast(&changed);
}

static BOOL set(HANDLE handle, bool signaled)
{
    nt_dawdle();
    nt_enter();
    struct nt_object *event = nt_find(handle, NT_EVENT);
    if (event != NULL && signaled)
        nt_signal(event);
    else if (event != NULL)
        event->signaled = false;
    return nt_result(event != NULL ? ERROR_SUCCESS : ERROR_INVALID_HANDLE);
}

BOOL SetEvent(HANDLE event)
{
    return set(event, true);
}

BOOL ResetEvent(HANDLE event)
{
    return set(event, false);
}

/* --- waiting --------------------------------------------------------------------------------- */

/* The first of the objects that is signaled, which the wait resets; or -1. */
static int take_signaled(struct nt_object *const *objects, DWORD count)
{
    for (DWORD i = 0; i < count; i++)
        if (objects[i]->signaled) {
            objects[i]->signaled = objects[i]->manual;
            return (int)i;
        }
    return -1;
}

static DWORD wait_for_any(struct nt_object *const *objects, DWORD count, DWORD timeout_ms)
{
    uint64_t deadline_ns = nt_deadline(timeout_ms);
    bool in_time = timeout_ms > 0;

    nt_irp_publish(true);
    int found = take_signaled(objects, count);
    if (found < 0 && in_time) {
        nt_block();
        while ((found = take_signaled(objects, count)) < 0 && in_time)
            in_time = nt_wait(&changed, deadline_ns);
        nt_unblock();
    }
    return found < 0 ? WAIT_TIMEOUT : WAIT_OBJECT_0 + (DWORD)found;
}

DWORD WaitForMultipleObjects(DWORD count, const HANDLE *handles, BOOL all, DWORD timeout_ms)
{
    struct nt_object *objects[WAITS_MAX];
    DWORD found = 0, result = WAIT_FAILED;

    nt_enter();
    for (; found < count && found < WAITS_MAX; found++) {
        struct nt_object **place = place_of(handles[found]);

        if (place == NULL || ((*place)->kind != NT_EVENT && (*place)->kind != NT_THREAD))
            break;
        objects[found] = *place;
        nt_ref(*place);
    }
    if (found == count && !all)
        result = wait_for_any(objects, count, timeout_ms);
    for (DWORD i = 0; i < found; i++)
        nt_unref(objects[i]);
    nt_leave();
    if (result == WAIT_FAILED)
        SetLastError(ERROR_INVALID_HANDLE);
    return result;
}

DWORD WaitForSingleObject(HANDLE handle, DWORD timeout_ms)
{
    return WaitForMultipleObjects(1, &handle, FALSE, timeout_ms);
}
