/* stress.h: the game of test_stress, which stress.c explains: its pieces, and who plays. */
#ifndef STRESS_H
#define STRESS_H

#include "support/support.h"

#include "io/timer.h"

enum {
    PLAYERS = 8,
    WORKERS = 4,
    CONCURRENCY = 2,
    THREADS = PLAYERS + WORKERS,
    UNITS = 48, /* operations of each thread */
    LISTENERS = 2,
    SLOTS = 24, /* handles; the first are listeners */
    ROOM = 4096,
    LARGE = 256 * 1024,
    ROUND_BITS = 16, /* a round has fewer operations than 2 to this */
    POOL = 4,
    DIAL_MS = 50,
    STUCK_MS = 60000
};

enum kind { ACCEPT, CONNECT, READ, POOLED, WRITE, GATHER, POST, TIMER };

/* A place for one operation at a time, of any kind but for timers. Its owner alone starts it; who
 * has its end sets it free. */
struct unit {
    struct ppi_timer timer; /* of the other kinds only its op is used */
    atomic_bool flying;
    bool is_timer;
    enum kind kind;
    uintptr_t key;
    size_t length;
    pp_handle *connection;
    pp_piece pieces[2];
    char room[ROOM];
};

/* A place for a handle. Who uses it pins it, so that no other may come into its place meanwhile. */
enum { EMPTY, TAKEN, OPEN };
struct slot {
    atomic_int state, pins;
    pp_handle *handle;
    uintptr_t key; /* no other handle ever had it */
};

struct thread {
    struct runner runner;
    uint64_t random;
    struct unit units[UNITS];
};

/* How operations ended. */
struct account {
    atomic_uint_fast64_t started, refused;
    atomic_uint_fast64_t packets, discarded, called, waited, done, ran, stopped;
};

struct game {
    pp_port *port;
    struct thread threads[THREADS]; /* players, then workers */
    struct slot slots[SLOTS];
    char paths[LISTENERS][PP_PATH_MAX];
    struct account account;
    atomic_uintptr_t keys;
    uint64_t seed, limit;
    struct ppi_mutex lock;
    struct ppi_cond reached; /* the limit was */
    atomic_bool over;
    bool single;
    char zeros[LARGE];
};
extern struct game game;

/* Says what is wrong, with the seed, and ends the process: threads may hang where the game has
 * failed, so nobody is waited for. unit may be NULL. */
_Noreturn void stress_fail(const char *what, const struct unit *unit, int64_t number);

/* A number's bits, well mixed. */
uint64_t stress_mix(uint64_t value);

/* Tells the units which of them are timers, and which call. */
void stress_prepare(void);

/* What a player does until game.over, and a worker until the port is shut down; the argument is its
 * struct thread. */
void stress_play(void *thread);
void stress_work(void *thread);

/* For pp_port_shutdown. */
void stress_discard(void *context, const pp_packet *packet);

/* Once the game is over: closes what is open. */
void stress_close_all(void);

#endif
