/* zmq_proxy.c: the usual broker made of libzmq: an XSUB/XPUB proxy.
 *
 *     zmq_proxy IN OUT
 *
 * XPUB_NODROP: a subscriber that is full holds the proxy up, where messages were dropped else. */
#include <stdio.h>
#include <zmq.h>

enum { HIGH_WATER = 1000, BACKLOG = 4096, SOCKETS_MAX = 15000 };

int main(int argc, char **argv)
{
    void *context = zmq_ctx_new();
    int high_water = HIGH_WATER, backlog = BACKLOG, yes = 1;

    if (argc != 3 || context == NULL) {
        fprintf(stderr, "usage: zmq_proxy IN OUT\n");
        return 2;
    }
    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, SOCKETS_MAX);
    void *in = zmq_socket(context, ZMQ_XSUB), *out = zmq_socket(context, ZMQ_XPUB);
    zmq_setsockopt(in, ZMQ_RCVHWM, &high_water, sizeof high_water);
    zmq_setsockopt(out, ZMQ_SNDHWM, &high_water, sizeof high_water);
    zmq_setsockopt(out, ZMQ_XPUB_NODROP, &yes, sizeof yes);
    zmq_setsockopt(in, ZMQ_BACKLOG, &backlog, sizeof backlog);
    zmq_setsockopt(out, ZMQ_BACKLOG, &backlog, sizeof backlog);
    if (zmq_bind(in, argv[1]) != 0 || zmq_bind(out, argv[2]) != 0) {
        fprintf(stderr, "zmq_proxy: %s\n", zmq_strerror(zmq_errno()));
        return 1;
    }
    zmq_proxy(in, out, NULL);
    return 0;
}
