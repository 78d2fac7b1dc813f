/* host.h: a program with a port and some threads, in which the tests of embedding run brokers. */
#ifndef HOST_H
#define HOST_H

#include <panpipe/broker.h>
#include <panpipe/client.h>

#include "support/support.h"

enum { THREADS = 3 };

int life_tests(void);
int use_tests(void);

struct host {
    pp_port *port;
    struct runner threads[THREADS];
    int count;
};

void host_open(struct host *host, int threads);
/* Shuts the port down, which ends what is left on it. */
void host_close(struct host *host);
/* Operations of the port's that are in flight, or whose callbacks have not returned. */
uint64_t outstanding(const struct host *host);

/* How a broker ended: config.context, config.on_stopped. */
struct ending {
    atomic_uint times;
    bool close; /* from on_stopped */
    bool refused_to_wait;
};
pp_broker_config config_of(const char *name, struct ending *ending);
pp_broker *open_broker(const struct host *host, const char *name, struct ending *ending);

/* A client with a thread of its own; and its subscription that counts. */
pp_client *open_client(const char *name);
void subscribe(pp_client *client, const char *pattern, atomic_uint *count);

#endif
