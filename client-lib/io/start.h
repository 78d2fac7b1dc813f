/* start.h: a user's broker is started by whoever needs it first.
 *
 * Who finds nobody at the name takes a lock on starting it, looks once more, and starts panpiped,
 * which inherits the lock and keeps it until it listens, or has failed. So the system drops the
 * lock whatever happens, and who does not get it knows that somebody is starting the broker. A
 * note, read and written by who has the lock, says what became of the last start: a broker that
 * fails leaves its reason there, for all who wait. A broker that leaves takes the lock too, so that
 * nobody starts another one before the name is free. */
#ifndef PPI_START_H
#define PPI_START_H

#include <stdbool.h>

#include <panpipe/pipe.h>

enum {
    PPI_START_FRESH_MS = 2000, /* so long a failure is everybody's */
    PPI_START_PAUSE_MS = 500,  /* after a broker that ended without a word, before the next */
    PPI_START_DEATHS = 3,      /* so many of them are a failure */
    PPI_START_WORDS = 240,
    PPI_START_NAME = 65
};

/* The lock, held; name is a logical name in the user's scope. */
struct ppi_start {
    intptr_t lock;          /* the system's handle */
    bool passed;            /* the broker that was started holds it too */
    char note[PP_PATH_MAX]; /* the file it is in, where that is not the lock */
};

/* One try of a connect that has found nobody: as ppi_pipe_driver.connect. With the handle's lock.
 * PP_ENOSERVER: try again later, unless dial->words says why there will be nobody. */
int ppi_start_try(pp_handle *handle, int *os_error);

/* By the broker that was started. Both let go of the lock; NULL is ignored. */
void ppi_start_succeeded(struct ppi_start *start);
void ppi_start_failed(struct ppi_start *start, const char *words);

/* What the note says about the last start. */
struct ppi_start_note {
    enum { PPI_START_WELL, PPI_START_BEGUN, PPI_START_FAILED } what;
    uint64_t ms; /* since 1970 */
    char words[PPI_START_WORDS];
};
void ppi_start_told(const struct ppi_start *start, struct ppi_start_note *note);

/* --- the system's part ----------------------------------------------------------------------- */

/* PP_OK; PP_EBUSY: somebody else has it; PP_EUNTRUSTED, PP_EACCESS ... */
int ppi_start_take(struct ppi_start *start, const char *name);
/* The lock that this process inherited as that handle. PP_OK; PP_EINVAL: it is none. */
int ppi_start_adopt(struct ppi_start *start, const char *name, const char *handle);
void ppi_start_drop(struct ppi_start *start);

/* The note: at most size - 1 bytes, terminated. */
void ppi_start_read(const struct ppi_start *start, char *text, size_t size);
void ppi_start_write(const struct ppi_start *start, const char *text);

/* Where panpiped is: PANPIPED in the environment says so; or it lies beside the program that runs,
 * or where it was to be installed, or in PATH. PP_OK; PP_ENOTFOUND: pp_detail. */
enum { PPI_PROGRAM_MAX = 1024 };
int ppi_start_find(char program[PPI_PROGRAM_MAX]);

/* Starts it for the name, detached from everything that is this process's own but the lock. A
 * failure may also be found in the note. PP_OK, PP_EIO, PP_ENOMEM, PP_ELIMIT. */
int ppi_start_run(const struct ppi_start *start, const char *program, const char *name);

/* The log of a broker that was started on demand. PP_OK, or as pp_pipe_path. */
int ppi_start_log(const char *name, char *path, size_t size);

#endif
