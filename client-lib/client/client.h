/* client.h: the inside of a client.
 *
 *   client.c      made and freed; what comes in, by kind
 *   start.c       started, waited for
 *   connection.c  connected, and connected again
 *   loss.c        what the end of a connection means; what has become of publishes
 *   ending.c      drained, closed
 *   sender.c      what goes out: gathering
 *   away.c        what is kept while there is no connection
 *   pending.c     requests, and their operations
 *   answers.c     their answers
 *   replies.c     what services answer
 *   inbox.c       what comes in: messages, calls
 *   subs.c        subscriptions: made, made anew, ended
 *   identity.c    who is who
 *   wait.c        waiting for subscribers
 *
 * lock protects everything that is not said otherwise; it is never held across a system call or a
 * callback. It comes before the link's lock.
 *
 * The life of a client that was started is a turn that is always in exactly one hand: a packet or a
 * timer of the port, a connect, or a link (enum ppi_phase). Whoever has it decides where it goes
 * next, and nobody else; a reference goes with it. So first connect and all others are one path:
 *
 *     TURN -> DIALING -> LINKED, $hello, replay -> (the link's end) TURN -> PAUSE -> DIALING ...
 *                 \___ failed ___________________________________________/
 *
 * Who closes the client sets closing, and then shakes the hand that has the turn: cancels the
 * connect, closes the link, stops the timer. The end is one more TURN, the last.
 *
 * A connection's link is allocated; client->connection is for whoever has the lock, and has taken a
 * reference if it goes on without (write_parcels needs none: the link's end waits for it). When a
 * link has ended, none of its packets is left: so the next one never meets it, and the reader of
 * one connection at a time is the only one to change the map of subscriptions. */
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

/* What may be said. */
enum ppi_client_state {
    PPI_CLIENT_NEW,  /* nothing; perhaps it is being connected */
    PPI_CLIENT_AWAY, /* everything: it is kept */
    PPI_CLIENT_OPEN,
    PPI_CLIENT_DRAINING, /* $bye was said */
    PPI_CLIENT_CLOSED
};

/* In whose hand the turn is. */
enum ppi_phase {
    PPI_PHASE_IDLE,    /* nobody's: not started, or over */
    PPI_PHASE_TURN,    /* turn_op's packet: then it dials */
    PPI_PHASE_LOST,    /* the same, after a connection: it is told, then there is a pause */
    PPI_PHASE_PAUSE,   /* retry_timer's */
    PPI_PHASE_DIALING, /* connect_op's packet */
    PPI_PHASE_HELLO,   /* the link's; $hello is not answered yet */
    PPI_PHASE_LINKED,  /* the link's */
    PPI_PHASE_END      /* turn_op's packet, the last */
};

/* A link, from when it is opened until nobody knows it any more. */
struct ppi_connection {
    struct ppi_link link;
    pp_client *client;
    atomic_uint references; /* one until the link's end */
};

enum ppi_request_kind {
    PPI_REQUEST_HELLO,
    PPI_REQUEST_SUBSCRIBE,
    PPI_REQUEST_UNSUBSCRIBE,
    PPI_REQUEST_PUBLISH,
    PPI_REQUEST_CALL,
    PPI_REQUEST_WAIT, /* for subscriptions */
    PPI_REQUEST_PING,
    PPI_REQUEST_CONFIRM, /* the library's own PING */
    PPI_REQUEST_BYE
};

/* A request on its way, or kept; op ends with its answer. */
struct ppi_request {
    struct ppi_request *next; /* while free */
    uint32_t id;
    enum ppi_request_kind kind;
    bool kept;            /* in what is kept: it waits for a connection */
    uint32_t deadline_ms; /* a call's, 0: none was given */
    uint64_t give_up_ns;  /* while kept: when its time is over; 0: never */
    uint64_t published;   /* before it, on its connection */
    pp_op *op;            /* NULL: nobody waits */
    union {
        pp_receipt *receipt;
        pp_answer *answer;
        pp_sub *sub;
    } out;
};

/* May it be given up: by pp_call_cancel, or when its time is over? */
static inline bool ppi_request_is_call(const struct ppi_request *request)
{
    return request->kind == PPI_REQUEST_CALL || request->kind == PPI_REQUEST_WAIT;
}

/* A subscription is in one of two lists of the client: subs, when the broker of this connection has
 * been asked for it; unasked else. Who has it on one side only: op and out wait for the first
 * answer; until then the user does not know it. */
struct pp_sub {
    pp_client *client;
    struct ppi_list in;
    uint64_t sid; /* of this connection; 0: it has none */
    bool serve;
    bool asked;    /* the request for it is on its way */
    bool replayed; /* that is one that on_state waits for */
    int refused;   /* the broker of this connection refuses it; PP_OK: no */
    pp_op *op;     /* of pp_subscribe */
    pp_sub **out;
    pp_op *ending_op;    /* of pp_unsubscribe, until asked is answered */
    struct ppi_buf wish; /* the request's params */
    atomic_bool ending;  /* set with the lock; it only spares the reader work */
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

/* What is kept while there is no connection: frames, each behind a struct of away.c. sending goes
 * out before kept, and is the replay's alone while that lasts. */
struct ppi_away {
    struct ppi_buf kept, sending;
    bool dead;      /* there may be something in kept that nobody wants any more */
    bool leaving;   /* the last is $bye */
    uint32_t calls; /* how many of it are calls */
    bool timing;    /* timer is in use: it ends calls that wait too long */
    struct ppi_timer timer;
};

/* How far the broker is known to have handled what was published on this connection. */
struct ppi_confirm {
    uint64_t published, confirmed;
    uint64_t lost; /* on earlier connections, and not told yet */
    bool asking;   /* timer is in use, or the question on its way */
    struct ppi_timer timer;
};

struct pp_client {
    pp_client_config config; /* its texts are owned */
    atomic_uint references;
    pp_port *port;
    bool own_port;
    struct ppi_thread thread;
    struct ppi_link_limits limits;

    struct ppi_mutex lock;
    struct ppi_cond changed; /* state, phase, room, sender.busy, opening, over */
    enum ppi_client_state state;
    enum ppi_phase phase;
    bool started;                /* on_closed will come */
    bool closing;                /* pp_client_close or _abort was called */
    bool over;                   /* the last turn was handled: there will be no more callbacks */
    int why;                     /* it is away, or over */
    uint64_t unsent;             /* publishes that were kept until the end */
    int told;                    /* PP_CLIENT_..., the state that on_state knows */
    uint32_t connections, epoch; /* those that were told, and all */
    struct ppi_connection *connection;
    bool opening;       /* a link is being opened that is not in connection yet */
    int refusal;        /* what the broker of this connection said at last */
    unsigned replaying; /* subscriptions that have yet to be active; one more for the replay */
    uint64_t backoff_ns;
    uint64_t away_ns; /* so long the broker wants no other attempt; once */
    struct ppi_timer retry_timer;
    pp_op turn_op;
    pp_handle *dialing;
    pp_op connect_op;
    pp_op *connect_user_op;       /* NULL: nobody waits for the connection */
    uint64_t connect_deadline_ns; /* for that */
    struct ppi_timer connect_timer, drain_timer;

    struct ppi_sender sender;
    struct ppi_away away;
    struct ppi_confirm confirm;
    uint32_t next_id;
    struct ppi_map requests;
    struct ppi_request *free_requests;
    struct ppi_list subs, unasked;
    struct ppi_map sids;    /* subs; only the reader changes it, with the lock: it reads without */
    struct ppi_map serving; /* by the call's id: its service's sid, if that has an on_cancel */
    pp_sub *last_sub;       /* the reader's: where the last message went */
    char error[PPI_ERROR_TEXT];
    pp_identity self; /* size 0: not known yet */
};

/* A call that is to be answered: its id on the wire, which is one of a connection's, and above that
 * which connection it is. Never 0. */
#define PPI_CALL_MASK (((uint64_t)1 << 33) - 1)

static inline uint32_t ppi_call_id(uint64_t call)
{
    return (uint32_t)((call & PPI_CALL_MASK) - 1);
}

static inline uint64_t ppi_call_here(const pp_client *client, uint32_t id)
{
    return (uint64_t)(client->epoch - 1) << 33 | ((uint64_t)id + 1);
}

/* --- client.c ------------------------------------------------------------------------------- */

void ppi_client_ref(pp_client *client);
void ppi_client_unref(pp_client *client);

/* Tells on_note. Lock not held, on a thread of the port. */
void ppi_client_note(pp_client *client, const char *name, const char *text);

/* A timer, which has a reference while it runs; its handler gives that back. PP_OK, or why not. */
int ppi_client_start_timer(pp_client *client, struct ppi_timer *timer, uint64_t deadline_ns);
void ppi_client_stop_timer(pp_client *client, struct ppi_timer *timer);

/* The link's part of the events: see link.h. */
extern const struct ppi_link_events ppi_client_events;

/* --- start.c --------------------------------------------------------------------------------- */

void ppi_client_init_start(pp_client *client);

/* --- connection.c --------------------------------------------------------------------------- */

void ppi_client_init_connection(pp_client *client);

/* For whoever has the lock, and wants to go on without: drop follows. NULL: there is none. */
struct ppi_connection *ppi_client_hold(pp_client *client);
void ppi_connection_drop(struct ppi_connection *connection);

/* Closes the connection, if there is one; lets it read on. */
void ppi_client_close_link(pp_client *client, int why);
void ppi_client_resume_link(pp_client *client);

/* $hello was answered, or will never be. */
void ppi_client_on_hello(pp_client *client, int status);

/* One of what on_state waits for is done. With the lock, which is released. */
void ppi_client_replayed(pp_client *client);

/* An attempt has failed: the turn goes on. */
void ppi_client_failed(pp_client *client, int status);

/* Hands the turn to the port: phase is _TURN, _LOST or _END. With the lock, which is released. */
void ppi_client_pass_turn(pp_client *client, enum ppi_phase phase);

/* --- loss.c --------------------------------------------------------------------------------- */

void ppi_client_init_loss(pp_client *client);
void ppi_client_on_link_closed(struct ppi_link *link, int why);

/* Tells on_state, if state is new. Lock not held, on a thread of the port. */
void ppi_client_tell(pp_client *client, int state, int status, uint64_t unsent);

/* The broker has handled so many publishes. With the lock. */
void ppi_client_confirm(pp_client *client, const struct ppi_request *request);

/* Sees to it that the broker is asked soon, after confirm.asking was set. Lock not held. */
void ppi_client_ask_soon(pp_client *client);

/* --- ending.c ------------------------------------------------------------------------------- */

void ppi_client_init_end(pp_client *client);

/* Ends everything, by whoever has the turn; no connection is left. */
void ppi_client_end(pp_client *client, int why);

/* The last turn. */
void ppi_client_on_end(pp_client *client);

/* --- sender.c ------------------------------------------------------------------------------- */

/* What a frame is, beside bytes. Zero: nothing that need be known. */
struct ppi_about {
    pp_op *op;   /* ends when the system has taken it */
    uint32_t id; /* of a request; 0: none */
    bool publish;
};

/* Waits until a frame of size bytes can be staged. With the lock, which is given up meanwhile, so
 * that afterwards the state may be another. */
void ppi_sender_room(pp_client *client, size_t size);

/* After that, the lock held since: stages a frame. */
void ppi_sender_stage(pp_client *client, const pp_piece *pieces, int count, bool urgent);

/* Waits until nothing else is being written, then writes a frame. With the lock, which is given up
 * meanwhile; the connection cannot go. */
void ppi_sender_write(pp_client *client, const pp_piece *pieces, int count,
                      const struct ppi_about *about);

/* Queues one frame, made of pieces, for which somebody waits: an answer, a control method. call: to
 * be answered; 0: it is none. Lock not held.
 * PP_OK; PP_EGONE: of another connection; PP_ECLOSED: there is no connection. */
int ppi_client_send(pp_client *client, uint64_t call, const pp_piece *pieces, int count);

/* Writes one frame, in two pieces; op ends when the system has taken it. call: as above; else it is
 * a publish, which may be kept.
 * PP_PENDING; PP_ESTATE: op is in flight; PP_EGONE; PP_ECLOSED; PP_EBUSY; PP_ENOMEM. */
int ppi_client_send_op(pp_client *client, uint64_t call, pp_op *op, const pp_piece pieces[2]);

/* Why a frame is not taken in this state. */
int ppi_client_refuse(void);

/* Can it be published, or called? PP_OK, PP_EINVAL, PP_ELIMIT. */
int ppi_client_check(const char *subject, const void *params, size_t size);

int ppi_sender_init(pp_client *client);
void ppi_sender_deinit(pp_client *client);

/* --- away.c --------------------------------------------------------------------------------- */

void ppi_away_init(pp_client *client);
void ppi_away_deinit(pp_client *client);

/* With the lock: is there room among what is kept? PP_OK; PP_EBUSY; PP_ENOMEM; PP_ECLOSED: it says
 * goodbye. After PP_OK a frame of that size, or smaller, can be kept. */
int ppi_away_room(pp_client *client, size_t size);
void ppi_away_keep(pp_client *client, const pp_piece *pieces, int count,
                   const struct ppi_about *about);

/* A request that was kept is not wanted any more. With the lock. */
void ppi_away_forget(pp_client *client, const struct ppi_request *request);

/* Sees to it that calls which wait too long end, after away.timing was set. Lock not held. */
void ppi_away_watch(pp_client *client);

/* Sends the next frame that was kept, if it is still wanted; false: there is none. With the lock,
 * which is given up meanwhile. */
bool ppi_away_send_next(pp_client *client);

/* Ends what is kept, without the lock; how many publishes were among it. */
uint64_t ppi_away_end(pp_client *client, int status);

/* --- pending.c ------------------------------------------------------------------------------ */

/* Claims op for a request of this client and counts it in. PP_OK, PP_ESTATE, PP_ECLOSED. */
int ppi_client_claim(pp_client *client, pp_op *op);
/* Takes that back: nothing was started. */
void ppi_client_revoke(pp_client *client, pp_op *op);
/* op (may be NULL) has ended. Any lock may be held. */
void ppi_client_finish(pp_client *client, pp_op *op, int status, uint64_t bytes);

/* For functions whose op may be NULL: the op to start, which is own if the function waits itself.
 * PP_OK; PP_EDEADLOCK: waiting is not possible here; PP_ELIMIT. And what to return then. */
int ppi_client_op(pp_client *client, pp_op *op, pp_op *own, pp_op **started);
/* The same, and claims it: also as ppi_client_claim. */
int ppi_client_op_claimed(pp_client *client, pp_op *op, pp_op *own, pp_op **started);
int ppi_client_result(pp_client *client, const pp_op *op, pp_op *own, int started);

/* Starts a request: method, and its params in pieces. model says kind and where the result goes.
 * PP_PENDING, or why not. op NULL: nobody waits. */
enum { PPI_BODY_PIECES = 3 };
int ppi_client_ask(pp_client *client, pp_op *op, const struct ppi_request *model,
                   const char *method, const pp_piece *body, int count);

/* Sends a request, whatever the state: there is a connection, and room for it (ppi_sender_room).
 * The params are in one piece. With the lock. PP_OK, PP_ENOMEM. */
int ppi_client_ask_now(pp_client *client, const struct ppi_request *model, const char *method,
                       const void *params, size_t size);

/* Says something about a subscription or a call, and wants no answer. Lock not held. */
int ppi_client_say(pp_client *client, const char *method, uint64_t number);

/* Takes a request out, whose memory is for the next one. With the lock. */
void ppi_client_leave(pp_client *client, struct ppi_request *request);

/* Ends a call that was kept, and whose time is over: false, there is none. Lock not held. */
bool ppi_client_end_late_call(pp_client *client, uint64_t now_ns);

/* Ends all requests: the connection is gone. kept: also those that wait for the next one. */
void ppi_client_end_requests(pp_client *client, int status, bool kept);
void ppi_client_free_requests(pp_client *client);

/* --- answers.c ------------------------------------------------------------------------------ */

/* An answer came: ends its request. */
void ppi_client_on_answer(pp_client *client, const struct ppi_frame *frame);

/* --- identity.c ----------------------------------------------------------------------------- */

/* What the answer to $hello says about this client. With the lock. */
void ppi_client_note_hello(pp_client *client, const uint8_t *data, size_t size);

/* What meta says. */
void ppi_read_sender(const uint8_t *data, size_t size, pp_sender *sender);

/* --- inbox.c -------------------------------------------------------------------------------- */

enum ppi_verdict ppi_client_on_message(pp_client *client, const struct ppi_frame *frame);
enum ppi_verdict ppi_client_on_call(pp_client *client, const struct ppi_frame *frame);
void ppi_client_on_cancel(pp_client *client, const struct ppi_frame *frame);

/* --- subs.c --------------------------------------------------------------------------------- */

/* Starts a subscription or service, which is new, and has its wish; it is freed if that fails. As
 * ppi_client_ask. */
int ppi_sub_start(pp_client *client, pp_op *op, pp_sub *sub);

/* Asks the broker for the next subscription of which it does not know; false: there is none, or no
 * memory, *status tells. With the lock, which is given up meanwhile. */
bool ppi_subs_ask_next(pp_client *client, int *status);

/* The broker has given sub a sid, or it refuses: status says why. With the lock, which is
 * released. */
void ppi_sub_answered(pp_client *client, pp_sub *sub, int status, uint64_t sid);

/* Frees a subscription, which is in no list and no map; a pp_receive that waits ends. */
void ppi_sub_free(pp_sub *sub, int status);

/* Ends and frees it; the broker does not know it any more. With the lock. */
void ppi_sub_end(pp_client *client, pp_sub *sub);

/* The connection is gone: the broker knows none of them any more. With the lock. */
void ppi_subs_lost(pp_client *client);

/* The client is over: ends what waits for subscriptions and messages. Lock not held. */
void ppi_subs_end(pp_client *client, int status);
void ppi_subs_free(pp_client *client);

#endif
