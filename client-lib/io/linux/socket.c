/* socket.c: Unix stream sockets as pipes.
 *
 * Every operation is tried at once, without blocking; what the kernel cannot do now is tried
 * again when epoll reports the socket, or by whoever waits for it. So with epoll nothing is ever in
 * the kernel's hands, and canceling is immediate. A ring may take it instead (uring.c).
 *
 * lane->ready says whether trying is worth a system call. It is set by an event, and cleared by
 * "would block" and by a read that got less than it asked for: then the queue was empty, and what
 * comes later raises a new event (edge-triggered, see epoll.c). A socket whose end was announced
 * (hung_up) stays ready, since for the end no second event will come. Only behind a descriptor
 * (before Linux 6.16) or an urgent byte, which no peer of ours sends, a read may end short and
 * leave more: that is then read with what such a peer sends next.
 *
 * The inline try matters: a stream that always has data costs one recv a read and no epoll. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/status.h"
#include "io/dial.h"
#include "io/handle.h"
#include "io/linux/event.h"
#include "io/linux/linux.h"
#include "io/port.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

int ppi_errno_status(int number)
{
    switch (number) {
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN: return PP_EPEERCLOSED;
    case EAGAIN: return PP_EBUSY;
    case ENOENT:
    case ECONNREFUSED: return PP_ENOSERVER;
    case EADDRINUSE: return PP_EINUSE;
    case EACCES:
    case EPERM:
    case EROFS: return PP_EACCESS;
    case ENOMEM: return PP_ENOMEM;
    case EMFILE:
    case ENFILE:
    case ENOBUFS: return PP_ELIMIT;
    case ENOSPC:
    case EDQUOT: return PP_EFULL;
    case ENAMETOOLONG: return PP_EINVAL;
    default: return PP_EIO;
    }
}

pp_handle *ppi_socket_handle(int kind, int fd)
{
    pp_handle *handle = ppi_handle_new(kind, &ppi_socket_driver);

    if (handle != NULL)
        handle->os = (struct ppi_os_handle){ .fd = fd, .lock_fd = -1, .folder_fd = -1 };
    else if (fd >= 0)
        close(fd);
    return handle;
}

void ppi_refuse_descriptors(int fd)
{
    const int no = 0;

    (void)!setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof no); /* Linux 6.16 */
}

/* Not now: false, and the event that makes it worth trying again will come. */
static bool blocked(struct ppi_lane *lane)
{
    lane->ready = false;
    return false;
}

static bool failed(pp_op *op, int number)
{
    ppi_op_result(op, ppi_errno_status(number), number, op->priv_.done);
    return true;
}

static ssize_t receive_bytes(int fd, void *buffer, size_t length, int flags)
{
    ssize_t n;

    do
        n = recv(fd, buffer, length, MSG_DONTWAIT | flags);
    while (n < 0 && errno == EINTR);
    return n;
}

/* A receive that brought no bytes. */
static bool nothing_received(struct ppi_lane *lane, pp_op *op, ssize_t n, int number)
{
    if (n < 0)
        return number == EAGAIN ? blocked(lane) : failed(op, number);
    ppi_op_result(op, PP_EPEERCLOSED, 0, 0);
    return true;
}

static bool receive(pp_handle *handle, struct ppi_lane *lane, pp_op *op, void *buffer)
{
    ssize_t n = receive_bytes(handle->os.fd, buffer, op->priv_.length, 0);

    if (n <= 0)
        return nothing_received(lane, op, n, errno);
    if ((size_t)n < op->priv_.length && !lane->hung_up)
        lane->ready = false;
    ppi_op_result(op, PP_OK, 0, (uint64_t)n);
    return true;
}

/* There is no buffer, and the handle stands in line for one. Only with data it stays there: who has
 * nothing to read must not hold up those who have, and the end needs no buffer. */
static bool await_buffer(pp_handle *handle, struct ppi_lane *lane, pp_op *op)
{
    char byte;
    ssize_t n = receive_bytes(handle->os.fd, &byte, 1, MSG_PEEK);
    int number = errno;

    if (n > 0) {
        lane->ready = true; /* it is not the socket that must be waited for: the pool will retry */
        return false;
    }
    ppi_pool_forget(&handle->port->pool, handle);
    return nothing_received(lane, op, n, number);
}

static bool receive_pooled(pp_handle *handle, struct ppi_lane *lane, pp_op *op)
{
    struct ppi_pool *pool = &handle->port->pool;
    void *buffer;
    int status = ppi_pool_take(pool, handle, &buffer);

    if (status == PP_ENOMEM) {
        ppi_op_result(op, PP_ENOMEM, 0, 0);
        return true;
    }
    if (status != PP_OK)
        return await_buffer(handle, lane, op);
    bool over = receive(handle, lane, op, buffer);
    if (over && op->status == PP_OK)
        op->buffer = buffer;
    else
        ppi_pool_return(pool, buffer);
    return over;
}

size_t ppi_pieces_left(const pp_op *op, struct iovec *left, size_t size)
{
    const pp_piece single = { op->priv_.data, op->priv_.length };
    const pp_piece *pieces = op->priv_.kind == PPI_GATHER ? op->priv_.data : &single;
    size_t count = op->priv_.kind == PPI_GATHER ? op->priv_.length : 1;
    size_t done = op->priv_.done, filled = 0;

    for (size_t i = 0; i < count && filled < size; i++) {
        if (done >= pieces[i].length) {
            done -= pieces[i].length;
            continue;
        }
        left[filled].iov_base = (char *)(uintptr_t)pieces[i].data + done;
        left[filled++].iov_len = pieces[i].length - done;
        done = 0;
    }
    return filled;
}

/* What the socket takes of them now; a single piece without the detour of a message's header. */
static ssize_t send_some(int fd, struct iovec *pieces, size_t count)
{
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const struct msghdr message = { .msg_iov = pieces, .msg_iovlen = count };

    return count == 1 ? send(fd, pieces->iov_base, pieces->iov_len, flags)
                      : sendmsg(fd, &message, flags);
}

/* Once the socket has taken a part it is full. What is left goes when a good part of it has been
 * read: sooner it would go in small pieces. */
static bool transmit(pp_handle *handle, struct ppi_lane *lane, pp_op *op)
{
    struct iovec left[PP_PIECES_MAX];
    ssize_t n = 0;

    for (;;) {
        size_t count = ppi_pieces_left(op, left, PP_PIECES_MAX);
        if (count == 0) {
            ppi_op_result(op, PP_OK, 0, op->priv_.done);
            return true;
        }
        if (n > 0)
            return blocked(lane);
        n = send_some(handle->os.fd, left, count);
        if (n >= 0)
            op->priv_.done += (size_t)n;
        else if (errno == EAGAIN)
            return blocked(lane);
        else if (errno != EINTR)
            return failed(op, errno);
    }
}

static int64_t socket_try_write(pp_handle *handle, const pp_piece *pieces, int count)
{
    const pp_op whole = { .priv_ = {
                              .data = pieces, .length = (size_t)count, .kind = PPI_GATHER } };
    struct iovec left[PP_PIECES_MAX];
    size_t left_count = ppi_pieces_left(&whole, left, PP_PIECES_MAX);
    ssize_t n;

    do
        n = send_some(handle->os.fd, left, left_count);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : errno == EAGAIN ? 0 : ppi_errno_status(errno);
}

static bool accept_one(pp_handle *listener, struct ppi_lane *lane, pp_op *op)
{
    uint32_t uid;
    int fd;

    if (listener->os.refusing && listener->os.passed) {
        ppi_op_result(op, PP_ECLOSED, 0, 0);
        return true;
    }
    do
        fd = accept4(listener->os.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0 && listener->os.refusing && (errno == EAGAIN || errno == EINVAL)) {
        /* those that had come are all accepted */
        ppi_op_result(op, PP_ECLOSED, 0, 0);
        return true;
    }
    if (fd < 0)
        return errno == EAGAIN ? blocked(lane) : failed(op, errno);
    if (!ppi_access_admits(&listener->os.access, fd, &uid)) {
        ppi_op_result(op, PP_EACCESS, 0, uid);
        return true;
    }

    pp_handle *connection = ppi_socket_handle(PPI_STREAM, fd);
    if (connection == NULL)
        return failed(op, ENOMEM);
    *(pp_handle **)(uintptr_t)op->priv_.data = connection;
    ppi_op_result(op, PP_OK, 0, 0);
    return true;
}

static bool try_now(pp_handle *handle, struct ppi_lane *lane, pp_op *op)
{
    switch (op->priv_.kind) {
    case PPI_READ: return receive(handle, lane, op, (void *)(uintptr_t)op->priv_.data);
    case PPI_READ_POOLED: return receive_pooled(handle, lane, op);
    case PPI_ACCEPT: return accept_one(handle, lane, op);
    default: return transmit(handle, lane, op);
    }
}

static bool socket_begin(pp_handle *handle, pp_op *op)
{
    struct ppi_lane *lane = &handle->lanes[op->priv_.lane];
    bool by_port = handle->port != NULL && !ppi_op_waited(op); /* else its waiter tries again */

    if ((lane->ready || !by_port) && try_now(handle, lane, op))
        return true;
    if (by_port && !lane->ready)
        ppi_watch_await(handle, op);
    return false;
}

static bool socket_cancel(pp_handle *handle, pp_op *op)
{
    return handle->port == NULL || ppi_watch_cancel(handle, op);
}

/* A socket to connect with; descriptors that the other side sends are refused. */
static int open_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0)
        ppi_refuse_descriptors(fd);
    return fd;
}

/* Connects fd to what lies at dial's path now. PP_OK, or why not. */
static int connect_to(const struct ppi_dial *dial, int fd, int *os_error)
{
    struct sockaddr_un address;
    int folder, status = ppi_server_place(dial, &folder, os_error);

    if (status != PP_OK)
        return status;
    if (folder >= 0)
        ppi_place_short(folder, dial->path, &address);
    else
        status = ppi_place_address(dial->path, &address);
    if (status == PP_OK && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        *os_error = errno;
        status = ppi_errno_status(errno);
    }
    if (folder >= 0)
        close(folder);
    return status == PP_OK ? ppi_server_check(dial, fd) : status;
}

static int socket_connect(pp_handle *handle, int *os_error)
{
    int fd = open_socket();

    if (fd < 0) {
        *os_error = errno;
        return ppi_errno_status(errno);
    }
    int status = connect_to(handle->dial, fd, os_error);
    handle->os.fd = fd;
    if (status == PP_OK && handle->port != NULL)
        status = ppi_watch_begin(handle);
    if (status != PP_OK) {
        close(fd);
        handle->os.fd = -1;
    }
    return status;
}

/* After the shutdown nobody can connect any more, and accept still gives out who has. A socket that
 * was passed stays open for those that come; whoever passed it sees to them. */
static void socket_refuse(pp_handle *listener)
{
    struct ppi_lane *lane = &listener->lanes[PPI_IN];

    listener->os.refusing = lane->ready = lane->hung_up = true;
    if (!listener->os.passed)
        shutdown(listener->os.fd, SHUT_RD);
    ppi_handle_retry(listener, PPI_IN);
}

static int socket_attach(pp_handle *handle)
{
    return handle->os.fd >= 0 ? ppi_watch_begin(handle) : PP_OK;
}

static void socket_abort(pp_handle *handle)
{
    if (handle->os.fd >= 0)
        shutdown(handle->os.fd, SHUT_RDWR);
}

static void socket_release(pp_handle *handle)
{
    if (handle->os.fd < 0)
        return;
    if (handle->port != NULL)
        ppi_watch_end(handle);
    if (handle->kind == PPI_LISTENER) {
        ppi_access_close(&handle->os.access);
        ppi_place_leave(handle);
    }
    close(handle->os.fd);
    handle->os.fd = -1;
}

static bool socket_wait(pp_handle *handle, pp_op *op, struct ppi_event *event, uint64_t deadline_ns)
{
    bool connecting = op->priv_.kind == PPI_CONNECT;
    uint64_t again_ns = PPI_FOREVER;

    ppi_mutex_lock(&handle->lock);
    int fd = handle->lanes[op->priv_.lane].ready ? -1 : handle->os.fd;
    if (connecting && handle->dial != NULL)
        again_ns = handle->dial->next_try_ns;
    ppi_mutex_unlock(&handle->lock);
    if (connecting) {
        ppi_event_wait(event, again_ns < deadline_ns ? again_ns : deadline_ns);
        return ppi_now_ns() < deadline_ns;
    }
    return ppi_event_wait_with(event, fd, op->priv_.lane == PPI_IN ? POLLIN | POLLRDHUP : POLLOUT,
                               deadline_ns);
}

const struct ppi_pipe_driver ppi_socket_driver = {
    .name = "socket",
    .attach = socket_attach,
    .begin = socket_begin,
    .connect = socket_connect,
    .try_write = socket_try_write,
    .cancel = socket_cancel,
    .refuse = socket_refuse,
    .abort = socket_abort,
    .release = socket_release,
    .wait = socket_wait,
    .peer = ppi_socket_peer,
    .exe = ppi_socket_exe,
};

static int socket_dial(pp_handle **out)
{
    pp_handle *handle = ppi_socket_handle(PPI_STREAM, -1);

    if (handle == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    *out = handle;
    return PP_OK;
}

const struct ppi_transport ppi_system_transport = {
    .port_driver = &ppi_epoll_driver,
    .listen = ppi_place_listen,
    .dial = socket_dial,
};
