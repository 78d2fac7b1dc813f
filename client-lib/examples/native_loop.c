/* native_loop.c: a client inside a loop that is there already: here on the program's own completion
 * port, beside what a thread of the program posts to it. Windows; poll_loop.c is its twin for
 * Linux.
 *
 *     start panpiped.exe
 *     start panpipe.exe sub loop.lines
 *     native_loop.exe                   (type lines; Ctrl-Z, Enter ends)
 *     panpipe.exe pub loop.hello 42     (elsewhere)
 *
 * The library works on a port that it does not own, and the program goes on taking entries from it
 * as ever: pp_port_claim says which are the library's. All callbacks run in this thread. */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>

#include <panpipe/pack.h>
#include <panpipe/sys.h>

enum { KEY_INPUT = 1, LINE_MAX = 4096 };

static HANDLE native;
static pp_client *client;
static pp_sub *sub;
static pp_thread *reader;
static int closed;

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "native_loop: %s: %s. %s\n", what, pp_strerror(status), pp_detail());
    exit(1);
}

static void on_message(void *context, const pp_message *message)
{
    (void)context;
    printf("%.*s: %d bytes\n", (int)message->subject_length, message->subject,
           (int)message->params_size);
    fflush(stdout);
}

static void on_closed(void *context, pp_client *gone, int why)
{
    (void)context;
    (void)gone;
    closed = 1;
    must(why == PP_ECLOSED ? PP_OK : why, "the connection"); /* PP_ECLOSED: it was us */
}

/* The program's own work: a thread posts what it reads, each time to be freed by who takes it. */
static void read_input(void *argument)
{
    int64_t size = 1;

    (void)argument;
    while (size > 0) {
        char *line = malloc(LINE_MAX);

        size = line != NULL ? pp_stdin_read(line, LINE_MAX) : 0;
        PostQueuedCompletionStatus(native, size > 0 ? (DWORD)size : 0, KEY_INPUT, (void *)line);
    }
}

static void on_subscribed(pp_op *op)
{
    must(op->status, "subscribing");
    printf("subscribed\n");
    fflush(stdout);
    must(pp_thread_start(&reader, read_input, NULL), "a thread");
}

static void on_connected(pp_op *op)
{
    static const pp_sub_config config = { .size = sizeof config, .on_message = on_message };

    must(op->status, "connecting");
    must(pp_op_use_call(op, on_subscribed), "subscribing");
    must(pp_subscribe(client, op, "loop.hello", &config, &sub), "subscribing");
}

static void on_input(char *line, size_t size)
{
    msgpack_sbuffer params;
    msgpack_packer packer;

    if (size > 0) {
        msgpack_sbuffer_init(&params);
        msgpack_packer_init(&packer, &params, msgpack_sbuffer_write);
        msgpack_pack_array(&packer, 1);
        msgpack_pack_str_with_body(&packer, line, size);
        must(pp_publish_packed(client, "loop.lines", &params), "publishing");
        msgpack_sbuffer_destroy(&params);
    } else {
        pp_client_close(client); /* does not wait: on_closed tells */
    }
    free(line);
}

static void on_entry(pp_port *port, const OVERLAPPED_ENTRY *entry)
{
    pp_packet packet;
    int claimed = pp_port_claim(port, entry->lpOverlapped, entry->lpCompletionKey,
                                entry->dwNumberOfBytesTransferred, &packet);

    if (claimed == PP_ENOTFOUND) /* ours */
        on_input((char *)entry->lpOverlapped, entry->dwNumberOfBytesTransferred);
    else
        must(claimed, "claiming"); /* 1 would be a packet for us; all operations have functions */
}

int main(void)
{
    pp_port_config port_config = PP_PORT_CONFIG_INIT;
    pp_client_config config = { .size = sizeof config, .on_closed = on_closed };
    pp_op op = PP_OP_INIT;

    native = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    port_config.native = native;
    must(native != NULL ? pp_port_open(&config.port, &port_config) : PP_EIO, "the port");
    must(pp_client_new(&client, &config), "the client");
    must(pp_op_use_call(&op, on_connected), "connecting");
    must(pp_client_connect(client, &op), "connecting");
    while (!closed) {
        OVERLAPPED_ENTRY entries[16];
        ULONG count = 0;

        if (!GetQueuedCompletionStatusEx(native, entries, 16, &count, INFINITE, FALSE))
            must(PP_EIO, "GetQueuedCompletionStatusEx");
        for (ULONG i = 0; i < count; i++)
            on_entry(config.port, &entries[i]);
    }
    pp_thread_join(reader);
    must(pp_port_shutdown(config.port, PP_SHUT_FAST, -1, NULL, NULL), "shutting down");
    pp_port_close(config.port);
    CloseHandle(native);
    return 0;
}
