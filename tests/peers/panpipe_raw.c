/* panpipe_raw.c: bare MessagePack-RPC against panpiped. Messages are plain: [2, "s0", [payload]].
 * Requests are calls: [0, id, "q0", [payload]], which the broker forwards under ids of its own,
 * and answers: [1, id, nil, payload]. */
#include "raw.h"

#include <stdio.h>

/* As many idle connections of one user are more than the broker takes if not told so. */
static pid_t start(const struct variant *variant)
{
    const char *path = run_path(variant, "sock"), *settings = run_path(variant, "config");
    const char *const arguments[] = { "",       "-b",          path,    "--config",
                                      settings, "--log-level", "error", NULL };
    FILE *file = fopen(settings, "w");

    must(file != NULL);
    fputs("connections_user = 8192\n", file);
    fclose(file);
    pid_t process = start_server(variant, arguments);

    wait_for_server(path);
    return process;
}

/* [0, 1, method, [subject]] and its answer, [1, 1, nil, ...]. subject may be "". */
static void ask_broker(int fd, const char *method, const char *subject)
{
    char request[64];
    unsigned char answer[256];
    size_t length = strlen(subject), got_bytes = 0;
    int size = snprintf(request, sizeof request, "\x94%c\x01%c%s%c", 0,
                        (char)(0xA0 | strlen(method)), method, length > 0 ? '\x91' : '\x90');

    if (length > 0)
        size += snprintf(request + size, sizeof request - (size_t)size, "%c%s",
                         (char)(0xA0 | length), subject);
    write_all(fd, request, (size_t)size);
    while (got_bytes < 5)
        got_bytes += read_some(fd, answer + got_bytes, sizeof answer - got_bytes);
    must(memcmp(answer, "\x94\x01\x01\xC0", 4) == 0);
}

static int join(const struct variant *variant, enum role role, int channel)
{
    int fd = connect_to(run_path(variant, "sock"));

    switch (role) {
    case SUBSCRIBER: ask_broker(fd, "$sub", subject_to_read(role, channel)); break;
    case RESPONDER: ask_broker(fd, "$serve", subject_to_read(role, channel)); break;
    case IDLER: ask_broker(fd, "$ping", ""); break;
    case PUBLISHER:
    case REQUESTER: break;
    }
    return fd;
}

/* The header of a bin of that size. */
static size_t bin_head(char *out, size_t size)
{
    unsigned char *bytes = (unsigned char *)out;
    int width = size < 256 ? 1 : size < 65536 ? 2 : 4;

    bytes[0] = (unsigned char)(width == 1 ? 0xC4 : width == 2 ? 0xC5 : 0xC6);
    for (int i = 0; i < width; i++)
        bytes[1 + i] = (unsigned char)(size >> 8 * (width - 1 - i));
    return 1 + (size_t)width;
}

/* The bytes of an unsigned number. */
static size_t number_size(unsigned char first)
{
    return first < 0x80 ? 1 : first == 0xCC ? 2 : first == 0xCD ? 3 : first == 0xCE ? 5 : 9;
}

static size_t head(char *out, enum role role, int channel, size_t payload_size, const char *request,
                   unsigned number)
{
    const char *subject = subject_to_write(role, channel);
    size_t size = 0;

    if (role == RESPONDER) {
        size_t id = number_size((unsigned char)request[2]);

        memcpy(out, "\x94\x01", 2);
        memcpy(out + 2, request + 2, id);
        out[2 + id] = '\xC0';
        return 3 + id + bin_head(out + 3 + id, payload_size);
    }
    if (role == REQUESTER) {
        memcpy(out, "\x94\x00", 2);
        out[2] = (char)(number % 128); /* fewer are outstanding, and answered in order */
        size = 3;
    } else {
        memcpy(out, "\x93\x02", 2);
        size = 2;
    }
    memcpy(out + size, "\xA2", 1);
    memcpy(out + size + 1, subject, 2);
    memcpy(out + size + 3, "\x91", 1);
    return size + 4 + bin_head(out + size + 4, payload_size);
}

static bool find(const char *bytes, size_t size, struct found *found)
{
    const unsigned char *data = (const unsigned char *)bytes;
    size_t at, width, length = 0;

    if (size < 12)
        return false;
    if (data[0] == 0x93) /* [2, "s0", [ */
        at = 6;
    else if (data[0] == 0x94 && data[1] == 0) /* [0, id, "q0", [ */
        at = 2 + number_size(data[2]) + 4;
    else if (data[0] == 0x94 && data[1] == 1) /* [1, id, nil, */
        at = 2 + number_size(data[2]) + 1;
    else
        die("not a message: %02x %02x", data[0], data[1]);
    if (size < at + 5)
        return false;
    switch (data[at]) {
    case 0xC4: width = 1; break;
    case 0xC5: width = 2; break;
    case 0xC6: width = 4; break;
    default: die("not a payload: %02x", data[at]);
    }
    for (size_t i = 0; i < width; i++)
        length = length << 8 | data[at + 1 + i];
    *found = (struct found){ at + 1 + width + length, bytes + at + 1 + width, length };
    return size >= found->size;
}

static const struct wire wire = { .open = join, .head = head, .find = find };

const struct variant panpipe_raw = { .name = "panpipe-raw",
                                     .server = "../panpiped",
                                     .wire = &wire,
                                     .start = start,
                                     .subscribe = raw_subscribe,
                                     .publish = raw_publish,
                                     .respond = raw_respond,
                                     .request = raw_request,
                                     .idle = raw_idle };
