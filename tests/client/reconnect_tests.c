/* reconnect_tests.c: the broker goes, is killed, comes back; nobody but the library does anything
 * about it. */
#include "client/party.h"

static struct bus bus;

static void kill_and_restart(void)
{
    bus_kill(&bus);
    bus_open_again(&bus, NULL);
}

static void after_a_kill_everybody_is_back_with_what_they_had(void **state)
{
    enum { CLIENTS = 20, KILLS = 3 };
    struct listener listeners[CLIENTS] = { { 0 } };
    struct server servers[CLIENTS] = { { 0 } };
    struct watcher watchers[CLIENTS];
    pp_client *clients[CLIENTS];
    char subject[16];
    pp_answer answer = { 0 };

    (void)state;
    bus_open(&bus, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = open_watched(&bus, &watchers[i], 0);
        listen_to(clients[i], "all", &listeners[i]);
        snprintf(subject, sizeof subject, "q%d", i);
        serve(clients[i], subject, &servers[i]);
    }
    for (unsigned round = 0; round < KILLS; round++) {
        kill_and_restart();
        uint64_t back_ns = ppi_now_ns();
        for (int i = 0; i < CLIENTS; i++)
            EVENTUALLY(watchers[i].connected == round + 2);
        print_message("# back after %u ms\n", (unsigned)((ppi_now_ns() - back_ns) / PPI_NS_PER_MS));
        assert_int_equal(publish(clients[0], "all", "[0]"), PP_OK);
        for (int i = 1; i < CLIENTS; i++)
            EVENTUALLY(listeners[i].count == round + 1);
        for (int i = 0; i < CLIENTS; i++) {
            snprintf(subject, sizeof subject, "q%d", i);
            assert_int_equal(call(clients[(i + 1) % CLIENTS], subject, "[7]", &answer), PP_OK);
            assert_int_equal(servers[i].calls, round + 1);
            assert_int_equal(watchers[i].away, round + 1); /* told once, as was the return */
            assert_int_equal(watchers[i].status, PP_EPEERCLOSED);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        pp_client_close(clients[i]);
    pp_answer_free(&answer);
    bus_close(&bus);
}

static void a_broker_that_is_restarted_in_good_order_is_the_same(void **state)
{
    struct listener listener = { 0 };
    struct watcher watcher;
    char words[256];

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_watched(&bus, &watcher, 0);
    listen_to(client, "a", &listener);
    bus_stop(&bus);
    EVENTUALLY(watcher.away == 1);
    assert_int_equal(watcher.status, PP_ESHUTDOWN);
    assert_int_equal(pp_client_state(client), PP_CLIENT_AWAY);
    assert_memory_equal(pp_client_error(client, words, sizeof words), "E_SHUTDOWN", 10);
    bus_await_end(&bus);
    bus_open_again(&bus, NULL);
    EVENTUALLY(watcher.connected == 2);
    assert_int_equal(pp_client_state(client), PP_CLIENT_CONNECTED);
    pp_client *other = open_client(&bus);
    assert_int_equal(publish(other, "a", "[0]"), PP_OK);
    EVENTUALLY(listener.count == 1);
    pp_client_close(other);
    pp_client_close(client);
    assert_int_equal(watcher.away, 1);
    assert_int_equal(watcher.ended, 1);
    bus_close(&bus);
}

/* --- messages --------------------------------------------------------------------------------- */

enum { NUMBERS = 200000 };
static struct heard {
    atomic_uint count, again, disorder;
    uint8_t times[NUMBERS];
    unsigned next;
} heard;

static void on_number(void *context, const pp_message *message)
{
    unsigned number = number_in(message);

    (void)context;
    if (number < heard.next)
        heard.disorder++;
    if (heard.times[number]++ > 0)
        heard.again++;
    heard.next = number + 1;
    heard.count++;
}

/* What a client hears of itself comes over the link that confirms it. So what was confirmed was
 * heard, and all that is missing must have been told. */
static void each_message_arrives_once_in_order_or_is_told_as_unconfirmed(void **state)
{
    enum { KILLS = 3, BATCH = 200 };
    pp_sub_config wanted = PP_SUB_CONFIG_INIT;
    struct watcher watcher;
    unsigned published = 0, refused = 0;
    pp_sub *sub;

    (void)state;
    memset(&heard, 0, sizeof heard);
    bus_open(&bus, NULL);
    pp_client *client = open_watched(&bus, &watcher, 0);
    wanted.on_message = on_number;
    wanted.flags = PP_SUB_ECHO;
    assert_int_equal(pp_subscribe(client, NULL, "n", &wanted, &sub), PP_OK);
    for (unsigned round = 0; round <= KILLS; round++) {
        bool killed = false;

        do {
            for (int i = 0; i < BATCH && published < NUMBERS; i++) {
                struct bytes params = bytes_of("[%u]", published);
                int status = pp_publish(client, "n", params.data, params.size);

                published += status == PP_OK;
                refused += status == PP_EBUSY;
                assert_true(status == PP_OK || status == PP_EBUSY);
            }
            if (round < KILLS && !killed && heard.count > 0) {
                kill_and_restart(); /* in the middle of it; the next batch is kept */
                killed = true;
            }
        } while (killed ? watcher.connected < round + 2 : round < KILLS);
    }
    assert_int_equal(pp_client_flush(client, NULL), PP_OK);
    EVENTUALLY(heard.count + watcher.unconfirmed >= published);
    unsigned missing = published - heard.count;
    print_message("# %u published, %u heard, %u missing, %u unconfirmed, %u refused\n", published,
                  (unsigned)heard.count, missing, (unsigned)watcher.unconfirmed, refused);
    assert_int_equal(heard.again, 0);
    assert_int_equal(heard.disorder, 0);
    assert_true(missing <= watcher.unconfirmed);
    for (unsigned i = 0, gaps = 0; i < published; i++) {
        gaps += heard.times[i] == 0 && (i == 0 || heard.times[i - 1] != 0);
        assert_true(gaps <= KILLS); /* each at the end of a connection */
    }
    pp_client_close(client);
    assert_int_equal(watcher.unsent, 0);
    bus_close(&bus);
}

/* Only the last tenth of a second can be unconfirmed, also if nobody flushes. */
static void what_was_published_a_while_ago_is_confirmed(void **state)
{
    enum { COUNT = 100 };
    struct listener listener = { 0 };
    struct watcher watcher;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_watched(&bus, &watcher, 0), *other = open_client(&bus);
    listen_to(other, "a", &listener);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(publish(client, "a", "[]"), PP_OK);
    EVENTUALLY(listener.count == COUNT);
    for (int i = 0; i < 50; i++) /* in pieces: the others miss of it what we miss */
        ppi_sleep_ms(10);
    bus_kill(&bus);
    EVENTUALLY(watcher.away == 1);
    assert_int_equal(watcher.unconfirmed, 0);
    pp_client_close(client);
    pp_client_close(other);
}

static void a_receive_that_waits_goes_on_waiting_and_the_inbox_stays(void **state)
{
    struct watcher watcher;
    struct called receive;
    pp_message message;
    pp_sub *waits, *has;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_watched(&bus, &watcher, 0);
    assert_int_equal(pp_subscribe(client, NULL, "waits", NULL, &waits), PP_OK);
    assert_int_equal(pp_subscribe(client, NULL, "has", NULL, &has), PP_OK);
    assert_int_equal(pp_receive(waits, start_called(&receive, NULL)), PP_PENDING);
    pp_client *other = open_client(&bus);
    assert_int_equal(publish(other, "has", "[5]"), PP_OK);
    assert_int_equal(pp_receive(has, NULL), PP_OK);
    kill_and_restart();
    EVENTUALLY(watcher.connected == 2);
    assert_int_equal(pp_next(has, &message), 1);
    assert_int_equal(number_in(&message), 5);
    assert_ptr_equal(message.sub, has);
    assert_int_equal(receive.times, 0);
    assert_int_equal(pp_client_flush(other, NULL), PP_OK); /* it is back, too */
    assert_int_equal(publish(other, "waits", "[6]"), PP_OK);
    EVENTUALLY(receive.times == 1);
    assert_int_equal(receive.status, PP_OK);
    assert_int_equal(pp_next(waits, &message), 1);
    assert_int_equal(number_in(&message), 6);
    pp_client_close(other);
    pp_client_close(client);
    bus_close(&bus);
}

/* --- calls ------------------------------------------------------------------------------------ */

static void a_call_in_flight_ends_and_is_not_made_again(void **state)
{
    struct bytes params = bytes_of("[]");
    struct server server = { .keeps = true };
    struct watcher watchers[2];
    struct called called, flushed;
    pp_answer answer = { 0 };

    (void)state;
    bus_open(&bus, NULL);
    pp_client *caller = open_watched(&bus, &watchers[0], 0);
    pp_client *other = open_watched(&bus, &watchers[1], 0);
    serve(other, "q", &server);
    assert_int_equal(
        pp_call(caller, start_called(&called, NULL), "q", params.data, params.size, NULL, &answer),
        PP_PENDING);
    EVENTUALLY(server.calls == 1);
    uint64_t first = server.last;
    kill_and_restart();
    EVENTUALLY(called.times == 1);
    assert_int_equal(called.status, PP_EPEERCLOSED);
    EVENTUALLY(watchers[0].connected == 2 && watchers[1].connected == 2);
    assert_int_equal(server.cancels, 1); /* nobody waits for its answer any more */
    assert_int_equal(server.canceled, first);
    assert_int_equal(pp_client_flush(caller, start_called(&flushed, NULL)), PP_PENDING);
    EVENTUALLY(flushed.times == 1);
    assert_int_equal(server.calls, 1);
    /* a new one, of the same number for the broker: the late answer is not its answer */
    assert_int_equal(
        pp_call(caller, start_called(&called, NULL), "q", params.data, params.size, NULL, &answer),
        PP_PENDING);
    EVENTUALLY(server.calls == 2);
    assert_true(server.last != first);
    assert_int_equal(pp_reply(other, first, "\x01", 1), PP_EGONE);
    assert_int_equal(pp_reply_error(other, first, "E_ARG late"), PP_EGONE);
    assert_int_equal(pp_reply(other, server.last, "\x02", 1), PP_OK);
    EVENTUALLY(called.times == 1);
    assert_int_equal(called.status, PP_OK);
    assert_memory_equal(answer.data, "\x02", 1);
    pp_client_close(caller);
    pp_client_close(other);
    pp_answer_free(&answer);
    bus_close(&bus);
}

static char noted[512];

static void on_note(void *context, pp_client *client, const char *name, const char *text)
{
    (void)context;
    (void)client;
    snprintf(noted, sizeof noted, "%s %s", name, text);
}

/* The client's port rests until another one has taken its name. */
static void a_service_whose_name_was_taken_meanwhile_is_told_and_tried_later(void **state)
{
    struct watcher watcher = { 0 };
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_serve_config wanted = PP_SERVE_CONFIG_INIT;
    pp_op op = PP_OP_INIT, receive = PP_OP_INIT;
    pp_port *port;
    pp_sub *service, *taken;
    pp_message message;
    bool answered = false;

    (void)state;
    bus_open(&bus, NULL);
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    config.context = &watcher;
    config.on_state = on_state;
    config.on_note = on_note;
    pp_client *client = open_on(port, &bus, config);
    wanted.flags = PP_SERVE_EXCLUSIVE;
    assert_int_equal(pp_serve(client, &op, "mine", &wanted, &service), PP_PENDING);
    assert_int_equal(work_until(port, &op), PP_OK);
    assert_int_equal(pp_receive(service, &receive), PP_PENDING);
    bus_kill(&bus);
    WORK_UNTIL(port, watcher.away == 1);
    bus_open_again(&bus, NULL);
    pp_client *other = open_client(&bus);
    assert_int_equal(pp_serve(other, NULL, "mine", &wanted, &taken), PP_OK);
    assert_int_equal(work_until(port, &receive), PP_ENAME);
    WORK_UNTIL(port, watcher.connected == 2);
    assert_memory_equal(noted, "E_NAMETAKEN ", 12);
    assert_non_null(strstr(noted, "service mine"));
    assert_int_equal(pp_receive(service, &receive), PP_ENAME);
    assert_int_equal(pp_client_close(other), PP_OK);
    bus_kill(&bus);
    bus_open_again(&bus, NULL);
    WORK_UNTIL(port, watcher.connected == 3);
    assert_int_equal(pp_receive(service, &receive), PP_PENDING);
    other = open_client(&bus);
    pp_answer answer = { 0 };
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_call(other, &op, "mine", "\x90", 1, NULL, &answer), PP_PENDING);
    assert_int_equal(work_until(port, &receive), PP_OK);
    assert_int_equal(pp_next(service, &message), 1);
    assert_int_equal(pp_reply(client, message.call, "\x07", 1), PP_OK);
    WORK_UNTIL(port, answered || (answered = pp_op_wait(&op, 0) == 1));
    assert_int_equal(op.status, PP_OK);
    pp_answer_free(&answer);
    pp_client_close(other);
    pp_client_close(client);
    WORK_UNTIL(port, watcher.ended == 1);
    close_port(port);
    bus_close(&bus);
}

/* --- an operator ----------------------------------------------------------------------------- */

static struct raw operator;

/* Who is connected beside an operator is kicked, for so long. */
static void kick_the_other(unsigned for_ms)
{
    raw_open(&operator, & bus);
    say(&operator, "[0, 1, '$hello', [{'v': 1, 'name': 'op'}]]");
    hear(&operator, "[1, 1, null, '?']");
    /* the first one was whether the broker is there */
    say(&operator, "[0, 2, '$sys.kick', [2, {'text': 'too much', 'for_ms': %u}]]", for_ms);
    hear(&operator, "[1, 2, null, null]");
}

/* It comes again after that time, and has not tried before: nobody was turned away. */
static void who_is_kicked_for_a_while_stays_away_so_long(void **state)
{
    struct watcher watcher;
    char words[256];
    pp_client *client;

    (void)state;
    bus_open(&bus, NULL);
    pp_client_config config = config_watched(&bus, &watcher);
    config.on_note = on_note;
    assert_int_equal(pp_client_open(&client, &config), PP_OK);
    uint64_t kicked_ns = ppi_now_ns();
    kick_the_other(700);
    EVENTUALLY(watcher.away == 1);
    assert_non_null(strstr(noted, "E_PERM kicked by op["));
    assert_int_equal(watcher.status, PP_EPERM);
    assert_non_null(strstr(pp_client_error(client, words, sizeof words), "E_PERM kicked by op["));
    assert_non_null(strstr(words, "]: too much"));
    EVENTUALLY(watcher.connected == 2);
    assert_true(ppi_now_ns() - kicked_ns >= 700ull * PPI_NS_PER_MS);
    say(&operator, "[0, 3, '$sys.stats', []]");
    hear(&operator, "[1, 3, null, {'denied': 0, 'kicked': 1, 'clients': 2, 'clients_ever': 4}]");
    raw_close(&operator);
    pp_client_close(client);
    bus_close(&bus);
}

static void for_who_wants_one_connection_a_kick_is_the_end(void **state)
{
    struct watcher watcher;
    char words[256];
    pp_client *client;

    (void)state;
    bus_open(&bus, NULL);
    pp_client_config config = config_watched(&bus, &watcher);
    config.flags |= PP_CLIENT_ONCE;
    assert_int_equal(pp_client_open(&client, &config), PP_OK);
    kick_the_other(60000);
    EVENTUALLY(watcher.ended == 1);
    assert_int_equal(watcher.status, PP_EPERM);
    assert_non_null(strstr(pp_client_error(client, words, sizeof words), "]: too much"));
    pp_client_close(client);
    assert_int_equal(pp_client_open(&client, &config), PP_EPERM); /* nor is there another one */
    assert_non_null(strstr(pp_detail(), "E_PERM kicked: too much; again in "));
    raw_close(&operator);
    bus_close(&bus);
}

int reconnect_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(after_a_kill_everybody_is_back_with_what_they_had),
        BUS_TEST(a_broker_that_is_restarted_in_good_order_is_the_same),
        BUS_TEST(each_message_arrives_once_in_order_or_is_told_as_unconfirmed),
        BUS_TEST(what_was_published_a_while_ago_is_confirmed),
        BUS_TEST(a_receive_that_waits_goes_on_waiting_and_the_inbox_stays),
        BUS_TEST(a_call_in_flight_ends_and_is_not_made_again),
        BUS_TEST(a_service_whose_name_was_taken_meanwhile_is_told_and_tried_later),
        BUS_TEST(who_is_kicked_for_a_while_stays_away_so_long),
        BUS_TEST(for_who_wants_one_connection_a_kick_is_the_end),
    };
    int failures = 0;

    RUN_GROUP(&failures, "connecting again", tests);
    return failures;
}
