#define _GNU_SOURCE
#include "raw.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BATCH_BYTES = 64 * 1024,
    LARGE_BYTES = 32 * 1024, /* from here on a payload goes out from where it lies */
    READ_BYTES = 256 * 1024,
    READ_BYTES_OF_MANY = 64 * 1024,
    EVENTS_MAX = 64
};

/* --- sockets ---------------------------------------------------------------------------------- */

int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    must(fd >= 0 && strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    while (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        if (errno != EAGAIN && errno != EINTR)
            die("%s: %s", path, strerror(errno));
        sleep_ms(1); /* its backlog is full */
    }
    return fd;
}

void write_all(int fd, const void *data, size_t size)
{
    const char *bytes = data;

    while (size > 0) {
        ssize_t written = write(fd, bytes, size);

        if (written < 0 && errno != EINTR)
            die("write: %s", strerror(errno));
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        }
    }
}

size_t read_some(int fd, void *buffer, size_t size)
{
    ssize_t count;

    do
        count = read(fd, buffer, size);
    while (count < 0 && errno == EINTR);
    if (count <= 0)
        die("read: %s", count < 0 ? strerror(errno) : "the broker has closed");
    return (size_t)count;
}

static const char *subject(char kind, int channel)
{
    static char text[4][3];
    char *out = text[channel];

    out[0] = kind;
    out[1] = (char)('0' + channel);
    return out;
}

const char *subject_to_write(enum role role, int channel)
{
    return subject(role == PUBLISHER ? 's' : role == REQUESTER ? 'q' : 'r', channel);
}

const char *subject_to_read(enum role role, int channel)
{
    return subject(role == SUBSCRIBER ? 's' : role == RESPONDER ? 'q' : 'r', channel);
}

/* --- writing ---------------------------------------------------------------------------------- */

struct batch {
    int fd;
    size_t used;
    char bytes[BATCH_BYTES];
};
static struct batch batch;

static void flush(void *context)
{
    (void)context;
    write_all(batch.fd, batch.bytes, batch.used);
    batch.used = 0;
}

/* What is gathered, and then a large message, without copying its payload. */
static void write_large(struct iovec *parts, int count)
{
    parts[0] = (struct iovec){ batch.bytes, batch.used };
    batch.used = 0;
    while (count > 0) {
        ssize_t written = writev(batch.fd, parts, count);

        if (written < 0 && errno != EINTR)
            die("writev: %s", strerror(errno));
        for (size_t left = written > 0 ? (size_t)written : 0; count > 0;) {
            if (left < parts->iov_len) {
                parts->iov_base = (char *)parts->iov_base + left;
                parts->iov_len -= left;
                break;
            }
            left -= parts->iov_len;
            parts++;
            count--;
        }
    }
}

static void add(const char *head, size_t head_size, const char *payload, size_t payload_size)
{
    size_t size = head_size + payload_size;

    if (size > LARGE_BYTES) {
        struct iovec parts[] = { { NULL, 0 },
                                 { (char *)(uintptr_t)head, head_size },
                                 { (char *)(uintptr_t)payload, payload_size } };

        write_large(parts, 3);
        return;
    }
    if (batch.used + size > sizeof batch.bytes)
        flush(NULL);
    char *at = batch.bytes + batch.used;
    memcpy(at, head, head_size);
    memcpy(at + head_size, payload, payload_size);
    batch.used += size;
}

void raw_publish(const struct variant *variant, int channel)
{
    const struct wire *wire = variant->wire;
    struct sending sending = { .channel = channel, .flush = flush };
    char head[HEAD_MAX], *payload = calloc(1, board->size);
    size_t head_size = wire->head(head, PUBLISHER, channel, board->size, NULL, 0);

    must(payload != NULL);
    batch.fd = wire->open(variant, PUBLISHER, channel);
    client_ready();
    while (next_message(&sending, payload))
        add(head, head_size, payload, board->size);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Bytes that were read and are not a whole message yet. */
struct inbox {
    char *bytes;
    size_t capacity, start, end, chunk;
};

static void inbox_init(struct inbox *inbox, size_t chunk)
{
    inbox->chunk = chunk;
    inbox->capacity = chunk + 2 * board->size + 4096;
    inbox->bytes = malloc(inbox->capacity);
    must(inbox->bytes != NULL);
    inbox->start = inbox->end = 0;
}

static void inbox_read(struct inbox *inbox, int fd)
{
    if (inbox->start == inbox->end)
        inbox->start = inbox->end = 0;
    if (inbox->capacity - inbox->end < inbox->chunk) {
        memmove(inbox->bytes, inbox->bytes + inbox->start, inbox->end - inbox->start);
        inbox->end -= inbox->start;
        inbox->start = 0;
    }
    inbox->end += read_some(fd, inbox->bytes + inbox->end, inbox->chunk);
}

/* The next whole message, or none. */
static bool inbox_next(struct inbox *inbox, const struct wire *wire, struct found *found)
{
    if (!wire->find(inbox->bytes + inbox->start, inbox->end - inbox->start, found))
        return false;
    inbox->start += found->size;
    return true;
}

static void take_all(struct inbox *inbox, const struct wire *wire, int channel, int connection)
{
    struct found found;

    while (inbox_next(inbox, wire, &found))
        got(channel, connection, found.payload, found.payload_size);
}

void raw_subscribe(const struct variant *variant, int channel, int connections)
{
    struct inbox inboxes[CONNECTIONS_MAX];
    struct epoll_event events[EVENTS_MAX];
    int fds[CONNECTIONS_MAX], set = epoll_create1(EPOLL_CLOEXEC);

    for (int i = 0; i < connections; i++) {
        struct epoll_event event = { EPOLLIN, { .u32 = (uint32_t)i } };

        fds[i] = variant->wire->open(variant, SUBSCRIBER, channel);
        inbox_init(&inboxes[i], connections > 1 ? READ_BYTES_OF_MANY : READ_BYTES);
        must(epoll_ctl(set, EPOLL_CTL_ADD, fds[i], &event) == 0);
    }
    client_ready();
    while (connections == 1) {
        inbox_read(&inboxes[0], fds[0]);
        take_all(&inboxes[0], variant->wire, channel, 0);
    }
    for (;;) {
        int count = epoll_wait(set, events, EVENTS_MAX, -1);

        for (int i = 0; i < count; i++) {
            uint32_t at = events[i].data.u32;

            inbox_read(&inboxes[at], fds[at]);
            take_all(&inboxes[at], variant->wire, channel, (int)at);
        }
    }
}

/* --- requests --------------------------------------------------------------------------------- */

void raw_respond(const struct variant *variant)
{
    const struct wire *wire = variant->wire;
    struct inbox inbox;
    struct found found;
    char head[HEAD_MAX];

    batch.fd = wire->open(variant, RESPONDER, 0);
    inbox_init(&inbox, READ_BYTES_OF_MANY);
    client_ready();
    for (;;) {
        inbox_read(&inbox, batch.fd);
        while (inbox_next(&inbox, wire, &found)) {
            const char *request = inbox.bytes + inbox.start - found.size;
            size_t size = wire->head(head, RESPONDER, 0, found.payload_size, request, 0);

            add(head, size, found.payload, found.payload_size);
        }
        flush(NULL);
    }
}

static void ask(const struct wire *wire, struct requesting *requesting)
{
    char head[HEAD_MAX], payload[REQUEST_BYTES] = { 0 };
    size_t size = wire->head(head, REQUESTER, 0, sizeof payload, NULL, (unsigned)requesting->sent);

    next_request(requesting, payload);
    add(head, size, payload, sizeof payload);
}

void raw_request(const struct variant *variant, unsigned outstanding)
{
    const struct wire *wire = variant->wire;
    struct requesting requesting;
    struct inbox inbox;
    struct found found;

    batch.fd = wire->open(variant, REQUESTER, 0);
    inbox_init(&inbox, READ_BYTES_OF_MANY);
    client_ready();
    requests_begin(&requesting);
    for (unsigned i = 0; i < outstanding; i++)
        ask(wire, &requesting);
    for (;;) {
        flush(NULL);
        inbox_read(&inbox, batch.fd);
        while (inbox_next(&inbox, wire, &found)) {
            if (!got_reply(&requesting, found.payload, found.payload_size))
                return;
            ask(wire, &requesting);
        }
    }
}

void raw_idle(const struct variant *variant, int connections)
{
    for (int i = 0; i < connections; i++)
        variant->wire->open(variant, IDLER, 0);
}
