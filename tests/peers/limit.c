/* limit.c: the clients of relay.c, which is no broker: it routes a batch of frames with one table
 * look-up each, and is what any broker on these sockets can be compared with. */
#include "raw.h"
#include "relay.h"

static pid_t start(const struct variant *variant)
{
    const char *path = run_path(variant, "sock");
    const char *const arguments[] = { "", variant->mode, path, NULL };
    pid_t process = start_server(variant, arguments);

    wait_for_server(path);
    return process;
}

static int join(const struct variant *variant, enum role role, int channel)
{
    struct relay_hello hello = { RELAY_MAGIC, RELAY_NOWHERE, RELAY_NOWHERE };
    int fd = connect_to(run_path(variant, "sock"));

    switch (role) {
    case SUBSCRIBER: hello.from = channel; break;
    case PUBLISHER: hello.to = channel; break;
    case RESPONDER:
        hello.from = 0;
        hello.to = 1;
        break;
    case REQUESTER:
        hello.from = 1;
        hello.to = 0;
        break;
    case IDLER: break;
    }
    write_all(fd, &hello, sizeof hello);
    return fd;
}

static size_t head(char *out, enum role role, int channel, size_t payload_size, const char *request,
                   unsigned number)
{
    const struct relay_frame frame = { (uint32_t)payload_size,
                                       role == RESPONDER ? 1 : (uint32_t)channel };

    (void)request;
    (void)number;
    memcpy(out, &frame, sizeof frame);
    return sizeof frame;
}

static bool find(const char *bytes, size_t size, struct found *found)
{
    struct relay_frame frame;

    if (size < sizeof frame)
        return false;
    memcpy(&frame, bytes, sizeof frame);
    *found = (struct found){ sizeof frame + frame.size, bytes + sizeof frame, frame.size };
    return size >= found->size;
}

static const struct wire wire = { .open = join, .head = head, .find = find };

const struct variant limit_scan = { .name = "L-scan",
                                    .server = "./relay",
                                    .mode = "scan",
                                    .wire = &wire,
                                    .start = start,
                                    .subscribe = raw_subscribe,
                                    .publish = raw_publish,
                                    .respond = raw_respond,
                                    .request = raw_request,
                                    .idle = raw_idle };

const struct variant limit_scaniov = { .name = "L-scaniov",
                                       .server = "./relay",
                                       .mode = "scaniov",
                                       .wire = &wire,
                                       .start = start,
                                       .subscribe = raw_subscribe,
                                       .publish = raw_publish,
                                       .respond = raw_respond,
                                       .request = raw_request };
