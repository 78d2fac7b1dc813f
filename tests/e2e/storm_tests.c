/* storm_tests.c: many clients at once do everything at random, and what must hold all the same.
 *
 *   publishers   number their messages; a life ends with $bye, or without a word
 *   readers      stay all the time, and check: of each life everything, in order; of those that
 *                said $bye all of it
 *   callers      check that every request has exactly one answer
 *   servers      answer, answer late, twice or never, and go
 *   passers-by   subscribe, unsubscribe, read or do not, leave in good order, break the protocol
 *   operators    tap, are told of events, read or do not, and kick clients made for that
 *   the watcher  asks the broker, and checks that its figures add up; at the end, that nothing of
 *                all this is left
 *
 * STORM_MS is how long it goes on, STORM_SEED what it does. */
#include "e2e/storm.h"
#include "e2e/wire.h"
#include "support/support.h"

enum { READERS = 2, PUBLISHERS = 3, CALLERS = 2, SERVERS = 2, PASSERS = 3, OPERATORS = 2 };
enum { LIVES_MAX = 20000, USUAL_MS = 2000 };

static atomic_bool readers_end; /* all that was published before is in the readers' queues */
static atomic_uint life_count;
static atomic_uint said_bye[LIVES_MAX]; /* how many messages it had published, plus one */

/* --- publishers and readers ------------------------------------------------------------------- */

static void pack_numbered(struct conn *conn, unsigned life, unsigned number)
{
    char subject[16];

    snprintf(subject, sizeof subject, "s.%u", conn_below(conn, 4));
    bool confirmed = conn_below(conn, 50) == 0;
    if (confirmed) {
        conn_pack_call(conn, "$pub", 2);
    } else {
        msgpack_pack_array(&conn->packer, 3);
        msgpack_pack_int(&conn->packer, PPI_NOTIFICATION);
    }
    conn_pack_text(conn, subject);
    msgpack_pack_array(&conn->packer, 3);
    msgpack_pack_uint32(&conn->packer, life);
    msgpack_pack_uint32(&conn->packer, number);
    conn_pack_bytes(conn, conn_random_size(conn));
}

static void publisher_life(struct conn *conn)
{
    unsigned life = atomic_fetch_add(&life_count, 1), number = 0;
    unsigned count = 1 + conn_below(conn, 3000);
    bool good = true;

    if (life >= LIVES_MAX)
        return;
    while (good && number < count && !atomic_load(&storm_ending)) {
        size_t batch = 1 + conn_below(conn, 60000);

        while (number < count && ppi_buf_size(&conn->out) < batch)
            pack_numbered(conn, life, number++);
        good = conn_flush(conn);
    }
    if (!good)
        storm_complain("a publisher was cut");
    if (conn_below(conn, 3) == 0)
        return; /* without a word: what is still on its way may come, in order */
    uint32_t id = conn_pack_call(conn, "$bye", 0);
    if (!conn_flush(conn) || !conn_await(conn, id))
        storm_complain("$bye was not answered");
    else
        atomic_store(&said_bye[life], number + 1);
}

/* Per reader, how many messages of each life have come. */
struct reader {
    bool rich;
    unsigned next[LIVES_MAX];
};

static void check_message(struct reader *reader, const struct frame *frame)
{
    struct ppi_slice params[3], numbers[3];
    struct ppi_slice body = frame->params;

    if (reader->rich) {
        if (!frame_is_about(frame, "$msg"))
            return;
        if (ppi_slices(body.data, body.size, params, 3) != 3)
            storm_complain("a $msg has not three params");
        body = params[2];
    }
    if (ppi_slices(body.data, body.size, numbers, 3) != 3) {
        storm_complain("a message has not come as it was sent");
        return;
    }
    uint64_t life = ppi_value_at(numbers[0].data, numbers[0].size).number;
    uint64_t number = ppi_value_at(numbers[1].data, numbers[1].size).number;
    if (life >= LIVES_MAX || number != reader->next[life])
        storm_complain("of life %u came %u, not %u", (unsigned)life, (unsigned)number,
                       life < LIVES_MAX ? reader->next[life] : 0);
    else
        reader->next[life]++;
}

static void reader_life(struct conn *conn, struct reader *reader)
{
    const uint8_t *data;
    size_t size;
    uint32_t fence = 0;
    bool over = false;

    while (!over) {
        data = conn_receive(conn, 50, &size);
        if (data == NULL && conn->ended) {
            storm_complain("a reader was cut");
            return;
        }
        if (data != NULL) {
            struct frame frame = frame_parse(data, size);

            if (frame.type == PPI_NOTIFICATION)
                check_message(reader, &frame);
            over = frame.type == PPI_ANSWER && fence != 0 && frame.id == fence;
            conn_taken(conn, size);
        }
        if (fence == 0 && atomic_load(&readers_end)) {
            fence = conn_pack_call(conn, "$ping", 0);
            conn_flush(conn);
        }
    }
    for (unsigned life = 0; life < LIVES_MAX && storm_wrong[0] == '\0'; life++) {
        unsigned count = atomic_load(&said_bye[life]);

        if (count != 0 && reader->next[life] != count - 1)
            storm_complain("of life %u, which said $bye, came %u of %u", life, reader->next[life],
                           count - 1);
    }
}

/* --- callers and servers ---------------------------------------------------------------------- */

enum { CALLS = 400 };

struct answers {
    uint8_t seen[CALLS * 2 + 2];
    unsigned open;
};

static void note_answer(const struct conn *conn, struct answers *answers, uint32_t id)
{
    if (id >= conn->next_id || answers->seen[id] != 0)
        storm_complain(id >= conn->next_id ? "an answer to call %u, which was not made"
                                           : "two answers to call %u",
                       id);
    else
        answers->open--;
    if (id < sizeof answers->seen)
        answers->seen[id] = 1;
}

/* Takes the answers that are there; waits for one if none is. false: none came in time. */
static bool take_answers(struct conn *conn, struct answers *answers, int timeout_ms)
{
    const uint8_t *data;
    size_t size;
    bool any = false;

    while ((data = conn_receive(conn, any ? 0 : timeout_ms, &size)) != NULL) {
        struct frame frame = frame_parse(data, size);

        any = true;
        if (frame.type == PPI_ANSWER)
            note_answer(conn, answers, frame.id);
        conn_taken(conn, size);
    }
    return any;
}

static void make_call(struct conn *conn, struct answers *answers)
{
    char subject[16];

    snprintf(subject, sizeof subject, "q.%u", conn_below(conn, 3));
    if (conn_below(conn, 2) == 0) {
        conn_pack_call(conn, subject, 1);
        conn_pack_bytes(conn, conn_random_size(conn));
    } else {
        conn_pack_patient(conn, subject);
    }
    answers->open++;
    if (conn_below(conn, 5) > 0)
        return;
    uint32_t id =
        conn->next_id - 1 - conn_below(conn, conn->next_id - 1 < 10 ? conn->next_id - 1 : 10);
    conn_pack_call(conn, "$cancel", 1);
    msgpack_pack_uint32(&conn->packer, id);
    answers->open++;
}

static void caller_life(struct conn *conn)
{
    struct answers answers = { 0 };
    unsigned count = 1 + conn_below(conn, CALLS);

    for (unsigned i = 0; i < count && !atomic_load(&storm_ending); i++) {
        make_call(conn, &answers);
        if (conn_below(conn, 3) == 0 && !conn_flush(conn))
            storm_complain("a caller was cut");
        while (answers.open > 100 && take_answers(conn, &answers, STORM_STUCK_MS))
            ;
        take_answers(conn, &answers, 0);
    }
    conn_flush(conn);
    if (conn_below(conn, 4) == 0)
        return; /* with calls open */
    while (answers.open > 0 && take_answers(conn, &answers, STORM_STUCK_MS))
        ;
    if (answers.open > 0)
        storm_complain("%u requests have no answer", answers.open);
}

static void pack_answer(struct conn *conn, uint32_t id)
{
    msgpack_pack_array(&conn->packer, 4);
    msgpack_pack_int(&conn->packer, PPI_ANSWER);
    msgpack_pack_uint32(&conn->packer, id);
    msgpack_pack_nil(&conn->packer);
    conn_pack_bytes(conn, conn_random_size(conn));
}

static void serve(struct conn *conn)
{
    char pattern[16];

    snprintf(pattern, sizeof pattern, conn_below(conn, 3) == 0 ? "q.*" : "q.%u",
             conn_below(conn, 3));
    conn_pack_call(conn, "$serve", 2);
    conn_pack_text(conn, pattern);
    msgpack_pack_map(&conn->packer, 2);
    conn_pack_text(conn, "form");
    conn_pack_text(conn, conn_below(conn, 2) == 0 ? "rich" : "plain");
    conn_pack_text(conn, "max_inflight");
    msgpack_pack_uint32(&conn->packer, conn_below(conn, 20));
}

static void server_life(struct conn *conn)
{
    const uint8_t *data;
    size_t size;

    if (conn_below(conn, 2) == 0)
        conn_pack_hello(conn);
    serve(conn);
    serve(conn);
    for (unsigned left = 1 + conn_below(conn, 2000); left > 0 && !atomic_load(&storm_ending);
         left--) {
        conn_flush(conn);
        data = conn_receive(conn, 20, &size);
        if (data == NULL)
            continue;
        struct frame frame = frame_parse(data, size);
        conn_taken(conn, size);
        if (frame.type != PPI_CALL)
            continue;
        uint32_t how = conn_below(conn, 20);
        if (how < 18) /* else never */
            pack_answer(conn, frame.id);
        if (how == 0) /* twice */
            pack_answer(conn, frame.id);
    }
}

/* --- everybody -------------------------------------------------------------------------------- */

struct actor {
    void (*life)(struct conn *conn);
    uint64_t seed;
    struct runner runner;
};

static void act(void *argument)
{
    struct actor *actor = argument;
    struct conn *conn = malloc(sizeof *conn);

    for (unsigned life = 0; !atomic_load(&storm_ending); life++) {
        if (conn_open(conn, storm_bus.name, actor->seed + life * 7919u))
            actor->life(conn);
        conn_close(conn);
    }
    free(conn);
}

struct reading {
    struct conn conn;
    struct reader reader;
    struct runner runner;
};

static void read_all_the_time(void *argument)
{
    struct reading *reading = argument;

    reader_life(&reading->conn, &reading->reader);
}

static struct reading *reading_new(bool rich)
{
    struct reading *reading = calloc(1, sizeof *reading);

    assert_true(conn_open(&reading->conn, storm_bus.name, 1));
    reading->reader.rich = rich;
    uint32_t id = conn_pack_call(&reading->conn, "$sub", 2);
    conn_pack_text(&reading->conn, "s.>");
    msgpack_pack_map(&reading->conn.packer, 1);
    conn_pack_text(&reading->conn, "form");
    conn_pack_text(&reading->conn, rich ? "rich" : "plain");
    assert_true(conn_flush(&reading->conn) && conn_await(&reading->conn, id));
    return reading;
}

static struct actor actors[PUBLISHERS + CALLERS + SERVERS + PASSERS + OPERATORS];
static struct reading *readings[READERS];

static void begin(unsigned seed)
{
    static void (*const lives[])(struct conn *) = { publisher_life, caller_life, server_life,
                                                    passer_life, operator_life };
    static const unsigned counts[] = { PUBLISHERS, CALLERS, SERVERS, PASSERS, OPERATORS };
    unsigned count = 0;

    for (int i = 0; i < READERS; i++) {
        readings[i] = reading_new(i % 2 == 1);
        runner_start(&readings[i]->runner, read_all_the_time, readings[i]);
    }
    for (unsigned role = 0; role < PPI_COUNT(lives); role++)
        for (unsigned i = 0; i < counts[role]; i++, count++) {
            actors[count] = (struct actor){ .life = lives[role], .seed = seed * 100003u + count };
            runner_start(&actors[count].runner, act, &actors[count]);
        }
}

static void end(void)
{
    atomic_store(&storm_ending, true);
    for (size_t i = 0; i < PPI_COUNT(actors); i++)
        runner_join(&actors[i].runner);
    atomic_store(&readers_end, true);
    for (int i = 0; i < READERS; i++) {
        runner_join(&readings[i]->runner);
        conn_close(&readings[i]->conn);
        free(readings[i]);
    }
}

static void a_storm_leaves_everything_in_order(void **state)
{
    struct conn *watcher = malloc(sizeof *watcher);
    unsigned seed = storm_setting("STORM_SEED", 1);

    (void)state;
    bus_open(&storm_bus, "queue_low = 65536;\nqueue_high = 262144;\nqueue_hard = 4194304;\n"
                         "frame_max = 1048576;\nstall_ms = 600;\nhalf_frame_ms = 3000;\n"
                         "call_deadline_ms = 300;\n");
    assert_true(conn_open(watcher, storm_bus.name, 1));
    EVENTUALLY(storm_stat(watcher, "clients") == 1);
    uint64_t handles = storm_stat(watcher, "handles");
    begin(seed);
    uint64_t over_ns = ppi_deadline_ns((int)storm_setting("STORM_MS", USUAL_MS));
    while (ppi_now_ns() < over_ns && !atomic_load(&storm_ending)) {
        storm_check_figures(watcher);
        ppi_sleep_ms(20); /* not to watch more than there is */
    }
    end();
    if (storm_wrong[0] != '\0')
        fail_msg("with STORM_SEED=%u: %s", seed, storm_wrong);
    EVENTUALLY(storm_stat(watcher, "clients") == 1);
    assert_int_equal(storm_stat(watcher, "subs"), 0);
    assert_int_equal(storm_stat(watcher, "taps"), 0);
    EVENTUALLY(storm_stat(watcher, "handles") <= handles);
    print_message(
        "# %u clients, %u messages, %u deliveries, %u lost, %u calls, %u late answers, %u kicked\n",
        (unsigned)storm_stat(watcher, "clients_ever"), (unsigned)storm_stat(watcher, "published"),
        (unsigned)storm_stat(watcher, "deliveries"), (unsigned)storm_stat(watcher, "lost"),
        (unsigned)storm_stat(watcher, "calls"), (unsigned)storm_stat(watcher, "late_answers"),
        (unsigned)storm_stat(watcher, "kicked"));
    conn_close(watcher);
    free(watcher);
    bus_close(&storm_bus);
}

int storm_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_storm_leaves_everything_in_order),
    };
    int failures = 0;

    RUN_GROUP(&failures, "everything at once", tests);
    return failures;
}
