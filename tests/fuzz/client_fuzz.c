/* client_fuzz.c: any bytes from a broker, to the client library.
 *
 * The first byte says how the pipes behave, the second what the false broker does by itself. The
 * client publishes, subscribes, serves and calls; every operation must end exactly once, callbacks
 * must get messages that are whole values, what the client says must be frames, and at the end
 * nothing may be left. */
#include <string.h>

#include <panpipe/client.h>
#include <panpipe/pack.h>

#include "fuzz/fuzz.h"
#include "fuzz/world.h"
#include "sim/sim.h"
#include "wire/scan.h"

enum { OPS = 14, RECEIVE_OP = OPS - 1 };
enum {
    WELL_BEHAVED = 1, /* the false broker answers $hello, */
    ANSWERS = 2,      /* and the first subscriptions; */
    CHUNKED = 4,      /* sends in small pieces */
    RECEIVES = 8,     /* the client takes what waits for pp_next; */
    DRAINS = 16,      /* says goodbye; */
    UNSUBSCRIBES = 32,
    CANCELS = 64
};

static struct {
    pp_op op;
    int started, ended;
} ops[OPS];
static int used;
static pp_client *client;
static pp_port *port;
static bool closed;
static pp_sub *subs[3];
static pp_answer answers[2];
static pp_receipt receipt;

static void on_end(pp_op *op)
{
    for (int i = 0; i < OPS; i++)
        if (op == &ops[i].op) {
            ops[i].ended++;
            FUZZ_CHECK(ops[i].ended == ops[i].started);
            return;
        }
    FUZZ_CHECK(!"an operation of ours");
}

static pp_op *next_op(void)
{
    pp_op *op = &ops[used].op;

    FUZZ_CHECK(used < OPS);
    FUZZ_CHECK(pp_op_use_call(op, on_end) == PP_OK);
    return op;
}

/* What a start function returned: from now on exactly one end is due, or none. */
static void expect(int started)
{
    ops[used++].started = started == PP_PENDING;
    FUZZ_CHECK(started == PP_PENDING || started < 0);
}

static void check_message(const pp_message *message)
{
    struct ppi_value params = ppi_value_at(message->params, message->params_size);

    msgpack_unpacked unpacked;

    FUZZ_CHECK(params.size == message->params_size && params.kind == PPI_VALUE_ARRAY);
    msgpack_unpacked_init(&unpacked);
    FUZZ_CHECK(pp_message_unpack(message, &unpacked) == 1);
    FUZZ_CHECK(unpacked.data.type == MSGPACK_OBJECT_ARRAY);
    msgpack_unpacked_destroy(&unpacked);
    FUZZ_CHECK(message->subject_length == 0 || message->subject[message->subject_length - 1] != 1 ||
               message->sub != NULL);
}

static void on_message(void *context, const pp_message *message)
{
    (void)context;
    check_message(message);
}

static void on_call(void *context, const pp_message *message)
{
    (void)context;
    check_message(message);
    msgpack_sbuffer result = { 1, (char *)(uintptr_t) "\xC0", 1 };
    if (message->params_size % 2 == 0)
        pp_reply_packed(client, message->call, &result);
    else
        pp_reply_error(client, message->call, "E_ARG no");
}

static void on_cancel(void *context, uint64_t call)
{
    (void)context;
    (void)call;
}

static void on_closed(void *context, pp_client *which, int why)
{
    (void)context;
    FUZZ_CHECK(which == client && !closed && why != PP_OK);
    closed = true;
}

static void on_note(void *context, pp_client *which, const char *code, const char *text)
{
    (void)context;
    FUZZ_CHECK(which == client && strlen(code) < 1000 && strlen(text) < 1000);
}

/* --- the false broker ------------------------------------------------------------------------ */

static pp_handle *listener;
static struct bare broker;

static void open_world(uint8_t manner)
{
    static const size_t limits[] = { 0, 0, 3, 50 };
    const struct sim_script script = { .read_max = limits[manner & 3],
                                       .write_max = limits[manner >> 2 & 3],
                                       .capacity = manner & 0x10 ? 500 : 0 };
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_op accepted = PP_OP_INIT;
    pp_handle *pipe = NULL;

    sim_begin(&script);
    memset(ops, 0, sizeof ops);
    memset(answers, 0, sizeof answers);
    memset(subs, 0, sizeof subs);
    closed = false;
    used = 0;
    FUZZ_CHECK(pp_listen(&listener, "fuzz", NULL) == PP_OK);
    FUZZ_CHECK(pp_port_open(&port, NULL) == PP_OK);
    config.broker = "fuzz";
    config.name = "it";
    config.port = port;
    config.on_closed = on_closed;
    config.on_note = on_note;
    config.inbox_bytes = 1000;
    FUZZ_CHECK(pp_client_new(&client, &config) == PP_OK);
    FUZZ_CHECK(pp_op_use_wait(&accepted) == PP_OK);
    FUZZ_CHECK(pp_accept(listener, &accepted, &pipe) == PP_PENDING);
    expect(pp_client_connect(client, next_op()));
    FUZZ_CHECK(pp_op_wait(&accepted, -1) == 1 && accepted.status == PP_OK);
    bare_take(&broker, pipe);
    bare_turn(&broker);
}

static void use_client(void)
{
    pp_sub_config sub = PP_SUB_CONFIG_INIT, waiting = PP_SUB_CONFIG_INIT;
    pp_serve_config serve = PP_SERVE_CONFIG_INIT;

    sub.on_message = on_message;
    serve.on_call = on_call;
    serve.on_cancel = on_cancel;
    const msgpack_sbuffer params = { 1, (char *)(uintptr_t) "\x90", 1 };
    pp_publish_packed(client, "a", &params);
    expect(pp_subscribe(client, next_op(), "a.>", &sub, &subs[0]));
    expect(pp_subscribe(client, next_op(), "b.*", &waiting, &subs[1]));
    expect(pp_serve(client, next_op(), "c", &serve, &subs[2]));
    expect(pp_call(client, next_op(), "d", "\x90", 1, NULL, &answers[0]));
    expect(pp_call(client, next_op(), "$sys.x", "\x90", 1, NULL, &answers[1]));
    expect(pp_publish_confirmed(client, next_op(), "e", "\x91\x01", 2, &receipt));
    expect(pp_client_flush(client, next_op()));
    bare_turn(&broker);
}

/* Takes what waits for pp_next, and asks for more. */
static void receive(void)
{
    pp_message message;

    if (subs[1] == NULL || closed)
        return;
    while (pp_next(subs[1], &message) == 1)
        check_message(&message);
    if (ops[RECEIVE_OP].started == ops[RECEIVE_OP].ended) {
        FUZZ_CHECK(pp_op_use_call(&ops[RECEIVE_OP].op, on_end) == PP_OK);
        ops[RECEIVE_OP].started += pp_receive(subs[1], &ops[RECEIVE_OP].op) == PP_PENDING;
    }
}

static void end_things(uint8_t habits)
{
    for (int i = 0; i < 3 && (habits & UNSUBSCRIBES) && !closed; i++)
        if (subs[i] != NULL) {
            expect(pp_unsubscribe(subs[i], next_op()));
            subs[i] = NULL;
        }
    if (habits & CANCELS)
        pp_call_cancel(client, &ops[4].op);
}

/* What came as an answer is one value. */
static void check_answer(const pp_answer *answer)
{
    msgpack_unpacked unpacked;

    if (answer->data == NULL)
        return;
    msgpack_unpacked_init(&unpacked);
    FUZZ_CHECK(ppi_value_at(answer->data, answer->size).size == answer->size);
    FUZZ_CHECK(pp_answer_unpack(answer, &unpacked) == 1);
    msgpack_unpacked_destroy(&unpacked);
}

static void close_world(bool drain)
{
    bare_turn(&broker);
    bare_frames(&broker, NULL, 0, NULL);
    if (drain)
        pp_client_close(client);
    else
        pp_client_abort(client);
    bare_turn(&broker);
    sim_pass_ms(3000); /* the drain's time */
    bare_close(&broker);
    while (sim_step())
        ;
    for (int i = 0; i < OPS; i++)
        FUZZ_CHECK(ops[i].ended == ops[i].started);
    FUZZ_CHECK(pp_port_shutdown(port, PP_SHUT_FAST, 1000, NULL, NULL) == PP_OK);
    pp_port_close(port);
    pp_close(listener);
    for (int i = 0; i < 2; i++) {
        check_answer(&answers[i]);
        pp_answer_free(&answers[i]);
    }
    sim_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char hello[] = "\x94\x01\x01\xC0\x80";
    static const char good[] = "\x94\x01\x02\xC0\x01\x94\x01\x03\xC0\x02\x94\x01\x04\xC0\x03";
    uint8_t manner = fuzz_byte(&data, &size), habits = fuzz_byte(&data, &size);

    if (size > 16 * 1024)
        return 0;
    open_world(manner);
    if (habits & WELL_BEHAVED)
        bare_send(&broker, hello, sizeof hello - 1);
    use_client();
    if (habits & ANSWERS)
        bare_send(&broker, good, sizeof good - 1);
    for (size_t at = 0, step; at < size && !broker.ended; at += step) {
        step = habits & CHUNKED ? 1 + (at + habits) % 40 : size;
        step = step < size - at ? step : size - at;
        bare_send(&broker, data + at, step);
        bare_frames(&broker, NULL, 0, NULL);
        if (habits & RECEIVES)
            receive();
        if (at <= size / 2 && at + step > size / 2)
            end_things(habits);
    }
    close_world((habits & DRAINS) != 0);
    return 0;
}
