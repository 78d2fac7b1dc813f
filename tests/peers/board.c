#define _GNU_SOURCE
#include "board.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct board *board;

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void sleep_ms(int milliseconds)
{
    struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000L };

    nanosleep(&time, NULL);
}

void futex_wait(atomic_uint *word, unsigned value, int milliseconds)
{
    struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000L };

    syscall(SYS_futex, word, FUTEX_WAIT, value, &time, NULL, 0);
}

void futex_wake(atomic_uint *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void client_ready(void)
{
    atomic_fetch_add(&board->ready, 1);
    futex_wake(&board->ready);
    while (atomic_load(&board->go) == 0)
        futex_wait(&board->go, 0, 1000);
}

/* --- subscribers ------------------------------------------------------------------------------ */

static uint64_t least_received(const struct channel *channel)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < board->connections; i++) {
        uint64_t count = atomic_load_explicit(&channel->received[i].count, memory_order_relaxed);

        least = count < least ? count : least;
    }
    return least;
}

void got_enough(struct channel *channel)
{
    if (least_received(channel) < atomic_load(&channel->wake_at))
        return;
    atomic_store(&channel->waits, 0);
    atomic_fetch_add(&channel->wakes, 1);
    futex_wake(&channel->wakes);
}

void got_all(struct channel *channel)
{
    if (atomic_fetch_add(&channel->connections_done, 1) + 1 != (unsigned)board->connections)
        return;
    channel->last_ns = now_ns();
    atomic_fetch_add(&board->done, 1);
    futex_wake(&board->done);
}

/* --- publishers ------------------------------------------------------------------------------- */

/* Waits until half of the window is free; how many have arrived everywhere. */
static uint64_t wait_for_window(struct sending *sending, struct channel *channel)
{
    uint64_t target = sending->sent - board->window / 2, least;

    if (sending->flush != NULL)
        sending->flush(sending->context);
    for (;;) {
        unsigned wakes = atomic_load(&channel->wakes);

        atomic_store(&channel->wake_at, target);
        atomic_store(&channel->waits, 1);
        least = least_received(channel);
        if (least >= target)
            break;
        futex_wait(&channel->wakes, wakes, 1);
    }
    atomic_store(&channel->waits, 0);
    return least;
}

/* Messages between two looks at the clock. */
static uint64_t stride(void)
{
    return board->size >= 65536 ? 1 : board->size >= 8192 ? 8 : 128;
}

/* The clock, and the window. */
bool look_around(struct sending *sending)
{
    struct channel *channel = &board->channels[sending->channel];
    uint64_t now = now_ns();

    if (sending->over) {
        if (sending->flush != NULL)
            sending->flush(sending->context);
        return false;
    }
    if (sending->end_ns == 0) {
        channel->first_ns = now;
        sending->end_ns = now + board->duration_ns;
    }
    if (now >= sending->end_ns) { /* one more, so that who counts cannot have passed it */
        sending->over = true;
        sending->limit = sending->sent + 1;
        atomic_store(&channel->total, sending->limit);
        return true;
    }
    sending->limit = sending->sent + stride();
    if (board->window == 0)
        return true;
    uint64_t least = least_received(channel);
    if (sending->sent - least >= board->window)
        least = wait_for_window(sending, channel);
    if (sending->limit > least + board->window)
        sending->limit = least + board->window;
    return true;
}

/* --- requesters ------------------------------------------------------------------------------- */

void requests_begin(struct requesting *requesting)
{
    uint64_t now = now_ns();

    board->replies_first_ns = now;
    *requesting = (struct requesting){ .last_ns = now, .end_ns = now + board->duration_ns };
}

bool got_reply(struct requesting *requesting, const void *payload, size_t size)
{
    uint64_t now = now_ns(), number = NOT_KNOWN;

    if (size == REQUEST_BYTES)
        memcpy(&number, payload, sizeof number);
    if (number != requesting->received)
        atomic_fetch_add(&board->channels[0].wrong, 1);
    if (board->outstanding == 1 && requesting->received < LATENCIES_MAX)
        board->latencies_ns[requesting->received] = (uint32_t)(now - requesting->last_ns);
    requesting->last_ns = now;
    atomic_store_explicit(&board->replies, ++requesting->received, memory_order_relaxed);
    if (now < requesting->end_ns)
        return true;
    board->replies_last_ns = now;
    atomic_fetch_add(&board->done, 1);
    futex_wake(&board->done);
    return false;
}
