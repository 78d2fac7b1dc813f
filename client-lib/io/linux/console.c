/* console.c: a terminal as a screen.
 *
 * Ctrl-C and Ctrl-Z stay signals. What signals have to tell goes through a pipe to the thread that
 * waits for keys, which does the work: suspending, coming back, another size. Those that end the
 * program give the terminal back first, and then end it as they always do. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <panpipe/sys.h>

#include "base/status.h"
#include "io/sys.h"
#include "screen.h"

/* What the pipe tells. */
enum { TELL_SIZE = 'w', TELL_SUSPEND = 'z', TELL_CONTINUED = 'c', TELL_LEFT = 'q' };
enum { ESCAPE_MS = 50 }; /* what belongs to an ESC follows it that soon */

/* The other screen, without a cursor, and without wrapping; and back. */
static const char to_screen[] = "\033[?1049h\033[?25l\033[?7l\033[2J";
static const char from_screen[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

static const int told[] = { SIGWINCH, SIGTSTP, SIGCONT };
static const int fatal[] = { SIGHUP, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };

static struct {
    struct ppi_mutex lock; /* of the screen: it is written to, or changes hands */
    bool entered;
    struct ppi_terminal_modes modes;
    struct sigaction told_before[PPI_COUNT(told)], fatal_before[PPI_COUNT(fatal)];
    int tell[2];
    struct ppi_key_bytes keys;
} console = { .lock = PPI_MUTEX_INIT, .tell = { -1, -1 } };

/* --- what it is ------------------------------------------------------------------------------ */

bool ppi_console_is(enum ppi_stream stream)
{
    return isatty((int)stream);
}

bool ppi_console_size(enum ppi_stream stream, int *columns, int *lines)
{
    struct winsize size;

    if (ioctl((int)stream, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
        return false;
    *columns = size.ws_col;
    *lines = size.ws_row;
    return true;
}

bool ppi_console_is_utf8(void)
{
    locale_t own = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    bool utf8 = own != (locale_t)0 && strcmp(nl_langinfo_l(CODESET, own), "UTF-8") == 0;

    if (own != (locale_t)0)
        freelocale(own);
    return utf8;
}

static bool can_be_a_screen(void)
{
    const char *kind = ppi_environment("TERM");

    return ppi_console_is(PPI_STREAM_INPUT) && ppi_console_is(PPI_STREAM_OUTPUT) && kind != NULL &&
           kind[0] != '\0' && strcmp(kind, "dumb") != 0;
}

/* --- taking it and giving it back ------------------------------------------------------------ */

static void write_plainly(const char *text, size_t size)
{
    if (write(STDOUT_FILENO, text, size) < 0)
        return; /* a terminal that is gone needs nothing more */
}

static void take(void)
{
    ppi_guardian_tell(true); /* before it is so: whoever is killed in between leaves no screen */
    tcsetattr(STDIN_FILENO, TCSADRAIN, &console.modes.screen);
    write_plainly(to_screen, sizeof to_screen - 1);
}

static void give_back(void)
{
    ppi_terminal_restore(&console.modes);
    ppi_guardian_tell(false);
}

void ppi_terminal_restore(const struct ppi_terminal_modes *modes)
{
    struct termios now;
    sigset_t background, before;

    sigemptyset(&background);
    sigaddset(&background, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &background, &before);
    if (tcgetattr(STDIN_FILENO, &now) == 0) {
        write_plainly(from_screen, sizeof from_screen - 1);
        if (now.c_lflag == modes->screen.c_lflag && now.c_iflag == modes->screen.c_iflag)
            tcsetattr(STDIN_FILENO, TCSANOW, &modes->before);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* --- signals --------------------------------------------------------------------------------- */

static void tell(char what)
{
    if (write(console.tell[1], &what, 1) < 0)
        return; /* the pipe is full: there is enough to wake up for */
}

static void on_told(int number)
{
    int error = errno;

    tell(number == SIGWINCH ? TELL_SIZE : number == SIGTSTP ? TELL_SUSPEND : TELL_CONTINUED);
    errno = error;
}

/* Ends as if it had not been here: a fault happens again, the others are sent again. */
static void on_fatal(int number, siginfo_t *info, void *context)
{
    (void)context;
    give_back();
    for (size_t i = 0; i < PPI_COUNT(fatal); i++)
        if (fatal[i] == number)
            sigaction(number, &console.fatal_before[i], NULL);
    if (info->si_code <= 0 || number == SIGHUP || number == SIGQUIT)
        raise(number);
}

static void watch(void)
{
    struct sigaction tells = { .sa_handler = on_told, .sa_flags = SA_RESTART };
    struct sigaction ends = { .sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO };

    for (size_t i = 0; i < PPI_COUNT(told); i++)
        sigaction(told[i], &tells, &console.told_before[i]);
    for (size_t i = 0; i < PPI_COUNT(fatal); i++)
        sigaction(fatal[i], &ends, &console.fatal_before[i]);
}

static void watch_no_more(void)
{
    for (size_t i = 0; i < PPI_COUNT(told); i++)
        sigaction(told[i], &console.told_before[i], NULL);
    for (size_t i = 0; i < PPI_COUNT(fatal); i++)
        sigaction(fatal[i], &console.fatal_before[i], NULL);
}

/* --- the screen ------------------------------------------------------------------------------ */

int ppi_console_enter(void)
{
    if (!can_be_a_screen())
        return ppi_fail(PP_ENOTSUP, "standard input and output are no screen");
    if (tcgetattr(STDIN_FILENO, &console.modes.before) != 0 ||
        (console.tell[0] < 0 && pipe2(console.tell, O_CLOEXEC | O_NONBLOCK) != 0))
        return ppi_fail(PP_EIO, "the terminal: %s", strerror(errno));
    console.modes.screen = console.modes.before;
    console.modes.screen.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
    console.modes.screen.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INLCR);
    console.modes.screen.c_cc[VMIN] = 1;
    console.modes.screen.c_cc[VTIME] = 0;
    ppi_guardian_start(&console.modes);
    watch();
    ppi_mutex_lock(&console.lock);
    take();
    console.entered = true;
    ppi_mutex_unlock(&console.lock);
    return PP_OK;
}

void ppi_console_leave(void)
{
    ppi_mutex_lock(&console.lock);
    bool entered = console.entered;
    if (entered)
        give_back();
    console.entered = false;
    ppi_mutex_unlock(&console.lock);
    if (!entered)
        return;
    watch_no_more();
    ppi_guardian_stop();
    tell(TELL_LEFT);
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

/* Stops this process as Ctrl-Z does without us. With the lock, so that nobody draws meanwhile. */
static void suspend(void)
{
    struct sigaction usual = { .sa_handler = SIG_DFL }, ours;

    ppi_mutex_lock(&console.lock);
    if (console.entered) {
        give_back();
        sigaction(SIGTSTP, &usual, &ours);
        raise(SIGTSTP);
        sigaction(SIGTSTP, &ours, NULL);
        take();
    }
    ppi_mutex_unlock(&console.lock);
}

/* Somebody stopped us so that we could not give the terminal back first. */
static void come_back(void)
{
    ppi_mutex_lock(&console.lock);
    if (console.entered)
        take();
    ppi_mutex_unlock(&console.lock);
}

static enum ppi_key hear(void)
{
    char what;

    if (read(console.tell[0], &what, 1) != 1)
        return PPI_KEY_OTHER;
    if (what == TELL_LEFT)
        return PPI_KEY_CLOSED;
    if (what == TELL_SUSPEND)
        suspend();
    if (what == TELL_CONTINUED)
        come_back();
    return PPI_KEY_REDRAW;
}

/* false: the terminal has ended. */
static bool read_keys(void)
{
    struct ppi_key_bytes *keys = &console.keys;
    ssize_t n = read(STDIN_FILENO, keys->bytes + keys->count, sizeof keys->bytes - keys->count);

    if (n > 0)
        keys->count += (size_t)n;
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

void ppi_console_wait(struct ppi_key_press *press)
{
    bool whole = false;

    while (!ppi_key_take(&console.keys, whole, press)) {
        struct pollfd both[] = { { STDIN_FILENO, POLLIN, 0 }, { console.tell[0], POLLIN, 0 } };
        int n = poll(both, 2, console.keys.count > 0 ? ESCAPE_MS : -1);

        whole = n == 0;
        if (n > 0 && both[1].revents != 0) {
            press->key = hear();
            return;
        }
        if (n > 0 && !read_keys()) {
            press->key = PPI_KEY_CLOSED;
            return;
        }
    }
}
