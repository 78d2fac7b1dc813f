#include "e2e/storm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <panpipe/port.h>

#include "support/random.h"
#include "support/support.h"
#include "wire/envelope.h"

struct bus storm_bus;
atomic_bool storm_ending;
char storm_wrong[300];
static struct ppi_mutex wrong_lock = PPI_MUTEX_INIT;

void storm_complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    ppi_mutex_lock(&wrong_lock);
    if (storm_wrong[0] == '\0')
        vsnprintf(storm_wrong, sizeof storm_wrong, format, arguments);
    ppi_mutex_unlock(&wrong_lock);
    va_end(arguments);
    atomic_store(&storm_ending, true);
}

/* --- connections that block, with a limit ----------------------------------------------------- */

bool conn_open(struct conn *conn, const char *broker, uint64_t seed)
{
    pp_op op = PP_OP_INIT;

    memset(conn, 0, sizeof *conn);
    conn->seed = seed;
    conn->next_id = 1;
    msgpack_packer_init(&conn->packer, &conn->out, ppi_pack_write);
    pp_op_use_wait(&op);
    if (pp_dial(&conn->pipe, broker, NULL) != PP_OK || pp_connect(conn->pipe, &op) != PP_PENDING ||
        pp_op_wait(&op, STORM_STUCK_MS) != 1 || op.status != PP_OK) {
        storm_complain("cannot connect: %s", pp_strerror(op.status));
        return false;
    }
    return true;
}

void conn_close(struct conn *conn)
{
    pp_close(conn->pipe);
    if (conn->reading)
        pp_op_wait(&conn->read_op, -1);
    ppi_buf_deinit(&conn->in);
    ppi_buf_deinit(&conn->out);
}

bool conn_flush(struct conn *conn)
{
    pp_op op = PP_OP_INIT;

    if (ppi_buf_size(&conn->out) == 0)
        return true;
    pp_op_use_wait(&op);
    int result = pp_write(conn->pipe, &op, ppi_buf_data(&conn->out), ppi_buf_size(&conn->out));
    if (result != PP_PENDING)
        return false;
    if (pp_op_wait(&op, STORM_STUCK_MS) != 1) {
        storm_complain("a write of %lu bytes is stuck", (unsigned long)ppi_buf_size(&conn->out));
        pp_cancel(conn->pipe, &op);
        pp_op_wait(&op, -1);
    }
    ppi_buf_clear(&conn->out);
    return op.status == PP_OK;
}

const uint8_t *conn_receive(struct conn *conn, int timeout_ms, size_t *size)
{
    for (;;) {
        *size = ppi_buf_size(&conn->in) > 0
                    ? ppi_value_at(ppi_buf_data(&conn->in), ppi_buf_size(&conn->in)).size
                    : 0;
        if (*size > 0)
            return ppi_buf_data(&conn->in);
        if (conn->ended)
            return NULL;
        if (!conn->reading) {
            conn->read_op = (pp_op)PP_OP_INIT;
            pp_op_use_wait(&conn->read_op);
            if (pp_read(conn->pipe, &conn->read_op, conn->chunk, STORM_CHUNK) != PP_PENDING) {
                conn->ended = true;
                return NULL;
            }
            conn->reading = true;
        }
        if (pp_op_wait(&conn->read_op, timeout_ms) != 1)
            return NULL;
        conn->reading = false;
        conn->ended = conn->read_op.status != PP_OK;
        ppi_buf_append(&conn->in, conn->chunk, (size_t)conn->read_op.bytes);
    }
}

void conn_taken(struct conn *conn, size_t size)
{
    ppi_buf_consume(&conn->in, size);
}

uint32_t conn_below(struct conn *conn, uint32_t bound)
{
    return random_below(&conn->seed, bound);
}

/* --- messages --------------------------------------------------------------------------------- */

void conn_pack_text(struct conn *conn, const char *text)
{
    msgpack_pack_str_with_body(&conn->packer, text, strlen(text));
}

uint32_t conn_pack_call(struct conn *conn, const char *method, unsigned count)
{
    msgpack_pack_array(&conn->packer, 4);
    msgpack_pack_int(&conn->packer, PPI_CALL);
    msgpack_pack_uint32(&conn->packer, conn->next_id);
    conn_pack_text(conn, method);
    msgpack_pack_array(&conn->packer, count);
    return conn->next_id++;
}

void conn_pack_hello(struct conn *conn)
{
    conn_pack_call(conn, "$hello", 1);
    msgpack_pack_map(&conn->packer, 1);
    conn_pack_text(conn, "v");
    msgpack_pack_int(&conn->packer, 1);
}

void conn_pack_bytes(struct conn *conn, size_t size)
{
    static const char zeros[32 * 1024];

    msgpack_pack_bin_with_body(&conn->packer, zeros, size);
}

size_t conn_random_size(struct conn *conn)
{
    return conn_below(conn, 8) == 0 ? 4000 + conn_below(conn, 12000) : conn_below(conn, 300);
}

static void pack_number(struct conn *conn, const char *name, uint32_t number)
{
    conn_pack_text(conn, name);
    msgpack_pack_uint32(&conn->packer, number);
}

void conn_pack_patient(struct conn *conn, const char *subject)
{
    bool for_subs = conn_below(conn, 4) == 0;

    conn_pack_call(conn, for_subs ? "$wait" : "$call", for_subs ? 2 : 3);
    conn_pack_text(conn, subject);
    if (!for_subs) {
        msgpack_pack_array(&conn->packer, 1);
        conn_pack_bytes(conn, conn_random_size(conn));
    }
    msgpack_pack_map(&conn->packer, 2);
    pack_number(conn, for_subs ? "subs" : "wait", conn_below(conn, for_subs ? 4 : 60));
    pack_number(conn, "deadline", 1 + conn_below(conn, 100));
}

struct frame frame_parse(const uint8_t *data, size_t size)
{
    struct ppi_slice parts[4] = { { 0 } };
    int count = ppi_slices(data, size, parts, 4);
    struct frame frame = { .type = 99 };

    if (count < 3)
        return frame;
    frame.type = (uint32_t)ppi_value_at(parts[0].data, parts[0].size).number;
    if (frame.type != PPI_NOTIFICATION)
        frame.id = (uint32_t)ppi_value_at(parts[1].data, parts[1].size).number;
    int at = frame.type == PPI_NOTIFICATION ? 1 : 2;
    struct ppi_value subject = ppi_value_at(parts[at].data, parts[at].size);
    frame.subject = subject.text;
    frame.subject_length = subject.text_length;
    frame.params = frame.type == PPI_ANSWER ? parts[2] : parts[at + 1];
    return frame;
}

bool frame_is_about(const struct frame *frame, const char *subject)
{
    return frame->subject_length == strlen(subject) &&
           memcmp(frame->subject, subject, frame->subject_length) == 0;
}

const uint8_t *conn_answer(struct conn *conn, uint32_t id, size_t *size)
{
    const uint8_t *data;

    while ((data = conn_receive(conn, STORM_STUCK_MS, size)) != NULL) {
        struct frame frame = frame_parse(data, *size);

        if (frame.type == PPI_ANSWER && frame.id == id)
            return data;
        conn_taken(conn, *size);
    }
    return NULL;
}

bool conn_await(struct conn *conn, uint32_t id)
{
    size_t size;
    bool answered = conn_answer(conn, id, &size) != NULL;

    if (answered)
        conn_taken(conn, size);
    return answered;
}

/* --- the watcher ------------------------------------------------------------------------------ */

/* What the broker answers to a method without params; msgpack_unpacked_destroy frees it. */
static void ask(struct conn *conn, const char *method, msgpack_unpacked *result)
{
    size_t size;

    conn_pack_call(conn, method, 0);
    assert_true(conn_flush(conn));
    const uint8_t *data = conn_receive(conn, STORM_STUCK_MS, &size);
    assert_non_null(data);
    msgpack_unpacked_init(result);
    assert_int_equal(msgpack_unpack_next(result, (const char *)data, size, NULL),
                     MSGPACK_UNPACK_SUCCESS);
    conn_taken(conn, size);
    assert_int_equal(result->data.via.array.size, 4);
}

static uint64_t figure(const msgpack_object *map, const char *name)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];

        if (pair->key.via.str.size == strlen(name) &&
            memcmp(pair->key.via.str.ptr, name, strlen(name)) == 0)
            return pair->val.via.u64;
    }
    fail_msg("the broker does not tell %s", name);
    return 0;
}

uint64_t storm_stat(struct conn *conn, const char *name)
{
    msgpack_unpacked result;

    ask(conn, "$sys.stats", &result);
    uint64_t value = figure(&result.data.via.array.ptr[3], name);
    msgpack_unpacked_destroy(&result);
    return value;
}

void storm_check_figures(struct conn *conn)
{
    msgpack_unpacked result;

    ask(conn, "$sys.subs", &result);
    const msgpack_object *subs = &result.data.via.array.ptr[3];
    for (uint32_t i = 0; i < subs->via.array.size; i++) {
        const msgpack_object *sub = &subs->via.array.ptr[i];

        assert_int_equal(figure(sub, "accepted"), figure(sub, "delivered") + figure(sub, "lost") +
                                                      figure(sub, "merged") +
                                                      figure(sub, "queued"));
        assert_in_range(figure(sub, "in_flight"), 0, 1000000);
    }
    msgpack_unpacked_destroy(&result);
}

unsigned storm_setting(const char *name, unsigned usual)
{
    const char *given = ppi_environment(name);

    return given != NULL ? (unsigned)strtoul(given, NULL, 10) : usual;
}
