#include "io/start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "io/dial.h"
#include "io/driver.h"
#include "io/handle.h"

/* A note is "MS started" or "MS failed WORDS", MS as ppi_wall_ms; or empty: it went well. */
enum { NOTE_MAX = PPI_START_WORDS + 40 };
static const char started[] = "started", failed[] = "failed ";

static void write_note(const struct ppi_start *start, const char *what, const char *words)
{
    char note[NOTE_MAX];

    snprintf(note, sizeof note, "%llu %s%.*s", (unsigned long long)ppi_wall_ms(), what,
             PPI_START_WORDS - 1, words);
    ppi_start_write(start, note);
}

void ppi_start_succeeded(struct ppi_start *start)
{
    ppi_start_write(start, "");
    ppi_start_drop(start);
}

void ppi_start_failed(struct ppi_start *start, const char *words)
{
    write_note(start, failed, words);
    ppi_start_drop(start);
}

/* It is of no use to try again. */
static int give_up(struct ppi_dial *dial, int status, const char *words)
{
    snprintf(dial->words, sizeof dial->words, "%.*s", PPI_START_WORDS - 1, words);
    return ppi_fail(status, "%s", dial->words);
}

static int start_now(struct ppi_dial *dial, struct ppi_start *start)
{
    char program[PPI_PROGRAM_MAX];
    int status = ppi_start_find(program);

    if (status == PP_OK) {
        write_note(start, started, "");
        status = ppi_start_run(start, program, dial->start);
    }
    if (status != PP_OK) {
        char words[PPI_START_WORDS];

        snprintf(words, sizeof words, "%s", pp_detail());
        write_note(start, failed, words);
        return give_up(dial, PP_ENOSERVER, words);
    }
    dial->started = start->passed = true;
    return PP_ENOSERVER;
}

void ppi_start_told(const struct ppi_start *start, struct ppi_start_note *note)
{
    char text[NOTE_MAX], *what;

    ppi_start_read(start, text, sizeof text);
    text[strcspn(text, "\n")] = '\0';
    *note = (struct ppi_start_note){ .ms = strtoull(text, &what, 10) };
    what += *what == ' ';
    if (strcmp(what, started) == 0)
        note->what = PPI_START_BEGUN;
    if (strncmp(what, failed, sizeof failed - 1) != 0)
        return;
    note->what = PPI_START_FAILED;
    snprintf(note->words, sizeof note->words, "%.*s", PPI_START_WORDS - 1,
             what + sizeof failed - 1);
}

/* Nobody is there, and nobody else is starting it. */
static int start_or_tell(struct ppi_dial *dial, struct ppi_start *start)
{
    struct ppi_start_note note;
    char words[PPI_START_WORDS];
    uint64_t now_ms = ppi_wall_ms();

    ppi_start_told(start, &note);
    uint64_t age_ms = now_ms >= note.ms ? now_ms - note.ms : UINT64_MAX;
    if (note.what == PPI_START_FAILED && age_ms < PPI_START_FRESH_MS)
        return give_up(dial, PP_ENOSERVER, note.words);
    if (note.what == PPI_START_BEGUN && age_ms < PPI_START_FRESH_MS) {
        if (note.ms != dial->death_ms) {
            dial->death_ms = note.ms;
            dial->deaths++;
        }
        if (age_ms < PPI_START_PAUSE_MS)
            return PP_ENOSERVER;
        if (dial->deaths >= PPI_START_DEATHS) {
            snprintf(words, sizeof words, "panpiped was started %d times, and ended without a word",
                     dial->deaths);
            return give_up(dial, PP_ENOSERVER, words);
        }
    }
    return start_now(dial, start);
}

int ppi_start_try(pp_handle *handle, int *os_error)
{
    struct ppi_dial *dial = handle->dial;
    struct ppi_start start = { 0 };
    int status = ppi_start_take(&start, dial->start);

    if (status == PP_EBUSY) {
        dial->awaited = true;
        return PP_ENOSERVER;
    }
    if (status != PP_OK) /* no folder for it: no broker either */
        return give_up(dial, status == PP_ENOTFOUND ? PP_ENOSERVER : status, pp_detail());
    status = handle->driver->connect(handle, os_error); /* it may have come meanwhile */
    if (status == PP_ENOSERVER)
        status = start_or_tell(dial, &start);
    ppi_start_drop(&start);
    return status;
}
