/* board.h: what the processes of one run share, and the rules by which messages are counted.
 *
 * The board lies in memory that the harness maps before it forks, so counting costs no system
 * call and no broker carries it. Every payload begins with its number on its channel; the
 * subscriber checks number and length of each message. A run is over when every connection has
 * got as many messages as its publisher says it has sent. */
#ifndef PEERS_BOARD_H
#define PEERS_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    CHANNELS_MAX = 4,     /* a channel is a publisher, its subject and its subscribers */
    CONNECTIONS_MAX = 64, /* that subscribe to one channel */
    LATENCIES_MAX = 1 << 20,
    REQUEST_BYTES = 64 /* of a request and of its reply */
};
#define NOT_KNOWN UINT64_MAX

/* What one connection has got; alone on its cache line. */
struct counter {
    _Alignas(64) atomic_uint_fast64_t count;
};

struct channel {
    _Alignas(64) atomic_uint_fast64_t total; /* messages in the end; NOT_KNOWN: it goes on */
    atomic_uint waits;                       /* the publisher waits until all have got wake_at */
    atomic_uint wakes;                       /* a futex */
    atomic_uint_fast64_t wake_at;
    uint64_t first_ns, last_ns;   /* when the first was sent, and the last has arrived */
    atomic_uint_fast64_t wrong;   /* out of order, or of another length */
    atomic_uint connections_done; /* have got all */
    struct counter received[CONNECTIONS_MAX];
};

struct board {
    /* Futexes: how many processes are ready; go; how many channels are done. */
    _Alignas(64) atomic_uint ready;
    atomic_uint go;
    atomic_uint done;

    /* The workload. */
    int channel_count, connections; /* connections of each channel */
    size_t size;                    /* of a payload */
    uint64_t duration_ns;           /* of sending */
    uint64_t window;                /* messages on their way at most; 0: no limit of ours */
    unsigned outstanding;           /* requests at once */

    struct channel channels[CHANNELS_MAX];

    /* Requests. */
    atomic_uint_fast64_t replies;
    uint64_t replies_first_ns, replies_last_ns;
    uint32_t latencies_ns[LATENCIES_MAX]; /* one outstanding only */
};

extern struct board *board;

uint64_t now_ns(void);
void sleep_ms(int milliseconds);

/* Waits, at most milliseconds, while *word is value. And lets all that wait go on. */
void futex_wait(atomic_uint *word, unsigned value, int milliseconds);
void futex_wake(atomic_uint *word);

/* A client process is connected, and subscribed: says so and waits for the start of the run. */
void client_ready(void);

/* --- subscribers ------------------------------------------------------------------------------ */

void got_enough(struct channel *channel);
void got_all(struct channel *channel);

/* A message has arrived. */
static inline void got(int channel_index, int connection, const void *payload, size_t size)
{
    struct channel *channel = &board->channels[channel_index];
    atomic_uint_fast64_t *count = &channel->received[connection].count;
    uint64_t expected = atomic_load_explicit(count, memory_order_relaxed), number;

    memcpy(&number, payload, sizeof number);
    if (number != expected || size != board->size)
        atomic_fetch_add_explicit(&channel->wrong, 1, memory_order_relaxed);
    atomic_store_explicit(count, expected + 1, memory_order_relaxed);
    if (atomic_load_explicit(&channel->waits, memory_order_relaxed) != 0 &&
        expected + 1 >= atomic_load_explicit(&channel->wake_at, memory_order_relaxed))
        got_enough(channel);
    if (expected + 1 == atomic_load_explicit(&channel->total, memory_order_relaxed))
        got_all(channel);
}

/* --- publishers ------------------------------------------------------------------------------- */

/* A publisher's loop: while (next_message(&sending, payload)) send payload. Zero, with the channel
 * set, is the beginning. */
struct sending {
    int channel;
    uint64_t sent;
    uint64_t limit;  /* up to here nothing need be looked at */
    uint64_t end_ns; /* 0: not begun */
    bool over;
    void (*flush)(void *context); /* sends what is gathered, before it waits; may be NULL */
    void *context;
};

bool look_around(struct sending *sending);

/* Numbers the next message; false: the time is over, and everything is flushed. */
static inline bool next_message(struct sending *sending, void *payload)
{
    if (sending->sent >= sending->limit && !look_around(sending))
        return false;
    memcpy(payload, &sending->sent, sizeof sending->sent);
    sending->sent++;
    return true;
}

/* --- requesters ------------------------------------------------------------------------------- */

struct requesting {
    uint64_t sent, received;
    uint64_t last_ns, end_ns;
};

void requests_begin(struct requesting *requesting);

/* Numbers the next request. */
static inline void next_request(struct requesting *requesting, void *payload)
{
    memcpy(payload, &requesting->sent, sizeof requesting->sent);
    requesting->sent++;
}

/* A reply has arrived, with its request's payload; false: the time is over, ask no more. */
bool got_reply(struct requesting *requesting, const void *payload, size_t size);

#endif
