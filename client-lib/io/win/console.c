/* console.c: a Windows console as a screen. It understands a terminal's sequences (since Windows
 * 10), and reports keys and its size as records; Ctrl-C stays pp_watch_for_end's. Its modes outlive
 * the program, so whatever ends that puts them back, but for a kill from outside. */
#include "io/win/win.h"

#include <string.h>

#include <panpipe/sys.h>

#include "base/compiler.h"
#include "base/status.h"
#include "io/console.h"

#ifndef ENABLE_VIRTUAL_TERMINAL_PROCESSING /* headers before Windows 10 */
#define ENABLE_VIRTUAL_TERMINAL_PROCESSING 0x0004
#endif

/* The other screen, without a cursor, and without wrapping; and back. */
static const wchar_t to_screen[] = L"\033[?1049h\033[?25l\033[?7l\033[2J";
static const wchar_t from_screen[] = L"\033[0m\033[?7h\033[?25h\033[?1049l";

static struct {
    struct ppi_mutex lock; /* of entered, and of writing */
    bool entered;
    HANDLE in, out, left;
    DWORD in_mode, out_mode; /* as they were */
    wchar_t half;            /* of a letter, whose other half comes next */
} console = { .lock = PPI_MUTEX_INIT };

/* --- what it is ------------------------------------------------------------------------------ */

static HANDLE handle_of(enum ppi_stream stream)
{
    static const DWORD numbers[] = { STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE };

    return GetStdHandle(numbers[stream]);
}

bool ppi_console_is(enum ppi_stream stream)
{
    DWORD mode;

    return GetConsoleMode(handle_of(stream), &mode);
}

bool ppi_console_size(enum ppi_stream stream, int *columns, int *lines)
{
    CONSOLE_SCREEN_BUFFER_INFO info;

    if (!GetConsoleScreenBufferInfo(handle_of(stream), &info))
        return false;
    *columns = info.srWindow.Right - info.srWindow.Left + 1;
    *lines = info.srWindow.Bottom - info.srWindow.Top + 1;
    return *columns > 0 && *lines > 0;
}

bool ppi_console_is_utf8(void)
{
    return true; /* it is given UTF-16, see pp_stdout_write */
}

/* --- taking it and giving it back ------------------------------------------------------------ */

static void give_back(void)
{
    DWORD written;

    WriteConsoleW(console.out, from_screen, PPI_COUNT(from_screen) - 1, &written, NULL);
    SetConsoleMode(console.out, console.out_mode);
    SetConsoleMode(console.in, console.in_mode);
}

static LONG WINAPI on_crash(EXCEPTION_POINTERS *what)
{
    (void)what;
    ppi_console_restore();
    return EXCEPTION_CONTINUE_SEARCH;
}

int ppi_console_enter(void)
{
    const DWORD in_mode = ENABLE_WINDOW_INPUT | ENABLE_PROCESSED_INPUT | ENABLE_EXTENDED_FLAGS;
    DWORD written;

    console.in = handle_of(PPI_STREAM_INPUT);
    console.out = handle_of(PPI_STREAM_OUTPUT);
    if (!GetConsoleMode(console.in, &console.in_mode) ||
        !GetConsoleMode(console.out, &console.out_mode) ||
        !SetConsoleMode(console.out, console.out_mode | ENABLE_PROCESSED_OUTPUT |
                                         ENABLE_VIRTUAL_TERMINAL_PROCESSING))
        return ppi_fail(PP_ENOTSUP, "standard input and output are no screen");
    if (console.left == NULL)
        console.left = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (console.left == NULL || !SetConsoleMode(console.in, in_mode)) {
        int status = ppi_win_fail(GetLastError(), "the console");

        SetConsoleMode(console.out, console.out_mode);
        return status;
    }
    SetUnhandledExceptionFilter(on_crash);
    WriteConsoleW(console.out, to_screen, PPI_COUNT(to_screen) - 1, &written, NULL);
    console.entered = true;
    return PP_OK;
}

void ppi_console_leave(void)
{
    ppi_mutex_lock(&console.lock);
    if (console.entered) {
        give_back();
        SetEvent(console.left);
    }
    console.entered = false;
    ppi_mutex_unlock(&console.lock);
}

void ppi_console_restore(void)
{
    if (console.entered)
        give_back();
}

int ppi_console_write(const void *data, size_t size)
{
    ppi_mutex_lock(&console.lock);
    int status = console.entered ? pp_stdout_write(data, size) : PP_OK;
    ppi_mutex_unlock(&console.lock);
    return status;
}

/* --- keys ------------------------------------------------------------------------------------ */

static enum ppi_key key_of(WORD code)
{
    static const struct {
        WORD code;
        enum ppi_key key;
    } keys[] = {
        { VK_UP, PPI_KEY_UP },          { VK_DOWN, PPI_KEY_DOWN },
        { VK_LEFT, PPI_KEY_LEFT },      { VK_RIGHT, PPI_KEY_RIGHT },
        { VK_PRIOR, PPI_KEY_PAGE_UP },  { VK_NEXT, PPI_KEY_PAGE_DOWN },
        { VK_HOME, PPI_KEY_HOME },      { VK_END, PPI_KEY_END },
        { VK_RETURN, PPI_KEY_ENTER },   { VK_ESCAPE, PPI_KEY_ESCAPE },
        { VK_BACK, PPI_KEY_BACKSPACE },
    };

    for (size_t i = 0; i < PPI_COUNT(keys); i++)
        if (keys[i].code == code)
            return keys[i].key;
    return PPI_KEY_OTHER;
}

/* false: a half of a letter, or no key at all, as Shift alone. */
static bool take_key(const KEY_EVENT_RECORD *record, struct ppi_key_press *press)
{
    wchar_t wide[3] = { console.half, record->uChar.UnicodeChar, 0 };
    const wchar_t *letter = console.half != 0 ? wide : wide + 1;

    if (!record->bKeyDown)
        return false;
    press->key = key_of(record->wVirtualKeyCode);
    if (press->key != PPI_KEY_OTHER || wide[1] < L' ')
        return press->key != PPI_KEY_OTHER;
    if (IS_HIGH_SURROGATE(wide[1])) {
        console.half = wide[1];
        return false;
    }
    console.half = 0;
    press->key = PPI_KEY_TEXT;
    return ppi_narrow(letter, press->text, sizeof press->text);
}

static bool take_record(const INPUT_RECORD *record, struct ppi_key_press *press)
{
    if (record->EventType == KEY_EVENT)
        return take_key(&record->Event.KeyEvent, press);
    press->key = PPI_KEY_REDRAW;
    return record->EventType == WINDOW_BUFFER_SIZE_EVENT;
}

void ppi_console_wait(struct ppi_key_press *press)
{
    HANDLE both[] = { console.left, console.in };
    INPUT_RECORD record;
    DWORD count = 0;

    do {
        if (WaitForMultipleObjects(2, both, FALSE, INFINITE) != WAIT_OBJECT_0 + 1 ||
            !ReadConsoleInputW(console.in, &record, 1, &count)) {
            press->key = PPI_KEY_CLOSED;
            return;
        }
    } while (count == 0 || !take_record(&record, press));
}
