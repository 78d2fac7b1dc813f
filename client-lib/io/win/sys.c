/* sys.c: sys.h on Windows. */
#define _CRT_RAND_S /* rand_s, the system's own random numbers */
#include <stdlib.h>

#include "io/sys.h"

#include <process.h>

#include <panpipe/port.h>

#include "base/check.h"
#include "io/service.h"
#include "io/win/win.h"

enum { NS_PER_SECOND = 1000000000 };

uint64_t ppi_now_ns(void)
{
    LARGE_INTEGER count, frequency;

    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    uint64_t ticks = (uint64_t)count.QuadPart, per_second = (uint64_t)frequency.QuadPart;
    return ticks / per_second * NS_PER_SECOND + ticks % per_second * NS_PER_SECOND / per_second;
}

uint64_t ppi_wall_ms(void)
{
    const uint64_t from_1601_to_1970_ms = 11644473600000u;
    FILETIME time; /* in units of 100 ns */

    GetSystemTimeAsFileTime(&time);
    uint64_t units = (uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime;
    return units / 10000 - from_1601_to_1970_ms;
}

uint64_t ppi_random(void)
{
    unsigned high = 0, low = 0;

    if (rand_s(&high) != 0 || rand_s(&low) != 0)
        return ppi_now_ns() * 0x9E3779B97F4A7C15u;
    return (uint64_t)high << 32 | low;
}

void ppi_mutex_init(struct ppi_mutex *mutex)
{
    InitializeSRWLock(&mutex->lock);
}

void ppi_mutex_deinit(struct ppi_mutex *mutex)
{
    (void)mutex;
}

void ppi_cond_init(struct ppi_cond *cond)
{
    InitializeConditionVariable(&cond->cond);
}

void ppi_cond_deinit(struct ppi_cond *cond)
{
    (void)cond;
}

bool ppi_cond_wait_until(struct ppi_cond *cond, struct ppi_mutex *mutex, uint64_t deadline_ns)
{
    DWORD timeout_ms = (DWORD)ppi_until_ms(deadline_ns); /* -1 is INFINITE */

    return SleepConditionVariableSRW(&cond->cond, &mutex->lock, timeout_ms, 0) ||
           ppi_until_ms(deadline_ns) != 0;
}

struct start {
    void (*run)(void *argument);
    void *argument;
};

static unsigned __stdcall thread_main(void *argument)
{
    struct start start = *(struct start *)argument;

    free(argument);
    start.run(start.argument);
    return 0;
}

int ppi_thread_start(struct ppi_thread *thread, void (*run)(void *argument), void *argument)
{
    struct start *start = malloc(sizeof *start);

    if (start == NULL)
        return PP_ENOMEM;
    *start = (struct start){ run, argument };
    thread->handle = (HANDLE)_beginthreadex(NULL, 0, thread_main, start, 0, NULL);
    if (thread->handle == NULL) {
        free(start);
        return PP_ELIMIT;
    }
    return PP_OK;
}

void ppi_thread_join(struct ppi_thread *thread)
{
    WaitForSingleObject(thread->handle, INFINITE);
    CloseHandle(thread->handle);
}

static INIT_ONCE exit_once = INIT_ONCE_STATIC_INIT;
static DWORD exit_slot = FLS_OUT_OF_INDEXES;

static void WINAPI run_exit_hooks(void *marker)
{
    if (marker != NULL)
        ppi_exit_hooks_run();
}

static BOOL WINAPI make_exit_slot(INIT_ONCE *init, void *parameter, void **context)
{
    (void)init;
    (void)parameter;
    (void)context;
    exit_slot = FlsAlloc(run_exit_hooks);
    ppi_check(exit_slot != FLS_OUT_OF_INDEXES);
    return TRUE;
}

void ppi_at_thread_exit(void (*hook)(void))
{
    ppi_exit_hooks_add(hook);
    InitOnceExecuteOnce(&exit_once, make_exit_slot, NULL, NULL);
    FlsSetValue(exit_slot, &exit_slot);
}

uint32_t ppi_processors(void)
{
    DWORD_PTR own = 0, all = 0;
    uint32_t count = 0;

    if (GetProcessAffinityMask(GetCurrentProcess(), &own, &all))
        for (; own != 0; own &= own - 1)
            count++;
    if (count == 0) /* the process runs on several groups of processors */
        count = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    return count > 0 ? count : 1;
}

uint64_t ppi_thread_waits(void)
{
    return 0;
}

void ppi_yield(void)
{
    SwitchToThread();
}

void ppi_sleep_ms(unsigned milliseconds)
{
    Sleep(milliseconds);
}

bool ppi_errors_write(const void *data, size_t size)
{
    DWORD written = 0;

    if (ppi_service_logs()) {
        ppi_service_write(data, size);
        return true;
    }
    return WriteFile(GetStdHandle(STD_ERROR_HANDLE), data, (DWORD)size, &written, NULL) != 0;
}

bool ppi_on_wine(void)
{
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");

    return ntdll != NULL && GetProcAddress(ntdll, "wine_get_version") != NULL;
}

bool ppi_on_linux(void)
{
    return false;
}

const char *ppi_environment(const char *name)
{
    return getenv(name);
}
