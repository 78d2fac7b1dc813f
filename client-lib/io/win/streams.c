/* streams.c: standard streams, and the wish of somebody outside that this process ends.
 *
 * A stream is bytes: what a file or a pipe has, goes through as it is. A console has text, in
 * UTF-16; here it is UTF-8 like everywhere else. */
#include "io/win/win.h"

#include <panpipe/sys.h>

#include "base/status.h"

enum {
    WIDE_MAX = 4096,        /* UTF-16 units of a console, at once */
    UTF8_MAX = 3,           /* bytes for one of them */
    AT_ONCE = 1024 * 1024,  /* bytes in one call */
    END_OF_INPUT = 0x1A,    /* Ctrl-Z, at the beginning of a line */
    END_PATIENCE_MS = 3000, /* of the five seconds the system gives a closed console */
};

static HANDLE stream_handle(int stream)
{
    static const DWORD numbers[] = { STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE };
    HANDLE handle = GetStdHandle(numbers[stream]);

    return handle != INVALID_HANDLE_VALUE ? handle : NULL;
}

static bool is_console(HANDLE handle)
{
    DWORD mode;

    return handle != NULL && GetConsoleMode(handle, &mode);
}

/* --- input ----------------------------------------------------------------------------------- */

static int64_t read_console(HANDLE console, void *buffer, size_t size)
{
    static wchar_t half; /* the first half of a character whose second one comes next */
    wchar_t wide[WIDE_MAX];
    DWORD kept = half != 0, count = 0;
    DWORD room = size / UTF8_MAX < WIDE_MAX ? (DWORD)(size / UTF8_MAX) : WIDE_MAX;

    if (room < 2)
        return ppi_fail(PP_EINVAL, "a console wants a larger buffer");
    wide[0] = half;
    while (count == 0) {
        SetLastError(ERROR_SUCCESS);
        if (!ReadConsoleW(console, wide + kept, room - kept, &count, NULL))
            return ppi_win_fail(GetLastError(), "standard input");
        if (count == 0 && GetLastError() != ERROR_OPERATION_ABORTED) /* Ctrl-C */
            return 0;
    }
    if (wide[kept] == END_OF_INPUT)
        return 0;
    count += kept;
    half = 0;
    if (IS_HIGH_SURROGATE(wide[count - 1]) && count > 1)
        half = wide[--count];
    return WideCharToMultiByte(CP_UTF8, 0, wide, (int)count, buffer, (int)(room * UTF8_MAX), NULL,
                               NULL);
}

/* Nothing was read: the end, unless somebody wrote nothing into a pipe, which can be looked into
 * as long as it has not ended. */
static bool is_end(HANDLE input)
{
    return GetFileType(input) != FILE_TYPE_PIPE || !PeekNamedPipe(input, NULL, 0, NULL, NULL, NULL);
}

int64_t pp_stdin_read(void *buffer, size_t size)
{
    HANDLE input = stream_handle(0);
    DWORD count = 0;

    if (input == NULL)
        return 0;
    if (is_console(input))
        return read_console(input, buffer, size);
    do {
        if (!ReadFile(input, buffer, size < AT_ONCE ? (DWORD)size : AT_ONCE, &count, NULL)) {
            DWORD error = GetLastError();

            return error == ERROR_BROKEN_PIPE || error == ERROR_HANDLE_EOF
                       ? 0
                       : ppi_fail(PP_EIO, "standard input: Windows error %lu", error);
        }
    } while (count == 0 && !is_end(input));
    return count;
}

/* --- output ---------------------------------------------------------------------------------- */

/* How many of size bytes, at most WIDE_MAX, end with a whole character. */
static size_t whole_characters(const char *text, size_t size)
{
    size_t count = size;

    if (size <= WIDE_MAX)
        return size;
    for (count = WIDE_MAX; count > WIDE_MAX - UTF8_MAX; count--)
        if (((unsigned char)text[count] & 0xC0) != 0x80)
            return count;
    return WIDE_MAX;
}

static bool write_console(HANDLE console, const char *text, size_t size)
{
    wchar_t wide[WIDE_MAX];

    while (size > 0) {
        size_t bytes = whole_characters(text, size);
        DWORD count = (DWORD)MultiByteToWideChar(CP_UTF8, 0, text, (int)bytes, wide, WIDE_MAX);
        DWORD written = 0;

        for (DWORD done = 0; done < count; done += written)
            if (!WriteConsoleW(console, wide + done, count - done, &written, NULL) || written == 0)
                return false;
        text += bytes;
        size -= bytes;
    }
    return true;
}

static bool write_bytes(HANDLE output, const char *data, size_t size)
{
    DWORD written;

    for (; size > 0; data += written, size -= written)
        if (!WriteFile(output, data, size < AT_ONCE ? (DWORD)size : AT_ONCE, &written, NULL))
            return false;
    return true;
}

int pp_stdout_write(const void *data, size_t size)
{
    HANDLE output = stream_handle(1);

    if (output == NULL)
        return ppi_fail(PP_EIO, "there is no standard output");
    if (is_console(output) ? write_console(output, data, size) : write_bytes(output, data, size))
        return PP_OK;
    DWORD error = GetLastError();
    bool nobody = ppi_win_status(error) == PP_EPEERCLOSED;
    return ppi_fail(nobody ? PP_EPEERCLOSED : PP_EIO, "standard output: Windows error %lu", error);
}

/* --- the end --------------------------------------------------------------------------------- */

static struct {
    void (*wish)(void *context, unsigned count);
    void *context;
    struct ppi_mutex lock;
    unsigned count;
} watch = { .lock = PPI_MUTEX_INIT };

void ppi_tell_end(void)
{
    ppi_mutex_lock(&watch.lock);
    if (watch.wish != NULL)
        watch.wish(watch.context, ++watch.count);
    ppi_mutex_unlock(&watch.lock);
}

/* A service hears of every user who logs off, and goes on. */
static bool is_service(void)
{
    DWORD session = 1;

    return ProcessIdToSessionId(GetCurrentProcessId(), &session) && session == 0;
}

/* On a thread that the system starts for it. After the loss of the console the process is ended as
 * soon as this returns, and at the latest after some seconds: so it does not return, and the
 * process ends by itself meanwhile; before it is too late it is asked once more. */
static BOOL WINAPI on_control(DWORD event)
{
    if (event == CTRL_LOGOFF_EVENT && is_service())
        return TRUE;
    ppi_tell_end();
    if (event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT)
        return TRUE;
    Sleep(END_PATIENCE_MS);
    ppi_tell_end();
    Sleep(INFINITE);
    return TRUE;
}

int ppi_watch_for_end(void (*wish)(void *context, unsigned count), void *context)
{
    watch.wish = wish;
    watch.context = context;
    /* a parent may have made us ignore Ctrl-C: that would be inherited */
    SetConsoleCtrlHandler(NULL, FALSE);
    return SetConsoleCtrlHandler(on_control, TRUE)
               ? PP_OK
               : ppi_win_fail(GetLastError(), "SetConsoleCtrlHandler");
}
