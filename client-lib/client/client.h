/* client.h: the inside of a client.
 *
 *   client.c   made, connected, freed
 *   ending.c   drained, closed
 *   sender.c   what goes out: gathering
 *   pending.c  requests that wait for an answer, and their operations
 *   replies.c  what services answer
 *   inbox.c    what comes in: messages, calls
 *   identity.c who is who
 *   wait.c     waiting for subscribers
 *
 * lock protects everything that is not said otherwise; it is never held across a system call or a
 * callback. It comes before the link's lock. */
#ifndef PPI_CLIENT_H
#define PPI_CLIENT_H

#include <panpipe/client.h>

#include "base/map.h"
#include "io/op.h"
#include "io/timer.h"
#include "link/link.h"
#include "wire/envelope.h"

enum {
    PPI_STAGE_BYTES = 64 * 1024, /* gathered at most before somebody writes */
    PPI_STAGE_FULL = 32 * 1024,  /* from here on, whoever publishes writes */
    PPI_QUIET_NS = 50 * 1000,    /* after a pause of that length a message goes out at once */
    PPI_ERROR_TEXT = 256
};

enum ppi_client_state {
    PPI_CLIENT_NEW,
    PPI_CLIENT_CONNECTING,
    PPI_CLIENT_HELLO, /* the link is open; $hello is not answered yet */
    PPI_CLIENT_OPEN,
    PPI_CLIENT_DRAINING, /* $bye was said */
    PPI_CLIENT_CLOSED
};

enum ppi_request_kind {
    PPI_REQUEST_HELLO,
    PPI_REQUEST_SUBSCRIBE,
    PPI_REQUEST_UNSUBSCRIBE,
    PPI_REQUEST_PUBLISH,
    PPI_REQUEST_CALL,
    PPI_REQUEST_WAIT, /* for subscriptions */
    PPI_REQUEST_PING,
    PPI_REQUEST_BYE
};

/* A request on its way; op ends with its answer. */
struct ppi_request {
    struct ppi_request *next; /* while free */
    uint32_t id;
    enum ppi_request_kind kind;
    pp_op *op; /* NULL: nobody waits */
    union {
        pp_receipt *receipt;
        pp_answer *answer;
        pp_sub *sub;
    } out;
    pp_sub **sub_out;
};

struct pp_sub {
    pp_client *client;
    uint64_t sid;
    bool serve;
    atomic_bool ending; /* set with the lock; it only spares the reader work */
    void *context;
    void (*on_message)(void *context, const pp_message *message);
    void (*on_cancel)(void *context, uint64_t call);
    pp_op *receive_op;               /* NULL: nobody waits for a message */
    struct ppi_buf filling, reading; /* of messages that wait; reading is pp_next's alone */
    size_t read_size;                /* of the message that pp_next gave out */
    pp_sender sender;                /* who sent that one */
    bool full;                       /* frames are held until there is room */
};

struct ppi_sender {
    uint8_t *stage, *spare; /* PPI_STAGE_BYTES each */
    size_t used;
    bool busy;   /* somebody writes what was staged before */
    bool posted; /* flush_op is on its way to the port */
    uint64_t last_ns;
    pp_op flush_op;
    /* The subject that was published to last, and the head of its messages; size 0: none yet. */
    char subject[PPI_SUBJECT_MAX + 1];
    uint8_t head[PPI_HEAD_MAX];
    size_t head_size;
};

struct pp_client {
    pp_client_config config; /* its texts are owned */
    atomic_uint references;
    pp_port *port;
    bool own_port;
    struct ppi_thread thread;
    struct ppi_link_limits limits;
    struct ppi_link link;

    struct ppi_mutex lock;
    struct ppi_cond changed; /* state, room, sender.busy */
    enum ppi_client_state state;
    bool linked;  /* the link was opened */
    bool over;    /* last_op was handled: there will be no more callbacks */
    int why;      /* it ended */
    bool closing; /* pp_client_close or _abort was called */
    pp_handle *dialing;
    pp_op connect_op;
    pp_op *connect_user_op;
    struct ppi_timer drain_timer;
    pp_op last_op;

    struct ppi_sender sender;
    uint32_t next_id;
    struct ppi_map requests;
    struct ppi_request *free_requests;
    struct ppi_map subs; /* by sid; only the reader changes it, with the lock: it reads without */
    struct ppi_map serving; /* by the call's id: its service's sid, if that has an on_cancel */
    pp_sub *last_sub;       /* the reader's: where the last message went */
    char error[PPI_ERROR_TEXT];
    pp_identity self; /* size 0: not known yet */
};

/* --- client.c ------------------------------------------------------------------------------- */

void ppi_client_ref(pp_client *client);
void ppi_client_unref(pp_client *client);

/* The link's part of the events: see link.h. */
extern const struct ppi_link_events ppi_client_events;

/* Ends the user's connect, if it has not ended, and sets the state, if the client is not closed.
 * Without a link it may be tried again. */
void ppi_client_end_connect(pp_client *client, int status, enum ppi_client_state state);

/* $hello was answered, or will never be. */
void ppi_client_on_hello(pp_client *client, int status);

/* --- ending.c ------------------------------------------------------------------------------- */

void ppi_client_init_end(pp_client *client);
void ppi_client_on_link_closed(struct ppi_link *link, int why);

/* $bye was answered. */
void ppi_client_on_bye(pp_client *client);

/* --- sender.c ------------------------------------------------------------------------------- */

/* Queues one frame, made of pieces, for which somebody waits: an answer, a control method; or a
 * request, of which $bye is the last frame that is taken. Lock not held.
 * PP_OK; PP_ECLOSED: not in this state. */
int ppi_client_send(pp_client *client, const pp_piece *pieces, int count);
int ppi_client_send_request(pp_client *client, enum ppi_request_kind kind, const pp_piece *pieces,
                            int count);

/* Writes one frame, in two pieces; op ends when the system has taken it.
 * PP_PENDING; PP_ESTATE: op is in flight; PP_ECLOSED. */
int ppi_client_send_op(pp_client *client, pp_op *op, const pp_piece pieces[2]);

/* Can it be published, or called? PP_OK, PP_EINVAL, PP_ELIMIT. */
int ppi_client_check(const char *subject, const void *params, size_t size);

int ppi_sender_init(pp_client *client);
void ppi_sender_deinit(pp_client *client);

/* --- pending.c ------------------------------------------------------------------------------ */

/* Claims op for a request of this client and counts it in. PP_OK, PP_ESTATE, PP_ECLOSED. */
int ppi_client_claim(pp_client *client, pp_op *op);
/* Takes that back: nothing was started. */
void ppi_client_revoke(pp_client *client, pp_op *op);
/* op (may be NULL) has ended. Any lock may be held. */
void ppi_client_finish(pp_client *client, pp_op *op, int status, uint64_t bytes);

/* For functions whose op may be NULL: the op to start, which is own if the function waits itself.
 * PP_OK; PP_ESTATE: waiting is not possible here; PP_ELIMIT. And what to return then. */
int ppi_client_op(pp_client *client, pp_op *op, pp_op *own, pp_op **started);
int ppi_client_result(pp_client *client, const pp_op *op, pp_op *own, int started);

/* Starts a request: method, and its params in pieces. model says kind and where the result goes.
 * PP_PENDING, or why not. op NULL: nobody waits. */
enum { PPI_BODY_PIECES = 3 };
int ppi_client_ask(pp_client *client, pp_op *op, const struct ppi_request *model,
                   const char *method, const pp_piece *body, int count);

/* An answer came: ends its request. */
void ppi_client_on_answer(pp_client *client, const struct ppi_frame *frame);

/* Ends all requests: the connection is gone. */
void ppi_client_end_requests(pp_client *client, int status);
void ppi_client_free_requests(pp_client *client);

/* --- identity.c ----------------------------------------------------------------------------- */

/* What the answer to $hello says about this client. With the lock. */
void ppi_client_note_hello(pp_client *client, const uint8_t *data, size_t size);

/* What meta says. */
void ppi_read_sender(const uint8_t *data, size_t size, pp_sender *sender);

/* --- inbox.c -------------------------------------------------------------------------------- */

enum ppi_verdict ppi_client_on_message(pp_client *client, const struct ppi_frame *frame);
enum ppi_verdict ppi_client_on_call(pp_client *client, const struct ppi_frame *frame);
void ppi_client_on_cancel(pp_client *client, const struct ppi_frame *frame);

/* Frees a subscription, which is in no map any more; a pp_receive that waits ends. */
void ppi_sub_free(pp_sub *sub, int status);

#endif
