/* stress_play.c: what players and workers of test_stress do. */
#include "io/stress.h"

static const char *const kind_names[] = { "accept", "connect", "read", "pooled read",
                                          "write",  "gather",  "post", "timer" };

struct game game;

_Noreturn void stress_fail(const char *what, const struct unit *unit, int64_t number)
{
    printf("not ok 1 - %s: %s, %lld\n# seed %llu, after %llu operations of the round\n", what,
           unit != NULL ? kind_names[unit->kind] : "-", (long long)number,
           (unsigned long long)game.seed, (unsigned long long)game.account.started);
    if (unit != NULL)
        printf("# status %d, os_error %d, bytes %llu, length %zu\n", unit->timer.op.status,
               unit->timer.op.os_error, (unsigned long long)unit->timer.op.bytes, unit->length);
    fflush(stdout);
    _Exit(1);
}

/* --- chance ----------------------------------------------------------------------------------- */

uint64_t stress_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

/* A number below bound. */
static unsigned draw(struct thread *thread, unsigned bound)
{
    thread->random += 0x9e3779b97f4a7c15u;
    return (unsigned)(stress_mix(thread->random) % bound);
}

/* --- slots ------------------------------------------------------------------------------------ */

static bool is_listener(const struct slot *slot)
{
    return slot < &game.slots[LISTENERS];
}

static bool become(struct slot *slot, int from, int to)
{
    return atomic_compare_exchange_strong(&slot->state, &from, to);
}

static bool pin(struct slot *slot)
{
    slot->pins++;
    if (slot->state == OPEN)
        return true;
    slot->pins--;
    return false;
}

static void wait_until_unpinned(struct slot *slot)
{
    while (slot->pins > 0)
        ppi_yield();
}

/* The slot was taken by the caller. */
static bool fill(struct slot *slot, pp_handle *handle)
{
    slot->key = ++game.keys;
    if (slot->key % 2 == 0 && pp_set_skip(handle) != PP_OK)
        stress_fail("pp_set_skip", NULL, 0);
    int status = pp_port_attach(game.port, handle, slot->key);
    if (status != PP_OK && status != PP_ECLOSED)
        stress_fail("pp_port_attach", NULL, status);
    slot->handle = status == PP_OK ? handle : NULL;
    if (status != PP_OK)
        pp_close(handle);
    slot->state = status == PP_OK ? OPEN : EMPTY;
    return status == PP_OK;
}

static void place(pp_handle *connection)
{
    for (int i = LISTENERS; i < SLOTS; i++) {
        if (!become(&game.slots[i], EMPTY, TAKEN))
            continue;
        fill(&game.slots[i], connection);
        return;
    }
    pp_close(connection);
}

/* Closes while others use the handle: an operation that is not waited for yet keeps it there. */
static void close_slot(struct slot *slot)
{
    pp_op keeper = PP_OP_INIT;
    pp_handle *connection = NULL;
    char byte;

    if (!become(slot, OPEN, TAKEN))
        return;
    if (pp_op_use_wait(&keeper) != PP_OK)
        stress_fail("pp_op_use_wait", NULL, 0);
    bool kept = (is_listener(slot) ? pp_accept(slot->handle, &keeper, &connection)
                                   : pp_read(slot->handle, &keeper, &byte, 1)) == PP_PENDING;
    if (!kept)
        wait_until_unpinned(slot);
    if (pp_close(slot->handle) != PP_OK)
        stress_fail("pp_close", NULL, 0);
    wait_until_unpinned(slot);
    if (kept && pp_op_wait(&keeper, -1) != 1)
        stress_fail("pp_op_wait", NULL, 0);
    if (kept && keeper.status == PP_OK)
        pp_close(connection);
    slot->handle = NULL;
    slot->state = EMPTY;
}

/* --- the ends of operations ------------------------------------------------------------------- */

static bool expected(enum kind kind, int status)
{
    switch (status) {
    case PP_OK: return true;
    case PP_ECANCELED: return kind != POST;
    case PP_EPEERCLOSED: return kind >= READ && kind <= GATHER;
    case PP_ENOSERVER:
    case PP_EBUSY: return kind == CONNECT;
    default: return false;
    }
}

static void check_result(const struct unit *unit)
{
    const pp_op *op = &unit->timer.op;

    if (!expected(unit->kind, op->status))
        stress_fail("an unexpected end", unit, op->status);
    if (op->status != PP_OK)
        return;
    if ((unit->kind == READ || unit->kind == POOLED) &&
        (op->bytes == 0 || op->bytes > unit->length))
        stress_fail("a read of a wrong length", unit, (int64_t)op->bytes);
    if ((unit->kind == WRITE || unit->kind == GATHER) && op->bytes != unit->length)
        stress_fail("a write of a wrong length", unit, (int64_t)op->bytes);
}

static void set_free(struct unit *unit, atomic_uint_fast64_t *account)
{
    if (!atomic_exchange(&unit->flying, false))
        stress_fail("an end too many", unit, 0);
    ++*account;
}

static void settle(struct unit *unit, atomic_uint_fast64_t *account)
{
    bool well = unit->timer.op.status == PP_OK;
    pp_handle *connection = well && unit->kind == ACCEPT ? unit->connection : NULL;
    void *buffer = well && unit->kind == POOLED ? unit->timer.op.buffer : NULL;

    check_result(unit);
    set_free(unit, account); /* from here on it may fly again */
    if (connection != NULL)
        place(connection);
    pp_buffer_release(buffer);
}

static struct unit *unit_of(pp_op *op)
{
    return PP_CONTAINER(op, struct unit, timer.op);
}

static void on_call(pp_op *op)
{
    settle(unit_of(op), &game.account.called);
}

static void on_timer(pp_op *op)
{
    settle(unit_of(op), &game.account.ran);
}

static void check_packet(const pp_packet *packet)
{
    const char *at = (const char *)packet->op, *first = (const char *)game.threads;

    if (at < first || at >= first + sizeof game.threads)
        stress_fail("a packet of no operation", NULL, (int64_t)packet->key);
    const struct unit *unit = unit_of(packet->op);
    if (!unit->flying)
        stress_fail("a packet too many", unit, packet->status);
    if (packet->key != unit->key)
        stress_fail("a packet with another's key", unit, (int64_t)packet->key);
    if (unit->kind == POST && packet->bytes != unit->length)
        stress_fail("a post with other bytes", unit, (int64_t)packet->bytes);
}

void stress_discard(void *context, const pp_packet *packet)
{
    (void)context;
    check_packet(packet);
    settle(unit_of(packet->op), &game.account.discarded);
}

/* --- starting --------------------------------------------------------------------------------- */

static int start(struct thread *thread, struct unit *unit, pp_handle *handle)
{
    pp_op *op = &unit->timer.op;

    switch (unit->kind) {
    case ACCEPT: return pp_accept(handle, op, &unit->connection);
    case CONNECT: return pp_connect(handle, op);
    case READ: return pp_read(handle, op, unit->room, unit->length);
    case POOLED: return pp_read_pooled(handle, op, unit->length);
    case WRITE: return pp_write(handle, op, game.zeros, unit->length);
    case GATHER:
        unit->pieces[0] = (pp_piece){ game.zeros, 1 };
        unit->pieces[1] = (pp_piece){ game.zeros, unit->length - 1 };
        return pp_write_gather(handle, op, unit->pieces, 2);
    case POST: return pp_port_post(game.port, unit->key, unit->length, op);
    case TIMER:
        return ppi_timer_start(&unit->timer, game.port,
                               ppi_timer_now_ns(game.port) + draw(thread, 2 * PPI_NS_PER_MS));
    }
    return PP_EINVAL;
}

static void count_start(void)
{
    if (++game.account.started != game.limit)
        return;
    ppi_mutex_lock(&game.lock);
    ppi_cond_signal(&game.reached);
    ppi_mutex_unlock(&game.lock);
}

static void launch(struct thread *thread, struct unit *unit, enum kind kind, struct slot *slot)
{
    bool large = kind == WRITE && draw(thread, 100) == 0;

    unit->kind = kind;
    unit->key = slot != NULL ? slot->key : thread->random;
    unit->length = large ? LARGE : 2 + draw(thread, draw(thread, 8) == 0 ? ROOM - 2 : 64);
    unit->flying = true;
    int result = start(thread, unit, slot != NULL ? slot->handle : NULL);
    if (result == PP_ECLOSED || result == PP_ESTATE) {
        set_free(unit, &game.account.refused);
        return;
    }
    if (result < 0)
        stress_fail("an unexpected refusal", unit, result);
    if (result == PP_DONE)
        settle(unit, &game.account.done);
    count_start();
}

static struct unit *idle_unit(struct thread *thread)
{
    for (int tries = 0; tries < 4; tries++) {
        struct unit *unit = &thread->units[draw(thread, UNITS)];

        if (!unit->flying)
            return unit;
    }
    return NULL;
}

static enum kind kind_for(struct thread *thread, const struct slot *slot)
{
    static const enum kind kinds[] = { READ, READ, READ, POOLED, WRITE, WRITE, WRITE, GATHER };

    if (is_listener(slot))
        return ACCEPT;
    return draw(thread, 50) == 0 ? CONNECT : kinds[draw(thread, PPI_COUNT(kinds))];
}

/* Starts one operation, if one is idle. */
static void start_any(struct thread *thread)
{
    struct unit *unit = idle_unit(thread);
    struct slot *slot = &game.slots[draw(thread, SLOTS)];

    if (unit == NULL) {
        ppi_yield();
    } else if (unit->is_timer || draw(thread, 8) == 0) {
        launch(thread, unit, unit->is_timer ? TIMER : POST, NULL);
    } else if (pin(slot)) {
        launch(thread, unit, kind_for(thread, slot), slot);
        slot->pins--;
    }
}

static void open_slot(struct thread *thread, struct slot *slot)
{
    pp_dial_config config = PP_DIAL_CONFIG_INIT;
    pp_handle *handle;

    if (!become(slot, EMPTY, TAKEN))
        return;
    config.timeout_ms = DIAL_MS;
    int status = is_listener(slot) ? pp_listen(&handle, game.paths[slot - game.slots], NULL)
                                   : pp_dial(&handle, game.paths[draw(thread, LISTENERS)], &config);
    if (status == PP_EINUSE) { /* the system still has the one before */
        slot->state = EMPTY;
        return;
    }
    if (status != PP_OK)
        stress_fail("a handle cannot be opened", NULL, status);
    if (!fill(slot, handle))
        return;
    struct unit *unit = idle_unit(thread);
    if (unit == NULL || unit->is_timer || !pin(slot))
        return;
    launch(thread, unit, is_listener(slot) ? ACCEPT : CONNECT, slot);
    slot->pins--;
}

/* --- disturbing ------------------------------------------------------------------------------- */

static struct unit *any_unit(struct thread *thread)
{
    return &game.threads[draw(thread, THREADS)].units[draw(thread, UNITS)];
}

static void cancel_any(struct thread *thread, struct slot *slot, bool all)
{
    int status = pp_cancel(slot->handle, all ? NULL : &any_unit(thread)->timer.op);

    if (status != PP_OK && status != PP_ENOTFOUND)
        stress_fail("pp_cancel", NULL, status);
}

static void stop_any(struct thread *thread)
{
    struct unit *unit = any_unit(thread);

    if (unit->is_timer && ppi_timer_stop(&unit->timer, game.port))
        set_free(unit, &game.account.stopped);
}

/* A read that is waited for, not for long. */
static void read_and_wait(struct thread *thread, struct slot *slot)
{
    struct unit *unit = idle_unit(thread);
    pp_op op = PP_OP_INIT;
    char byte;

    if (unit == NULL || is_listener(slot) || pp_op_use_wait(&op) != PP_OK ||
        pp_read(slot->handle, &op, &byte, 1) != PP_PENDING)
        return;
    count_start();
    int ended = pp_op_wait(&op, (int)draw(thread, 2));
    if (ended == 0) {
        pp_cancel(slot->handle, &op);
        ended = pp_op_wait(&op, -1);
    }
    if (ended != 1 || !expected(READ, op.status))
        stress_fail("a waited read", NULL, ended == 1 ? op.status : ended);
    game.account.waited++;
}

static void disturb(struct thread *thread)
{
    struct slot *slot = &game.slots[draw(thread, SLOTS)];
    unsigned what = draw(thread, 64);

    if (what == 0 && (!is_listener(slot) || draw(thread, 8) == 0)) {
        close_slot(slot);
        return;
    }
    if (!pin(slot)) {
        open_slot(thread, slot);
        return;
    }
    if (what == 1 && !is_listener(slot))
        pp_abort(slot->handle);
    else if (what < 6)
        read_and_wait(thread, slot);
    else if (what < 20)
        stop_any(thread);
    else
        cancel_any(thread, slot, what < 24);
    slot->pins--;
}

/* --- threads ---------------------------------------------------------------------------------- */

void stress_play(void *argument)
{
    struct thread *thread = argument;

    while (!game.over) {
        if (draw(thread, 6) == 0)
            disturb(thread);
        else
            start_any(thread);
    }
}

void stress_work(void *argument)
{
    struct thread *thread = argument;
    pp_packet packets[8];
    int got;

    while ((got = pp_port_get_many(game.port, packets, 1 + (int)draw(thread, PPI_COUNT(packets)),
                                   (int)draw(thread, 3) - 1)) >= 0) {
        unsigned what = draw(thread, 64);

        for (int i = 0; i < got; i++) {
            check_packet(&packets[i]);
            settle(unit_of(packets[i].op), &game.account.packets);
            if (draw(thread, 4) == 0)
                start_any(thread);
        }
        if (what == 0)
            pp_thread_detach();
        if (what > 4)
            continue;
        pp_blocking_begin();
        ppi_yield();
        pp_blocking_end();
    }
    if (got != PP_ECLOSED)
        stress_fail("pp_port_get_many", NULL, got);
}

void stress_prepare(void)
{
    for (int i = 0; i < THREADS * UNITS; i++) {
        struct unit *unit = &game.threads[i / UNITS].units[i % UNITS];

        unit->is_timer = i % 8 == 0;
        if (unit->is_timer)
            unit->timer.op.priv_.handler = on_timer;
        else if (i % 8 == 1 && pp_op_use_call(&unit->timer.op, on_call) != PP_OK)
            stress_fail("pp_op_use_call", unit, 0);
    }
}

void stress_close_all(void)
{
    for (int i = 0; i < SLOTS; i++)
        close_slot(&game.slots[i]);
}
