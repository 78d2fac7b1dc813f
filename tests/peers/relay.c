/* relay.c: the limit: the least that anything like a broker does on Unix sockets.
 *
 *     relay scan|scaniov SOCKET
 *
 * It reads up to 256 KiB, looks at each length-prefixed frame with a table look-up, and sends the
 * whole frames to each destination with one write (scan), or with one writev that has a piece for
 * each frame (scaniov), as if each had a header of its own. It knows no subjects, checks nothing,
 * and lets a destination that is full hold its source up. One thread, edge-triggered epoll. */
#define _GNU_SOURCE
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 256 * 1024,
    DESTINATIONS_MAX = 64,
    SOURCES_MAX = 64,
    PIECES_MAX = 1024,
    READS_MAX = 4, /* of one source, before the others' turn */
    EVENTS_MAX = 128
};

struct connection {
    int fd; /* -1: closed; freed when nobody holds it any more */
    struct relay_hello hello;
    size_t hello_size;

    /* As a source: bytes [start, whole) are being sent, [whole, end) is a half frame. */
    char *buffer;
    size_t capacity, start, whole, end;
    int owing;     /* destinations that have not taken all of it */
    bool readable; /* there may be more to read */
    bool queued;   /* in the list of those that go on */

    /* As a destination: what it still has to take. */
    struct connection *source;
    size_t taken;
};

struct channel {
    struct connection *source;
    struct connection *destinations[DESTINATIONS_MAX];
    int count;
};

static struct channel channels[RELAY_CHANNELS];
static uint32_t routes[1024]; /* the look-up: by the frame's channel */
static struct connection *queue[SOURCES_MAX];
static int queued;
static bool piecewise;

/* --- joining and leaving ---------------------------------------------------------------------- */

static bool in_range(int32_t channel)
{
    return channel >= 0 && channel < RELAY_CHANNELS;
}

static void join(struct connection *connection)
{
    int32_t to = connection->hello.to, from = connection->hello.from;

    if (in_range(to)) {
        channels[to].source = connection;
        routes[to] = (uint32_t)to;
        connection->capacity = 2 * BUFFER_BYTES;
        connection->buffer = malloc(connection->capacity);
        if (connection->buffer == NULL)
            abort();
    }
    if (in_range(from) && channels[from].count < DESTINATIONS_MAX)
        channels[from].destinations[channels[from].count++] = connection;
}

static void enqueue(struct connection *source)
{
    if (source->queued || queued == SOURCES_MAX)
        return;
    source->queued = true;
    queue[queued++] = source;
}

static void leave(struct connection *connection)
{
    int32_t to = connection->hello.to, from = connection->hello.from;

    if (in_range(to) && channels[to].source == connection)
        channels[to].source = NULL;
    for (int i = 0; in_range(from) && i < channels[from].count; i++)
        if (channels[from].destinations[i] == connection)
            channels[from].destinations[i] = channels[from].destinations[--channels[from].count];
    close(connection->fd);
    connection->fd = -1;
    if (connection->source != NULL && --connection->source->owing == 0)
        enqueue(connection->source);
    if (!connection->queued && connection->owing == 0) { /* else it leaks: there are few */
        free(connection->buffer);
        free(connection);
    }
}

/* --- delivering ------------------------------------------------------------------------------- */

/* true: the destination has taken all, or is gone. */
static bool send_rest(struct connection *destination)
{
    const struct connection *source = destination->source;

    while (destination->taken < source->whole) {
        ssize_t count = write(destination->fd, source->buffer + destination->taken,
                              source->whole - destination->taken);

        if (count < 0 && errno == EAGAIN)
            return false;
        destination->taken = count < 0 ? source->whole : destination->taken + (size_t)count;
    }
    destination->source = NULL;
    return true;
}

/* One piece for each frame. */
static int cut(const struct connection *source, struct iovec *pieces)
{
    size_t at = source->start;
    int count = 0;

    while (at < source->whole && count < PIECES_MAX) {
        struct relay_frame frame;

        memcpy(&frame, source->buffer + at, sizeof frame);
        pieces[count++] = (struct iovec){ source->buffer + at, sizeof frame + frame.size };
        at += sizeof frame + frame.size;
    }
    return count;
}

static void deliver(struct connection *source)
{
    const struct channel *channel = &channels[source->hello.to];
    struct iovec pieces[PIECES_MAX];
    size_t size = source->whole - source->start;
    int count = piecewise ? cut(source, pieces) : 0;

    for (int i = 0; i < channel->count; i++) {
        struct connection *destination = channel->destinations[i];
        ssize_t taken = piecewise ? writev(destination->fd, pieces, count)
                                  : write(destination->fd, source->buffer + source->start, size);

        if (taken < 0)
            taken = errno == EAGAIN ? 0 : (ssize_t)size;
        if ((size_t)taken == size)
            continue;
        destination->source = source;
        destination->taken = source->start + (size_t)taken;
        if (!send_rest(destination))
            source->owing++;
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Finds the end of the last whole frame, and looks every frame up. true: there are some. */
static bool scan(struct connection *source)
{
    size_t at = source->whole;

    while (source->end - at >= sizeof(struct relay_frame)) {
        struct relay_frame frame;

        memcpy(&frame, source->buffer + at, sizeof frame);
        size_t size = sizeof frame + frame.size;
        if (source->end - at < size) {
            if (source->capacity < size + BUFFER_BYTES) {
                source->capacity = size + BUFFER_BYTES;
                source->buffer = realloc(source->buffer, source->capacity);
                if (source->buffer == NULL)
                    abort();
            }
            break;
        }
        if (routes[frame.channel % 1024] != (uint32_t)source->hello.to)
            abort();
        at += size;
    }
    bool any = at > source->whole;
    source->whole = at;
    return any;
}

/* Makes room behind the half frame, which begins the next batch. */
static void begin_batch(struct connection *source)
{
    size_t half = source->end - source->whole;

    if (half == 0) {
        source->whole = source->end = 0;
    } else if (source->capacity - source->end < BUFFER_BYTES / 2) {
        memmove(source->buffer, source->buffer + source->whole, half);
        source->whole = 0;
        source->end = half;
    }
    source->start = source->whole;
}

/* Reads and delivers until nothing more is there, somebody is full, or it is the others' turn. */
static void pump(struct connection *source)
{
    for (int i = 0; i < READS_MAX; i++) {
        if (source->owing > 0) {
            source->readable = true;
            return;
        }
        begin_batch(source);
        size_t room = source->capacity - source->end;
        if (room > BUFFER_BYTES)
            room = BUFFER_BYTES;
        ssize_t count = read(source->fd, source->buffer + source->end, room);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
            leave(source);
            return;
        }
        source->readable = count > 0;
        if (count < 0)
            return;
        source->end += (size_t)count;
        if (scan(source))
            deliver(source);
        if ((size_t)count < room)
            return;
    }
    enqueue(source);
}

/* --- events ----------------------------------------------------------------------------------- */

static void take_connection(int listener, int set)
{
    struct connection *connection = calloc(1, sizeof *connection);
    struct epoll_event event = { EPOLLIN | EPOLLOUT | EPOLLET, { .ptr = connection } };

    if (connection == NULL)
        abort();
    connection->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    connection->hello.to = connection->hello.from = RELAY_NOWHERE;
    if (connection->fd < 0 || epoll_ctl(set, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        free(connection);
}

/* The first bytes. */
static void take_hello(struct connection *connection)
{
    struct relay_hello *hello = &connection->hello;
    ssize_t count = recv(connection->fd, hello, sizeof *hello, MSG_PEEK);

    if (count < 0)
        return;
    if (count < (ssize_t)sizeof *hello) { /* a probe that closes again; clients say all at once */
        hello->to = hello->from = RELAY_NOWHERE;
        leave(connection);
        return;
    }
    connection->hello_size = (size_t)read(connection->fd, hello, sizeof *hello);
    join(connection);
    if (connection->buffer != NULL)
        pump(connection);
}

static void handle(struct connection *connection, uint32_t events)
{
    char unwanted[64];

    if (connection->fd < 0)
        return;
    if (connection->hello_size == 0) {
        take_hello(connection);
        return;
    }
    if ((events & EPOLLOUT) != 0 && connection->source != NULL) {
        struct connection *source = connection->source;

        if (send_rest(connection) && --source->owing == 0 && source->readable)
            enqueue(source);
    }
    if ((events & (EPOLLIN | EPOLLHUP)) == 0)
        return;
    if (connection->buffer != NULL)
        pump(connection);
    else if (read(connection->fd, unwanted, sizeof unwanted) == 0)
        leave(connection);
}

static void run(int listener)
{
    struct epoll_event events[EVENTS_MAX], event = { EPOLLIN, { .ptr = NULL } };
    int set = epoll_create1(EPOLL_CLOEXEC);

    if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) != 0)
        abort();
    for (;;) {
        int count = epoll_wait(set, events, EVENTS_MAX, queued > 0 ? 0 : -1);

        for (int i = 0; i < count; i++)
            if (events[i].data.ptr == NULL)
                take_connection(listener, set);
            else
                handle(events[i].data.ptr, events[i].events);
        struct connection *now[SOURCES_MAX];
        int now_count = queued;
        memcpy(now, queue, sizeof now);
        queued = 0;
        for (int i = 0; i < now_count; i++) {
            now[i]->queued = false;
            if (now[i]->fd >= 0)
                pump(now[i]);
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (argc != 3 || strlen(argv[2]) >= sizeof address.sun_path) {
        fprintf(stderr, "usage: relay scan|scaniov SOCKET\n");
        return 2;
    }
    piecewise = strcmp(argv[1], "scaniov") == 0;
    memcpy(address.sun_path, argv[2], strlen(argv[2]));
    signal(SIGPIPE, SIG_IGN);
    unlink(argv[2]);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1024) != 0) {
        perror(argv[2]);
        return 1;
    }
    run(listener);
}
