/* examine.h: what `panpipe doctor` asks the system about a broker's place, and the public headers
 * do not tell. It connects to nobody and changes nothing. Where a rule is the library's own, its
 * code is asked, so the words are those that a client or a server would get.
 *
 * Only the program panpipe links it; implemented in io/linux/examine.c and io/win/examine.c. */
#ifndef PPI_EXAMINE_H
#define PPI_EXAMINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <panpipe/pipe.h>

enum {
    PPI_EXAMINE_WORDS = 600,
    PPI_EXAMINE_USER = 280,
    PPI_EXAMINE_NAME = 65,
    PPI_EXAMINE_NAMES = 256,
    PPI_EXAMINE_PROGRAM = 1024
};

enum ppi_there {
    PPI_THERE_UNKNOWN, /* the system has no such files */
    PPI_THERE_NOTHING,
    PPI_THERE_SOCKET,
    PPI_THERE_OTHER /* and so nobody can listen there */
};

/* Where a broker of a name listens. */
struct ppi_place_report {
    char path[PP_PATH_MAX];
    char folder[PP_PATH_MAX];             /* where the socket lies; "": pipes lie in none */
    const char *variable;                 /* of the environment, names the folder; NULL: none */
    bool fallback;                        /* it is not set */
    bool folder_exists, above_exists;     /* above: the folder that the folder is to be in */
    char folder_words[PPI_EXAMINE_WORDS]; /* "belongs to root (uid 0), mode 0700" */
    int client, server;                   /* may one go there? PP_OK, or as pp_connect, */
    char client_words[PPI_EXAMINE_WORDS]; /* pp_listen */
    char server_words[PPI_EXAMINE_WORDS]; /* only asked for names in the user's scope */
    enum ppi_there there;                 /* at path */
    char there_words[PPI_EXAMINE_WORDS];  /* as folder_words */
    uint64_t made_ms;                     /* since 1970; 0: not known */
    uint64_t holder; /* the process that has the lock on the name; 0: nobody, or not known */
};

/* PP_OK; PP_EINVAL: it is no name, see pp_detail. */
int ppi_examine_place(const char *name, uint32_t scope, struct ppi_place_report *place);

/* After PP_EACCESS: what keeps this user from opening path. */
void ppi_examine_denied(const char *path, char words[PPI_EXAMINE_WORDS]);

/* Who that is, for people: "root (uid 0)"; NULL: this process's user. */
void ppi_examine_user(const pp_peer *who, char words[PPI_EXAMINE_USER]);

/* The names that brokers listen at, or have listened at, which this user could mean: in both
 * scopes, and where this user's would be with another environment; of more than PPI_EXAMINE_NAMES
 * some. false: the system does not list them. */
enum { PPI_SCOPE_ELSEWHERE = 2 };
struct ppi_name_report {
    char name[PPI_EXAMINE_NAME];
    char path[PP_PATH_MAX];
    uint32_t scope; /* PP_SCOPE_..., PPI_SCOPE_ELSEWHERE */
};
bool ppi_examine_names(struct ppi_name_report names[PPI_EXAMINE_NAMES], size_t *count);

/* What is known of starts on demand of a name in the user's scope. PP_OK, or as pp_pipe_path. */
struct ppi_start_report {
    bool starting;    /* somebody does it now */
    bool failed;      /* the last one did, */
    uint64_t when_ms; /* since 1970 */
    char words[240];  /* why */
    char log[PP_PATH_MAX];
};
int ppi_examine_start(const char *name, struct ppi_start_report *start);

/* The program that would be started. PP_OK; PP_ENOTFOUND: pp_detail says where it was looked for.
 */
int ppi_examine_program(char program[PPI_EXAMINE_PROGRAM]);

/* Runs a program (a list that ends with NULL) to its end without input; text[0 .. size) gets what
 * it writes to standard output, or with errors to standard error. PP_OK; PP_ETIMEDOUT: it was
 * ended; PP_ENOTFOUND, PP_EIO ... */
int ppi_examine_run(const char *const *arguments, bool errors, int timeout_ms, char *text,
                    size_t size, int *code);

/* What a process (0: this one) has open, and may have. 0: not known, or no limit. */
struct ppi_handles_report {
    uint64_t open, soft, hard;
};
void ppi_examine_handles(uint64_t pid, struct ppi_handles_report *handles);

/* What this user may still write where path is: bytes, files (UINT64_MAX: no limit). false: not
 * known. */
bool ppi_examine_disk(const char *path, uint64_t *bytes, uint64_t *files);

#endif
