/* fork_tests_linux.c: what a child that a host forks has of its clients, and of its locks. */
#include "client/party.h"
#include "support/forked_linux.h"

#include <sys/wait.h>
#include <unistd.h>

#include "io/start.h"

static struct bus bus;

/* The child's exit code: how many of its calls were not refused. */
static int use(pp_client *client, pp_sub *sub)
{
    pp_op op = PP_OP_INIT;
    pp_answer answer = { 0 };
    int wrong = 0;

    wrong += publish(client, "a", "[7]") != PP_ESTATE;
    wrong += pp_publish_start(client, &op, "a", "\x90", 1) != PP_ESTATE;
    wrong += pp_call(client, NULL, "q", "\x90", 1, NULL, &answer) != PP_ESTATE;
    wrong += pp_reply(client, 1, "\x90", 1) != PP_ESTATE;
    wrong += pp_call_cancel(client, &op) != PP_ESTATE;
    wrong += pp_unsubscribe(sub, &op) != PP_ESTATE;
    wrong += pp_client_start(client) != PP_ESTATE;
    wrong += pp_client_connect(client, &op) != PP_ESTATE;
    wrong += pp_client_drain(client, &op) != PP_ESTATE;
    pp_client_push(client);
    wrong += pp_client_close(client) != PP_ESTATE;
    wrong += pp_client_abort(client) != PP_ESTATE;
    return wrong;
}

static void a_forked_child_cannot_use_its_parents_client_and_does_it_no_harm(void **state)
{
    struct listener listener = { 0 };
    struct watcher watcher;

    (void)state;
    bus_open(&bus, NULL);
    pp_client *client = open_watched(&bus, &watcher, 0);
    pp_client *other = open_client(&bus);
    pp_sub *sub = listen_to(client, "a", &listener);
    pid_t child = fork();
    if (child == 0)
        _exit(use(client, sub));
    assert_int_equal(exit_code_of(child), 0);
    assert_int_equal(publish(other, "a", "[0]"), PP_OK);
    EVENTUALLY(listener.count == 1);
    assert_int_equal(listener.disorder, 0);
    assert_int_equal(pp_client_flush(client, NULL), PP_OK);
    assert_int_equal(watcher.away, 0);
    pp_client_close(other);
    pp_client_close(client);
    bus_close(&bus);
}

/* Another thread of the host may fork at any moment, also while this one looks for a broker. */
static void a_forked_child_does_not_keep_brokers_from_being_started(void **state)
{
    struct ppi_start start = { 0 };
    int code, ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(ppi_start_take(&start, "forked"), PP_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[1]);
        _exit((int)read(ends[0], &code, 1)); /* until the other end is closed */
    }
    ppi_start_drop(&start);
    int again = ppi_start_take(&start, "forked");
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(again, PP_OK);
    ppi_start_drop(&start);
}

int fork_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(a_forked_child_cannot_use_its_parents_client_and_does_it_no_harm),
        cmocka_unit_test(a_forked_child_does_not_keep_brokers_from_being_started),
    };
    int failures = 0;

    RUN_GROUP(&failures, "forked children", tests);
    return failures;
}
