/* storm_passers.c: lives in the storm that come by and do a bit of everything. */
#include <panpipe/port.h>

#include "e2e/storm.h"
#include "support/support.h"

/* --- passers-by ------------------------------------------------------------------------------- */

static void subscribe(struct conn *conn)
{
    static const char *const patterns[] = { "s.>", "s.*", "s.1", "x.*", "q.1", ">" };
    bool group = conn_below(conn, 3) == 0;

    conn_pack_call(conn, "$sub", 2);
    conn_pack_text(conn, patterns[conn_below(conn, 6)]);
    msgpack_pack_map(&conn->packer, group ? 3 : 2);
    conn_pack_text(conn, "form");
    conn_pack_text(conn, conn_below(conn, 2) == 0 ? "rich" : "plain");
    conn_pack_text(conn, "policy");
    conn_pack_text(conn, conn_below(conn, 2) == 0 ? "cut" : "block");
    if (group) {
        conn_pack_text(conn, "group");
        conn_pack_text(conn, "g");
    }
}

static void unsubscribe(struct conn *conn)
{
    bool maximum = conn_below(conn, 2) == 0;

    conn_pack_call(conn, "$unsub", maximum ? 2 : 1);
    msgpack_pack_uint32(&conn->packer, 1 + conn_below(conn, 6));
    if (!maximum)
        return;
    msgpack_pack_map(&conn->packer, 1);
    conn_pack_text(conn, "max");
    msgpack_pack_uint32(&conn->packer, 1 + conn_below(conn, 200));
}

static void leave(struct conn *conn)
{
    switch (conn_below(conn, 5)) {
    case 0: conn_pack_call(conn, "$bye", 0); break;
    case 1: ppi_buf_append(&conn->out, "\xC1", 1); break;
    case 2: ppi_buf_append(&conn->out, "\x93\x02\xA1", 3); break;
    case 3: conn->next_id = 1; conn_pack_call(conn, "q.1", 0); /* an id that may be open */
    }
    conn_flush(conn);
}

/* A subscription's id is told before its first message. */
static void check_told(uint64_t *told, const uint8_t *data, size_t size)
{
    struct frame frame = frame_parse(data, size);
    struct ppi_slice parts[4];

    if (frame.type == PPI_ANSWER && ppi_slices(data, size, parts, 4) == 4) {
        struct ppi_value result = ppi_value_at(parts[3].data, parts[3].size);

        if (result.kind == PPI_VALUE_NUMBER)
            *told = result.number;
    } else if (frame.type == PPI_NOTIFICATION && frame_is_about(&frame, "$msg") &&
               ppi_slices(frame.params.data, frame.params.size, parts, 1) == 3 &&
               ppi_value_at(parts[0].data, parts[0].size).number > *told) {
        storm_complain("a message came before its subscription's id");
    }
}

/* told NULL: some answers are read elsewhere. */
static void read_some(struct conn *conn, uint64_t *told, int count, int timeout_ms)
{
    const uint8_t *data;
    size_t size;

    while (count-- > 0 && (data = conn_receive(conn, timeout_ms, &size)) != NULL) {
        if (told != NULL)
            check_told(told, data, size);
        conn_taken(conn, size);
    }
}

void passer_life(struct conn *conn)
{
    uint64_t told = 0;
    bool reads = conn_below(conn, 4) > 0;

    if (conn_below(conn, 2) == 0)
        conn_pack_hello(conn);
    for (unsigned left = 1 + conn_below(conn, 60); left > 0 && !atomic_load(&storm_ending);
         left--) {
        switch (conn_below(conn, 5)) {
        case 0:
        case 1: subscribe(conn); break;
        case 2: unsubscribe(conn); break;
        case 3: conn_pack_call(conn, "q.1", 0); break;
        default: conn_pack_call(conn, "x.y", 0);
        }
        if (!conn_flush(conn))
            return;
        read_some(conn, &told, reads ? 200 : 0, 1);
    }
    leave(conn);
    read_some(conn, &told, reads ? 5000 : 0, 20);
}

/* --- operators -------------------------------------------------------------------------------- */

static void subscribe_to(struct conn *conn, const char *subject, size_t length)
{
    conn_pack_call(conn, "$sub", 2);
    msgpack_pack_str_with_body(&conn->packer, subject, length);
    msgpack_pack_map(&conn->packer, 1);
    conn_pack_text(conn, "form");
    conn_pack_text(conn, conn_below(conn, 2) == 0 ? "rich" : "plain");
}

/* Taps, if there is a tap left, and subscribes to it or forgets to. */
static bool tap(struct conn *conn)
{
    static const char *const subjects[] = { ">", "s.>", "s.1", "q.*" };
    struct ppi_slice parts[4];
    size_t size;

    uint32_t id = conn_pack_call(conn, "$sys.tap", 1);
    msgpack_pack_map(&conn->packer, 3);
    conn_pack_text(conn, "subject");
    conn_pack_text(conn, subjects[conn_below(conn, 4)]);
    conn_pack_text(conn, "cut");
    msgpack_pack_uint32(&conn->packer, conn_below(conn, 3) == 0 ? 20000 : 100);
    conn_pack_text(conn, "max");
    msgpack_pack_uint32(&conn->packer, conn_below(conn, 2) == 0 ? 0 : conn_below(conn, 500));
    const uint8_t *data = conn_flush(conn) ? conn_answer(conn, id, &size) : NULL;
    if (data == NULL)
        return false;
    if (ppi_slices(data, size, parts, 4) == 4 && *parts[2].data == 0xC0 &&
        conn_below(conn, 5) > 0) {
        /* {"subject": ...}: behind the map's head and the key */
        struct ppi_value subject = ppi_value_at(parts[3].data + 9, parts[3].size - 9);

        subscribe_to(conn, subject.text, subject.text_length);
    }
    conn_taken(conn, size);
    return conn_flush(conn);
}

/* Somebody who takes everything and reads nothing is kicked: those who waited for him go on. */
static bool kick(struct conn *conn)
{
    struct conn *victim = malloc(sizeof *victim);
    struct ppi_slice parts[4];
    size_t size;

    bool good = conn_open(victim, storm_bus.name, conn_below(conn, 1000000));
    conn_pack_hello(victim);
    const uint8_t *data = good && conn_flush(victim) ? conn_answer(victim, 1, &size) : NULL;
    if (data == NULL || ppi_slices(data, size, parts, 4) != 4) {
        conn_close(victim);
        free(victim);
        return false;
    }
    /* {"v": 1, "id": ...} */
    uint64_t id = ppi_value_at(parts[3].data + 7, parts[3].size - 7).number;
    conn_taken(victim, size);
    subscribe_to(victim, "s.>", 3);
    good = conn_flush(victim);
    read_some(conn, NULL, 1000, 5);
    uint32_t call = conn_pack_call(conn, "$sys.kick", 1);
    msgpack_pack_uint64(&conn->packer, id);
    if (good && (!conn_flush(conn) || !conn_await(conn, call)))
        storm_complain("a kick was not answered");
    while (good && !victim->ended)
        if (conn_receive(victim, STORM_STUCK_MS, &size) != NULL)
            conn_taken(victim, size);
        else if (!victim->ended)
            storm_complain("who was kicked is there still"), good = false;
    conn_close(victim);
    free(victim);
    return good;
}

void operator_life(struct conn *conn)
{
    bool reads = conn_below(conn, 3) > 0;

    if (conn_below(conn, 2) == 0)
        subscribe_to(conn, "$sys.events.>", 13);
    for (unsigned left = 1 + conn_below(conn, 20); left > 0 && !atomic_load(&storm_ending);
         left--) {
        if (!(conn_below(conn, 3) == 0 ? tap(conn) : kick(conn)))
            return;
        read_some(conn, NULL, reads ? 2000 : 0, 5);
    }
    leave(conn);
}
