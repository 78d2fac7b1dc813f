/* strangers.c: others who use the same names by themselves: who holds a name, or another's server,
 * or hides. */
#include <sddl.h>

#include "nt/faults.h"
#include "nt/model.h"
#include "support/support.h"

static const char somebody_else[] = "S-1-5-21-9-9-9-1009";

/* An instance without the lock on its name, of an owner (NULL: this user). */
static HANDLE raw_server(const char *path, const char *owner)
{
    SECURITY_ATTRIBUTES attributes = { sizeof attributes, NULL, FALSE };
    wchar_t wide[PP_PATH_MAX];
    char text[256];

    snprintf(text, sizeof text, "O:%sD:P(A;;GA;;;SY)", owner != NULL ? owner : "");
    if (owner != NULL)
        assert_true(ConvertStringSecurityDescriptorToSecurityDescriptorA(
            text, SDDL_REVISION_1, &attributes.lpSecurityDescriptor, NULL));
    MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, PP_PATH_MAX);
    HANDLE pipe = CreateNamedPipeW(wide, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, 0,
                                   PIPE_UNLIMITED_INSTANCES, 1000, 1000, 0, &attributes);
    LocalFree(attributes.lpSecurityDescriptor);
    assert_true(pipe != INVALID_HANDLE_VALUE);
    return pipe;
}

static HANDLE raw_client(const char *path, DWORD level)
{
    HANDLE pipe = INVALID_HANDLE_VALUE;
    wchar_t wide[PP_PATH_MAX];

    MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, PP_PATH_MAX);
    for (int i = 0; i < 1000 && pipe == INVALID_HANDLE_VALUE; i++)
        pipe = CreateFileW(wide, FILE_GENERIC_READ | FILE_GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                           FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | level, NULL);
    assert_true(pipe != INVALID_HANDLE_VALUE);
    return pipe;
}

/* Whoever holds the name without its lock keeps it, and is told apart from another user. */
static void row_79_a_name_held_without_its_lock_is_refused(void **state)
{
    const char *path = test_path();
    pp_handle *listener;

    (void)state;
    HANDLE squatter = raw_server(path, NULL), more = raw_server(path, NULL);
    int status = pp_listen(&listener, path, NULL);
    assert_int_equal(status, PP_EINUSE);
    assert_non_null(strstr(pp_detail(), "does not lock"));
    CloseHandle(squatter);
    CloseHandle(more);
    assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
    pp_close(listener);

    path = test_path();
    squatter = raw_server(path, somebody_else);
    for (int i = 0; i < 100 && status != PP_EUNTRUSTED; i++) { /* once it might be busy */
        status = pp_listen(&listener, path, NULL);
        assert_true(status == PP_EUNTRUSTED || status == PP_EINUSE);
    }
    assert_int_equal(status, PP_EUNTRUSTED);
    CloseHandle(squatter);
}

static int connect_status(const char *path, uint32_t flags, const char *server)
{
    pp_dial_config config = PP_DIAL_CONFIG_INIT;
    pp_op op = PP_OP_INIT;
    pp_handle *client;

    config.flags = flags;
    config.server = server;
    assert_int_equal(pp_dial(&client, path, &config), PP_OK);
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_connect(client, &op), PP_PENDING);
    int status = wait_for(&op);
    pp_close(client);
    return status;
}

static void row_87_anothers_server_is_not_trusted(void **state)
{
    HANDLE servers[3];
    const char *path = test_path();

    (void)state;
    for (int i = 0; i < 3; i++)
        servers[i] = raw_server(path, somebody_else);
    assert_int_equal(connect_status(path, 0, NULL), PP_EUNTRUSTED);
    assert_int_equal(connect_status(path, 0, somebody_else), PP_OK);
    assert_int_equal(connect_status(path, PP_DIAL_ANY_SERVER, NULL), PP_OK);
    for (int i = 0; i < 3; i++)
        CloseHandle(servers[i]);
}

/* Who lets a server know nothing is somebody of whom nothing is known. */
static void row_87_a_client_that_hides_has_no_name(void **state)
{
    static const DWORD levels[] = { SECURITY_ANONYMOUS, SECURITY_IDENTIFICATION };

    (void)state;
    for (int known = 0; known < 2; known++) {
        pp_peer peer = { .size = sizeof peer };
        pp_op accept = PP_OP_INIT;
        pp_handle *listener, *server;
        const char *path = test_path();
        OVERLAPPED write = { .hEvent = CreateEventW(NULL, TRUE, FALSE, NULL) };
        char byte;

        assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
        HANDLE client = raw_client(path, levels[known]);
        assert_int_equal(pp_op_use_wait(&accept), PP_OK);
        assert_int_equal(pp_accept(listener, &accept, &server), PP_PENDING);
        assert_int_equal(wait_for(&accept), PP_OK);
        assert_int_equal(pp_peer_get(server, &peer), PP_OK);
        assert_false(peer.flags & PP_PEER_SID); /* nothing was read yet */
        WriteFile(client, "x", 1, NULL, &write);
        assert_true(read_all(server, &byte, 1));
        assert_int_equal(pp_peer_get(server, &peer), PP_OK);
        assert_int_equal((peer.flags & PP_PEER_SID) != 0, known);
        assert_int_equal((peer.flags & PP_PEER_INTEGRITY) != 0, known);
        assert_int_equal(WaitForSingleObject(write.hEvent, TEST_PATIENCE_MS), WAIT_OBJECT_0);
        CloseHandle(write.hEvent);
        CloseHandle(client);
        pp_close(server);
        pp_close(listener);
    }
}

/* Bytes one by one, reads and writes of nothing: a stream is a stream. */
static void row_67_a_stranger_may_write_as_it_likes(void **state)
{
    enum { COUNT = 200 };
    pp_op accept = PP_OP_INIT;
    pp_handle *listener, *server;
    const char *path = test_path();
    char data[COUNT], read[COUNT];

    (void)state;
    assert_int_equal(pp_listen(&listener, path, NULL), PP_OK);
    HANDLE client = raw_client(path, SECURITY_IDENTIFICATION);
    assert_int_equal(pp_op_use_wait(&accept), PP_OK);
    assert_int_equal(pp_accept(listener, &accept, &server), PP_PENDING);
    assert_int_equal(wait_for(&accept), PP_OK);
    for (int i = 0; i < COUNT; i++) {
        OVERLAPPED write = { .hEvent = CreateEventW(NULL, TRUE, FALSE, NULL) };

        data[i] = (char)i;
        for (DWORD size = 0; size < 2; size++) { /* of nothing, and of one */
            WriteFile(client, &data[i], size, NULL, &write);
            assert_int_equal(WaitForSingleObject(write.hEvent, TEST_PATIENCE_MS), WAIT_OBJECT_0);
        }
        CloseHandle(write.hEvent);
    }
    assert_true(read_all(server, read, COUNT));
    assert_memory_equal(read, data, COUNT);
    CloseHandle(client);
    pp_close(server);
    pp_close(listener);
}

int stranger_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_79_a_name_held_without_its_lock_is_refused),
        TEST(row_87_anothers_server_is_not_trusted),
        TEST(row_87_a_client_that_hides_has_no_name),
        TEST(row_67_a_stranger_may_write_as_it_likes),
    };

    return cmocka_run_group_tests_name("strangers", tests, NULL, NULL);
}
