/* world.h: what the simulator's files share: the pipes (pipes.c), the ports and the clock (sim.c),
 * and threads that take turns (turns.c), in programs that have them. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "sim/sim.h"

#include <panpipe/pipe.h>

#include "base/buf.h"
#include "base/list.h"
#include "io/driver.h"
#include "io/sys.h"

enum { SIM_CAPACITY = 200 * 1024, SIM_BACKLOG = 128, SIM_LINE = 120, SIM_TOLD = 1024 * 1024 };

/* One end of a pipe, or a listener. */
struct end {
    pp_handle *handle; /* NULL: released */
    struct end *peer;  /* the other end; NULL: gone, or a listener */
    bool ended;        /* nothing more will come */
    bool heard;        /* something was read */
    uint32_t uid;      /* of who connected */
    struct ppi_buf in; /* bytes that came, not read yet */
    struct ppi_list in_world;
    struct ppi_list in_events; /* something may have become possible */
    uint64_t due_ns;           /* when the port hears of it */
    unsigned number;           /* for the log */
    /* listeners */
    char path[PP_PATH_MAX];
    struct end *backlog[SIM_BACKLOG]; /* the servers' ends of connections not accepted yet */
    int waiting, room;
};

struct sim_port {
    struct ppi_list in_world;
    pp_port *port;
    uint64_t alarm_ns;
    bool woken;                /* not passed on to a thread yet */
    struct sim_poller *newest; /* of the threads that wait in poll */
};

/* What threads that take turns do; see turns.h. */
struct sim_turns {
    void (*yield)(void);
    /* Until may_go_on(argument), or deadline_ns; false: that is over. Without locks. */
    bool (*wait)(bool (*may_go_on)(void *argument), void *argument, uint64_t deadline_ns);
    bool (*event_is_set)(const struct ppi_event *event);
    void (*event_reset)(struct ppi_event *event);
};

extern struct sim_world {
    struct sim_script script;
    uint64_t now_ns, seed, random;
    unsigned faults, ends_made;
    uint32_t uid;
    const struct sim_turns *turns; /* NULL: there is one thread, and the test decides */
    struct ppi_list ends, ports, events;
    struct {
        char text[SIM_TOLD];
        size_t size;
    } told;
} sim_world;

extern const struct ppi_pipe_driver sim_pipe_driver;

/* The next number below bound, by the seed. */
uint32_t sim_random(uint32_t bound);

/* Does what happens so often, of so many times, happen now? */
bool sim_happens(unsigned often, unsigned of);

/* When something happens by itself that a thread waits for; PPI_FOREVER: nothing will. */
uint64_t sim_next_ns(void);

struct end *sim_end_new(pp_handle *handle);
struct end *sim_listener_at(const char *path);

#endif
