/* session.h: a command's connection to the broker.
 *
 * Everything a command waits for is a packet on one port: answers, input, Ctrl-C, the end of the
 * connection. A task is an operation that remembers that its packet has come, so a command can
 * start several and wait for one after the other, in a straight line. Callbacks run inside
 * session_wait and its like; there is no other thread. */
#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <panpipe/client.h>
#include <panpipe/pipe.h>

#include "cli.h"

struct task {
    pp_op op;
    bool ended;
};

enum { SESSION_WORDS_MAX = 320 };

/* Zeroed before session_open; static, since operations may outlive a command's last function. */
struct session {
    const struct cli *cli;
    pp_port *port;
    pp_client *client;  /* NULL: closed */
    pp_sub *service;    /* NULL: none. It is given up before the goodbye */
    pp_sub *subscribed; /* by the last request; set when that ends, maybe after an interruption */
    pp_answer answer;   /* for calls */
    bool interrupted;   /* somebody wants us to end */
    bool connected;
    bool reconnects; /* set before session_open: the client waits for a broker that is gone */
    int why;         /* the connection has ended; PP_OK: it has not */
    char words[SESSION_WORDS_MAX]; /* about the last failure, "E_NAME text"; may be "" */
    char note[SESSION_WORDS_MAX];  /* the first thing the broker complained about */
    uint64_t leave_by_ns;          /* the goodbye waits until then; 0: not leaving */

    struct task request, goodbye, interrupt, closed;
};

/* Opens a port, and connects, waiting for the broker as long as the user likes. GO_ON, or the exit
 * code: it was said why, and session_close must follow all the same. */
int session_open(struct session *session, const struct cli *cli);

/* The same without a client: for what the user does not want through one. */
int session_open_port(struct session *session, const struct cli *cli);

/* Says why there is no connection, after a request of that kind has failed; the exit code. */
int session_refused(struct session *session, int status);

/* The broker's name, where it should be, and how long to wait for it, milliseconds. */
const char *session_broker(const struct cli *cli);
void session_place(const struct cli *cli, char path[PP_PATH_MAX]);
int session_patience(const struct cli *cli);

/* Is the broker to be started, if it is not there? */
bool session_starts(const struct cli *cli);

/* Says goodbye, so that nothing on its way is lost, calls included, for a while; frees everything.
 * Returns code, or EXIT_INTERRUPTED if that is why the command ends. */
int session_close(struct session *session, int code);

/* Readies a task for a start function and returns its operation. */
pp_op *session_task(struct task *task);

/* Waits for the task until deadline_ns (pp_now_ns; UINT64_MAX: for ever). PP_OK: it has ended.
 * PP_ETIMEDOUT; PP_ECANCELED: interrupted; another status: the connection has ended. */
int session_wait(struct session *session, struct task *task, uint64_t deadline_ns);

/* Handles one packet, for who waits for several tasks at once. PP_OK, or as session_wait; nothing
 * was said. */
int session_take(struct session *session, uint64_t deadline_ns);

/* Handles what comes next. GO_ON, or the exit code, as session_sleep. */
int session_turn(struct session *session);

/* Handles what comes until deadline_ns; or what is there, without waiting. GO_ON, or the exit
 * code: the connection has ended, or somebody wants us to end; it was said. */
int session_sleep(struct session *session, uint64_t deadline_ns);
int session_poll(struct session *session);

/* One request at a time:
 *     status = session_await(session, pp_client_flush(session->client, session_op(session)), -1);
 * Its result; or as session_wait; then the session can only be closed. */
pp_op *session_op(struct session *session);
int session_await(struct session *session, int started, int timeout_ms);

/* Publishes; while too much waits to be written already, waits until that has gone out. GO_ON, or
 * the exit code. What is published in one go leaves when the session waits for something. */
int session_publish(struct session *session, const char *subject, const void *params, size_t size);

/* A call, whose result is session->answer. Both times 0: not given. */
int session_call(struct session *session, const char *subject, const void *params, size_t size,
                 int deadline_ms, int wait_ms);

/* Subscribes until the session is closed. GO_ON, or the exit code. */
int session_subscribe(struct session *session, const char *pattern, const pp_sub_config *config);

/* Says what failed, with session->words; the exit code. _here: with pp_detail. */
int session_fail(struct session *session, int status);
int session_fail_here(struct session *session, int status);

/* timeout_ms from now; negative: never. */
uint64_t session_deadline_ns(int timeout_ms);

/* The time of --for is over. Without --count (wanted 0) that is how it should end; else it is said
 * how many of them came. The exit code. */
int session_late(uint64_t came, uint64_t wanted, const char *what);

/* --ready FILE: makes an empty file, now that everything is set up. NULL: nothing to do. With
 * --verbose it is said too. GO_ON, or the exit code. */
int session_ready(const struct session *session, const char *file);

#endif
