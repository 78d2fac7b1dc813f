/* panpipe/pipe.h - overlapped pipes: byte streams between processes of one machine.
 *
 * Windows: named pipes in byte mode. Linux: Unix stream sockets. Both ends see the same:
 *   - a write ends when the system has accepted all of its bytes, or with an error;
 *   - a read ends as soon as at least one byte is there;
 *   - bytes arrive in the order of the writes; a stream has no message boundaries;
 *   - reads of one stream are served in the order in which they were started, writes too;
 *   - what was written before pp_close stays readable by the other side; there is no half-close.
 *
 * Life of a handle: pp_listen, pp_dial or pp_accept makes it; pp_port_attach binds it to a port (or
 * use pp_op_use_wait for every operation); pp_close ends it. Its memory goes after the last packet
 * of its operations was taken. So nobody may use a handle that another thread might close
 * meanwhile: let one thread at a time have the connection, or count its users and let the last one
 * close. pp_abort ends all of its operations without that danger.
 *
 * Start functions (pp_accept, pp_connect, pp_read, pp_read_pooled, pp_write, pp_write_gather)
 * return PP_PENDING, PP_DONE or, with nothing started:
 *   PP_EINVAL  an argument is wrong, a length is 0 (of pp_read_pooled it may be)
 *   PP_ESTATE  op is in flight; handle not attached; wrong kind of handle; not connected;
 *              forked child
 *   PP_ECLOSED the handle was aborted, or closed and is still there, or its port was shut down
 * Everything else arrives in the packet: PP_ECANCELED, PP_EPEERCLOSED, PP_ENOMEM, PP_ELIMIT,
 * PP_EIO and what each function adds. One code path handles both. */
#ifndef PANPIPE_PIPE_H
#define PANPIPE_PIPE_H

#include <panpipe/port.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- names ------------------------------------------------------------------------------- */

/* A name is either logical, [a-z0-9._-]{1,64} not beginning with a dot, or a full path:
 * something with a '/' on Linux (at most 107 bytes, the system's limit), something that begins
 * with \\.\pipe\ on Windows (at most 256). A logical name lives in a scope:
 *                   Linux                                       Windows
 *   PP_SCOPE_USER   $XDG_RUNTIME_DIR/panpipe/NAME.sock, or      \\.\pipe\panpipe.SID.NAME
 *                   /tmp/panpipe-UID/NAME.sock
 *   PP_SCOPE_SYSTEM /run/panpipe/NAME.sock                      \\.\pipe\panpipe.NAME
 * The folder of a user's pipes must belong to the user and be closed to others; pp_listen makes it
 * if need be, but not the folders above it. */
enum { PP_SCOPE_USER = 0, PP_SCOPE_SYSTEM = 1 };
enum { PP_PATH_MAX = 320 };

/* Writes the full path of name into path[0 .. size).
 * PP_OK; PP_EINVAL: bad name, or too long: pp_detail says which. */
int pp_pipe_path(const char *name, uint32_t scope, char *path, size_t size);

/* --- servers ----------------------------------------------------------------------------- */

/* Who may connect. The user of this process, and root or SYSTEM, always may; the network, and who
 * the system gives no name to (Linux: a user that this user namespace does not know), never. On
 * Linux each connection is asked for before it is handed out, beside the socket's mode: a client
 * that may not is told so in a line of text, and closed. On Windows the pipe's rights keep it out.
 */
enum {
    PP_ACCESS_OWNER = 0, /* "same-user": nobody else */
    PP_ACCESS_LOCAL = 1, /* "local-users": every user of this machine */
    PP_ACCESS_USER = 2,  /* "service-and-user": config.user, too */
    PP_ACCESS_ADMINS = 3 /* "admins": Administrators, too; the members of config.group, too */
};

/* The names above, and back. -1: there is none such. NULL: no such access. */
int pp_access_parse(const char *name);
const char *pp_access_name(uint32_t access);

typedef struct pp_listen_config {
    uint32_t size;     /* sizeof(pp_listen_config) */
    uint32_t scope;    /* PP_SCOPE_... */
    uint32_t access;   /* PP_ACCESS_... */
    uint32_t backlog;  /* Linux: connections the system holds while no accept waits; 0: 1,024.
                          Windows: each waiting pp_accept is one, so keep several */
    const char *user;  /* PP_ACCESS_USER: a uid, a SID, or the name of a user */
    const char *group; /* PP_ACCESS_ADMINS: a gid, a SID, or the name of a group; NULL: none */
} pp_listen_config;
#define PP_LISTEN_CONFIG_INIT                                                                      \
    {                                                                                              \
        sizeof(pp_listen_config), 0, 0, 0, NULL, NULL                                              \
    }

/* What config's access comes to on this machine, for people who check it, into text[0 .. size):
 * Linux: "mode=0600 uids=0,1000"; Windows: the security descriptor as the system reads it, in SDDL.
 * PP_OK; PP_EINVAL: config, or there is no such user or group: pp_detail says which. */
enum { PP_ACCESS_TEXT_MAX = 1024 };
int pp_access_describe(const pp_listen_config *config, char *text, size_t size);

/* Makes a listener. The name is taken under a lock that the system drops when the process ends,
 * however it ends: a socket left by a killed process is recognised and replaced, a living
 * server's never is. config may be NULL.
 * PP_OK; PP_EINVAL (name, path too long, no such user or group); PP_EINUSE (a living server has
 * it); PP_EACCESS; PP_EUNTRUSTED (the folder belongs to, or is open to, somebody else; Windows: the
 * name is held by another user); PP_ENOTFOUND (no such folder); PP_EFULL; PP_ENOMEM; PP_ELIMIT;
 * PP_EIO. */
int pp_listen(pp_handle **out, const char *name, const pp_listen_config *config);

/* Accepts one connection. connection must stay where it is until the packet, as op must;
 * *connection is set before the packet is queued, only if its status is PP_OK; it is not attached
 * yet and is yours to close. A client that came and left already is accepted too: its data can be
 * read, then PP_EPEERCLOSED. Keep several accepts pending: clients that come all at once then never
 * find nobody.
 * Packet: PP_ELIMIT: out of handles; so are the next accepts, at once: accept again after a pause,
 * or when you have closed some. PP_EACCESS, Linux: somebody came who may not, and was sent away;
 * op.bytes is the uid. Accept again at once. */
int pp_accept(pp_handle *listener, pp_op *op, pp_handle **connection);

/* --- clients ----------------------------------------------------------------------------- */

enum {
    PP_DIAL_WAIT_SERVER = 1u, /* nobody listens yet: try again until the time is over */
    PP_DIAL_ANY_SERVER = 2u,  /* do not check whose server it is, and where it lies */
    PP_DIAL_START = 4u        /* nobody listens: start the user's broker, panpiped, and wait for it.
                                 Only PP_SCOPE_USER and a logical name; see broker/README.md */
};
typedef struct pp_dial_config {
    uint32_t size;      /* sizeof(pp_dial_config) */
    uint32_t scope;     /* PP_SCOPE_... */
    uint32_t flags;     /* PP_DIAL_... */
    int32_t timeout_ms; /* the whole connect, with its repetitions; 0: 5,000; negative: none */
    const char *server; /* user that must own the server, a uid in decimal or a SID.
                           NULL: this process's own user, or root / SYSTEM / Administrators.
                           Linux: the folder of a logical name must belong to one of them, too, and
                           be writable by nobody else; and where everybody can make files, so must
                           the socket. Checked before the first byte is sent */
} pp_dial_config;
#define PP_DIAL_CONFIG_INIT                                                                        \
    {                                                                                              \
        sizeof(pp_dial_config), 0, 0, 0, NULL                                                      \
    }

/* Makes the client's end, not connected yet; name and config are copied. Attach it, then
 * pp_connect: so a connect can be canceled and closed like any other operation.
 * PP_OK; PP_EINVAL, PP_DIAL_START with another scope or a path among it; PP_ENOMEM. */
int pp_dial(pp_handle **out, const char *name, const pp_dial_config *config);

/* Connects. A busy server is tried again after 1 ms, then ever later up to 50 ms, after a minute of
 * that up to 500 ms, with jitter, until the dial's time is over. May be repeated after a failure.
 * Packet: PP_ENOSERVER: nobody listens, or with PP_DIAL_START panpiped cannot be started: pp_detail
 * says why, on the thread that takes the packet; PP_EBUSY: there was no room until the end;
 * PP_ETIMEDOUT: with PP_DIAL_WAIT_SERVER, nobody came; PP_EACCESS; PP_EUNTRUSTED: the server runs
 * as another user than expected, or others could have put it there. */
int pp_connect(pp_handle *stream, pp_op *op);

/* --- streams ----------------------------------------------------------------------------- */

/* Reads 1 to length bytes into buffer. PP_EPEERCLOSED after the last byte, and for ever after. */
int pp_read(pp_handle *stream, pp_op *op, void *buffer, size_t length);

/* Reads into a buffer of the port's pool, taken when data is there, not before: an idle stream
 * holds none. At most length bytes, at most pool_bytes; 0: pool_bytes. With PP_OK op->buffer is
 * the buffer; give it back with pp_buffer_release. While every buffer is in use, reads wait for
 * one in the order in which their data came, and none fails for it; who has no data does not stand
 * in that line, and a stream's end needs no buffer. Who keeps buffers until another pooled read has
 * ended may so wait for ever (pp_port_info: pool_free is 0). PP_ENOMEM: not even the first can be
 * made. */
int pp_read_pooled(pp_handle *stream, pp_op *op, size_t length);

/* Writes all of it: PP_OK means length bytes were accepted by the system, not that they were
 * read. After a failed or canceled write the stream is broken for writing: what went out is not
 * known; later writes end with PP_EPEERCLOSED. Memory queued here is the caller's own: keep
 * count, and keep a limit. */
int pp_write(pp_handle *stream, pp_op *op, const void *buffer, size_t length);

/* One write from several pieces, in order. The array too belongs to the library until the
 * packet. count 1 .. PP_PIECES_MAX, no piece empty. Windows has no such call: pieces are copied
 * together if they are small, else written one after the other. */
typedef struct pp_piece {
    const void *data;
    size_t length;
} pp_piece;
enum { PP_PIECES_MAX = 64 };
int pp_write_gather(pp_handle *stream, pp_op *op, const pp_piece *pieces, int count);

/* --- any handle -------------------------------------------------------------------------- */

/* Asks one operation to end, or with NULL all of the handle's. Does not wait: each operation
 * still delivers its packet, with PP_ECANCELED, or with its result if that was faster.
 * Canceling a write that has begun breaks the stream for writing.
 * PP_OK; PP_ENOTFOUND: not in flight, or ended with its packet still to be taken, which is harmless
 * (op is only compared, never read); PP_EINVAL: handle; PP_ESTATE: forked child. */
int pp_cancel(pp_handle *handle, pp_op *op);

/* Breaks the connection at once: operations end with PP_ECANCELED, new ones are refused with
 * PP_ECLOSED, the other side sees the end. What it had not read may be lost. The handle must
 * still be closed. PP_OK; PP_ECLOSED; PP_ESTATE: forked child. */
int pp_abort(pp_handle *handle);

/* Ends the handle: refuses new operations, cancels those in flight, gives the caller's reference
 * up. Operations already ended keep their result. Call once; NULL is ignored.
 * PP_OK; PP_ESTATE: was closed before (caught as long as packets are outstanding); forked child:
 * the handle is attached, and stays its parent's. */
int pp_close(pp_handle *handle);

/* Operations started on the handle whose packet was not taken yet. A closed handle may be asked
 * only while there are some, for it goes with the last. */
uint32_t pp_handle_outstanding(const pp_handle *handle);

/* From now on a start that finishes at once with PP_OK returns PP_DONE and delivers no packet; op's
 * out fields are valid. Failures, the end of the stream too, come as packets. After 16 in a row one
 * goes through the port all the same, so that a stream that always has data cannot starve the
 * others. Cannot be undone. Before the first operation; after a dial that means that pp_connect may
 * return PP_DONE, too. PP_OK; PP_EINVAL; PP_ESTATE: operations are outstanding, or it is closed. */
int pp_set_skip(pp_handle *handle);

/* Who is at the other end, as the operating system recorded it when the connection was made. A
 * user is who may be trusted; the rest is for people: a process may have handed its end on, or run
 * another program since. */
enum { PP_PEER_GIDS_MAX = 32, PP_SID_MAX = 188 };
typedef struct pp_peer {
    uint32_t size;                   /* in: sizeof(pp_peer) */
    uint32_t flags;                  /* PP_PEER_...: which fields are known */
    uint64_t pid;                    /* it may have ended, and its number been used again */
    uint32_t uid, gid;               /* Linux */
    uint32_t gid_count;              /* of gids; Linux */
    uint32_t gids[PP_PEER_GIDS_MAX]; /* its other groups */
    char sid[PP_SID_MAX];            /* Windows: the user's SID as text */
    uint32_t session;                /* Windows: of the logon */
    uint32_t integrity;              /* Windows: 0x2000 is medium, 0x1000 low */
} pp_peer;
enum {
    PP_PEER_PID = 1u,
    PP_PEER_UID = 2u, /* gid, too */
    PP_PEER_SID = 4u,
    PP_PEER_GIDS = 8u,
    PP_PEER_MORE_GIDS = 16u, /* than gids has room for */
    PP_PEER_SESSION = 32u,
    PP_PEER_INTEGRITY = 64u,
    PP_PEER_APP_CONTAINER = 128u /* it runs in one */
};

/* PP_OK; PP_EINVAL; PP_ESTATE: not a connected stream. On Windows a client is known (sid) only
 * after a byte of it was read. */
int pp_peer_get(pp_handle *stream, pp_peer *peer);

/* The program that the process at the other end runs now: its path, into path[0 .. size). On Linux
 * never that of another process that has the same number meanwhile, where the system can tell
 * (SO_PEERPIDFD). Asks the system each time.
 * PP_OK; PP_EINVAL; PP_ESTATE: not a connected stream; PP_ENOTFOUND: it has ended, or is of a place
 * that this process cannot see; PP_EACCESS: the system does not tell this user; PP_ELIMIT: it
 * does not fit. */
int pp_peer_exe(pp_handle *stream, char *path, size_t size);

#ifdef __cplusplus
}
#endif
#endif
