/* panpipe/client.h - talk to a Panpipe broker: publish, subscribe, call, serve.
 *
 * A client works on a port. Give it yours, and everything it does happens in your pp_port_get;
 * give it none, and it makes a port and a thread of its own, on which your callbacks run.
 *
 * Everything that takes time is an operation (panpipe/port.h) and can be had in four ways:
 *   op on your port          a packet with the client's key, when it has ended
 *   op with pp_op_use_call   a function of yours is called instead of a packet
 *   op with pp_op_use_wait   wait for it with pp_op_wait
 *   NULL                     the call itself waits, and returns how it ended. PP_EDEADLOCK inside
 *                            a callback, and on a thread that took from the port last (or tried
 *                            to), until pp_thread_detach
 * The start functions return PP_PENDING, or why nothing was started: PP_EINVAL; PP_ESTATE: op is in
 * flight; PP_ECLOSED: not started yet, or closed; PP_EBUSY: away, and away_bytes are kept already;
 * PP_ENOMEM; PP_ELIMIT. op->status then tells the rest: PP_OK; PP_ECANCELED: this client was closed
 * or aborted first; PP_EPEERCLOSED, or what the broker said at last, PP_ESHUTDOWN ...: the
 * connection ended after it was sent, so it is not known whether it was done; PP_ENOMEM; or the
 * status that stands for the broker's or the server's error (panpipe/port.h). pp_client_error has
 * its words.
 * Until then op belongs to the library, and so does where results go: receipts, answers, *sub.
 * Params and texts are copied, or sent, before the start function returns.
 *
 * Messages: a subject, "ui.tick", and params: one MessagePack array, as bytes. The library passes
 * bytes through as they are, and builds no objects; panpipe/pack.h has helpers for who wants
 * msgpack-c's packer and objects. Params nest at most 28 deep, and have at most the broker's
 * frame_max, 16 MiB if not set otherwise, less 4 KiB.
 *
 * The connection is the library's business. A client that was started connects, and when it loses
 * the broker it connects again, for ever, by itself: one code path. Meanwhile it is away:
 *   - Subscriptions and services stay, with their pp_sub, the messages that wait in them and a
 *     pp_receive in flight. They are made anew at the next connection, before anything else.
 *   - What is published and asked for is kept, whole, in order, up to away_bytes, and goes out
 *     then; who waits for an answer waits for the connection, too. Above that it is refused with
 *     PP_EBUSY: nobody waits for room there.
 *   - What was on its way when the connection ended is never sent again: it may have been done.
 *     Requests end, see above. Plain publishes are counted as unconfirmed until the broker is
 *     known to have handled them: when it has answered a later pp_client_flush,
 *     pp_publish_confirmed, pp_subscribe or pp_serve, or the library's own question, which follows
 *     publishes within 0.1 s. on_state tells how many there were.
 *   - Calls that were being served are gone: on_cancel is called for each, pp_reply is PP_EGONE.
 * on_state tells of each change once. A subscription that the broker refuses to make anew, of a
 * name that somebody else has taken meanwhile say, is told to on_note, ends its pp_receive with the
 * reason, and is tried again with the next connection only. With PP_CLIENT_ONCE none of this
 * happens: the end of the connection is the end. If the broker ends it and says for how long (an
 * operator has kicked the client), the next attempt is after that.
 *
 * Order: what one client publishes arrives at each receiver in the order of the calls.
 * Gathering: a message after a pause goes out at once. In a burst, messages that are published
 * while others are being written go out together with the next write; nothing waits for a timer.
 *
 * Threads: every function may be called from any thread, but nothing may be called for a client
 * that another thread closes, and pp_next for one subscription by one thread at a time. Callbacks
 * run on a thread that takes the port's packets: on_message, on_call, on_cancel and on_note of one
 * client one at a time; functions of operations like any packet of the port, on a port of yours
 * perhaps at the same time; on_state as on_message. They may do all but wait: PP_EDEADLOCK.
 *
 * Limits, each named where it is set: connect_ms, drain_ms, queue_bytes, inbox_bytes, away_bytes
 * below; subscriptions, open calls and the size of a frame are the broker's. A call that waits for
 * a connection gives up after its deadline_ms, or 60 s. A client's own memory is about 130 KiB,
 * what is kept and what waits.
 *
 * Process: a client works in the process that made it. In a forked child the functions that would
 * start, send or end something return PP_ESTATE, pp_client_close too.
 *
 * The library never aborts, never writes to standard error, and starts one thread at most. */
#ifndef PANPIPE_CLIENT_H
#define PANPIPE_CLIENT_H

#include <panpipe/pipe.h>
#include <panpipe/port.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pp_client pp_client;
typedef struct pp_sub pp_sub; /* a subscription, or a service */

/* --- the connection ------------------------------------------------------------------------ */

/* What has become of the connection. */
enum {
    PP_CLIENT_NEW = 0,       /* not started; or pp_client_connect has not ended yet */
    PP_CLIENT_AWAY = 1,      /* no connection; the library sees to it */
    PP_CLIENT_CONNECTED = 2, /* and every subscription and service is active again */
    PP_CLIENT_ENDED = 3      /* drained, closed, or over for another reason */
};
typedef struct pp_client_event {
    int32_t state;        /* PP_CLIENT_AWAY, _CONNECTED or _ENDED */
    int32_t status;       /* why it is away, or has ended; pp_client_error has words */
    uint32_t connections; /* how often it has been connected */
    /* Since the last event. Publishes, pp_publish_confirmed apart, that were sent and that the
     * broker has not confirmed before the connection ended: each has arrived, or not. */
    uint64_t unconfirmed;
    /* PP_CLIENT_ENDED: publishes that were kept and never sent: none has arrived. */
    uint64_t unsent;
} pp_client_event;

typedef struct pp_client_config {
    uint32_t size;        /* sizeof(pp_client_config) */
    uint32_t flags;       /* PP_CLIENT_... */
    const char *name;     /* what others see, 1 to 64 bytes of UTF-8; NULL: "pid-N" */
    const char *broker;   /* name or path; NULL: PANPIPE in the environment, or "default" */
    uint32_t scope;       /* PP_SCOPE_..., for a name */
    const char *server;   /* who must own the broker, see pp_dial_config; NULL: own user, root */
    int32_t connect_ms;   /* tries to connect for so long; 0: 5,000; negative: for ever */
    int32_t drain_ms;     /* pp_client_close drains for so long; 0: 2,000; negative: for ever */
    pp_port *port;        /* yours; NULL: the client makes one, with a thread */
    uintptr_t key;        /* of the client's packets on your port */
    uint32_t queue_bytes; /* what may wait to be written; 0: 4 MiB */
    uint32_t inbox_bytes; /* what may wait for pp_next, for each subscription; 0: 1 MiB */
    uint32_t away_bytes;  /* what is kept while there is no connection; 0: 1 MiB */

    /* Called from the port's thread; each may be NULL. */
    void *context;
    /* The client has ended; once, if it was started or connected. Every operation has ended before:
     * the last callback of all. why: PP_ECLOSED: drained, closed or aborted by this side, or the
     * port was shut down. With PP_CLIENT_ONCE, and while it drains, also: PP_EPEERCLOSED;
     * PP_EPROTO; PP_ENOMEM; or what the broker said at last: PP_ESHUTDOWN, PP_ESLOW ... */
    void (*on_closed)(void *context, pp_client *client, int why);
    /* The broker says something, about a publish that it cannot take, say, or why it closes the
     * connection: a name of an error, "E_ARG", and its words. */
    void (*on_note)(void *context, pp_client *client, const char *name, const char *text);
    /* The connection came, or went; just before on_closed: the client has ended. */
    void (*on_state)(void *context, pp_client *client, const pp_client_event *event);
} pp_client_config;
#define PP_CLIENT_CONFIG_INIT                                                                      \
    {                                                                                              \
        sizeof(pp_client_config), 0, NULL, NULL, 0, NULL, 0, 0, NULL, 0, 0, 0, 0, NULL, NULL,      \
            NULL, NULL                                                                             \
    }
enum {
    PP_CLIENT_ONCE = 1u, /* one connection: on_closed when it ends, not another one */
    /* Nobody listens: starts the user's broker, panpiped, and waits for it. Only PP_SCOPE_USER and
     * a name, no path: else pp_client_connect returns PP_EINVAL. When it cannot be started the
     * connect ends with PP_ENOSERVER, and pp_client_error says why. on_note has "STARTED" if this
     * client has started it; also when it connects again. Where panpiped is found:
     * broker/README.md */
    PP_CLIENT_START = 2u
};

/* Makes a client that is not connected yet; config is copied, its texts too. NULL: all defaults.
 * PP_OK; PP_EINVAL: size, or the name; PP_ENOMEM; PP_ELIMIT: no thread or handle left. */
int pp_client_new(pp_client **out, const pp_client_config *config);

/* Starts: from now on the client connects, for ever, and everything below works at once, as it does
 * while the client is away. For who need not know whether the broker is there; on_state tells that
 * nobody was found at first, and then of the connection.
 * PP_OK, also when it was started before; PP_EINVAL: a bad name of the broker; PP_ECLOSED. */
int pp_client_start(pp_client *client);

/* Waits for the connection, at most connect_ms, so the broker may be started second. A client that
 * was not started tries for so long, and is started when it is connected; after a failure this may
 * be repeated. One that was started goes on trying after a failure.
 * Ends with PP_OK, at once if it is connected; PP_ETIMEDOUT: no broker came, or answered;
 * PP_ENOSERVER: PP_CLIENT_START, and it cannot be started; PP_EBUSY; PP_EACCESS; PP_EUNTRUSTED:
 * somebody else's broker; PP_EVERSION; PP_EPROTO: no broker at all; PP_EPEERCLOSED; PP_ESHUTDOWN:
 * it left again; PP_ECANCELED: closed meanwhile; PP_ENOMEM; PP_ELIMIT; PP_EIO. Returns PP_EINVAL
 * for a bad name of the broker; PP_ESTATE: one at a time. */
int pp_client_connect(pp_client *client, pp_op *op);

/* The state as it is now, PP_CLIENT_NEW ... */
int pp_client_state(pp_client *client);

/* pp_client_new and pp_client_connect in one, waiting: for a client without a port of yours. *out
 * is set only with PP_OK; else nothing is left, and pp_detail says what was wrong. */
int pp_client_open(pp_client **out, const pp_client_config *config);

/* Says goodbye: what was published goes out, open calls of this client end with PP_ECANCELED,
 * subscriptions end, what was not answered yet is not any more. From now on everything else is
 * PP_ECLOSED, in callbacks too. Ends with PP_OK when the broker has confirmed it: nothing of what
 * was published before is lost on the way to the broker. It takes as long as that takes; while the
 * client is away that is until it was connected again and has sent what it kept. Then only
 * pp_client_close is left. */
int pp_client_drain(pp_client *client, pp_op *op);

/* Ends the client and frees it, with its subscriptions. If it is still connected it drains first,
 * for at most drain_ms, and whatever has not ended then ends with PP_ECANCELED. If it is away
 * nothing is waited for: what is kept ends with PP_ECANCELED, and on_state counts the publishes
 * among it as unsent.
 * A client with its own thread: waits until that is done and the last callback has returned.
 * PP_OK; PP_EDEADLOCK: inside a callback, of whichever client; PP_ESTATE: a forked child; nothing
 * was done.
 * A client on your port: does not wait; what is in flight still delivers its packets, and the
 * client frees itself after the last one. So go on taking packets, until on_closed at least, or
 * shut the port down. Do not touch the client any more; on_closed may. PP_OK.
 * NULL is ignored. */
int pp_client_close(pp_client *client);

/* As pp_client_close, without draining: what was not written yet is lost. Also ends a drain. */
int pp_client_abort(pp_client *client);

/* The words of the last error that the broker, or a server, has answered to this client, or of why
 * there is no connection; copied into text[0 .. size), terminated. "" if it had none: an error may
 * be any MessagePack value. Returns text. */
const char *pp_client_error(pp_client *client, char *text, size_t size);

/* --- who is who ------------------------------------------------------------------------------ */

/* One of the two ends, as the operating system recorded it. A user may be trusted; pid and exe are
 * for people (see pp_peer in panpipe/pipe.h). */
typedef struct pp_identity {
    uint32_t size;  /* in: sizeof(pp_identity) */
    uint32_t flags; /* PP_PEER_PID, _UID, _SID: which of these are known */
    uint64_t id;    /* this client's number in the broker, as in `panpipe ls clients`; broker: 0 */
    uint64_t pid;
    uint32_t uid;         /* Linux */
    char sid[PP_SID_MAX]; /* Windows */
    char exe[1024];       /* the path of its program; "": not known, or longer */
} pp_identity;

/* Whom the broker has seen in this client, as it said when it was connected to last.
 * PP_OK; PP_EINVAL; PP_ECLOSED: it never was. */
int pp_client_self(pp_client *client, pp_identity *self);

/* Who the broker is. Whether it is one that was expected has been checked before the first byte
 * went to it (config.server). PP_OK; PP_EINVAL; PP_ECLOSED: not connected. */
int pp_client_peer(pp_client *client, pp_identity *broker);

/* --- publishing ------------------------------------------------------------------------------ */

/* Publishes: PP_OK means queued, or kept, nothing more; if the connection ends before the broker
 * has handled it, it is unconfirmed, see on_state. If queue_bytes are waiting already, waits for
 * room; inside a callback, and on a port of yours, returns PP_EBUSY instead; while away it never
 * waits.
 * PP_OK; PP_EBUSY: also away_bytes are kept; PP_EINVAL: subject, or params, are none; PP_ELIMIT:
 * params are too large, or nest too deep; PP_ECLOSED. */
int pp_publish(pp_client *client, const char *subject, const void *params, size_t size);

/* The same as an operation, which ends when the system has taken all of it. Never waits, and does
 * not look at queue_bytes, but at away_bytes, like all that follows: do not start without end. op
 * must not be NULL. */
int pp_publish_start(pp_client *client, pp_op *op, const char *subject, const void *params,
                     size_t size);

/* Publishes and is told what became of it. *receipt is valid with PP_OK; with matched 0 nobody
 * has subscribed. */
typedef struct pp_receipt {
    uint32_t matched; /* receivers: queued + refused */
    uint32_t queued;
    uint32_t refused;
} pp_receipt;
int pp_publish_confirmed(pp_client *client, pp_op *op, const char *subject, const void *params,
                         size_t size, pp_receipt *receipt);

/* Ends with PP_OK as soon as count subscriptions (1 or more) would get what this client publishes
 * to the subject, so that its first message is not lost on those who are still starting. Its own
 * ones count with PP_SUB_ECHO. It is an open call of the client's. timeout_ms: PP_ETIMEDOUT after
 * that; 0: the broker's own, as for calls; negative: never. Ends with PP_ELIMIT too: too many calls
 * are open. */
int pp_wait_subs(pp_client *client, pp_op *op, const char *subject, uint32_t count, int timeout_ms);

/* Ends with PP_OK when the broker has handled everything that was published before: it is queued
 * for its receivers, or has none. */
int pp_client_flush(pp_client *client, pp_op *op);

/* Writes what was gathered now. For a handler on your own port that goes on working after a burst:
 * otherwise its last messages leave when it returns to the port. */
void pp_client_push(pp_client *client);

/* --- receiving ------------------------------------------------------------------------------- */

/* Who sent a message, or calls: what the broker knows, not what they say; but for the name. */
typedef struct pp_sender {
    uint64_t from;        /* its number in the broker, as in `panpipe ls clients` */
    uint64_t pid;         /* for people only */
    uint64_t time_ms;     /* when the broker passed it on: since 1970 */
    uint32_t flags;       /* PP_PEER_PID, _UID, _SID: which are known */
    uint32_t uid;         /* Linux */
    char sid[PP_SID_MAX]; /* Windows */
    char name[68];        /* a label that it gave itself, or "pid-N" */
} pp_sender;

/* One message, or one call to be answered. Pointers are valid until the callback returns, or until
 * the next pp_next on the subscription. */
typedef struct pp_message {
    pp_sub *sub;
    const char *subject; /* not terminated */
    size_t subject_length;
    const void *params; /* a MessagePack array */
    size_t params_size;
    uint64_t call;           /* for pp_reply; services only */
    const pp_sender *sender; /* with PP_SUB_META, PP_SERVE_META; else NULL */
} pp_message;

typedef struct pp_sub_config {
    uint32_t size;     /* sizeof(pp_sub_config) */
    const char *group; /* queue group: one of its members gets each message; NULL: none */
    uint32_t flags;    /* PP_SUB_... */
    /* Called for each message; NULL: they wait for pp_receive and pp_next. */
    void (*on_message)(void *context, const pp_message *message);
    void *context; /* must live until it is unsubscribed, or the client closed */
} pp_sub_config;
#define PP_SUB_CONFIG_INIT                                                                         \
    {                                                                                              \
        sizeof(pp_sub_config), NULL, 0, NULL, NULL                                                 \
    }
enum {
    PP_SUB_ECHO = 1u, /* also what this client publishes itself */
    PP_SUB_CUT = 2u,  /* if it reads too slowly it is cut; else its publishers are held up */
    PP_SUB_META = 4u  /* its messages say who sent them: some 60 bytes more each */
};

/* Subscribes; active when it ends with PP_OK. *sub is set then, so sub must stay where it is until
 * op has ended, as op must; the subscription lives until it is unsubscribed, or the client closed.
 * Pattern: the token "*" stands for any one, ">" at the end for one or more. config NULL: all
 * defaults. Messages may come before op has ended.
 * PP_EINVAL: the pattern, or the group, is none (1 to 64 bytes of UTF-8). Ends with PP_ELIMIT too:
 * more subscriptions than the broker allows. */
int pp_subscribe(pp_client *client, pp_op *op, const char *pattern, const pp_sub_config *config,
                 pp_sub **sub);

typedef struct pp_serve_config {
    uint32_t size;         /* sizeof(pp_serve_config) */
    uint32_t flags;        /* PP_SERVE_... */
    uint32_t max_inflight; /* calls at once, more are refused as busy; 0: no limit */
    void (*on_call)(void *context, const pp_message *message); /* NULL: calls wait for pp_next */
    /* The caller of message.call does not want its answer any more, or cannot have it, since the
     * connection ended; NULL: never mind. An answer is then ignored. */
    void (*on_cancel)(void *context, uint64_t call);
    void *context;
    /* What it does, for those who ask the broker ("$describe", or panpipe describe): a text; or
     * MessagePack, a text or {"text", "params": [[name, type, text], ...], "result", "errors"} of
     * texts. At most 4 KiB, else PP_ELIMIT; NULL: nothing. Copied. */
    const char *doc;
    const void *doc_data;
    size_t doc_size;
} pp_serve_config;
#define PP_SERVE_CONFIG_INIT                                                                       \
    {                                                                                              \
        sizeof(pp_serve_config), 0, 0, NULL, NULL, NULL, NULL, NULL, 0                             \
    }
enum {
    PP_SERVE_EXCLUSIVE = 1u, /* nobody else may serve the pattern: E_NAMETAKEN */
    PP_SERVE_META = 2u       /* its calls say who calls */
};

/* Serves calls: as pp_subscribe. Each must be answered once, from any thread, now or later, also
 * after pp_unsubscribe. Ends with PP_ENAME too: served exclusively; PP_EARG: the doc is none. */
int pp_serve(pp_client *client, pp_op *op, const char *pattern, const pp_serve_config *config,
             pp_sub **service);

/* Answers a call: result is one MessagePack value. An answer that comes too late is ignored by the
 * broker. PP_OK: queued; PP_EINVAL; PP_ELIMIT; PP_EGONE: the connection over which it came has
 * ended, nobody waits for the answer any more; PP_ECLOSED. */
int pp_reply(pp_client *client, uint64_t call, const void *result, size_t size);
/* The same as an operation, which ends when the system has taken all of it; only while connected
 * and not draining. */
int pp_reply_start(pp_client *client, pp_op *op, uint64_t call, const void *result, size_t size);
/* With an error, a text that begins with a name: "E_ARG no such user". Of a name that
 * panpipe/port.h has the caller gets the status, of any other PP_EREMOTE. At most 399 bytes are
 * sent. */
int pp_reply_error(pp_client *client, uint64_t call, const char *text);

/* For subscriptions without a callback: ends when at least one message waits; take all of them
 * with pp_next before the next pp_receive. One at a time for each subscription, else PP_ESTATE.
 * When inbox_bytes wait, the client reads no further: nothing is lost, its publishers are held up
 * (or it is cut, PP_SUB_CUT), but its other subscriptions and its answers wait too. So do not wait
 * for anything while messages lie there. */
int pp_receive(pp_sub *sub, pp_op *op);
/* 1: *message is the next one; 0: none waits. The one taken before is gone. */
int pp_next(pp_sub *sub, pp_message *message);

/* Ends it, while away at once: after PP_OK nothing of it arrives, and sub is gone, with the
 * messages that wait; a pp_receive ends with PP_ECANCELED. PP_ESTATE: it is being unsubscribed
 * already. So a service with on_call leaves without a caller's notice: pp_unsubscribe, answer what
 * has come until then, pp_client_close. Whoever calls with wait_ms waits for the next server. */
int pp_unsubscribe(pp_sub *sub, pp_op *op);

/* --- calling --------------------------------------------------------------------------------- */

/* An answer. Zero it before its first use; then it can be used again and again, and grows as the
 * answers do. pp_answer_free gives its memory back. */
typedef struct pp_answer {
    const void *data; /* PP_OK: the result; another status: the error, or NULL. MessagePack */
    size_t size;
    void *memory; /* the library's */
    size_t capacity;
} pp_answer;
void pp_answer_free(pp_answer *answer);

typedef struct pp_call_config {
    uint32_t size;        /* sizeof(pp_call_config) */
    uint32_t deadline_ms; /* PP_ETIMEDOUT after that; 0: the broker's own, 60 s if not set. The
                             broker watches it, from when it gets the call; while the call waits for
                             a connection, the client. For control methods only that */
    uint32_t wait_ms;     /* waits so long, an hour at most, for a server that takes the call, and
                             only then ends with PP_ENORESP or PP_EBUSY; the deadline runs all the
                             while. A later call may overtake it */
} pp_call_config;
#define PP_CALL_CONFIG_INIT                                                                        \
    {                                                                                              \
        sizeof(pp_call_config), 0, 0                                                               \
    }

/* Calls a service; or the broker itself, if the subject is a control method ("$sys.stats"); not
 * one that this library itself uses ("$sub", "$bye").
 * Ends with PP_OK; PP_ENORESP: nobody serves it; PP_EGONE: the server went away; PP_ETIMEDOUT;
 * PP_EBUSY: it has max_inflight calls; PP_ECANCELED; PP_ELIMIT: too many calls are open;
 * PP_EREMOTE: the server's own error; PP_EMETHOD, PP_EARG, PP_EPERM ...: another one with a name.
 */
int pp_call(pp_client *client, pp_op *op, const char *subject, const void *params, size_t size,
            const pp_call_config *config, pp_answer *answer);

/* Asks an open call, or a pp_wait_subs, to end; op then ends with PP_ECANCELED, or with its answer
 * if that was faster. What waits for a connection is not sent any more.
 * PP_OK; PP_EINVAL; PP_ENOTFOUND: op is no open call of this client; PP_ECLOSED. */
int pp_call_cancel(pp_client *client, pp_op *op);

#ifdef __cplusplus
}
#endif
#endif
