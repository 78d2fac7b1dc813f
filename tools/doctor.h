/* doctor.h: what the checks of `panpipe doctor` share. Each check adds lines to the report: what it
 * found, whether that is well, and if not, what to do. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "cli.h"
#include "doctor_talk.h"
#include "io/examine.h"
#include "macros.h"

enum { DOCTOR_WORDS_MAX = 1000 };

/* A name that this user could have meant. */
struct doctor_name {
    struct ppi_name_report at;
    bool listens;
};

struct doctor {
    const struct cli *cli;
    const char *name, *source; /* what the user asked for, and where */
    uint32_t scope;
    bool logical; /* the name is none of a path */
    int patience_ms;

    json_t *checks; /* an array of {check, state, found, do} */
    json_t *worst;  /* what matters most: a failure, else the first warning; NULL: all is well */
    bool symptom;   /* the first failure is one: what fails next may be why, and matters more */
    int code;       /* the exit code: of the first failure */

    struct ppi_place_report place;
    struct doctor_name names[PPI_EXAMINE_NAMES];
    size_t name_count;
    bool names_known; /* all that there are; else the system does not tell */

    struct talk talk;      /* with who listens */
    int connected;         /* PP_OK, or why there is no connection */
    bool answers;          /* it is a broker */
    json_t *hello, *stats; /* what it told; NULL: nothing */
};

/* Adds a line that is well, */
void doctor_found(struct doctor *doctor, const char *check, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* or makes the last one a warning, or a failure with its exit code: the words are what to do. */
void doctor_warn(struct doctor *doctor, const char *format, ...) PRINTF_LIKE(2, 3);
void doctor_fail(struct doctor *doctor, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* A number in what the broker told; 0: it did not. */
uint64_t doctor_number(const json_t *object, const char *name);

/* Looks around, before anything is said. PP_OK, or it is no name. */
int doctor_look(struct doctor *doctor);

/* What to start a broker of the name with, as a command line. */
enum { DOCTOR_COMMAND_MAX = 400 };
void doctor_command(const struct doctor *doctor, char command[DOCTOR_COMMAND_MAX]);

/* The checks, in their order. */
void doctor_place(struct doctor *doctor);
void doctor_listener(struct doctor *doctor);
void doctor_answer(struct doctor *doctor);
void doctor_rights(struct doctor *doctor);
void doctor_names(struct doctor *doctor);
void doctor_start(struct doctor *doctor);
void doctor_handles(struct doctor *doctor);
void doctor_disk(struct doctor *doctor);
void doctor_clock(struct doctor *doctor);

#endif
