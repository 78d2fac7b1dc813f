#include "fuzz/world.h"

#include <string.h>

#include "fuzz/fuzz.h"
#include "sim/sim.h"
#include "wire/scan.h"

/* In the simulation waiting lets the others work; so nothing is waited for that may not come. */
static bool has_ended(pp_op *op)
{
    return pp_op_wait(op, 0) == 1;
}

static void begin(pp_op *op)
{
    memset(op, 0, sizeof *op);
    FUZZ_CHECK(pp_op_use_wait(op) == PP_OK);
}

void bare_take(struct bare *bare, pp_handle *accepted)
{
    memset(bare, 0, sizeof *bare);
    bare->pipe = accepted;
}

void bare_dial(struct bare *bare, const char *name)
{
    pp_handle *pipe;
    pp_op op;

    FUZZ_CHECK(pp_dial(&pipe, name, NULL) == PP_OK);
    begin(&op);
    FUZZ_CHECK(pp_connect(pipe, &op) == PP_PENDING);
    FUZZ_CHECK(pp_op_wait(&op, -1) == 1 && op.status == PP_OK);
    bare_take(bare, pipe);
    sim_pass_ms(0);
}

static bool read_once(struct bare *bare)
{
    if (bare->pipe == NULL || bare->deaf || bare->ended)
        return false;
    if (!bare->reading) {
        begin(&bare->read_op);
        bare->reading =
            pp_read(bare->pipe, &bare->read_op, bare->block, sizeof bare->block) == PP_PENDING;
        FUZZ_CHECK(bare->reading);
    }
    if (!has_ended(&bare->read_op))
        return false;
    bare->reading = false;
    bare->ended = bare->read_op.status != PP_OK;
    if (!bare->ended)
        FUZZ_CHECK(ppi_buf_append(&bare->in, bare->block, (size_t)bare->read_op.bytes) == PP_OK);
    return true;
}

static bool write_once(struct bare *bare)
{
    if (bare->pipe == NULL)
        return false;
    if (bare->writing) {
        if (!has_ended(&bare->write_op))
            return false;
        bare->writing = false;
        ppi_buf_clear(&bare->out[0]);
    }
    if (ppi_buf_size(&bare->out[1]) == 0)
        return false;
    struct ppi_buf next = bare->out[1];
    bare->out[1] = bare->out[0];
    bare->out[0] = next;
    begin(&bare->write_op);
    bare->writing = pp_write(bare->pipe, &bare->write_op, ppi_buf_data(&bare->out[0]),
                             ppi_buf_size(&bare->out[0])) == PP_PENDING;
    FUZZ_CHECK(bare->writing);
    return true;
}

void bare_turn(struct bare *bare)
{
    bool more = true;

    while (more) {
        sim_pass_ms(0);
        bool wrote = write_once(bare);
        more = read_once(bare) || wrote;
    }
}

void bare_send(struct bare *bare, const void *data, size_t size)
{
    FUZZ_CHECK(ppi_buf_append(&bare->out[1], data, size) == PP_OK);
    bare_turn(bare);
}

void bare_close(struct bare *bare)
{
    if (bare->pipe != NULL)
        pp_close(bare->pipe);
    if (bare->reading)
        FUZZ_CHECK(pp_op_wait(&bare->read_op, -1) == 1);
    if (bare->writing)
        FUZZ_CHECK(pp_op_wait(&bare->write_op, -1) == 1);
    ppi_buf_deinit(&bare->in);
    ppi_buf_deinit(&bare->out[0]);
    ppi_buf_deinit(&bare->out[1]);
    memset(bare, 0, sizeof *bare);
    sim_pass_ms(0);
}

int bare_frames(struct bare *bare, const void *ending, size_t size, bool *seen)
{
    _Alignas(16) uint8_t memory[PPI_SCANNER_BYTES];
    struct ppi_scanner *scanner = ppi_scanner_init(memory, PPI_FRAME_MAX);
    struct ppi_frame frame;
    enum ppi_scan verdict;
    int count = 0;

    while ((verdict = ppi_scan(scanner, ppi_buf_data(&bare->in), ppi_buf_size(&bare->in),
                               &frame)) == PPI_SCAN_FRAME) {
        if (ending != NULL && frame.size >= size &&
            memcmp(frame.data + frame.size - size, ending, size) == 0)
            *seen = true;
        ppi_buf_consume(&bare->in, frame.size);
        count++;
    }
    FUZZ_CHECK(verdict == PPI_SCAN_MORE || verdict == PPI_SCAN_ALIEN);
    if (verdict == PPI_SCAN_ALIEN) { /* one line for people, and the end of the connection */
        const uint8_t *text = ppi_buf_data(&bare->in);
        const uint8_t *newline = memchr(text, '\n', ppi_buf_size(&bare->in));

        FUZZ_CHECK(newline == NULL || newline + 1 == text + ppi_buf_size(&bare->in));
        for (size_t i = 0; i + 1 < ppi_buf_size(&bare->in); i++)
            FUZZ_CHECK(text[i] >= ' ' && text[i] < 0x7F);
        ppi_buf_clear(&bare->in);
    }
    return count;
}
