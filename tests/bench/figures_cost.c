/* figures_cost WHAT ROUNDS: a flow through the broker, for bench/figures_cost.py, which counts the
 * instructions. The broker's pipes are simulated, so each run is the same; at their other ends are
 * bare bytes, and no client that would run the same code.
 *
 * WHAT is stream (100 messages a round, in one write), single (one) or call (one, and its
 * answer). */
#include "sim/sim.h"

#include <panpipe/pipe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/compiler.h"
#include "broker.h"

enum { PARAMS_BYTES = 128, BURST = 100, ROOM = 64 * 1024 };

static pp_port *port;

/* --- the other ends -------------------------------------------------------------------------- */

static pp_handle *end_open(void)
{
    pp_handle *pipe;
    pp_op op = PP_OP_INIT;

    ppi_check(pp_dial(&pipe, "cost", NULL) == PP_OK && pp_op_use_wait(&op) == PP_OK);
    ppi_check(pp_connect(pipe, &op) == PP_PENDING && pp_op_wait(&op, -1) == 1);
    ppi_check(op.status == PP_OK);
    sim_pass_ms(0);
    return pipe;
}

static void end_write(pp_handle *pipe, const void *data, size_t size)
{
    pp_op op = PP_OP_INIT;

    ppi_check(pp_op_use_wait(&op) == PP_OK);
    ppi_check(pp_write(pipe, &op, data, size) == PP_PENDING && pp_op_wait(&op, -1) == 1);
    sim_pass_ms(0);
}

/* Reads exactly so much. */
static void end_read(pp_handle *pipe, size_t size)
{
    static uint8_t bytes[ROOM];

    while (size > 0) {
        pp_op op = PP_OP_INIT;

        ppi_check(pp_op_use_wait(&op) == PP_OK);
        ppi_check(pp_read(pipe, &op, bytes, size < ROOM ? size : ROOM) == PP_PENDING);
        ppi_check(pp_op_wait(&op, -1) == 1 && op.status == PP_OK);
        size -= (size_t)op.bytes;
    }
}

#define SAY(pipe, literal) end_write(pipe, literal, sizeof literal - 1)

/* --- the flows ------------------------------------------------------------------------------- */

static void publish(pp_handle *from, pp_handle *to, unsigned messages, unsigned long rounds)
{
    static const uint8_t head[] = { 0x93, 2, 0xA4, 'u', 'i', '.', 'a', 0x91, 0xC4, PARAMS_BYTES };
    struct ppi_buf burst = { 0 };
    uint8_t filling[PARAMS_BYTES] = { 0 };

    SAY(to, "\x94\x00\x01\xA4$sub\x91\xA4ui.a");
    end_read(to, 5); /* [1, 1, nil, 1] */
    for (unsigned i = 0; i < messages; i++) {
        ppi_check(ppi_buf_append(&burst, head, sizeof head) == PP_OK);
        ppi_check(ppi_buf_append(&burst, filling, sizeof filling) == PP_OK);
    }
    for (unsigned long i = 0; i < rounds; i++) {
        end_write(from, ppi_buf_data(&burst), ppi_buf_size(&burst));
        end_read(to, ppi_buf_size(&burst));
    }
    ppi_buf_deinit(&burst);
}

static void call(pp_handle *caller, pp_handle *server, unsigned long rounds)
{
    SAY(server, "\x94\x00\x01\xA6$serve\x91\xA3sum");
    end_read(server, 5);
    for (unsigned long id = 1; id <= rounds; id++) { /* the broker's, as it gives them */
        const uint8_t answer[] = {
            0x94,        1,    0xCE, (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8),
            (uint8_t)id, 0xC0, 7
        };

        SAY(caller, "\x94\x00\x01\xA3sum\x92\x03\x04");
        end_read(server, 9 + (id < 128 ? 1 : id < 256 ? 2 : id < 65536 ? 3 : 5));
        end_write(server, answer, sizeof answer);
        end_read(caller, 5); /* [1, 1, nil, 7] */
    }
}

/* --- the world around them ------------------------------------------------------------------- */

static void on_stopped(void *context, pp_broker *broker)
{
    (void)broker;
    *(bool *)context = true;
}

int main(int argc, char **argv)
{
    static const struct sim_script script = { 0 };
    bool stopped = false;
    const struct broker_events events = { &stopped, NULL, on_stopped };
    struct settings settings;
    struct broker *broker;

    if (argc != 3)
        return 2;
    unsigned long rounds = strtoul(argv[2], NULL, 10);
    ppi_check_set_hook(ppi_check_abort);
    sim_begin(&script);
    settings_defaults(&settings);
    snprintf(settings.name, sizeof settings.name, "cost");
    ppi_check(pp_port_open(&port, NULL) == PP_OK);
    ppi_check(broker_open(&broker, &settings, port, &events) == PP_OK);
    pp_handle *first = end_open(), *second = end_open();
    if (strcmp(argv[1], "call") == 0)
        call(first, second, rounds);
    else
        publish(first, second, strcmp(argv[1], "stream") == 0 ? BURST : 1, rounds);
    pp_close(first);
    pp_close(second);
    broker_stop(broker);
    while (!stopped && sim_step())
        ;
    ppi_check(pp_port_shutdown(port, PP_SHUT_FAST, 1000, NULL, NULL) == PP_OK);
    broker_close(broker);
    pp_port_close(port);
    sim_end();
    return 0;
}
