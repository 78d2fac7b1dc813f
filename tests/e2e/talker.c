/* talker.c: a program whose use of the broker watch.py looks at from outside. It counts what it
 * sends and gets itself, so that every figure that the command line shows can be checked.
 *
 *     talker NAME pub SUBJECT BYTES      as fast as it may
 *     talker NAME order SUBJECT BYTES    one every 10 ms, waiting until the broker has taken it
 *     talker NAME sub PATTERN
 *
 * It says "ready", then does what the letters on its standard input say: s and r: it stops reading,
 * and reads on; p and g: it pauses, once the broker has taken all of it, and goes on; c: it says
 * its counts, as JSON. When that input ends it leaves, and says them too. A message is [number,
 * text], with numbers from 1 on; a subscriber counts those that are not the next of their subject.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/client.h>
#include <panpipe/sys.h>

enum { ORDER_MS = 10, HEAD = 1 + 9 + 3, BYTES_MAX = 60000, STREAMS = 4, SUBJECT_MAX = 256 };

static pp_client *client;
static const char *subject;
static size_t size; /* of a message's params */
static bool orders;
static atomic_bool over, paused, quiet, stopped;
static atomic_uint_fast64_t published;

/* What came, by subject. */
static struct stream {
    char subject[SUBJECT_MAX];
    uint64_t last;
    atomic_uint_fast64_t received, bytes, gaps;
} streams[STREAMS];
static atomic_int stream_count;

static int fail(const char *what, int status)
{
    fprintf(stderr, "talker: %s: %s: %s\n", what, pp_strerror(status), pp_detail());
    return 1;
}

/* --- getting --------------------------------------------------------------------------------- */

static struct stream *stream_of(const pp_message *message)
{
    int i = 0;

    while (i < stream_count &&
           (strlen(streams[i].subject) != message->subject_length ||
            memcmp(streams[i].subject, message->subject, message->subject_length) != 0))
        i++;
    if (i == STREAMS)
        abort();
    if (i == stream_count) {
        memcpy(streams[i].subject, message->subject, message->subject_length);
        stream_count++;
    }
    return &streams[i];
}

static void on_message(void *context, const pp_message *message)
{
    struct stream *stream = stream_of(message);
    const uint8_t *params = message->params;
    uint64_t number = 0;

    (void)context;
    for (int i = 2; i < 10; i++)
        number = number << 8 | params[i];
    stream->gaps += number != stream->last + 1;
    stream->last = number;
    stream->received++;
    stream->bytes += message->params_size;
    while (stopped && !over)
        pp_sleep_ms(1);
}

/* --- sending --------------------------------------------------------------------------------- */

/* [number, text] */
static void number_params(uint8_t *params, uint64_t number)
{
    for (int i = 9; i >= 2; i--, number >>= 8)
        params[i] = (uint8_t)number;
}

static uint8_t *make_params(void)
{
    uint8_t *params = malloc(size);
    size_t text = size - HEAD;

    if (params == NULL)
        abort();
    memset(params, 'x', size);
    params[0] = 0x92;
    params[1] = 0xCF;
    params[10] = 0xDA;
    params[11] = (uint8_t)(text >> 8);
    params[12] = (uint8_t)text;
    return params;
}

static int send(const uint8_t *params)
{
    pp_receipt receipt;

    if (!orders)
        return pp_publish(client, subject, params, size);
    pp_sleep_ms(ORDER_MS);
    return pp_publish_confirmed(client, NULL, subject, params, size, &receipt);
}

static void publish(void *argument)
{
    uint8_t *params = make_params();

    (void)argument;
    while (!over) {
        quiet = paused;
        if (quiet) {
            pp_sleep_ms(1);
            continue;
        }
        number_params(params, published + 1);
        if (send(params) != PP_OK)
            break;
        published++;
    }
    quiet = true;
    free(params);
}

/* --- talking with the test ------------------------------------------------------------------- */

static void say(const char *text)
{
    pp_stdout_write(text, strlen(text));
}

static void say_counts(void)
{
    char line[2048];
    int at = snprintf(line, sizeof line,
                      "{\"published\": %" PRIu64 ", \"published_bytes\": %" PRIu64 ", \"got\": {",
                      (uint64_t)published, (uint64_t)published * size);

    for (int i = 0; i < stream_count; i++)
        at += snprintf(line + at, sizeof line - (size_t)at,
                       "%s\"%s\": {\"received\": %" PRIu64 ", \"bytes\": %" PRIu64
                       ", \"gaps\": %" PRIu64 "}",
                       i > 0 ? ", " : "", streams[i].subject, (uint64_t)streams[i].received,
                       (uint64_t)streams[i].bytes, (uint64_t)streams[i].gaps);
    snprintf(line + at, sizeof line - (size_t)at, "}}\n");
    say(line);
}

static void pause_publishing(void)
{
    paused = true;
    while (!quiet)
        pp_sleep_ms(1);
}

static void obey(char letter)
{
    switch (letter) {
    case 's': stopped = true; break;
    case 'r': stopped = false; break;
    case 'g': paused = false; break;
    case 'p':
        pause_publishing();
        pp_client_flush(client, NULL);
        say("paused\n");
        break;
    case 'c': say_counts(); break;
    default: break;
    }
}

static int begin(char **argv, pp_thread **thread)
{
    pp_sub_config config = PP_SUB_CONFIG_INIT;
    pp_sub *sub;

    if (strcmp(argv[2], "sub") == 0) {
        config.on_message = on_message;
        return pp_subscribe(client, NULL, argv[3], &config, &sub);
    }
    orders = strcmp(argv[2], "order") == 0;
    subject = argv[3];
    size = (size_t)atoi(argv[4]);
    paused = true;
    return pp_thread_start(thread, publish, NULL);
}

static bool is_use(int argc, char **argv)
{
    if (argc == 4)
        return strcmp(argv[2], "sub") == 0;
    return argc == 5 && (strcmp(argv[2], "pub") == 0 || strcmp(argv[2], "order") == 0) &&
           atoi(argv[4]) >= HEAD && atoi(argv[4]) <= BYTES_MAX;
}

int main(int argc, char **argv)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_thread *thread = NULL;
    char letter;

    argv = pp_program_begin(&argc, argv);
    if (!is_use(argc, argv))
        return fprintf(stderr, "usage: talker NAME pub|order|sub SUBJECT [BYTES]\n"), 2;
    config.name = argv[1];
    int status = pp_client_open(&client, &config);
    if (status != PP_OK)
        return fail("connect", status);
    status = begin(argv, &thread);
    if (status != PP_OK)
        return fail(argv[2], status);
    say("ready\n");
    while (pp_stdin_read(&letter, 1) > 0)
        obey(letter);
    if (thread != NULL)
        pause_publishing();
    over = true;
    if (thread != NULL)
        pp_thread_join(thread);
    status = pp_client_close(client);
    say_counts();
    return status != PP_OK;
}
