#include "progress.h"

#include <stdio.h>
#include <string.h>

#include <panpipe/sys.h>

#include "error.h"
#include "io/console.h"
#include "units.h"

enum { FIRST_MS = 300, EVERY_MS = 100, BAR = 24, LINE_MAX = 160, NS_PER_MS = 1000000 };

static struct {
    uint64_t begin_ns, due_ns, total;
    int for_ms, columns; /* of the terminal */
    int shown;           /* columns that are to be wiped */
} progress = { .due_ns = UINT64_MAX };

/* "[######..................]  25%  ", if the end is known; how many letters. */
static int draw_bar(char *line, size_t size, double share)
{
    char bar[BAR + 1];
    int full = (int)(share * BAR);

    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)full);
    bar[BAR] = '\0';
    return snprintf(line, size, "[%s] %3d%%  ", bar, (int)(share * 100));
}

/* How much of it is done, 0 to 1; below 0: not known. */
static double share_of(uint64_t elapsed_ns, uint64_t done)
{
    double share = progress.total > 0    ? (double)done / (double)progress.total
                   : progress.for_ms > 0 ? (double)elapsed_ns / NS_PER_MS / (double)progress.for_ms
                                         : -1;

    return share > 1 ? 1 : share;
}

static void draw(uint64_t now_ns, uint64_t done)
{
    uint64_t elapsed_ns = now_ns - progress.begin_ns;
    double share = share_of(elapsed_ns, done);
    char line[LINE_MAX], count[UNITS_MAX], rate[UNITS_MAX];
    int length = share >= 0 ? draw_bar(line, sizeof line, share) : 0;

    units_count(count, (double)done);
    units_count(rate, (double)done * 1e9 / (double)elapsed_ns);
    length +=
        snprintf(line + length, sizeof line - (size_t)length, "%s messages  %s/s", count, rate);
    if (length > progress.columns - 1)
        length = progress.columns - 1; /* one letter more, and it is two lines */
    fprintf(stderr, "\r%.*s%*s", length, line,
            progress.shown > length ? progress.shown - length : 0, "");
    fflush(stderr);
    if (length > progress.shown)
        progress.shown = length;
}

void progress_begin(const struct cli *cli, uint64_t total, int for_ms)
{
    int columns = 80, lines;

    if (cli->json || cli->quiet || !ppi_console_is(PPI_STREAM_OUTPUT) ||
        !ppi_console_is(PPI_STREAM_ERRORS))
        return;
    ppi_console_size(PPI_STREAM_ERRORS, &columns, &lines);
    progress.begin_ns = pp_now_ns();
    progress.due_ns = progress.begin_ns + (uint64_t)FIRST_MS * NS_PER_MS;
    progress.total = total;
    progress.for_ms = for_ms;
    progress.columns = columns;
    error_before(progress_end);
}

uint64_t progress_due_ns(void)
{
    return progress.due_ns;
}

void progress_show(uint64_t now_ns, uint64_t done)
{
    if (now_ns < progress.due_ns)
        return;
    progress.due_ns = now_ns + (uint64_t)EVERY_MS * NS_PER_MS;
    draw(now_ns, done);
}

void progress_end(void)
{
    progress.due_ns = UINT64_MAX;
    if (progress.shown > 0)
        fprintf(stderr, "\r%*s\r", progress.shown, "");
    progress.shown = 0;
}
