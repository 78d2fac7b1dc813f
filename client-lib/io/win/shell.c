/* shell.c: a command line for the system's shell, with our bytes as its standard input.
 *
 * Anonymous pipes can only be waited for one at a time; so a thread writes the input while the
 * caller reads the output. It ends at the latest when the command has ended: nobody reads then. */
#include "io/win/win.h"

#include <stdlib.h>
#include <wchar.h>

#include <panpipe/sys.h>

#include "base/buf.h"
#include "base/status.h"

enum { SHELL_LINE_MAX = 8191, PIECE = 64 * 1024 }; /* the shell's own limit */

/* cmd.exe takes everything between the first quote and the last as it is. */
static int shell_line(const char *command, wchar_t *line)
{
    static const wchar_t options[] = L"\\cmd.exe\" /d /s /c \"";
    size_t length = 1;

    line[0] = L'"';
    UINT folder = GetSystemDirectoryW(line + 1, MAX_PATH);
    if (folder == 0 || folder >= MAX_PATH)
        return ppi_win_fail(GetLastError(), "the system's folder");
    length += folder;
    wcscpy(line + length, options);
    length += PPI_COUNT(options) - 1;
    if (!ppi_wide(command, line + length, SHELL_LINE_MAX - length - 1))
        return ppi_fail(PP_EIO, "the command is too long, or is no UTF-8");
    wcscat(line, L"\"");
    return PP_OK;
}

/* A pipe of which the child gets one end. */
static bool make_pipe(HANDLE *reads, HANDLE *writes, HANDLE *childs)
{
    if (!CreatePipe(reads, writes, NULL, PIECE)) {
        *reads = *writes = NULL;
        return false;
    }
    return SetHandleInformation(*childs, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
}

static void close_one(HANDLE *handle)
{
    if (*handle != NULL)
        CloseHandle(*handle);
    *handle = NULL;
}

struct feeder {
    HANDLE to;
    const char *data;
    size_t size;
};

static void feed(void *argument)
{
    struct feeder *feeder = argument;
    DWORD written = 0;

    for (size_t done = 0; done < feeder->size; done += written) {
        size_t left = feeder->size - done;

        if (!WriteFile(feeder->to, feeder->data + done, left < PIECE ? (DWORD)left : PIECE,
                       &written, NULL))
            break; /* it does not want it */
    }
    close_one(&feeder->to);
}

static int collect(HANDLE from, size_t limit, struct ppi_buf *output)
{
    for (;;) {
        uint8_t *room = ppi_buf_room(output, PIECE);
        DWORD count = 0;

        if (room == NULL)
            return ppi_fail_plain(PP_ENOMEM);
        if (!ReadFile(from, room, PIECE, &count, NULL))
            return PP_OK; /* nobody writes any more */
        ppi_buf_added(output, count);
        if (ppi_buf_size(output) > limit)
            return ppi_fail(PP_ELIMIT, "the command wrote more than %llu bytes",
                            (unsigned long long)limit);
    }
}

/* Gives a started command its input and takes its output; from is closed. */
static int converse(struct feeder *feeder, HANDLE *from, size_t limit, struct ppi_buf *output)
{
    struct ppi_thread thread;
    int status = ppi_thread_start(&thread, feed, feeder);

    if (status != PP_OK) {
        close_one(&feeder->to);
        close_one(from);
        return ppi_fail_plain(status);
    }
    status = collect(*from, limit, output);
    close_one(from);
    ppi_thread_join(&thread);
    return status;
}

/* Starts the command; the ends that are not the child's are the caller's. */
static int start(struct ppi_process *process, const char *command, HANDLE *to, HANDLE *from)
{
    wchar_t line[SHELL_LINE_MAX + 1];
    HANDLE childs[3] = { NULL, NULL, NULL };
    int status = shell_line(command, line);

    if (status != PP_OK)
        return status;
    if (make_pipe(&childs[0], to, &childs[0]) && make_pipe(from, &childs[1], &childs[1])) {
        childs[2] = ppi_standard_handle(NULL, STD_ERROR_HANDLE);
        DWORD error = ppi_create_process(process, line, childs, 0);

        if (error != ERROR_SUCCESS)
            status = ppi_fail(PP_EIO, "cmd.exe: Windows error %lu", error);
    } else {
        status = ppi_win_fail(GetLastError(), "CreatePipe");
    }
    for (int i = 0; i < 3; i++)
        close_one(&childs[i]);
    return status;
}

int pp_run(const char *command, const void *input, size_t input_size, size_t limit, void **output,
           size_t *output_size, int *code)
{
    struct feeder feeder = { NULL, input, input_size };
    struct ppi_process process;
    struct ppi_buf buf = { 0 };
    HANDLE from = NULL;
    int status = start(&process, command, &feeder.to, &from);

    if (status != PP_OK) {
        close_one(&feeder.to);
        close_one(&from);
        return status;
    }
    status = converse(&feeder, &from, limit, &buf);
    ppi_process_wait(&process, -1, code);
    if (status != PP_OK) {
        ppi_buf_deinit(&buf);
        return status;
    }
    *output_size = ppi_buf_size(&buf);
    *output = buf.memory; /* nothing was consumed: it begins there */
    return PP_OK;
}
