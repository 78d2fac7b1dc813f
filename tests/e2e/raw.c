/* raw.c: bare connections; see bus.h. */
#include "e2e/bus.h"

#include "sim/turns.h"
#include "support/support.h"
#include "support/text.h"

#include "wire/scan.h"

void raw_open(struct raw *raw, struct bus *bus)
{
    pp_op op = PP_OP_INIT;

    memset(raw, 0, sizeof *raw);
    raw->bus = bus;
    raw->fence = 4000000000u;
    assert_int_equal(pp_dial(&raw->pipe, bus->name, NULL), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_connect(raw->pipe, &op), PP_PENDING);
    assert_int_equal(wait_for(&op), PP_OK);
    if (bus_is_simulated() && !sim_has_turns)
        sim_pass_ms(0); /* lets the broker accept it */
}

void raw_close(struct raw *raw)
{
    pp_close(raw->pipe);
    ppi_buf_deinit(&raw->in);
    raw->pipe = NULL;
}

void say_bytes(struct raw *raw, const void *bytes, size_t size)
{
    pp_op op = PP_OP_INIT;

    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_write(raw->pipe, &op, bytes, size), PP_PENDING);
    assert_int_equal(wait_for(&op), PP_OK);
}

void say(struct raw *raw, const char *format, ...)
{
    struct ppi_buf buf = { 0 };
    char text[4096];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_pack(&buf, text);
    say_bytes(raw, ppi_buf_data(&buf), ppi_buf_size(&buf));
    ppi_buf_deinit(&buf);
}

bool raw_receive(struct raw *raw)
{
    pp_op op = PP_OP_INIT;
    uint8_t *room = ppi_buf_room(&raw->in, 64 * 1024);

    if (raw->ended)
        return false;
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_read(raw->pipe, &op, room, 64 * 1024), PP_PENDING);
    if (pp_op_wait(&op, TEST_PATIENCE_MS) != 1) {
        pp_cancel(raw->pipe, &op);
        pp_op_wait(&op, -1);
        fail_msg("nothing came");
    }
    raw->ended = op.status != PP_OK;
    ppi_buf_added(&raw->in, (size_t)op.bytes);
    return !raw->ended;
}

size_t raw_frame_size(const struct raw *raw)
{
    return ppi_buf_size(&raw->in) > 0
               ? ppi_value_at(ppi_buf_data(&raw->in), ppi_buf_size(&raw->in)).size
               : 0;
}

/* Waits for a whole message; how large it is. */
static size_t next_frame(struct raw *raw)
{
    size_t size;

    while ((size = raw_frame_size(raw)) == 0)
        if (!raw_receive(raw))
            fail_msg("the connection has ended");
    return size;
}

bool hears(struct raw *raw, const char *expected)
{
    size_t size = next_frame(raw);
    bool same = text_matches(expected, ppi_buf_data(&raw->in), size);

    ppi_buf_consume(&raw->in, size);
    return same;
}

void hear(struct raw *raw, const char *expected)
{
    assert_true(hears(raw, expected));
}

void hear_bytes(struct raw *raw, const void *bytes, size_t size)
{
    while (ppi_buf_size(&raw->in) < size)
        if (!raw_receive(raw))
            fail_msg("the connection has ended");
    assert_memory_equal(ppi_buf_data(&raw->in), bytes, size);
    ppi_buf_consume(&raw->in, size);
}

void hear_nothing(struct raw *raw)
{
    char answer[64];

    say(raw, "[0, %u, '$ping', []]", raw->fence);
    snprintf(answer, sizeof answer, "[1, %u, null, null]", raw->fence++);
    hear(raw, answer);
    assert_int_equal(ppi_buf_size(&raw->in), 0);
}

void skip_to_end(struct raw *raw)
{
    while (raw_receive(raw))
        ppi_buf_clear(&raw->in);
    ppi_buf_clear(&raw->in);
}

void hear_end(struct raw *raw)
{
    while (raw_receive(raw))
        ;
    assert_int_equal(ppi_buf_size(&raw->in), 0);
}
