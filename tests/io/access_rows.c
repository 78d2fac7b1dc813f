/* access_rows.c: who may connect, and who is at the other end. io/SECURITY.md has the list that the
 * names of the tests are from. */
#include "io/rows.h"
#include "support/support.h"

/* On Windows the text is what the system itself makes of the descriptor that it was given. */
static void describe(uint32_t access, const char *user, const char *group,
                     char text[PP_ACCESS_TEXT_MAX])
{
    pp_listen_config config = PP_LISTEN_CONFIG_INIT;

    config.access = access;
    config.user = user;
    config.group = group;
    assert_int_equal(pp_access_describe(&config, text, PP_ACCESS_TEXT_MAX), PP_OK);
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no %s in %s", part, text);
}

static void row_w3_each_kind_of_access_grants_what_it_should(void **state)
{
    static const char clients[] = "0x12019b;;;"; /* read and write, without making instances: W4 */
    char text[PP_ACCESS_TEXT_MAX];

    (void)state;
    if (ppi_on_linux()) {
        describe(PP_ACCESS_OWNER, NULL, NULL, text);
        assert_has(text, "mode=0600 uids=0");
        describe(PP_ACCESS_LOCAL, NULL, NULL, text);
        assert_string_equal(text, "mode=0666 uids=all");
        describe(PP_ACCESS_USER, "4321", NULL, text);
        assert_has(text, ",4321");
        describe(PP_ACCESS_ADMINS, NULL, "77", text);
        assert_has(text, " gid=77");
        return;
    }
    for (uint32_t access = PP_ACCESS_OWNER; access <= PP_ACCESS_ADMINS; access++) {
        describe(access, "S-1-5-21-1-2-3-1001", NULL, text);
        assert_has(text, "O:");
        assert_has(text, "D:P");
        assert_has(text, ";;;NU)");      /* W5: nobody from the network */
        assert_has(text, ";;;AN)");      /* nobody without a name */
        assert_has(text, ";;;SY)");      /* the system */
        assert_null(strstr(text, "WD")); /* never everybody */
        if (access == PP_ACCESS_OWNER)
            assert_null(strstr(text, clients));
        else
            assert_has(text, clients);
    }
    describe(PP_ACCESS_LOCAL, NULL, NULL, text);
    assert_has(text, "0x12019b;;;AU)");
    describe(PP_ACCESS_USER, "S-1-5-21-1-2-3-1001", NULL, text);
    assert_has(text, "0x12019b;;;S-1-5-21-1-2-3-1001)");
    describe(PP_ACCESS_ADMINS, NULL, "S-1-5-21-1-2-3-1002", text);
    assert_has(text, "0x12019b;;;BA)");
    assert_has(text, "0x12019b;;;S-1-5-21-1-2-3-1002)");
}

static void row_w6_programs_of_low_integrity_are_kept_out(void **state)
{
    char text[PP_ACCESS_TEXT_MAX];

    (void)state;
    if (ppi_on_linux() || ppi_on_wine())
        skip(); /* Linux has no integrity levels, Wine keeps none */
    describe(PP_ACCESS_LOCAL, NULL, NULL, text);
    assert_has(text, "S:(ML;;NW;;;ME)");
}

static void row_w3_access_that_cannot_be_granted_is_refused(void **state)
{
    pp_listen_config config = PP_LISTEN_CONFIG_INIT;
    char text[PP_ACCESS_TEXT_MAX];
    pp_handle *listener;

    (void)state;
    config.access = PP_ACCESS_USER; /* whom? */
    assert_int_equal(pp_access_describe(&config, text, sizeof text), PP_EINVAL);
    assert_int_equal(pp_listen(&listener, test_path(), &config), PP_EINVAL);
    config.user = "no such user here";
    assert_int_equal(pp_listen(&listener, test_path(), &config), PP_EINVAL);
    assert_has(pp_detail(), "no such user here");
    config.access = PP_ACCESS_ADMINS;
    config.group = "no such group here";
    assert_int_equal(pp_listen(&listener, test_path(), &config), PP_EINVAL);
    config.access = PP_ACCESS_ADMINS + 1;
    assert_int_equal(pp_listen(&listener, test_path(), &config), PP_EINVAL);
}

static void row_w3_kinds_of_access_have_names(void **state)
{
    (void)state;
    for (uint32_t access = PP_ACCESS_OWNER; access <= PP_ACCESS_ADMINS; access++)
        assert_int_equal(pp_access_parse(pp_access_name(access)), access);
    assert_null(pp_access_name(PP_ACCESS_ADMINS + 1));
    assert_int_equal(pp_access_parse("everybody"), -1);
    assert_int_equal(pp_access_parse(NULL), -1);
}

static void row_l7_this_user_may_whatever_the_access(void **state)
{
    pp_listen_config config = PP_LISTEN_CONFIG_INIT;
    pp_handle *listener, *server, *client;
    pp_op accept = PP_OP_INIT, connect = PP_OP_INIT;

    (void)state;
    config.user = "4321";
    if (!ppi_on_linux())
        config.user = "S-1-5-21-1-2-3-1001";
    for (config.access = PP_ACCESS_OWNER; config.access <= PP_ACCESS_ADMINS; config.access++) {
        const char *path = test_path();

        assert_int_equal(pp_listen(&listener, path, &config), PP_OK);
        assert_int_equal(pp_dial(&client, path, NULL), PP_OK);
        assert_int_equal(pp_op_use_wait(&accept), PP_OK);
        assert_int_equal(pp_op_use_wait(&connect), PP_OK);
        pp_connect(client, &connect);
        pp_accept(listener, &accept, &server);
        assert_int_equal(wait_for(&connect), PP_OK); /* its waiter tries again, if it must */
        assert_int_equal(wait_for(&accept), PP_OK);
        pp_close(client);
        pp_close(server);
        pp_close(listener);
    }
}

static void row_87_each_end_knows_the_program_at_the_other(void **state)
{
    char path[1024], short_one[4];
    struct streams streams;

    (void)state;
    streams_open(&streams);
    assert_int_equal(pp_peer_exe(streams.client, path, sizeof path), PP_OK);
    assert_string_equal(path, ppi_program_path());
    assert_int_equal(pp_peer_exe(streams.server, path, sizeof path), PP_OK);
    assert_string_equal(path, ppi_program_path());
    assert_int_not_equal(pp_peer_exe(streams.server, short_one, sizeof short_one), PP_OK);
    assert_string_equal(short_one, "");
    assert_int_equal(pp_peer_exe(streams.server, path, 0), PP_EINVAL);
    assert_int_equal(pp_peer_exe(streams.listener, path, sizeof path), PP_ESTATE);
    streams_close(&streams);
}

static void row_87_groups_and_logon_are_told_where_the_system_has_them(void **state)
{
    pp_peer peer = { .size = sizeof peer };
    struct streams streams;
    char byte;

    (void)state;
    streams_open(&streams);
    write_all(streams.client, "x", 1); /* on Windows a client is known after its first byte */
    assert_true(read_all(streams.server, &byte, 1));
    assert_int_equal(pp_peer_get(streams.server, &peer), PP_OK);
    if (ppi_on_linux())
        assert_true(peer.flags & (PP_PEER_GIDS | PP_PEER_MORE_GIDS));
    else
        assert_true(peer.flags & PP_PEER_SESSION);
    assert_true(peer.gid_count <= PP_PEER_GIDS_MAX);
    assert_false(peer.flags & PP_PEER_APP_CONTAINER);
    streams_close(&streams);
}

/* The process number alone could be another's by then; the user cannot. */
static void row_87_who_has_left_is_still_known(void **state)
{
    pp_peer before = { .size = sizeof before }, after = { .size = sizeof after };
    struct streams streams;
    char byte;

    (void)state;
    streams_open(&streams);
    write_all(streams.client, "x", 1);
    assert_true(read_all(streams.server, &byte, 1));
    assert_int_equal(pp_peer_get(streams.server, &before), PP_OK);
    pp_close(streams.client);
    streams.client = NULL;
    assert_false(read_all(streams.server, &byte, 1));
    assert_int_equal(pp_peer_get(streams.server, &after), PP_OK);
    assert_true(after.flags & (PP_PEER_UID | PP_PEER_SID));
    assert_int_equal(after.uid, before.uid);
    assert_string_equal(after.sid, before.sid);
    streams_close(&streams);
}

/* To be no number and to be root is not the same. */
static void row_l14_a_server_is_expected_by_its_number(void **state)
{
    pp_dial_config config = PP_DIAL_CONFIG_INIT;
    pp_handle *listener, *client;
    pp_op op = PP_OP_INIT;
    const char *path = test_path();

    (void)state;
    assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
    config.server = "somebody";
    assert_int_equal(pp_dial(&client, path, &config), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    pp_connect(client, &op);
    assert_int_equal(wait_for(&op), ppi_on_linux() ? PP_EINVAL : PP_EUNTRUSTED);
    pp_close(client);
    pp_close(listener);
}

int access_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_w3_each_kind_of_access_grants_what_it_should),
        TEST(row_w6_programs_of_low_integrity_are_kept_out),
        TEST(row_w3_access_that_cannot_be_granted_is_refused),
        TEST(row_w3_kinds_of_access_have_names),
        TEST(row_l7_this_user_may_whatever_the_access),
        TEST(row_87_each_end_knows_the_program_at_the_other),
        TEST(row_87_groups_and_logon_are_told_where_the_system_has_them),
        TEST(row_87_who_has_left_is_still_known),
        TEST(row_l14_a_server_is_expected_by_its_number),
    };
    int failures = 0;

    RUN_GROUP(&failures, "who may connect", tests);
    return failures;
}
