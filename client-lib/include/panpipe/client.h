/* panpipe/client.h - talk to a Panpipe broker: publish, subscribe, call, serve.
 *
 * A client works on a port. Give it yours, and everything it does happens in your pp_port_get;
 * give it none, and it makes a port and a thread of its own, on which your callbacks run.
 *
 * Everything that takes time is an operation (panpipe/port.h) and can be had in four ways:
 *   op on your port          a packet with the client's key, when it has ended
 *   op with pp_op_use_call   a function of yours is called instead of a packet
 *   op with pp_op_use_wait   wait for it with pp_op_wait
 *   NULL                     the call itself waits, and returns how it ended. Not inside a
 *                            callback (PP_ESTATE), and not on the only thread of your own port
 * The start functions return PP_PENDING, or why nothing was started (PP_EINVAL, PP_ESTATE,
 * PP_ECLOSED: not connected any more, PP_ENOMEM, PP_ELIMIT). op->status then tells the rest: PP_OK,
 * PP_EPEERCLOSED: the connection ended first, or the status that stands for the broker's or the
 * server's error. pp_client_error has its words.
 *
 * Messages: a subject, "ui.tick", and params: one MessagePack array, as bytes. The library passes
 * bytes through as they are, and builds no objects; panpipe/pack.h has helpers for who wants
 * msgpack-c's packer and objects. Params nest at most 28 deep; a whole message has at most the
 * broker's frame_max, 16 MiB if not set otherwise.
 *
 * Order: what one client publishes arrives at each receiver in the order of the calls.
 * Gathering: a message after a pause goes out at once. In a burst, messages that are published
 * while others are being written go out together with the next write; nothing waits for a timer.
 *
 * Threads: every function may be called from any thread. Callbacks run on the thread that takes
 * the port's packets, one at a time for one client; they may publish, call and reply, not wait.
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

typedef struct pp_client_config {
    uint32_t size;        /* sizeof(pp_client_config) */
    const char *name;     /* what others see, 1 to 64 bytes; NULL: "pid-N" */
    const char *broker;   /* name or path; NULL: PANPIPE in the environment, or "default" */
    uint32_t scope;       /* PP_SCOPE_..., for a name */
    const char *server;   /* who must own the broker, see pp_dial_config; NULL: own user, root */
    int32_t connect_ms;   /* tries to connect for so long; 0: 5,000; negative: for ever */
    int32_t drain_ms;     /* pp_client_close waits for so long; 0: 2,000 */
    pp_port *port;        /* yours; NULL: the client makes one, with a thread */
    uintptr_t key;        /* of the client's packets on your port */
    uint32_t queue_bytes; /* what may wait to be written; 0: 4 MiB */
    uint32_t inbox_bytes; /* what may wait for pp_next, for each subscription; 0: 1 MiB */

    /* Called from the port's thread; each may be NULL. */
    void *context;
    /* The connection ended: why is a status. The last callback of all. */
    void (*on_closed)(void *context, pp_client *client, int why);
    /* The broker says something: a name of an error, "E_ARG", and its words. */
    void (*on_note)(void *context, pp_client *client, const char *name, const char *text);
} pp_client_config;
#define PP_CLIENT_CONFIG_INIT                                                                      \
    {                                                                                              \
        sizeof(pp_client_config), NULL, NULL, 0, NULL, 0, 0, NULL, 0, 0, 0, NULL, NULL, NULL       \
    }

/* Makes a client that is not connected yet; config is copied, its texts too. NULL: all defaults.
 * PP_OK; PP_EINVAL; PP_ENOMEM; PP_ELIMIT. */
int pp_client_new(pp_client **out, const pp_client_config *config);

/* Connects, once in a client's life: tries from the first attempt on until connect_ms is over, so
 * the broker may be started second.
 * Ends with PP_OK; PP_ETIMEDOUT: no broker came; PP_EBUSY; PP_EACCESS; PP_EUNTRUSTED: somebody
 * else's broker; PP_EVERSION; PP_EPEERCLOSED; PP_ECANCELED. */
int pp_client_connect(pp_client *client, pp_op *op);

/* Both in one, waiting: for a client without a port of yours. *out is set only with PP_OK. */
int pp_client_open(pp_client **out, const pp_client_config *config);

/* Says goodbye: what was published goes out, open calls of this client end with PP_ECANCELED,
 * subscriptions end. Ends with PP_OK when the broker has confirmed it: nothing of what was
 * published before is lost on the way to the broker. Then only pp_client_close is left. */
int pp_client_drain(pp_client *client, pp_op *op);

/* Ends the client and frees it, with its subscriptions. If it is still connected it drains first,
 * for at most drain_ms.
 * A client with its own thread: waits until that is done; inside a callback PP_ESTATE.
 * A client on your port: does not wait; what is in flight still delivers its packets, and the
 * client frees itself after the last one. Do not touch it any more. NULL is ignored. */
int pp_client_close(pp_client *client);

/* As pp_client_close, without draining: what was not written yet is lost. */
int pp_client_abort(pp_client *client);

/* The words of the last error that the broker, or a server, has answered to this client; copied
 * into text[0 .. size), terminated. Returns text. */
const char *pp_client_error(pp_client *client, char *text, size_t size);

/* --- publishing ------------------------------------------------------------------------------ */

/* Publishes: PP_OK means queued, nothing more; it is lost if the connection ends before it is
 * written. If queue_bytes are waiting already, waits for room; inside a callback, and on a port of
 * yours, returns PP_EBUSY instead.
 * PP_OK; PP_EBUSY; PP_EINVAL: subject, or params, are none; PP_ELIMIT: too large; PP_ECLOSED. */
int pp_publish(pp_client *client, const char *subject, const void *params, size_t size);

/* The same as an operation, which ends when the system has taken all of it. */
int pp_publish_start(pp_client *client, pp_op *op, const char *subject, const void *params,
                     size_t size);

/* Publishes and is told what became of it. *receipt is valid with PP_OK. */
typedef struct pp_receipt {
    uint32_t matched; /* receivers: queued + refused */
    uint32_t queued;
    uint32_t refused;
} pp_receipt;
int pp_publish_confirmed(pp_client *client, pp_op *op, const char *subject, const void *params,
                         size_t size, pp_receipt *receipt);

/* Ends with PP_OK when the broker has handled everything that was published before. */
int pp_client_flush(pp_client *client, pp_op *op);

/* Writes what was gathered now. For a handler on your own port that goes on working after a burst:
 * otherwise its last messages leave when it returns to the port. */
void pp_client_push(pp_client *client);

/* --- receiving ------------------------------------------------------------------------------- */

/* One message, or one call to be answered. Pointers are valid until the callback returns, or until
 * the next pp_next on the subscription. */
typedef struct pp_message {
    pp_sub *sub;
    const char *subject; /* not terminated */
    size_t subject_length;
    const void *params; /* a MessagePack array */
    size_t params_size;
    uint64_t call; /* for pp_reply; services only */
} pp_message;

typedef struct pp_sub_config {
    uint32_t size;     /* sizeof(pp_sub_config) */
    const char *group; /* queue group: one of its members gets each message; NULL: none */
    uint32_t flags;    /* PP_SUB_... */
    /* Called for each message; NULL: they wait for pp_receive and pp_next. */
    void (*on_message)(void *context, const pp_message *message);
    void *context;
} pp_sub_config;
#define PP_SUB_CONFIG_INIT                                                                         \
    {                                                                                              \
        sizeof(pp_sub_config), NULL, 0, NULL, NULL                                                 \
    }
enum {
    PP_SUB_ECHO = 1u, /* also what this client publishes itself */
    PP_SUB_CUT = 2u   /* if it reads too slowly it is cut; else its publishers are held up */
};

/* Subscribes; active when it ends with PP_OK. *sub is set then, and lives until it is
 * unsubscribed, or the client closed. Pattern: "*" is one token, ">" the rest. */
int pp_subscribe(pp_client *client, pp_op *op, const char *pattern, const pp_sub_config *config,
                 pp_sub **sub);

typedef struct pp_serve_config {
    uint32_t size;         /* sizeof(pp_serve_config) */
    uint32_t flags;        /* PP_SERVE_... */
    uint32_t max_inflight; /* calls at once, more are refused as busy; 0: no limit */
    void (*on_call)(void *context, const pp_message *message);
    /* The caller of message.call does not want its answer any more; NULL: never mind. */
    void (*on_cancel)(void *context, uint64_t call);
    void *context;
} pp_serve_config;
#define PP_SERVE_CONFIG_INIT                                                                       \
    {                                                                                              \
        sizeof(pp_serve_config), 0, 0, NULL, NULL, NULL                                            \
    }
enum { PP_SERVE_EXCLUSIVE = 1u }; /* nobody else may serve the pattern: E_NAMETAKEN */

/* Serves calls. Each must be answered once, from any thread, now or later. */
int pp_serve(pp_client *client, pp_op *op, const char *pattern, const pp_serve_config *config,
             pp_sub **service);

/* Answers a call: result is one MessagePack value. An answer that comes too late is ignored by the
 * broker. PP_OK: queued; PP_EINVAL; PP_ELIMIT; PP_ECLOSED. */
int pp_reply(pp_client *client, uint64_t call, const void *result, size_t size);
/* With an error, a text that begins with a name: "E_ARG no such user". */
int pp_reply_error(pp_client *client, uint64_t call, const char *text);

/* For subscriptions without a callback: ends when at least one message waits; take all of them
 * with pp_next before the next pp_receive. One at a time for each subscription. */
int pp_receive(pp_sub *sub, pp_op *op);
/* 1: *message is the next one; 0: none waits. The one taken before is gone. */
int pp_next(pp_sub *sub, pp_message *message);

/* Ends it: after PP_OK nothing of it arrives, and sub is gone. */
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
    uint32_t deadline_ms; /* PP_ETIMEDOUT after that; 0: the broker's own, 60 s if not set */
} pp_call_config;
#define PP_CALL_CONFIG_INIT                                                                        \
    {                                                                                              \
        sizeof(pp_call_config), 0                                                                  \
    }

/* Calls a service; or the broker itself, if the subject is a control method ("$sys.stats").
 * Ends with PP_OK; PP_ENORESP: nobody serves it; PP_EGONE: the server went away; PP_ETIMEDOUT;
 * PP_EBUSY; PP_EREMOTE: the server's own error; another error of the broker's. */
int pp_call(pp_client *client, pp_op *op, const char *subject, const void *params, size_t size,
            const pp_call_config *config, pp_answer *answer);

/* Asks an open call to end; op then ends with PP_ECANCELED, or with its answer if that was faster.
 * PP_OK; PP_ENOTFOUND: op is no open call of this client. */
int pp_call_cancel(pp_client *client, pp_op *op);

#ifdef __cplusplus
}
#endif
#endif
