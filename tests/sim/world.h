/* world.h: what the simulator's files share: the pipes (pipes.c), the ports and the clock (sim.c),
 * and threads that take turns (turns.c), in programs that have them. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "sim/sim.h"

#include <panpipe/pipe.h>

#include "base/buf.h"
#include "base/list.h"
#include "io/driver.h"

enum { SIM_CAPACITY = 200 * 1024, SIM_BACKLOG = 128 };

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
    /* listeners */
    char path[PP_PATH_MAX];
    struct end *backlog[SIM_BACKLOG]; /* the servers' ends of connections not accepted yet */
    int waiting;
};

struct sim_port {
    struct ppi_list in_world;
    pp_port *port;
    uint64_t alarm_ns;
};

extern struct sim_world {
    struct sim_script script;
    uint64_t now_ns;
    uint32_t uid;
    struct ppi_list ends, ports, events;
} sim_world;

extern const struct ppi_pipe_driver sim_pipe_driver;

struct end *sim_end_new(pp_handle *handle);
struct end *sim_listener_at(const char *path);

#endif
