/* uv.c: the loads of ../drivers.c over libuv's uv_pipe_t, a loop at each end:
 *
 *   bars_uv ping COUNT [try]    64 bytes there and back: us, the median
 *   bars_uv stream COUNT [try]  writes of 64 KiB: us for each
 *
 * try: uv_try_write sends what fits, and only the rest is a uv_write. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "timing.h"

struct side {
    uv_loop_t loop;
    uv_pipe_t pipe;
    uv_write_t request;
    bool tries, pings, near;
    int count, done;
    double begin_us;
    double *times; /* near, of a ping */
    char buffer[BLOCK];
};

static void go_on(struct side *side);

static void on_written(uv_write_t *request, int status)
{
    struct side *side = request->handle->data;

    must(status == 0);
    if (side->near && !side->pings)
        go_on(side);
}

/* true: all of it went out at once; else on_written will be called. */
static bool sent(struct side *side, size_t size)
{
    uv_stream_t *stream = (uv_stream_t *)&side->pipe;
    uv_buf_t buffer = uv_buf_init(side->buffer, (unsigned)size);

    if (side->tries) {
        int taken = uv_try_write(stream, &buffer, 1);

        must(taken > 0 || taken == UV_EAGAIN);
        if (taken == (int)size)
            return true;
        if (taken > 0)
            buffer = uv_buf_init(side->buffer + taken, (unsigned)size - (unsigned)taken);
    }
    must(uv_write(&side->request, stream, &buffer, 1, on_written) == 0);
    return false;
}

/* The near end: the next message, or the end. */
static void go_on(struct side *side)
{
    if (side->pings && side->done < side->count) {
        side->begin_us = now_us();
        sent(side, PING);
        return;
    }
    while (side->done < side->count) {
        side->done++;
        if (!sent(side, BLOCK))
            return;
    }
    uv_close((uv_handle_t *)&side->pipe, NULL);
}

static void give_buffer(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    struct side *side = handle->data;

    (void)size;
    *buffer = uv_buf_init(side->buffer, BLOCK);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct side *side = stream->data;

    (void)buffer;
    if (size < 0) {
        must(size == UV_EOF);
        uv_close((uv_handle_t *)stream, NULL);
    } else if (side->near) {
        must(size == PING);
        side->times[side->done++] = now_us() - side->begin_us;
        go_on(side);
    } else if (side->pings) {
        sent(side, (size_t)size);
    }
}

static void side_open(struct side *side, int fd, bool pings, bool tries)
{
    side->pings = pings;
    side->tries = tries;
    must(uv_loop_init(&side->loop) == 0);
    must(uv_pipe_init(&side->loop, &side->pipe, 0) == 0);
    must(uv_pipe_open(&side->pipe, fd) == 0);
    side->pipe.data = side;
}

static void read_all(struct side *side)
{
    must(uv_read_start((uv_stream_t *)&side->pipe, give_buffer, on_read) == 0);
}

static void run(void *argument)
{
    struct side *side = argument;

    uv_run(&side->loop, UV_RUN_DEFAULT);
    uv_loop_close(&side->loop);
}

int main(int argc, char **argv)
{
    static struct side near, far;
    uv_thread_t thread;
    int ends[2];
    bool tries = argc > 3;

    must(argc > 2 && atoi(argv[2]) > 0);
    bool pings = strcmp(argv[1], "ping") == 0;
    near.near = true;
    near.count = atoi(argv[2]);
    near.times = calloc((size_t)near.count, sizeof *near.times);
    must(near.times != NULL);
    pair_open(ends);
    side_open(&near, ends[0], pings, tries);
    side_open(&far, ends[1], pings, tries);
    read_all(&far);
    must(uv_thread_create(&thread, run, &far) == 0);
    double begin_us = now_us();
    if (pings)
        read_all(&near);
    go_on(&near);
    run(&near);
    uv_thread_join(&thread);
    double each_us = (now_us() - begin_us) / near.count;
    printf("libuv %.3f\n", pings ? median(near.times, near.count) : each_us);
    free(near.times);
    return 0;
}
