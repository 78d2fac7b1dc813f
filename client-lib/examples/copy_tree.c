/* copy_tree.c: copies a folder and all that is in it, with many operations in flight on one port.
 *
 *     build/bin/examples/copy_tree [-k 16] FROM TO
 *
 * There are k chains. A chain reads a block, writes it, and goes on with the next block that nobody
 * has taken, of the same file or the next one: so a large file is copied in many places at once,
 * and small files many at a time. One thread takes all packets.
 *
 * Nothing is overwritten: a file that is there already is an error, and the others are copied all
 * the same. Links and devices are left out, modes and times are not copied. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/file.h>
#include <panpipe/sys.h>

enum { BLOCK = 256 * 1024, CHAINS = 16, CHAINS_MAX = 1024, REDRAW_MS = 100, BAR = 24 };

/* What was found below FROM, in the order in which it is copied: folders before what is in them. */
struct entry {
    struct entry *next;
    int kind;    /* PP_ENTRY_... */
    char name[]; /* "/a/b", from FROM on */
};

/* A file that is being copied. */
struct copy {
    pp_handle *source, *target;
    const char *name;
    uint64_t size; /* when it was opened: what comes later is not copied */
    uint64_t next; /* from here on no chain has taken a block */
    int blocks;    /* in flight */
    int status;
};

struct chain {
    pp_op op;
    struct copy *copy;
    uint64_t offset;
    size_t length;
    int writing;
    char *buffer;
};

static const char *from, *to;
static pp_port *port;
static struct entry *first, **last = &first, *walked;
static struct copy *current; /* of it blocks are taken; NULL: none */
static unsigned long found, copied, failed, folders, busy;
static uint64_t bytes, begin_ns;

static void complain(const char *name, const char *what, const char *detail)
{
    fprintf(stderr, "copy_tree: %s%s: %s %s\n", from, name, what, detail);
    failed++;
}

static void *must_have(void *memory)
{
    if (memory != NULL)
        return memory;
    fprintf(stderr, "copy_tree: no memory\n");
    exit(1);
}

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "copy_tree: %s: %s. %s\n", what, pp_strerror(status), pp_detail());
    exit(1);
}

/* root and the name below it; free it. */
static char *path_of(const char *root, const char *name)
{
    size_t length = strlen(root) + strlen(name) + 1;
    char *path = must_have(malloc(length));

    snprintf(path, length, "%s%s", root, name);
    return path;
}

/* --- how far it is ---------------------------------------------------------------------------- */

static void show(int at_end)
{
    static uint64_t due_ns;
    uint64_t now_ns = pp_now_ns();
    char bar[BAR + 1];

    if (!pp_is_terminal(2) || (!at_end && now_ns < due_ns))
        return;
    due_ns = now_ns + REDRAW_MS * 1000000u;
    double part = current != NULL ? (double)current->next / (double)current->size : 0;
    double share = found > 0 ? ((double)(copied + failed) + part) / (double)found : 1;
    int full = share < 1 ? (int)(share * BAR) : BAR;
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)full);
    bar[BAR] = '\0';
    fprintf(stderr, "\r[%s] %lu of %lu files, %.1f MB ", bar, copied, found, (double)bytes / 1e6);
    if (at_end)
        fprintf(stderr, "\r\033[K");
    fflush(stderr);
}

/* --- what there is to copy -------------------------------------------------------------------- */

static int add(void *folder, const char *name, int kind)
{
    const char *above = folder;
    size_t length = strlen(above) + strlen(name) + 2;
    struct entry *entry = must_have(malloc(sizeof *entry + length));

    entry->next = NULL;
    entry->kind = kind;
    snprintf(entry->name, length, "%s/%s", above, name);
    *last = entry;
    last = &entry->next;
    found += kind == PP_ENTRY_FILE;
    return 0;
}

static int list(const char *name)
{
    char *path = path_of(from, name);
    int status = pp_folder_each(path, add, (void *)(uintptr_t)name);

    if (status != PP_OK)
        complain(name, pp_strerror(status), pp_detail());
    free(path);
    return status;
}

static void make_folder(const char *name)
{
    char *path = path_of(to, name);
    int status = pp_folder_make(path);

    if (status == PP_OK)
        folders++;
    else if (status != PP_EINUSE)
        complain(name, pp_strerror(status), pp_detail());
    free(path);
}

/* Everything is listed before anything is made: TO may lie in FROM. */
static void find_all(void)
{
    if (list("") != PP_OK)
        exit(1);
    for (struct entry *entry = first; entry != NULL; entry = entry->next)
        if (entry->kind == PP_ENTRY_FOLDER)
            list(entry->name);
    make_folder("");
    for (struct entry *entry = first; entry != NULL; entry = entry->next) {
        if (entry->kind == PP_ENTRY_FOLDER)
            make_folder(entry->name);
        if (entry->kind == PP_ENTRY_OTHER)
            complain(entry->name, "left out:", "neither a file nor a folder");
    }
    walked = first;
}

/* --- one file after the other ----------------------------------------------------------------- */

static int open_both(struct copy *copy)
{
    char *source = path_of(from, copy->name), *target = path_of(to, copy->name);
    int status = pp_file_open(&copy->source, source, PP_FILE_READ);

    if (status == PP_OK)
        status = pp_file_size(copy->source, &copy->size);
    if (status == PP_OK)
        status = pp_file_open(&copy->target, target, PP_FILE_WRITE | PP_FILE_NEW);
    if (status == PP_OK)
        status = pp_port_attach(port, copy->source, 0);
    if (status == PP_OK)
        status = pp_port_attach(port, copy->target, 0);
    free(source);
    free(target);
    return status;
}

static void close_both(struct copy *copy)
{
    pp_close(copy->source);
    pp_close(copy->target);
    if (copy == current)
        current = NULL;
    free(copy);
}

/* Opens the next file that has a block to copy. Without handles for it that is left to the chains
 * that are busy, when they have closed theirs. */
static void open_next(void)
{
    current = NULL;
    while (current == NULL && walked != NULL) {
        struct entry *entry = walked;

        walked = entry->next;
        if (entry->kind != PP_ENTRY_FILE)
            continue;
        current = must_have(calloc(1, sizeof *current));
        current->name = entry->name;
        int status = open_both(current);
        if (status == PP_ELIMIT && busy > 0)
            walked = entry; /* later */
        else if (status != PP_OK)
            complain(entry->name, pp_strerror(status), pp_detail());
        copied += status == PP_OK && current->size == 0;
        if (status != PP_OK || current->size == 0)
            close_both(current);
        if (walked == entry)
            break;
    }
}

/* --- chains ----------------------------------------------------------------------------------- */

/* Takes a block that nobody has taken, and reads it. */
static void take_block(struct chain *chain)
{
    if (current == NULL || current->next == current->size)
        open_next();
    if (current == NULL)
        return; /* that was all */
    uint64_t left = current->size - current->next;
    chain->copy = current;
    chain->offset = current->next;
    chain->length = left < BLOCK ? (size_t)left : BLOCK;
    chain->writing = 0;
    current->next += chain->length;
    current->blocks++;
    busy++;
    must(pp_file_read_at(current->source, &chain->op, chain->buffer, chain->length, chain->offset),
         "reading");
}

static void end_block(struct chain *chain, int status)
{
    struct copy *copy = chain->copy;

    busy--;
    copy->blocks--;
    bytes += status == PP_OK ? chain->length : 0;
    if (status != PP_OK && copy->status == PP_OK) {
        const char *what =
            status == PP_EOF ? "it has shrunk while it was copied" : pp_strerror(status);

        complain(copy->name, what, "(what is there of the copy is not complete)");
        copy->status = status;
        copy->next = copy->size; /* no more of it */
    }
    if (copy->blocks == 0 && copy->next == copy->size) {
        copied += copy->status == PP_OK;
        close_both(copy);
    }
    take_block(chain);
}

static void on_ended(struct chain *chain)
{
    const pp_op *op = &chain->op;
    int status = op->status;

    if (status == PP_OK && op->bytes < chain->length)
        status = PP_EOF; /* a read that met the end; a write has all or an error */
    if (status != PP_OK || chain->writing) {
        end_block(chain, status);
        return;
    }
    chain->writing = 1;
    must(pp_file_write_at(chain->copy->target, &chain->op, chain->buffer, chain->length,
                          chain->offset),
         "writing");
}

static void copy_all(int count)
{
    struct chain *chains = must_have(calloc((size_t)count, sizeof *chains));
    pp_packet packet;

    for (int i = 0; i < count; i++) {
        chains[i].buffer = must_have(malloc(BLOCK));
        take_block(&chains[i]);
    }
    while (busy > 0) {
        must(pp_port_get(port, &packet, -1), "the port");
        on_ended(PP_CONTAINER(packet.op, struct chain, op));
        show(0);
    }
    show(1);
    for (int i = 0; i < count; i++)
        free(chains[i].buffer);
    free(chains);
}

static int usage(void)
{
    fprintf(stderr, "usage: copy_tree [-k 1..%d] FROM TO\n", CHAINS_MAX);
    return 2;
}

int main(int argc, char **argv)
{
    int chains = CHAINS, at = 1;

    argv = pp_program_begin(&argc, argv);
    if (argc == 5 && strcmp(argv[1], "-k") == 0) {
        chains = atoi(argv[2]);
        at = 3;
    }
    if (argc != at + 2 || chains < 1 || chains > CHAINS_MAX)
        return usage();
    from = argv[at];
    to = argv[at + 1];
    begin_ns = pp_now_ns();
    must(pp_port_open(&port, NULL), "the port");
    find_all();
    copy_all(chains);
    must(pp_port_shutdown(port, PP_SHUT_FAST, -1, NULL, NULL), "shutting down");
    pp_port_close(port);
    while (first != NULL) {
        struct entry *entry = first;

        first = entry->next;
        free(entry);
    }
    printf("%lu files, %lu folders, %llu bytes: %.2f s\n", copied, folders,
           (unsigned long long)bytes, (double)(pp_now_ns() - begin_ns) / 1e9);
    if (failed > 0)
        fprintf(stderr, "copy_tree: %lu failed\n", failed);
    return failed > 0;
}
