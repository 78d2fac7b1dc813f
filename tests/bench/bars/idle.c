/* idle.c: what an idle pipe costs of the library's memory. Two processes, one for each end:
 *
 *   bars_idle accept PATH COUNT [pooled]  listens, says "ready", and accepts
 *   bars_idle dial PATH COUNT [pooled]    connects
 *
 * Both have COUNT ends attached to one port, each with a read that waits (pooled: for a buffer of
 * the port's, too), and print what the process's own memory (RssAnon) grew by for each, in bytes.
 * The operations are the program's, and not in it. They leave when their standard input ends. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/pipe.h>

static pp_port *port;
static char bytes[1];

static void must(int status, const char *words)
{
    if (status >= 0)
        return;
    fprintf(stderr, "bars_idle: %s: %s: %s\n", words, pp_strerror(status), pp_detail());
    exit(1);
}

static long own_memory(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;

    while (file != NULL && kib < 0 && fgets(line, sizeof line, file) != NULL)
        sscanf(line, "RssAnon: %ld", &kib);
    if (file != NULL)
        fclose(file);
    must((int)kib, "RssAnon");
    return kib * 1024;
}

static void finish(int started)
{
    pp_packet packet;

    must(started, "start");
    if (started == PP_PENDING)
        must(pp_port_get(port, &packet, -1), "get");
    must(started == PP_PENDING ? packet.status : PP_OK, "operation");
}

static pp_handle *dial_one(const char *path)
{
    pp_op op = PP_OP_INIT;
    pp_handle *stream;

    must(pp_dial(&stream, path, NULL), "dial");
    must(pp_port_attach(port, stream, 0), "attach");
    finish(pp_connect(stream, &op));
    return stream;
}

static pp_handle *accept_one(pp_handle *listener)
{
    pp_op op = PP_OP_INIT;
    pp_handle *stream;

    finish(pp_accept(listener, &op, &stream));
    must(pp_port_attach(port, stream, 0), "attach");
    return stream;
}

int main(int argc, char **argv)
{
    int count = argc >= 4 ? atoi(argv[3]) : 0;
    bool pooled = argc == 5 && strcmp(argv[4], "pooled") == 0;
    pp_handle *listener = NULL;

    if (count < 1) {
        fprintf(stderr, "usage: bars_idle accept|dial PATH COUNT [pooled]\n");
        return 2;
    }
    pp_op *reads = malloc((size_t)count * sizeof *reads);
    must(reads != NULL ? PP_OK : PP_ENOMEM, "memory");
    for (int i = 0; i < count; i++) /* from here on their memory is there */
        reads[i] = (pp_op){ .user = reads };
    must(pp_port_open(&port, NULL), "port");
    if (strcmp(argv[1], "accept") == 0) {
        must(pp_listen(&listener, argv[2], NULL), "listen");
        must(pp_port_attach(port, listener, 0), "attach");
        puts("ready");
        fflush(stdout);
    }
    long before = own_memory();
    for (int i = 0; i < count; i++) {
        pp_handle *stream = listener != NULL ? accept_one(listener) : dial_one(argv[2]);

        must(pooled ? pp_read_pooled(stream, &reads[i], 0)
                    : pp_read(stream, &reads[i], bytes, sizeof bytes),
             "read");
    }
    pp_port_stats stats = { .size = sizeof stats };
    must(pp_port_info(port, &stats), "info");
    must(stats.pool_free == stats.pool_count ? PP_OK : PP_ELIMIT, "a buffer is in use");
    printf("%.0f\n", (double)(own_memory() - before) / count);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
