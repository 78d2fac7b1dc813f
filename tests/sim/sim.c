#include "sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/status.h"
#include "io/handle.h"
#include "io/port.h"
#include "sim/world.h"
#include "support/random.h"

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

struct sim_poller {
    struct sim_port *own;
    struct sim_poller *older;
};

static bool is_due(const struct end *end, const pp_port *port)
{
    return end->handle->port == port && end->due_ns <= sim_world.now_ns;
}

static bool has_events(const pp_port *port)
{
    for (struct ppi_list *at = sim_world.events.next; at != &sim_world.events; at = at->next)
        if (is_due(PP_CONTAINER(at, struct end, in_events), port))
            return true;
    return false;
}

/* Tries the operations of every end of this port to which something has happened. */
static void see_events(pp_port *port)
{
    struct ppi_list later;

    ppi_list_init(&later);
    for (struct ppi_list *at; (at = ppi_list_take(&sim_world.events)) != NULL;) {
        struct end *end = PP_CONTAINER(at, struct end, in_events);
        pp_handle *handle = end->handle;

        if (!is_due(end, port)) {
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

/* Of the threads that wait, the newest; so the others are not woken for nothing. */
static bool may_return(void *argument)
{
    const struct sim_poller *poller = argument;
    const struct sim_port *own = poller->own;

    return own->newest == poller &&
           (own->woken || own->alarm_ns <= sim_world.now_ns || has_events(own->port));
}

static void wait_for_events(struct sim_port *own, uint64_t deadline_ns)
{
    struct sim_poller poller = { own, own->newest }, **at = &own->newest;

    own->newest = &poller;
    sim_world.turns->wait(may_return, &poller, deadline_ns);
    while (*at != &poller)
        at = &(*at)->older;
    *at = poller.older;
}

/* Without threads that take turns time does not pass here. */
static void sim_poll(pp_port *port, uint64_t deadline_ns)
{
    struct sim_port *own = port->driver_data;

    if (sim_world.turns != NULL && deadline_ns != 0)
        wait_for_events(own, deadline_ns);
    else if (sim_world.turns != NULL)
        sim_world.turns->yield();
    own->woken = false;
    see_events(port);
}

static void sim_wake(pp_port *port)
{
    ((struct sim_port *)port->driver_data)->woken = true;
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

    if (sim_world.turns != NULL)
        sim_world.turns->yield();
    if (status != PP_OK)
        return status;
    if (sim_listener_at(path) != NULL)
        return ppi_fail(PP_EINUSE, "the name is taken");
    *out = ppi_handle_new(PPI_LISTENER, &sim_pipe_driver);
    struct end *end = sim_end_new(*out);
    strcpy(end->path, path);
    bool few = config->backlog > 0 && config->backlog < SIM_BACKLOG;
    end->room = few ? (int)config->backlog : SIM_BACKLOG;
    return PP_OK;
}

static int sim_dial(pp_handle **out)
{
    *out = ppi_handle_new(PPI_STREAM, &sim_pipe_driver);
    return PP_OK;
}

static const struct ppi_transport sim_transport = { &sim_port_driver, sim_listen, sim_dial };

/* --- chance, and what happened ---------------------------------------------------------------- */

void sim_chance(uint64_t seed, unsigned faults)
{
    sim_world.seed = sim_world.random = seed;
    sim_world.faults = faults;
}

bool sim_happens(unsigned often, unsigned of)
{
    return often > 0 && sim_random(of) < often;
}

uint32_t sim_random(uint32_t bound)
{
    return random_below(&sim_world.random, bound);
}

void sim_log(const char *format, ...)
{
    char line[SIM_LINE];
    va_list arguments;

    if (sim_world.told.size > sizeof sim_world.told.text - SIM_LINE - 1)
        return;
    int length = snprintf(line, sizeof line, "%llu ", (unsigned long long)sim_world.now_ns);
    va_start(arguments, format);
    length += vsnprintf(line + length, sizeof line - (size_t)length, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof line - 1)
        length = sizeof line - 2;
    line[length] = '\n';
    memcpy(sim_world.told.text + sim_world.told.size, line, (size_t)length + 1);
    sim_world.told.size += (size_t)length + 1;
    sim_world.told.text[sim_world.told.size] = '\0';
}

const char *sim_told(void)
{
    return sim_world.told.text;
}

/* --- the world -------------------------------------------------------------------------------- */

void sim_begin(const struct sim_script *script)
{
    sim_world.script = *script;
    sim_world.now_ns = 1000000000u;
    sim_world.uid = 0;
    ppi_list_init(&sim_world.ends);
    ppi_list_init(&sim_world.ports);
    ppi_list_init(&sim_world.events);
    sim_world.ends_made = 0;
    sim_chance(0, 0);
    sim_world.told.size = 0;
    ppi_set_transport(&sim_transport);
}

void sim_become(uint32_t uid)
{
    sim_world.uid = uid;
}

bool sim_is_empty(void)
{
    return ppi_list_empty(&sim_world.ends) && ppi_list_empty(&sim_world.ports);
}

void sim_end(void)
{
    ppi_check(sim_is_empty());
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

/* The first event that its port has not heard of; PPI_FOREVER: none. */
static uint64_t next_due(void)
{
    uint64_t soonest_ns = PPI_FOREVER;

    for (struct ppi_list *at = sim_world.events.next; at != &sim_world.events; at = at->next) {
        const struct end *end = PP_CONTAINER(at, struct end, in_events);

        if (end->handle->port != NULL && end->due_ns > sim_world.now_ns && end->due_ns < soonest_ns)
            soonest_ns = end->due_ns;
    }
    return soonest_ns;
}

static uint64_t next_alarm(void)
{
    uint64_t soonest_ns = next_due();

    for (struct ppi_list *at = sim_world.ports.next; at != &sim_world.ports; at = at->next) {
        struct sim_port *own = PP_CONTAINER(at, struct sim_port, in_world);

        if (own->alarm_ns < soonest_ns)
            soonest_ns = own->alarm_ns;
    }
    return soonest_ns;
}

/* Alarms that are over have been seen, or nobody looks. */
uint64_t sim_next_ns(void)
{
    uint64_t soonest_ns = next_due();

    for (struct ppi_list *at = sim_world.ports.next; at != &sim_world.ports; at = at->next) {
        const struct sim_port *own = PP_CONTAINER(at, struct sim_port, in_world);

        if (own->newest != NULL && own->alarm_ns > sim_world.now_ns && own->alarm_ns < soonest_ns)
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
