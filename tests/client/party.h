/* party.h: clients of the library as the tests want them, and those who listen and serve. */
#ifndef PARTY_H
#define PARTY_H

#include <panpipe/client.h>

#include "e2e/bus.h"
#include "support/support.h"

int connect_tests(void);
int publish_tests(void);
int receive_tests(void);
int call_tests(void);
int wait_tests(void);
int end_tests(void);
int identity_tests(void);
int misuse_tests(void);
int load_tests(void);
int reconnect_tests(void);
int away_tests(void);
int flighty_tests(void);
int loss_tests(void);
int fork_tests(void);

/* A small MessagePack value, from text (support/text.h). */
struct bytes {
    uint8_t data[512];
    size_t size;
};
struct bytes bytes_of(const char *text, ...) PPI_PRINTF(1, 2);

/* Params that are larger: [bin of size bytes]. Free data. */
struct large {
    uint8_t *data;
    size_t size;
};
struct large large_of(size_t size);

/* The functions that take params, with text, waiting. */
int publish(pp_client *client, const char *subject, const char *params);
int call(pp_client *client, const char *subject, const char *params, pp_answer *answer);

/* A client with a thread of its own, of this broker. */
pp_client_config config_for(const struct bus *bus);
pp_client *open_client(const struct bus *bus);

/* A client on a port, connected in this thread. */
pp_client *open_on(pp_port *port, const struct bus *bus, pp_client_config config);

/* Works for the port until op has ended as a packet; its status. */
int work_until(pp_port *port, const pp_op *op);
/* The same until a condition holds. */
#define WORK_UNTIL(port, condition)                                                                \
    do {                                                                                           \
        uint64_t until_ns = ppi_deadline_ns(TEST_PATIENCE_MS);                                     \
        pp_packet worked;                                                                          \
        while (!(condition) && ppi_now_ns() < until_ns)                                            \
            pp_port_get(port, &worked, 5);                                                         \
        assert_true(condition);                                                                    \
    } while (0)

/* The end of such a port: nothing of a client is left on it. */
void close_port(pp_port *port);

/* Hears messages: [n], which must come as 0, 1, 2 ... */
struct listener {
    atomic_uint count;
    atomic_uint disorder;  /* how many were not the next one */
    unsigned next;         /* the callback's own */
    struct ppi_buf *lasts; /* if not NULL: where the last one's params go */
};
void on_message(void *listener, const pp_message *message);
pp_sub *listen_to(pp_client *client, const char *pattern, struct listener *listener);
/* The number in a message [n ...]. */
unsigned number_in(const pp_message *message);

/* Serves calls. */
struct server {
    pp_client *client;
    const char *error; /* answers with it; NULL: with the params */
    atomic_bool keeps; /* does not answer yet */
    atomic_uint calls;
    atomic_ullong last; /* the last call's id */
    atomic_uint cancels;
    atomic_ullong canceled; /* id of the last call that was canceled */
};
void on_call(void *server, const pp_message *message);
void on_cancel(void *server, uint64_t call);
pp_sub *serve(pp_client *client, const char *pattern, struct server *server);

/* How a client ended: config.context, config.on_closed. */
struct ending {
    atomic_int times, why;
    atomic_uint ops_after; /* operations that called back after it */
};
void on_closed(void *ending, pp_client *client, int why);

/* What a client was told of its connection: config.context, config.on_state. */
struct watcher {
    atomic_uint away, connected, ended; /* how often */
    atomic_int status;                  /* the last one that is not PP_OK */
    atomic_uint unconfirmed, unsent;    /* in all */
    atomic_uint repeated;               /* a state that it was told before, at once */
    atomic_int last;
};
void on_state(void *watcher, pp_client *client, const pp_client_event *event);

/* A client with a thread of its own, which is watched. */
pp_client_config config_watched(const struct bus *bus, struct watcher *watcher);
pp_client *open_watched(const struct bus *bus, struct watcher *watcher, uint32_t away_bytes);

/* An operation that calls back; user points to its struct. */
struct called {
    pp_op op;
    atomic_int times, status;
    struct ending *ending; /* may be NULL */
};
pp_op *start_called(struct called *called, struct ending *ending);

#endif
