/* loop_rows_win.c: a program has a completion port and a loop of its own, which the library joins.
 */
#include "io/rows.h"
#include "support/support.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

static void a_port_lends_no_descriptor_on_windows(void **state)
{
    pp_port *port;
    int descriptor;

    (void)state;
    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    assert_int_equal(pp_port_pollable(port, &descriptor), PP_ENOTSUP);
    assert_non_null(strstr(pp_detail(), "native"));
    pp_port_close(port);
}

/* A completion port of the program's, and two streams on it. */
struct guest {
    HANDLE native;
    struct pair pair;
};

static void guest_open(struct guest *guest)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    guest->native = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    assert_non_null(guest->native);
    config.native = guest->native;
    pair_open(&guest->pair, &config);
}

static void guest_close(struct guest *guest)
{
    pair_close(&guest->pair);
    assert_true(PostQueuedCompletionStatus(guest->native, 0, 0, NULL)); /* it is still open */
    CloseHandle(guest->native);
}

static void an_adopted_port_delivers_its_owners_packets_too(void **state)
{
    struct guest guest;
    OVERLAPPED own = { 0 };
    pp_op read = PP_OP_INIT;
    char byte = 0;

    (void)state;
    guest_open(&guest);
    assert_true(PostQueuedCompletionStatus(guest.native, 5, 77, &own));
    pp_packet packet = next_packet(guest.pair.port);
    assert_int_equal(packet.flags, PP_PACKET_FOREIGN);
    assert_ptr_equal(packet.foreign, &own);
    assert_null(packet.op);
    assert_int_equal(packet.key, 77);
    assert_int_equal(packet.bytes, 5);
    assert_int_equal(pp_read(guest.pair.server, &read, &byte, 1), PP_PENDING);
    write_all(guest.pair.client, "x", 1);
    packet = next_packet(guest.pair.port);
    assert_ptr_equal(packet.op, &read);
    assert_int_equal(packet.key, 1);
    guest_close(&guest);
}

/* Takes entries itself, and asks the library about each; the first that is a packet. */
static pp_packet next_claimed(const struct guest *guest)
{
    pp_packet packet = { 0 };
    int claimed = 0;

    while (claimed == 0) {
        OVERLAPPED_ENTRY entry;
        ULONG count = 0;

        assert_true(
            GetQueuedCompletionStatusEx(guest->native, &entry, 1, &count, TEST_PATIENCE_MS, FALSE));
        claimed = pp_port_claim(guest->pair.port, entry.lpOverlapped, entry.lpCompletionKey,
                                entry.dwNumberOfBytesTransferred, &packet);
    }
    assert_int_equal(claimed, 1);
    return packet;
}

static void a_loop_of_the_programs_own_hands_the_library_its_packets(void **state)
{
    struct guest guest;
    OVERLAPPED own = { 0 };
    pp_op read = PP_OP_INIT, post = PP_OP_INIT;
    pp_packet packet;
    char byte = 0;

    (void)state;
    guest_open(&guest);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pp_read(guest.pair.server, &read, &byte, 1), PP_PENDING);
        write_all(guest.pair.client, "x", 1);
        packet = next_claimed(&guest);
        assert_ptr_equal(packet.op, &read);
        assert_int_equal(packet.bytes, 1);
        assert_int_equal(pp_port_post(guest.pair.port, 9, 8, &post), PP_OK);
        packet = next_claimed(&guest);
        assert_ptr_equal(packet.op, &post);
        assert_int_equal(packet.key, 9);
    }
    assert_int_equal(pp_port_claim(guest.pair.port, &own, 77, 0, &packet), PP_ENOTFOUND);
    guest_close(&guest);
}

/* An instance of a pipe of the program's own waits for a client, until it is canceled. */
static void row_24_an_owners_packet_has_its_status(void **state)
{
    struct guest guest;
    OVERLAPPED own = { 0 };

    (void)state;
    guest_open(&guest);
    HANDLE pipe = CreateNamedPipeW(L"\\\\.\\pipe\\panpipe-of-an-owner",
                                   PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                                   PIPE_TYPE_BYTE | PIPE_WAIT, 1, 4096, 4096, 0, NULL);
    assert_ptr_not_equal(pipe, INVALID_HANDLE_VALUE);
    assert_ptr_equal(CreateIoCompletionPort(pipe, guest.native, 77, 0), guest.native);
    assert_false(ConnectNamedPipe(pipe, &own));
    assert_int_equal(GetLastError(), ERROR_IO_PENDING);
    assert_true(CancelIoEx(pipe, &own));
    pp_packet packet = next_packet(guest.pair.port);
    assert_int_equal(packet.flags, PP_PACKET_FOREIGN);
    assert_ptr_equal(packet.foreign, &own);
    assert_int_equal(packet.key, 77);
    assert_int_equal(packet.status, PP_ECANCELED);
    CloseHandle(pipe);
    guest_close(&guest);
}

int foreign_loop_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_port_lends_no_descriptor_on_windows),
        TEST(an_adopted_port_delivers_its_owners_packets_too),
        TEST(row_24_an_owners_packet_has_its_status),
        TEST(a_loop_of_the_programs_own_hands_the_library_its_packets),
    };

    return test_group_run("loops of others", tests, PPI_COUNT(tests));
}
