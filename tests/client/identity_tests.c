/* identity_tests.c: who a client is, who its broker is, who sent a message. */
#include "client/party.h"

static struct bus bus;

static void both_ends_know_who_is_at_the_other(void **state)
{
    pp_identity self = { .size = sizeof self }, broker = { .size = sizeof broker };
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_client *client;

    (void)state;
    bus_open(&bus, NULL);
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    assert_int_equal(pp_client_self(client, &self), PP_ECLOSED);
    assert_int_equal(pp_client_peer(client, &broker), PP_ECLOSED);
    assert_int_equal(pp_client_abort(client), PP_OK);

    client = open_client(&bus);
    assert_int_equal(pp_client_self(client, NULL), PP_EINVAL);
    assert_int_equal(pp_client_self(client, &self), PP_OK);
    assert_true(self.id > 0);
    assert_true(self.flags & (PP_PEER_UID | PP_PEER_SID));
    assert_int_equal(self.pid, ppi_process_id());
    assert_string_equal(self.exe, ppi_program_path());

    assert_int_equal(pp_client_peer(client, &broker), PP_OK);
    assert_int_equal(broker.id, 0);
    assert_true(broker.flags & (PP_PEER_UID | PP_PEER_SID));
    assert_int_equal(broker.uid, self.uid);
    assert_string_equal(broker.sid, self.sid);
    assert_true(broker.pid != self.pid);
    assert_non_null(strstr(broker.exe, "panpiped"));
    pp_client_close(client);
    bus_close(&bus);
}

static void check_sender(const pp_sender *sender, pp_client *from, const char *name)
{
    pp_identity self = { .size = sizeof self };

    assert_non_null(sender);
    assert_int_equal(pp_client_self(from, &self), PP_OK);
    assert_int_equal(sender->from, self.id);
    assert_int_equal(sender->pid, self.pid);
    assert_int_equal(sender->flags, self.flags);
    assert_int_equal(sender->uid, self.uid);
    assert_string_equal(sender->sid, self.sid);
    assert_string_equal(sender->name, name);
    assert_true(sender->time_ms <= ppi_wall_ms() && sender->time_ms + 60000 > ppi_wall_ms());
}

/* Senders as their messages came: in a callback they live as long as that. */
struct heard {
    atomic_uint count;
    pp_sender sender;
    bool known;
};

static void on_heard(void *context, const pp_message *message)
{
    struct heard *heard = context;

    heard->known = message->sender != NULL;
    if (heard->known)
        heard->sender = *message->sender;
    heard->count++;
}

static void a_subscriber_that_asks_is_told_who_sent_a_message(void **state)
{
    pp_sub_config wanted = PP_SUB_CONFIG_INIT;
    pp_client_config config;
    struct heard heard = { 0 }, not_asked = { 0 };
    pp_client *publisher;
    pp_message message;
    pp_sub *sub, *other;

    (void)state;
    bus_open(&bus, NULL);
    config = config_for(&bus);
    config.name = "meter";
    assert_int_equal(pp_client_open(&publisher, &config), PP_OK);
    pp_client *client = open_client(&bus);
    wanted.on_message = on_heard;
    wanted.context = &not_asked;
    assert_int_equal(pp_subscribe(client, NULL, "a", &wanted, &other), PP_OK);
    wanted.flags = PP_SUB_META;
    wanted.context = &heard;
    assert_int_equal(pp_subscribe(client, NULL, "a", &wanted, &other), PP_OK);
    wanted.on_message = NULL;
    assert_int_equal(pp_subscribe(client, NULL, "*", &wanted, &sub), PP_OK);
    assert_int_equal(publish(publisher, "a", "[1, 'x']"), PP_OK);
    assert_int_equal(publish(publisher, "b", "[2]"), PP_OK);
    EVENTUALLY(heard.count == 1 && not_asked.count == 1);
    assert_false(not_asked.known);
    assert_true(heard.known);
    check_sender(&heard.sender, publisher, "meter");
    for (int i = 0; i < 2; i++) {
        while (pp_next(sub, &message) == 0)
            assert_int_equal(pp_receive(sub, NULL), PP_OK);
        check_sender(message.sender, publisher, "meter");
        assert_int_equal(message.params_size, i == 0 ? 4 : 2);
        assert_memory_equal(message.params, i == 0 ? "\x92\x01\xA1x" : "\x91\x02",
                            message.params_size);
    }
    pp_client_close(client);
    pp_client_close(publisher);
    bus_close(&bus);
}

static void a_service_that_asks_is_told_who_calls(void **state)
{
    pp_serve_config offered = PP_SERVE_CONFIG_INIT;
    pp_answer answer = { 0 };
    pp_op op = PP_OP_INIT;
    struct bytes params = bytes_of("[1]");
    pp_message message;
    pp_sub *service;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *server = open_client(&bus), *caller = open_client(&bus);
    offered.flags = PP_SERVE_META;
    assert_int_equal(pp_serve(server, NULL, "who", &offered, &service), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_call(caller, &op, "who", params.data, params.size, NULL, &answer),
                     PP_PENDING);
    assert_int_equal(pp_receive(service, NULL), PP_OK);
    assert_int_equal(pp_next(service, &message), 1);
    assert_non_null(message.sender);
    assert_int_equal(message.sender->pid, ppi_process_id());
    assert_int_equal(strncmp(message.sender->name, "pid-", 4), 0);
    assert_int_equal(pp_reply(server, message.call, "\xC0", 1), PP_OK);
    assert_int_equal(wait_for(&op), PP_OK);
    pp_answer_free(&answer);
    pp_client_close(server);
    pp_client_close(caller);
    bus_close(&bus);
}

/* A broker that takes no connection of this user, or no more of them, says so in a line of text. */
static void why_a_broker_takes_no_connection_is_told(void **state)
{
    static const char line[] = "E_PERM uid 7 may not use this pipe\n";
    char name[64], text[200];
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_op connecting = PP_OP_INIT, op = PP_OP_INIT;
    pp_handle *listener, *server;
    pp_client *client;
    uint8_t byte;

    (void)state;
    snprintf(name, sizeof name, "refuses-%u", (unsigned)ppi_process_id());
    assert_int_equal(pp_listen(&listener, name, NULL), PP_OK);
    config.broker = name;
    assert_int_equal(pp_client_new(&client, &config), PP_OK);
    assert_int_equal(pp_op_use_wait(&connecting), PP_OK);
    assert_int_equal(pp_client_connect(client, &connecting), PP_PENDING);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_accept(listener, &op, &server), PP_PENDING);
    assert_int_equal(wait_for(&op), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_read(server, &op, &byte, 1), PP_PENDING); /* $hello is on its way */
    assert_int_equal(wait_for(&op), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_write(server, &op, line, sizeof line - 1), PP_PENDING);
    assert_int_equal(wait_for(&op), PP_OK);
    assert_int_equal(wait_for(&connecting), PP_EPERM);
    assert_string_equal(pp_client_error(client, text, sizeof text),
                        "E_PERM uid 7 may not use this pipe");
    pp_close(server);
    pp_close(listener);
    assert_int_equal(pp_client_abort(client), PP_OK);
}

int identity_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(both_ends_know_who_is_at_the_other),
        BUS_TEST(a_subscriber_that_asks_is_told_who_sent_a_message),
        BUS_TEST(a_service_that_asks_is_told_who_calls),
        BUS_TEST(why_a_broker_takes_no_connection_is_told),
    };
    int failures = 0;

    RUN_GROUP(&failures, "who is who", tests);
    return failures;
}
