#include "input.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <panpipe/sys.h>

#include "bytes.h"

enum state { IDLE, READING, CLOSED };

/* Blocks go round; the free ones wait on a port of their own, which is nothing but a queue here. */
static struct {
    pp_port *port, *free;
    pp_thread *thread;
    atomic_int state;
    struct input_block blocks[INPUT_BLOCKS];
    unsigned next;
} input;

static bool changes(int from, int to)
{
    return atomic_compare_exchange_strong(&input.state, &from, to);
}

static void read_blocks(void *argument)
{
    pp_packet packet;

    (void)argument;
    while (pp_port_get(input.free, &packet, -1) == 1) {
        struct input_block *block = PP_CONTAINER(packet.op, struct input_block, task.op);

        if (!changes(IDLE, READING))
            return;
        int64_t size = pp_stdin_read(block->data, INPUT_BLOCK_BYTES);
        if (!changes(READING, IDLE))
            return;
        block->size = size;
        if (size < 0)
            snprintf(block->detail, sizeof block->detail, "%s", pp_detail());
        pp_port_post(input.port, 0, 0, packet.op); /* it is not ours any more */
        if (size <= 0)
            return;
    }
}

static void set_free(struct input_block *block)
{
    pp_port_post(input.free, 0, 0, session_task(&block->task));
}

int input_open(struct session *session)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    config.concurrency = 1;
    input.port = session->port;
    int status = pp_port_open(&input.free, &config);
    if (status != PP_OK)
        return status;
    for (unsigned i = 0; i < INPUT_BLOCKS; i++) {
        char *memory = bytes_must(malloc(INPUT_HEADROOM + INPUT_BLOCK_BYTES));

        input.blocks[i].data = memory + INPUT_HEADROOM;
        set_free(&input.blocks[i]);
    }
    return pp_thread_start(&input.thread, read_blocks, NULL);
}

struct input_block *input_next(void)
{
    return &input.blocks[input.next];
}

void input_return(struct input_block *block)
{
    input.next = (input.next + 1) % INPUT_BLOCKS;
    set_free(block);
}

void input_close(void)
{
    if (input.thread == NULL || atomic_exchange(&input.state, CLOSED) == READING)
        return;
    pp_port_shutdown(input.free, PP_SHUT_FAST, -1, NULL, NULL);
    pp_thread_join(input.thread);
    pp_port_close(input.free);
    for (unsigned i = 0; i < INPUT_BLOCKS; i++)
        free(input.blocks[i].data - INPUT_HEADROOM);
}
