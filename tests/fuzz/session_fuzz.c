/* session_fuzz.c: any bytes from clients, to a whole broker.
 *
 * Two clients of ours, a publisher and a watcher, are connected all the time. The input is what up
 * to three others send: its first byte says how the pipes behave; then bytes, in which 0xC1 (which
 * MessagePack never uses) and the byte behind it are a command to us, see command(). Whatever it
 * is, everything the broker says is well formed, at most the connection at fault is closed, our
 * two still reach each other, unless one was kicked, and when the others are gone nothing of them
 * is left. */
#include <string.h>

#include "broker.h"
#include "fuzz/fuzz.h"
#include "fuzz/world.h"
#include "sim/sim.h"
#include "state.h"
#include "subjects.h"

enum { OTHERS = 3, PATIENCE_MS = 30000 };

static const char name[] = "fuzz";
static struct broker *broker;
static pp_port *port;
static bool stopped;
static struct bare publisher, watcher, others[OTHERS];

static void on_stopped(void *context, pp_broker *over)
{
    (void)context;
    (void)over;
    stopped = true;
}

static void check_others(void)
{
    for (int i = 0; i < OTHERS; i++) {
        bare_turn(&others[i]);
        if (others[i].pipe != NULL)
            bare_frames(&others[i], NULL, 0, NULL);
    }
}

/* How many of ours there are; one that is not was kicked, which the others may. */
static unsigned ours(void)
{
    unsigned left = 2u - publisher.ended - watcher.ended;

    FUZZ_CHECK(left == 2 || broker->kicked >= 2 - left);
    return left;
}

/* Our two reach each other: now, or when whoever holds the publisher up was cut. */
static void check_ours(uint8_t number)
{
    static const uint8_t ping[] = { 0x94, 0x00, 0x07, 0xA5, '$', 'p', 'i', 'n', 'g', 0x90 };
    uint8_t message[] = { 0x93, 0x02, 0xA4, 'f', 'i', 'n', 'e', 0x91, 0xC4, 0x02, 0xC1, number };
    static const uint8_t pong[] = { 0x94, 0x01, 0x07, 0xC0, 0xC0 };
    bool seen = false, answered = false;

    bare_turn(&publisher);
    bare_turn(&watcher);
    if (ours() < 2)
        return;
    bare_send(&publisher, message, sizeof message);
    bare_send(&publisher, ping, sizeof ping);
    for (int waited = 0; ours() == 2 && !(seen && answered) && waited <= PATIENCE_MS;
         waited += 500) {
        bare_turn(&publisher);
        bare_turn(&watcher);
        bare_frames(&publisher, pong, sizeof pong, &answered);
        bare_frames(&watcher, message + 8, 4, &seen);
        if (!(seen && answered))
            sim_pass_ms(500);
        check_others();
    }
    FUZZ_CHECK((seen && answered) || ours() < 2);
}

static void open_world(uint8_t manner)
{
    static const size_t limits[] = { 0, 0, 7, 200 };
    static const uint8_t subscribe[] = "\x94\x00\x01\xA4$sub\x91\xA4"
                                       "fine";
    const struct sim_script script = { .read_max = limits[manner & 3],
                                       .write_max = limits[manner >> 2 & 3],
                                       .capacity = manner & 0x10 ? 1000 : 0 };
    const struct broker_events events = { NULL, NULL, on_stopped };
    struct settings settings;

    settings_defaults(&settings);
    memcpy(settings.name, name, sizeof name);
    settings.frame_max = 64 * 1024; /* so that the limits are within the input's reach */
    settings.queue_low = 4 * 1024;
    settings.queue_high = 16 * 1024;
    settings.queue_hard = 256 * 1024;
    settings.subs = settings.calls_open = 16;
    settings.silent_ms = 0; /* time passes only when it is told to */
    sim_begin(&script);
    stopped = false;
    FUZZ_CHECK(pp_port_open(&port, NULL) == PP_OK);
    FUZZ_CHECK(broker_open(&broker, &settings, port, &events) == PP_OK);
    bare_dial(&publisher, name);
    bare_dial(&watcher, name);
    bare_send(&watcher, subscribe, sizeof subscribe - 1);
    FUZZ_CHECK(bare_frames(&watcher, NULL, 0, NULL) == 1);
    for (int i = 0; i < OTHERS; i++)
        bare_dial(&others[i], name);
}

/* Everybody else is gone: the broker keeps nothing of them. */
static void check_left(size_t nodes)
{
    for (int waited = 0; broker->peer_count > ours() && waited <= PATIENCE_MS; waited += 500)
        sim_pass_ms(500);
    FUZZ_CHECK(broker->peer_count == ours() && broker->sub_count == !watcher.ended);
    FUZZ_CHECK(subjects_size(broker->subjects) == nodes || watcher.ended);
    FUZZ_CHECK(broker->taps == 0 && !broker->tapped);
    FUZZ_CHECK(ppi_list_empty(&broker->waits) && broker->crowded == 0);
}

static void close_world(void)
{
    bare_close(&publisher);
    bare_close(&watcher);
    if (!stopped)
        broker_stop(broker);
    while (!stopped && sim_step())
        ;
    FUZZ_CHECK(stopped);
    FUZZ_CHECK(pp_port_shutdown(port, PP_SHUT_FAST, 1000, NULL, NULL) == PP_OK);
    broker_close(broker);
    pp_port_close(port);
    sim_end();
}

/* 0..2: that one speaks from here on; 3: it reads no more; 4: it reads again; 5: it is closed, and
 * another comes; 6: time passes; 7: ours talk. */
static void command(uint8_t what, struct bare **speaker)
{
    switch (what & 7) {
    case 3: (*speaker)->deaf = true; break;
    case 4: (*speaker)->deaf = false; break;
    case 5:
        bare_close(*speaker);
        bare_dial(*speaker, name);
        break;
    case 6: sim_pass_ms(50u * (1u + (what >> 3))); break;
    case 7: check_ours(what); break;
    default: *speaker = &others[what & 7];
    }
}

static bool contains(const uint8_t *data, size_t size, const char *text)
{
    size_t length = strlen(text);

    for (size_t at = 0; at + length <= size; at++)
        if (memcmp(data + at, text, length) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t manner = fuzz_byte(&data, &size);
    struct bare *speaker = &others[0];

    if (size > 16 * 1024 || contains(data, size, "$sys.stop") || contains(data, size, "for_ms"))
        return 0; /* whoever may stop the broker, or keep others away, may */
    open_world(manner);
    size_t nodes = subjects_size(broker->subjects);
    for (const uint8_t *end = data + size; data < end;) {
        const uint8_t *mark = memchr(data, 0xC1, (size_t)(end - data));
        size_t length = (size_t)((mark != NULL && mark + 1 < end ? mark : end) - data);

        if (length > 0 && !speaker->ended)
            bare_send(speaker, data, length);
        check_others();
        data += length;
        if (data < end) {
            command(data[1], &speaker);
            data += 2;
        }
    }
    check_ours(0xFF);
    for (int i = 0; i < OTHERS; i++)
        bare_close(&others[i]);
    check_left(nodes);
    check_ours(0xFE);
    close_world();
    return 0;
}
