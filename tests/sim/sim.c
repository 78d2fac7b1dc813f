#include "sim/sim.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/status.h"
#include "io/handle.h"
#include "io/port.h"
#include "sim/world.h"

struct sim_world sim_world;

/* --- ports ------------------------------------------------------------------------------------ */

static int sim_port_open(pp_port *port)
{
    struct sim_port *own = calloc(1, sizeof *own);

    ppi_check(own != NULL);
    own->port = port;
    own->alarm_ns = PPI_FOREVER;
    port->driver_data = own;
    ppi_list_append(&sim_world.ports, &own->in_world);
    return PP_OK;
}

static void sim_port_close(pp_port *port)
{
    struct sim_port *own = port->driver_data;

    ppi_list_remove(&own->in_world);
    free(own);
}

/* Tries the operations of every end of this port to which something has happened. */
static void sim_poll(pp_port *port, uint64_t deadline_ns)
{
    struct ppi_list later;

    (void)deadline_ns; /* time does not pass here */
    ppi_list_init(&later);
    for (struct ppi_list *at; (at = ppi_list_take(&sim_world.events)) != NULL;) {
        struct end *end = PP_CONTAINER(at, struct end, in_events);
        pp_handle *handle = end->handle;

        if (handle->port != port) {
            ppi_list_append(&later, at);
            continue;
        }
        ppi_handle_ref(handle);
        ppi_mutex_lock(&handle->lock);
        ppi_handle_retry(handle, PPI_IN);
        ppi_handle_retry(handle, PPI_OUT);
        ppi_handle_unlock(handle);
        ppi_handle_unref(handle);
    }
    for (struct ppi_list *at; (at = ppi_list_take(&later)) != NULL;)
        ppi_list_append(&sim_world.events, at);
}

static void sim_wake(pp_port *port)
{
    (void)port; /* there is one thread, and it is not waiting */
}

static void sim_alarm(pp_port *port, uint64_t deadline_ns)
{
    ((struct sim_port *)port->driver_data)->alarm_ns = deadline_ns;
}

uint64_t sim_now_ns(void)
{
    return sim_world.now_ns;
}

static const struct ppi_port_driver sim_port_driver = {
    .name = "sim",
    .open = sim_port_open,
    .close = sim_port_close,
    .poll = sim_poll,
    .wake = sim_wake,
    .alarm = sim_alarm,
    .now_ns = sim_now_ns,
};

static int sim_listen(pp_handle **out, const char *name, const pp_listen_config *config)
{
    char path[PP_PATH_MAX];
    int status = pp_pipe_path(name, config->scope, path, sizeof path);

    if (status != PP_OK)
        return status;
    if (sim_listener_at(path) != NULL)
        return ppi_fail(PP_EINUSE, "the name is taken");
    *out = ppi_handle_new(PPI_LISTENER, &sim_pipe_driver);
    strcpy(sim_end_new(*out)->path, path);
    return PP_OK;
}

static int sim_dial(pp_handle **out)
{
    *out = ppi_handle_new(PPI_STREAM, &sim_pipe_driver);
    return PP_OK;
}

static const struct ppi_transport sim_transport = { &sim_port_driver, sim_listen, sim_dial };

/* --- the world -------------------------------------------------------------------------------- */

void sim_begin(const struct sim_script *script)
{
    sim_world.script = *script;
    sim_world.now_ns = 1000000000u;
    sim_world.uid = 0;
    ppi_list_init(&sim_world.ends);
    ppi_list_init(&sim_world.ports);
    ppi_list_init(&sim_world.events);
    ppi_set_transport(&sim_transport);
}

void sim_become(uint32_t uid)
{
    sim_world.uid = uid;
}

void sim_end(void)
{
    ppi_check(ppi_list_empty(&sim_world.ends) && ppi_list_empty(&sim_world.ports));
    ppi_set_transport(NULL);
}

/* Lets every port work; true: something was done. */
static bool work(void)
{
    pp_packet packet;
    bool any = false;

    for (struct ppi_list *at = sim_world.ports.next; at != &sim_world.ports; at = at->next) {
        pp_port *port = PP_CONTAINER(at, struct sim_port, in_world)->port;
        uint64_t before = atomic_load(&port->delivered);

        while (pp_port_get(port, &packet, 0) == 1)
            ;
        pp_thread_detach();
        any = any || atomic_load(&port->delivered) != before;
    }
    return any;
}

static uint64_t next_alarm(void)
{
    uint64_t soonest_ns = PPI_FOREVER;

    for (struct ppi_list *at = sim_world.ports.next; at != &sim_world.ports; at = at->next) {
        struct sim_port *own = PP_CONTAINER(at, struct sim_port, in_world);

        if (own->alarm_ns < soonest_ns)
            soonest_ns = own->alarm_ns;
    }
    return soonest_ns;
}

bool sim_step(void)
{
    if (work())
        return true;
    uint64_t alarm_ns = next_alarm();
    if (alarm_ns == PPI_FOREVER)
        return false;
    if (alarm_ns > sim_world.now_ns)
        sim_world.now_ns = alarm_ns;
    return work() || next_alarm() != alarm_ns;
}

void sim_pass_ms(uint64_t milliseconds)
{
    uint64_t end_ns = sim_world.now_ns + milliseconds * PPI_NS_PER_MS;

    while (work() || next_alarm() <= end_ns)
        if (next_alarm() <= end_ns && next_alarm() > sim_world.now_ns)
            sim_world.now_ns = next_alarm();
    sim_world.now_ns = end_ns;
    work();
}
