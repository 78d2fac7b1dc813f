/* settings.h: the broker's settings: defaults, the configuration file, the command line. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <panpipe/broker.h>

#define SETTINGS_ACCESS "same-user, local-users, service-and-user, admins"

enum log_level { /* as in panpipe/broker.h */
                 LOG_ERROR = PP_LOG_ERROR,
                 LOG_WARN = PP_LOG_WARN,
                 LOG_INFO = PP_LOG_INFO,
                 LOG_DEBUG = PP_LOG_DEBUG
};

/* The limits have the names of protocol.md's table; the file uses the same. */
struct settings {
    char name[PP_PATH_MAX]; /* logical name, or full path */
    bool system;            /* the system scope */
    int access;             /* who may connect, PP_ACCESS_...; -1: by system */
    char access_user[128];  /* for PP_ACCESS_USER; "": none */
    char access_group[128]; /* for PP_ACCESS_ADMINS; "": none */
    uint32_t workers;       /* at once; 0: by the number of processors */
    enum log_level log_level;

    uint32_t frame_max;        /* bytes */
    uint64_t queue_high;       /* bytes a link */
    uint64_t queue_low;        /* bytes a link */
    uint64_t queue_hard;       /* bytes a link, answers included */
    uint32_t read_ahead;       /* bytes read from a paused connection */
    uint32_t stall_ms;         /* above queue_high for so long: cut */
    uint32_t stall_rate;       /* bytes a second; draining more slowly there: cut */
    uint32_t half_frame_ms;    /* without progress: closed */
    uint32_t half_frame_rate;  /* bytes a second; a frame that comes more slowly: closed */
    uint32_t silent_ms;        /* without a byte from a new connection: closed; 0: never */
    uint32_t subs;             /* a connection */
    uint32_t calls_open;       /* a connection */
    uint32_t connections;      /* in all */
    uint32_t connections_user; /* of one user */
    uint32_t call_deadline_ms; /* unless the caller says otherwise; 0: none */
    uint32_t drain_ms;         /* how long a stop waits for queues to go out */
    uint32_t idle_exit_ms;     /* leaves after so long without a client; 0: never */
};

void settings_defaults(struct settings *settings);

/* Reads a file of `name = value` lines over what is set. PP_OK; else problem says what and where,
 * in at most size bytes. */
int settings_load(struct settings *settings, const char *path, char *problem, size_t size);

/* Sets a number by its name; false: it is not within its bounds. */
bool settings_set_number(struct settings *settings, const char *name, uint64_t value);

/* Visits every number, in a fixed order, with its value; how many there are. visit may be NULL. */
size_t settings_each(const struct settings *settings,
                     void (*visit)(void *context, const char *name, uint64_t value), void *context);

/* Do the values go together? As settings_load. */
int settings_check(const struct settings *settings, char *problem, size_t size);

/* Who may connect, PP_ACCESS_...; and all that pp_listen wants to know, which points into settings.
 */
uint32_t settings_access(const struct settings *settings);
pp_listen_config settings_listen(const struct settings *settings);

/* Copies a text of the settings; NULL leaves what is there. false: it is too long. */
bool settings_set_text(char *out, size_t size, const char *text);

/* A log level's name, and back; false: there is none such. */
const char *log_level_name(enum log_level level);
bool log_level_parse(const char *name, enum log_level *level);

#endif
