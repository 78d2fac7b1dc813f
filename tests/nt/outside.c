/* outside.c: what the rows need of io/win and the model has no part of: other processes, starting
 * brokers, the service manager. */
#include <stdio.h>

#include "base/status.h"
#include "io/service.h"
#include "io/start.h"
#include "io/win/win.h"

bool ppi_service_logs(void)
{
    return false;
}

void ppi_service_write(const char *lines, size_t size)
{
    (void)lines;
    (void)size;
}

const char *ppi_program_path(void)
{
    static char path[1024];
    wchar_t wide[1024];
    DWORD size = PPI_COUNT(wide);

    if (!QueryFullProcessImageNameW(GetCurrentProcess(), 0, wide, &size) ||
        !ppi_narrow(wide, path, sizeof path))
        path[0] = '\0';
    return path;
}

int ppi_process_start(struct ppi_process *process, const char *const *arguments,
                      const struct ppi_stdio *stdio)
{
    (void)process;
    (void)arguments;
    (void)stdio;
    return ppi_fail_plain(PP_ENOTSUP);
}

int ppi_process_signal(struct ppi_process *process, enum ppi_signal signal)
{
    (void)process;
    (void)signal;
    return ppi_fail_plain(PP_ENOTFOUND);
}

int ppi_process_wait(struct ppi_process *process, int timeout_ms, int *code)
{
    (void)process;
    (void)timeout_ms;
    (void)code;
    return 0;
}

void ppi_raise_handle_limit(void)
{
    /* there are as many handles as there is memory */
}

int ppi_watch_for_end(void (*wish)(void *context, unsigned count), void *context)
{
    (void)wish;
    (void)context;
    return ppi_fail_plain(PP_ENOTSUP);
}

/* Nobody can be started, so nobody is: start.c is not asked further. */
int ppi_start_take(struct ppi_start *start, const char *name)
{
    (void)start;
    (void)name;
    return ppi_fail_plain(PP_ENOTSUP);
}

void ppi_start_drop(struct ppi_start *start)
{
    (void)start;
}

void ppi_start_read(const struct ppi_start *start, char *text, size_t size)
{
    (void)start;
    (void)size;
    text[0] = 0;
}

void ppi_start_write(const struct ppi_start *start, const char *text)
{
    (void)start;
    (void)text;
}

int ppi_start_find(char program[PPI_PROGRAM_MAX])
{
    program[0] = '\0';
    return ppi_fail_plain(PP_ENOTFOUND);
}

int ppi_start_run(const struct ppi_start *start, const char *program, const char *name)
{
    (void)start;
    (void)program;
    (void)name;
    return ppi_fail_plain(PP_ENOTSUP);
}
