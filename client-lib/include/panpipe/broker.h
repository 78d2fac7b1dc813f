/* panpipe/broker.h - a Panpipe broker inside a program. Link with panpipe-broker.
 *
 * The broker works on a port of the program's own (panpipe/port.h), beside whatever else is there:
 * whoever takes packets from the port does its work, inside pp_port_get, which returns none of
 * them. It makes no thread, writes to no standard stream, and handles no signal. As many messages
 * are handled at once as threads take packets, and as the port's concurrency allows; threads may
 * come and go. A port may have several brokers, and a process any number. A program that has no
 * port gives NULL: the broker makes one for itself, with one thread.
 *
 * Clients in the same program connect as all others do, on the same port, too. A call that waits
 * (an op of NULL) is answered by a thread that takes packets: on such a thread, for a client on
 * that port, it is refused with PP_EDEADLOCK, as in every callback. Any other call that waits for
 * the broker needs a second thread on the port: on the only one it would wait until its time is
 * over.
 *
 * Life: pp_broker_open; it runs until pp_broker_stop, or until a client of its own user asks it to
 * end ("$sys.stop", the command `panpipe stop`), or its port is shut down; on_stopped says when it
 * is over; pp_broker_close gives its memory back. The port lives on.
 *
 * Threads: every function may be called from any thread, and from any callback; none of them waits,
 * but for pp_broker_close of a broker with its own thread. Nothing may be called for a broker that
 * another thread closes. */
#ifndef PANPIPE_BROKER_H
#define PANPIPE_BROKER_H

#include <panpipe/pipe.h>
#include <panpipe/port.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pp_broker pp_broker;

enum { PP_LOG_ERROR = 1, PP_LOG_WARN = 2, PP_LOG_INFO = 3, PP_LOG_DEBUG = 4 };

/* 0 and NULL are what the settings file says, or else the default, which broker/README.md tells
 * with all bounds. */
typedef struct pp_broker_config {
    uint32_t size;        /* sizeof(pp_broker_config) */
    uint32_t scope;       /* PP_SCOPE_..., for a name */
    uint32_t access;      /* PP_ACCESS_...: who may connect */
    uint32_t log_level;   /* PP_LOG_...: the least important lines that on_log gets */
    const char *name;     /* what clients connect to, a name or a path; NULL: "default" */
    const char *settings; /* path of a file as panpiped's --config; NULL: none. What is set here
                             wins over it; its `workers` does not count */
    const char *user;     /* who else, with PP_ACCESS_USER, and */
    const char *group;    /* whose members, with PP_ACCESS_ADMINS: as in pp_listen_config */
    uint32_t frame_max;   /* bytes of the largest message */
    uint32_t queue_bytes; /* what may wait for one client before who sends to it is held up:
                             queue_high. A quarter of it is queue_low, and four times it, at
                             least frame_max, queue_hard */
    uint32_t connections; /* in all */
    uint32_t subs;        /* subscriptions and services of one connection */
    uint32_t calls_open;  /* of one connection */
    uint32_t call_deadline_ms; /* of calls that do not name their own */
    uint32_t drain_ms;         /* how long a stop waits for queues to go out */

    void *context; /* of the callbacks; each may be NULL */
    /* A line of its log: event key=value ..., terminated, without time and line end. Several
     * threads at once may call it, in the middle of their work: hand the line on and return. */
    void (*on_log)(void *context, uint32_t level, const char *line);
    /* It is over: no client is connected, its name is free, none of its packets is left on the
     * port. Its last callback, exactly one for each pp_broker_open that returned PP_OK, perhaps
     * before that returns; on the thread that took its last packet. */
    void (*on_stopped)(void *context, pp_broker *broker);
} pp_broker_config;
#define PP_BROKER_CONFIG_INIT                                                                      \
    {                                                                                              \
        sizeof(pp_broker_config), 0, 0, 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, NULL,      \
            NULL, NULL                                                                             \
    }

/* Opens a broker on port, which must live until on_stopped. From now on clients can connect; they
 * are served while somebody takes packets. port NULL: on a port and a thread of its own, on which
 * its callbacks run. config is copied, its texts too; NULL: all defaults.
 * PP_OK: *out must be closed; PP_EINVAL: size, a value, the name, or the settings file, pp_detail
 * says which; PP_EINUSE: a living broker has the name; PP_EACCESS; PP_EUNTRUSTED; PP_ENOTFOUND;
 * PP_ELIMIT; PP_EIO: as pp_listen; PP_ECLOSED: the port was shut down; PP_ENOMEM. Unless it is
 * PP_OK nothing is left of it. */
int pp_broker_open(pp_broker **out, pp_port *port, const pp_broker_config *config);

/* Asks it to end: nobody can connect any more, clients are told why and what is queued for them
 * goes out, for at most drain_ms; open calls, and new ones, end with PP_ESHUTDOWN. Once more:
 * without waiting for anything. Go on taking packets until on_stopped. PP_OK, also if it is over;
 * PP_EINVAL. */
int pp_broker_stop(pp_broker *broker);

/* Gives it up, once. If it still runs it ends at once, and what is queued is lost: to let that go
 * out, call pp_broker_stop before, and this in on_stopped or after it. Then it frees itself when
 * its last packet was taken: so go on taking packets until on_stopped, or shut the port down;
 * if that ends with PP_ETIMEDOUT, the broker's memory is lost. Do not touch it any more; on_stopped
 * may.
 * A broker with its own thread: as pp_broker_stop, if that was not called, and waits until it is
 * over and the thread has ended. Not in its callbacks. NULL is ignored. */
void pp_broker_close(pp_broker *broker);

/* Writes the full path it listens on into path[0 .. size), PP_PATH_MAX is always enough: for who
 * connects without the library. PP_OK; PP_EINVAL: an argument, or too small. */
int pp_broker_path(const pp_broker *broker, char *path, size_t size);

#ifdef __cplusplus
}
#endif
#endif
