/* file_rows.c: rows 89 to 91, files on the port, and those of the other rows that files share. */
#include "io/rows.h"
#include "support/support.h"

#include <panpipe/file.h>

enum {
    FOR_READING = PP_FILE_READ,
    FOR_WRITING = PP_FILE_WRITE | PP_FILE_CREATE | PP_FILE_EMPTY,
    FOR_BOTH = FOR_READING | FOR_WRITING
};

/* The path of a file that no other test uses. Static, until the next call but three. */
static const char *file_path(void)
{
    static char paths[4][PP_PATH_MAX];
    static unsigned count;
    char folder[PP_PATH_MAX - 64], *path = paths[count % 4];

    ppi_temporary_folder(folder, sizeof folder);
    snprintf(path, PP_PATH_MAX, "%s/panpipe-file-%llu-%u", folder,
             (unsigned long long)ppi_process_id(), count++);
    return path;
}

static unsigned char content_at(uint64_t offset)
{
    return (unsigned char)(offset * 31 + (offset >> 8) * 7 + 1);
}

static void fill(unsigned char *data, size_t size, uint64_t offset)
{
    for (size_t i = 0; i < size; i++)
        data[i] = content_at(offset + i);
}

static bool is_content(const unsigned char *data, size_t size, uint64_t offset)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != content_at(offset + i))
            return false;
    return true;
}

/* Opens a file, on port unless that is NULL. */
static pp_handle *open_file(pp_port *port, const char *path, uint32_t flags)
{
    pp_handle *file;

    assert_int_equal(pp_file_open(&file, path, flags), PP_OK);
    if (port != NULL)
        assert_int_equal(pp_port_attach(port, file, 7), PP_OK);
    return file;
}

static pp_port *open_port(void)
{
    pp_port *port;

    assert_int_equal(pp_port_open(&port, NULL), PP_OK);
    return port;
}

static void end_port(pp_port *port)
{
    assert_int_equal(pp_port_shutdown(port, PP_SHUT_FAST, TEST_PATIENCE_MS, NULL, NULL), PP_OK);
    pp_port_close(port);
}

/* Makes a file with that much content; its path. */
static const char *make_file(size_t size)
{
    const char *path = file_path();
    pp_handle *file = open_file(NULL, path, FOR_WRITING);
    unsigned char *data = malloc(size + 1);
    pp_op op = PP_OP_INIT;

    fill(data, size, 0);
    if (size > 0) {
        assert_int_equal(pp_op_use_wait(&op), PP_OK);
        assert_int_equal(pp_file_write_at(file, &op, data, size, 0), PP_PENDING);
        assert_int_equal(wait_for(&op), PP_OK);
        assert_int_equal(op.bytes, size);
    }
    assert_int_equal(pp_close(file), PP_OK);
    free(data);
    return path;
}

static void must_be_content(const char *path, size_t size)
{
    FILE *file = ppi_file_open(path, "rb");
    unsigned char *data = malloc(size + 1);

    assert_non_null(file);
    assert_int_equal(fread(data, 1, size + 1, file), size);
    assert_true(is_content(data, size, 0));
    fclose(file);
    free(data);
}

/* --- row 89: operations ---------------------------------------------------------------------- */

static void row_04_files_and_streams_share_one_port(void **state)
{
    struct pair pair;
    const char *path = make_file(10);
    pp_op of_file = PP_OP_INIT, of_stream = PP_OP_INIT, written = PP_OP_INIT;
    char bytes[10], byte;
    unsigned seen = 0;

    (void)state;
    pair_open(&pair, NULL);
    pp_handle *file = open_file(pair.port, path, FOR_READING);
    assert_int_equal(pp_port_attach(pair.port, file, 8), PP_ESTATE);
    assert_int_equal(pp_read(pair.server, &of_stream, &byte, 1), PP_PENDING);
    assert_int_equal(pp_file_read_at(file, &of_file, bytes, 10, 0), PP_PENDING);
    assert_int_equal(pp_write(pair.client, &written, "x", 1), PP_PENDING);
    for (int i = 0; i < 3; i++) {
        pp_packet packet = next_packet(pair.port);

        assert_int_equal(packet.status, PP_OK);
        assert_int_equal(packet.key, packet.op == &of_file ? 7 : packet.op == &written ? 2 : 1);
        seen |= packet.op == &of_file ? 1 : packet.op == &written ? 2 : 4;
    }
    assert_int_equal(seen, 7);
    assert_int_equal(pp_close(file), PP_OK);
    pair_close(&pair);
    remove(path);
}

static void read_many(pp_handle *file, pp_port *port, size_t size)
{
    enum { COUNT = 64 };
    pp_op ops[COUNT] = { PP_OP_INIT };
    unsigned char *data = malloc(COUNT * size);

    for (size_t i = 0; i < COUNT; i++) {
        size_t block = i * 37 % COUNT;
        assert_int_equal(pp_file_read_at(file, &ops[i], data + block * size, size, block * size),
                         PP_PENDING);
    }
    for (int i = 0; i < COUNT; i++) {
        pp_packet packet = next_packet(port);
        assert_int_equal(packet.status, PP_OK);
        assert_int_equal(packet.bytes, size);
    }
    assert_true(is_content(data, COUNT * size, 0));
    free(data);
}

/* Small reads are answered from memory, large ones by helpers. */
static void row_89_sixty_four_reads_of_one_file_at_once(void **state)
{
    enum { SMALL = 1000, LARGE = 300 * 1024 };
    const char *path = make_file(64 * LARGE);
    pp_port *port = open_port();
    pp_handle *file = open_file(port, path, FOR_READING);
    uint64_t size;

    (void)state;
    assert_int_equal(pp_file_size(file, &size), PP_OK);
    assert_int_equal(size, 64 * LARGE);
    read_many(file, port, SMALL);
    read_many(file, port, LARGE);
    assert_int_equal(pp_close(file), PP_OK);
    end_port(port);
    remove(path);
}

static void row_89_writes_land_where_they_were_sent(void **state)
{
    enum { COUNT = 64, SIZE = 10000 };
    static unsigned char data[COUNT * SIZE];
    static pp_op ops[COUNT + 1];
    const char *path = file_path();
    pp_port *port = open_port();
    pp_handle *file = open_file(port, path, FOR_WRITING);

    (void)state;
    fill(data, sizeof data, 0);
    for (size_t i = 0; i < COUNT; i++) {
        size_t at = (COUNT - 1 - i) * SIZE;
        assert_int_equal(pp_file_write_at(file, &ops[i], data + at, SIZE, at), PP_PENDING);
    }
    for (int i = 0; i < COUNT; i++) {
        pp_packet packet = next_packet(port);
        assert_int_equal(packet.status, PP_OK);
        assert_int_equal(packet.bytes, SIZE);
    }
    assert_int_equal(pp_file_sync(file, &ops[COUNT]), PP_PENDING);
    assert_int_equal(next_packet(port).status, PP_OK);
    assert_int_equal(pp_handle_outstanding(file), 0);
    assert_int_equal(pp_close(file), PP_OK);
    end_port(port);
    must_be_content(path, sizeof data);
    remove(path);
}

static void row_40_an_operation_says_where_in_the_file(void **state)
{
    const uint64_t distant = (UINT64_C(4) << 30) + 1;
    const char *path = file_path();
    pp_op op = PP_OP_INIT;
    char back[8] = "";
    uint64_t size;

    (void)state;
    if (!ppi_on_linux() && !ppi_on_wine()) {
        print_message("# row 40: without sparse files it would fill 4 GiB\n");
        skip();
    }
    pp_port *port = open_port();
    pp_handle *file = open_file(port, path, FOR_BOTH);
    assert_int_equal(pp_file_write_at(file, &op, "far away", 8, distant), PP_PENDING);
    assert_int_equal(next_packet(port).bytes, 8);
    assert_int_equal(pp_file_size(file, &size), PP_OK);
    assert_true(size == distant + 8);
    assert_int_equal(pp_file_read_at(file, &op, back, 8, distant), PP_PENDING);
    assert_int_equal(next_packet(port).bytes, 8);
    assert_memory_equal(back, "far away", 8);
    assert_int_equal(pp_file_read_at(file, &op, back, 1, distant - 1), PP_PENDING);
    assert_int_equal(next_packet(port).status, PP_OK);
    assert_int_equal(back[0], 0); /* what nobody wrote is zeros */
    assert_int_equal(pp_close(file), PP_OK);
    end_port(port);
    remove(path);
}

static void row_51_a_file_needs_no_port_when_it_is_waited_for(void **state)
{
    enum { SIZE = 100000 };
    static unsigned char data[SIZE];
    const char *path = make_file(SIZE);
    pp_handle *file = open_file(NULL, path, PP_FILE_READ | PP_FILE_WRITE);
    pp_op op = PP_OP_INIT;

    (void)state;
    assert_int_equal(pp_file_read_at(file, &op, data, SIZE, 0), PP_ESTATE);
    for (int round = 0; round < 100; round++) {
        assert_int_equal(pp_op_use_wait(&op), PP_OK);
        assert_int_equal(pp_file_read_at(file, &op, data, SIZE, 0), PP_PENDING);
        assert_int_equal(wait_for(&op), PP_OK);
        assert_int_equal(op.bytes, SIZE);
        assert_true(is_content(data, SIZE, 0));
        assert_int_equal(pp_op_use_wait(&op), PP_OK);
        assert_int_equal(pp_file_write_at(file, &op, data, SIZE, 0), PP_PENDING);
        assert_int_equal(wait_for(&op), PP_OK);
    }
    assert_int_equal(pp_op_use_wait(&op), PP_OK);
    assert_int_equal(pp_file_read_at(file, &op, data, 1, SIZE), PP_PENDING);
    assert_int_equal(wait_for(&op), PP_EOF);
    assert_int_equal(pp_close(file), PP_OK);
    remove(path);
}

static void row_47_what_is_in_memory_ends_at_once(void **state)
{
    enum { COUNT = 100 };
    const char *path = make_file(COUNT);
    pp_port *port = open_port();
    pp_handle *file = open_file(port, path, FOR_READING);
    pp_op op = PP_OP_INIT;
    pp_packet packet;
    int done = 0;

    (void)state;
    assert_int_equal(pp_set_skip(file), PP_OK);
    for (int i = 0; i < COUNT; i++) {
        unsigned char byte = 0;
        int result = pp_file_read_at(file, &op, &byte, 1, (uint64_t)i);

        assert_in_range(result, PP_PENDING, PP_DONE);
        done += result == PP_DONE;
        if (result == PP_PENDING)
            assert_int_equal(next_packet(port).status, PP_OK);
        assert_int_equal(op.bytes, 1);
        assert_int_equal(byte, content_at((uint64_t)i));
    }
    assert_int_equal(pp_port_get(port, &packet, 0), 0);
    print_message("# %d of %d reads ended at once\n", done, COUNT);
    assert_true(done < COUNT); /* now and then one goes through the port all the same */
    assert_int_equal(pp_close(file), PP_OK);
    end_port(port);
    remove(path);
}

/* --- row 89: what is refused ----------------------------------------------------------------- */

static void opening(const char *path, uint32_t flags, int status)
{
    pp_handle *file;

    assert_int_equal(pp_file_open(&file, path, flags), status);
    assert_string_not_equal(pp_detail(), "");
}

static void row_89_opening_says_what_is_wrong(void **state)
{
    const char *path = make_file(10), *missing = file_path();
    char folder[PP_PATH_MAX], deeper[PP_PATH_MAX + 8], words[PP_PATH_MAX];
    uint64_t size;

    (void)state;
    ppi_temporary_folder(folder, sizeof folder);
    snprintf(deeper, sizeof deeper, "%s/a", missing);
    opening(missing, FOR_READING, PP_ENOTFOUND);
    snprintf(words, sizeof words, "%s", pp_detail());
    assert_non_null(strstr(words, missing));
    opening(missing, PP_FILE_WRITE, PP_ENOTFOUND);
    opening(deeper, FOR_READING, PP_ENOTFOUND);
    opening(deeper, FOR_WRITING, PP_ENOTFOUND);
    opening(folder, FOR_READING, PP_ENOTSUP);
    opening(folder, FOR_WRITING, PP_ENOTSUP);
    opening(path, PP_FILE_WRITE | PP_FILE_NEW, PP_EINUSE);
    opening("", FOR_READING, PP_EINVAL);
    opening(path, 0, PP_EINVAL);
    opening(path, PP_FILE_READ | PP_FILE_EMPTY, PP_EINVAL);
    opening(path, 64 | PP_FILE_READ, PP_EINVAL);

    pp_handle *file = open_file(NULL, path, PP_FILE_WRITE | PP_FILE_CREATE);
    assert_int_equal(pp_file_size(file, &size), PP_OK);
    assert_int_equal(size, 10); /* it was there, and has what it had */
    pp_close(file);
    file = open_file(NULL, path, PP_FILE_WRITE | PP_FILE_EMPTY);
    assert_int_equal(pp_file_size(file, &size), PP_OK);
    assert_int_equal(size, 0);
    pp_close(file);
    remove(path);
}

static void row_89_each_kind_of_handle_has_its_operations(void **state)
{
    struct pair pair;
    const char *path = make_file(10);
    pp_op op = PP_OP_INIT;
    char byte = 0;
    uint64_t size;
    pp_peer peer = { .size = sizeof peer };

    (void)state;
    pair_open(&pair, NULL);
    pp_handle *file = open_file(pair.port, path, FOR_READING), *stream = pair.client;
    assert_int_equal(pp_file_read_at(stream, &op, &byte, 1, 0), PP_ESTATE);
    assert_int_equal(pp_file_size(stream, &size), PP_ESTATE);
    assert_int_equal(pp_read(file, &op, &byte, 1), PP_ESTATE);
    assert_int_equal(pp_write(file, &op, &byte, 1), PP_ESTATE);
    assert_int_equal(pp_accept(file, &op, &stream), PP_ESTATE);
    assert_int_equal(pp_connect(file, &op), PP_ESTATE);
    assert_int_equal(pp_peer_get(file, &peer), PP_ESTATE);
    assert_int_equal(pp_file_write_at(file, &op, &byte, 1, 0), PP_ESTATE); /* not opened for it */
    assert_int_equal(pp_file_sync(file, &op), PP_ESTATE);
    assert_int_equal(pp_file_read_at(file, &op, &byte, 0, 0), PP_EINVAL);
    assert_int_equal(pp_file_read_at(file, &op, NULL, 1, 0), PP_EINVAL);
    assert_int_equal(pp_file_read_at(file, &op, &byte, 1, UINT64_MAX), PP_EINVAL);
    assert_int_equal(pp_file_read_at(file, &op, &byte, 1, INT64_MAX), PP_EINVAL);
    assert_int_equal(pp_file_read_at(NULL, &op, &byte, 1, 0), PP_EINVAL);
    assert_int_equal(pp_cancel(file, &op), PP_ENOTFOUND);
    assert_int_equal(pp_file_read_at(file, &op, &byte, 1, 0), PP_PENDING); /* op is idle still */
    assert_int_equal(pp_file_read_at(file, &op, &byte, 1, 0), PP_ESTATE);
    assert_int_equal(next_packet(pair.port).status, PP_OK);
    assert_int_equal(pp_abort(file), PP_OK);
    assert_int_equal(pp_file_read_at(file, &op, &byte, 1, 0), PP_ECLOSED);
    assert_int_equal(pp_file_size(file, &size), PP_ECLOSED);
    assert_int_equal(pp_close(file), PP_OK);
    pair_close(&pair);
    remove(path);
}

/* --- rows 90 and 91 -------------------------------------------------------------------------- */

static void row_90_the_end_of_a_file_is_a_status_of_its_own(void **state)
{
    enum { SIZE = 1000 };
    static const uint64_t offsets[] = { SIZE, SIZE + 1, UINT64_C(5) << 30 };
    const char *path = make_file(SIZE), *empty = make_file(0);
    pp_port *port = open_port();
    pp_handle *file = open_file(port, path, FOR_READING);
    unsigned char data[SIZE];
    pp_op op = PP_OP_INIT;
    pp_packet packet;

    (void)state;
    for (size_t i = 0; i < PPI_COUNT(offsets); i++) {
        assert_int_equal(pp_file_read_at(file, &op, data, SIZE, offsets[i]), PP_PENDING);
        packet = next_packet(port);
        assert_int_equal(packet.status, PP_EOF);
        assert_int_equal(packet.bytes, 0);
    }
    assert_int_equal(pp_file_read_at(file, &op, data, SIZE, SIZE - 10), PP_PENDING);
    packet = next_packet(port); /* what there is before the end is no end yet */
    assert_int_equal(packet.status, PP_OK);
    assert_int_equal(packet.bytes, 10);
    assert_true(is_content(data, 10, SIZE - 10));
    pp_close(file);
    file = open_file(port, empty, FOR_READING);
    assert_int_equal(pp_file_read_at(file, &op, data, 1, 0), PP_PENDING);
    assert_int_equal(next_packet(port).status, PP_EOF);
    pp_close(file);
    end_port(port);
    remove(path);
    remove(empty);
}

enum { BUFFER = 4096 };

/* Copies with one operation: read, write, the next; how much. cut: at that offset the source
 * loses all it has. */
static uint64_t copy(pp_port *port, const char *from, const char *to, uint64_t cut)
{
    pp_handle *source = open_file(port, from, FOR_READING);
    pp_handle *target = open_file(port, to, FOR_WRITING);
    unsigned char buffer[BUFFER];
    pp_op op = PP_OP_INIT;
    uint64_t offset = 0;

    for (;;) {
        if (offset == cut)
            pp_close(open_file(NULL, from, FOR_WRITING));
        assert_int_equal(pp_file_read_at(source, &op, buffer, BUFFER, offset), PP_PENDING);
        pp_packet packet = next_packet(port);
        if (packet.status == PP_EOF)
            break;
        assert_int_equal(packet.status, PP_OK);
        size_t got = (size_t)packet.bytes;
        assert_int_equal(pp_file_write_at(target, &op, buffer, got, offset), PP_PENDING);
        packet = next_packet(port);
        assert_int_equal(packet.status, PP_OK);
        assert_int_equal(packet.bytes, got);
        offset += got;
    }
    pp_close(source);
    pp_close(target);
    return offset;
}

static void row_91_a_chain_of_reads_and_writes_copies_files_of_every_size(void **state)
{
    static const size_t sizes[] = { 0, 1, BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER + 7 };
    pp_port *port = open_port();

    (void)state;
    for (size_t i = 0; i < PPI_COUNT(sizes); i++) {
        const char *from = make_file(sizes[i]), *to = file_path();

        assert_int_equal(copy(port, from, to, UINT64_MAX), sizes[i]);
        must_be_content(to, sizes[i]);
        remove(from);
        remove(to);
    }
    end_port(port);
}

static void row_91_a_source_that_shrinks_ends_the_chain(void **state)
{
    const char *from = make_file(10 * BUFFER), *to = file_path();
    pp_port *port = open_port();

    (void)state;
    assert_int_equal(copy(port, from, to, 4 * BUFFER), 4 * BUFFER);
    must_be_content(to, 4 * BUFFER);
    end_port(port);
    remove(from);
    remove(to);
}

int file_rows(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_04_files_and_streams_share_one_port),
        TEST(row_40_an_operation_says_where_in_the_file),
        TEST(row_47_what_is_in_memory_ends_at_once),
        TEST(row_51_a_file_needs_no_port_when_it_is_waited_for),
        TEST(row_89_sixty_four_reads_of_one_file_at_once),
        TEST(row_89_writes_land_where_they_were_sent),
        TEST(row_89_opening_says_what_is_wrong),
        TEST(row_89_each_kind_of_handle_has_its_operations),
        TEST(row_90_the_end_of_a_file_is_a_status_of_its_own),
        TEST(row_91_a_chain_of_reads_and_writes_copies_files_of_every_size),
        TEST(row_91_a_source_that_shrinks_ends_the_chain),
    };
    int failures = 0;

    RUN_GROUP(&failures, "files", tests);
    return failures;
}
